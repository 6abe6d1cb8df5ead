"""`dnsctl plan`: what a push would change, told without making a key, a signature or a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from dnsctl.cli import output
from dnsctl.cli.context import Context, JsonOption, here
from dnsctl.cli.stages import stages
from dnsctl.image.store import Image
from dnsctl.load.config import load_config
from dnsctl.load.revision import Revision, is_dirty
from dnsctl.model.finding import Severity
from dnsctl.model.name import to_relative_text, to_text
from dnsctl.model.rrset import RRset, Type, rdata_text, type_text
from dnsctl.release.changes import RecordChange
from dnsctl.release.commit import ZonesWithErrorsError, intent_of
from dnsctl.release.guards import GuardVerdict, judge
from dnsctl.release.intent import Intent, Progress
from dnsctl.release.survey import Fate, Survey, ZoneSurvey, compare, survey
from dnsctl.sign.keystore import Keystore

CHANGES = 2  # exit code: there is something to release
_RELEASED = ("dnsctl.yaml", "zones")  # what a commit is released from
_SHOWN = 200  # RRsets of a new zone: all of it stands in its file anyway
_STYLES = {"+": "green", "-": "red", "~": "yellow", "!": "bold yellow"}


@dataclass(frozen=True)
class _Plan:
    """What is shown. `against` says what the commit was compared with."""

    commit: str | None
    against: dict[str, Any]
    survey: Survey
    guards: tuple[GuardVerdict, ...]


def register(app: typer.Typer) -> None:
    app.command(
        "plan",
        epilog=output.examples(
            "dnsctl plan", "dnsctl plan --rev release-2026-11", "dnsctl plan --against main --json"
        ),
    )(plan)


def plan(
    ctx: typer.Context,
    rev: Annotated[str, typer.Option("--rev", metavar="REV", help="The commit to plan for.")] = "HEAD",
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="REV", help="Compare with a commit, not with the last release."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a push would change. Exit code 0 for nothing, 2 for changes, 1 for an error."""
    context = here(ctx)
    with stages() as progress:
        made = _made(context, rev, against, progress)
    if rev == "HEAD":
        _warn_if_dirty(context)
    if as_json:
        output.json_result(_to_json(made))
    else:
        _print(made)
    if made.survey.zones:
        raise typer.Exit(CHANGES)


def _made(context: Context, rev: str, against: str | None, progress: Progress) -> _Plan:
    intent = _intent(context, rev, progress)
    if against is not None:
        other = _intent(context, against, progress)
        surveyed = compare(other, intent)
        told: dict[str, Any] = {"commit": other.commit}
    else:
        told, surveyed = _against_release(context, intent, progress)
    return _Plan(intent.commit, told, surveyed, judge(surveyed.zones, intent.limits))


def _intent(context: Context, rev: str, progress: Progress) -> Intent:
    source = Revision(context.root, rev)
    try:
        return intent_of(source, load_config(source), progress)
    except ZonesWithErrorsError as error:
        errors = [each for each in error.findings if each.severity is Severity.ERROR]
        output.findings(output.by_position(errors), output.messages())
        raise
    finally:
        source.close()


def _against_release(context: Context, intent: Intent, progress: Progress) -> tuple[dict[str, Any], Survey]:
    keystore = Keystore(context.keys, _no_passphrase)
    now = datetime.now(UTC)
    if not (context.image / "data.mdb").exists():
        return {"generation": 0, "manifest": None}, survey(intent, keystore, None, now, progress)
    with Image.open(context.image) as image, image.reader() as reader:
        told = {"generation": reader.generation, "manifest": reader.manifest or None}
        return told, survey(intent, keystore, reader, now, progress)


def _no_passphrase() -> bytes:
    raise AssertionError("a plan opens no private key")


def _warn_if_dirty(context: Context) -> None:
    changed = is_dirty(context.root, _RELEASED)
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        output.say(f"warning: {changed[0]}{more} not as in HEAD; this is the plan of the commit")


def _print(made: _Plan) -> None:
    console = output.results()
    for zone in made.survey.zones:
        console.print(Text(output.visible(_heading(zone)), style="bold"))
        for sign, text in _lines(zone):
            console.print(Text.assemble("  ", (sign, _STYLES.get(sign, "")), " ", output.visible(text)))
        for verdict in made.guards:
            if verdict.zone == zone.origin:
                text = f"guard {verdict.guard}: {verdict.message}"
                console.print(Text.assemble("  ", ("!", _STYLES["!"]), " ", output.visible(text)))
    if made.guards:
        allows = " ".join(f"--allow {name}" for name in dict.fromkeys(each.guard for each in made.guards))
        output.line(f"A push would be refused; if it is meant: dnsctl push {allows} --reason TEXT")
    output.line(_summary(made))


def _heading(zone: ZoneSurvey) -> str:
    serials = ""
    if zone.serial is not None:
        from_to = "" if zone.serial_before is None else f"{zone.serial_before} -> "
        serials = f", serial {from_to}{zone.serial} or later"
    return f"{to_text(zone.origin)} {zone.fate.value}{serials}"


def _lines(zone: ZoneSurvey) -> Iterator[tuple[str, str]]:
    """Yield (sign, text) of all that happens to a zone."""
    if zone.fate is Fate.REMOVED:
        yield "-", f"the zone with all its {output.plural(zone.rrsets_before, 'RRset')}"
    shown = zone.records[:_SHOWN] if zone.fate is Fate.NEW else zone.records
    for change in shown:
        yield from _record_lines(change, zone)
    if len(shown) < len(zone.records):
        yield "+", f"and {len(zone.records) - len(shown)} more RRsets (all with --json)"
    for event in zone.events:
        yield "~", f"DNSSEC: {event.message}"
    for effect in zone.effects:
        yield " ", f"({effect.message})"


def _record_lines(change: RecordChange, zone: ZoneSurvey) -> Iterator[tuple[str, str]]:
    owner = to_relative_text(change.owner, zone.origin)
    before, after = change.before, change.after
    if before is None or after is None:
        one, sign = (after, "+") if before is None else (before, "-")
        for rdata in one.rdatas if one is not None else ():
            yield sign, f"{owner} {one.ttl} {_record(change.rdtype, rdata)}" if one is not None else ""
        return
    ttl = f"{before.ttl}" if before.ttl == after.ttl else f"{before.ttl} -> {after.ttl}"
    yield "~", f"{owner} {ttl} {type_text(change.rdtype)}"
    for sign, one, other in (("-", before, after), ("+", after, before)):
        for rdata in one.rdatas:
            if rdata not in other.rdatas:
                yield " ", f"  {sign} {_record(change.rdtype, rdata)}"


def _record(rdtype: int, rdata: bytes) -> str:
    text = rdata_text(rdtype, rdata)
    if rdtype == Type.SOA:  # the release chooses the serial; the one in the file would mislead
        mname, rname, _, intervals = text.split(" ", 3)
        text = f"{mname} {rname} SERIAL {intervals}"
    return f"{type_text(rdtype)} {text}"


def _totals(made: _Plan) -> dict[str, int]:
    kinds = [change.kind for zone in made.survey.zones for change in zone.records]
    return {
        "zones": len(made.survey.zones),
        "unchanged": made.survey.carried,
        "added": kinds.count("add"),
        "deleted": kinds.count("delete"),
        "updated": kinds.count("update"),
    }


def _summary(made: _Plan) -> str:
    commit = (made.commit or "work tree")[:12]
    other = (
        f"generation {made.against['generation']}"
        if "generation" in made.against
        else f"commit {made.against['commit'][:12]}"
    )
    if not made.survey.zones:
        return f"Nothing to release: commit {commit} is what {other} holds"
    totals = _totals(made)
    return (
        f"Commit {commit} against {other}: {output.plural(totals['zones'], 'zone')} of"
        f" {totals['zones'] + totals['unchanged']}; RRsets: {totals['added']} to add,"
        f" {totals['updated']} to update, {totals['deleted']} to delete{_removed(made)}"
    )


def _removed(made: _Plan) -> str:
    """Tell of zones that go as a whole, whose RRsets are in no other count."""
    gone = [zone.rrsets_before for zone in made.survey.zones if zone.fate is Fate.REMOVED]
    return f"; {output.plural(len(gone), 'zone')} with all {sum(gone)} RRsets removed" if gone else ""


def _to_json(made: _Plan) -> dict[str, Any]:
    return {
        "commit": made.commit,
        "against": made.against,
        "totals": _totals(made),
        "zones": [_zone_json(zone) for zone in made.survey.zones],
        "guards": [
            {"guard": each.guard, "zone": to_text(each.zone), "message": each.message} for each in made.guards
        ],
    }


def _zone_json(zone: ZoneSurvey) -> dict[str, Any]:
    return {
        "zone": to_text(zone.origin),
        "fate": zone.fate.name.lower(),
        "serial": {"before": zone.serial_before, "after": zone.serial},
        "records": [
            {
                "change": each.kind,
                "owner": to_text(each.owner),
                "type": type_text(each.rdtype),
                "before": _rrset_json(each.before),
                "after": _rrset_json(each.after),
                "position": str(each.after.position) if each.after and each.after.position else None,
            }
            for each in zone.records
        ],
        "dnssec": [
            {"event": each.name, "message": each.message, "ds_relevant": each.ds_relevant}
            for each in zone.events
        ],
        "effects": [
            {"effect": each.name, "owner": to_text(each.owner), "message": each.message}
            for each in zone.effects
        ],
    }


def _rrset_json(one: RRset | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {"ttl": one.ttl, "values": [rdata_text(one.rdtype, rdata) for rdata in one.rdatas]}
