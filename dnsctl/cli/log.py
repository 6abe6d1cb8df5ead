"""`dnsctl log`: the releases, the newest first; with a name, those that changed its records, and how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

import dns.rdatatype
import typer

from dnsctl.cli import output
from dnsctl.cli.context import Context, domain_name
from dnsctl.cli.output.changes import change_json, print_change
from dnsctl.cli.output.settings import named
from dnsctl.control.generations import Ending, Generation, generations
from dnsctl.control.owner_history import Touched, touching
from dnsctl.errors import DnsctlError
from dnsctl.load.ancestry import Commit, described
from dnsctl.model.guard_names import GUARDS
from dnsctl.model.json_value import Json
from dnsctl.model.name import Name, to_text
from dnsctl.model.timestamp import stamp
from dnsctl.release.archive import Archive

_SHOWN_ZONES = 5
_SHOWN_GUARDS = 5  # objections of one guard
_SHOWN_CHANGES = 20  # of one release; all with --json
_ENDINGS: dict[Ending, str] = {
    "served": "served and verified",
    "partly": "served, but not by every node",
    "unverified": "failed verification",
    "not verified": "served, not verified",
    "rolled back": "failed verification, and was rolled back",
    "unknown": "released; how it ended is not in the log of this host",
}


@dataclass(frozen=True)
class Entry:
    """A release with its commit, and what it changed at the name that was asked for."""

    generation: Generation
    commit: Commit | None
    touched: Touched | None


def log(context: Context, name: str | None, rdtype: str | None, limit: int, *, as_json: bool) -> None:
    """Print at most `limit` releases (0: all); with `name`, those that changed it, or its `rdtype`."""
    context.require_repo()
    with output.stages() as progress:
        listed = generations(context.root)
        touched: dict[int, Touched] = {}
        if name is not None:
            all_known = {each.number: each for each in listed}
            manifests = [each.manifest for each in all_known.values()]
            wanted = (domain_name(name), _type(rdtype) if rdtype is not None else None)
            found = touching(Archive(context.state.archive), manifests, *wanted, progress)
            touched = {each.manifest.generation: each for each in islice(found, limit or None)}
            listed = (all_known[each] for each in touched)
        shown = list(islice(listed, limit or None))
    entries = list(_entries(context, shown, touched))
    if as_json:
        output.json_result({"generations": [_to_json(each) for each in entries]})
        return
    for each in entries:
        _print(each)
    if not entries:
        output.say(
            "this host knows of no release yet" if name is None else "no release of this host changed it"
        )


def _type(text: str) -> int:
    try:
        return int(dns.rdatatype.from_text(text))
    except (dns.rdatatype.UnknownRdatatype, ValueError):
        raise typer.BadParameter(f"{text} is not a type", param_hint="TYPE") from None


def _entries(context: Context, shown: list[Generation], touched: dict[int, Touched]) -> Iterator[Entry]:
    ids = [each.manifest.commit for each in shown if each.manifest.commit is not None]
    try:
        commits = described(context.root, ids)
    except DnsctlError as error:
        output.say(f"commits are shown by their ids alone: {error}")
        commits = {}
    for each in shown:
        yield Entry(each, commits.get(each.manifest.commit or ""), touched.get(each.number))


def _print(entry: Entry) -> None:
    made = entry.generation
    output.styled((f"generation {made.number}", "bold"), f" {_when(made)} {_who(made)}")
    output.line(f"  commit {_commit(entry)}")
    if made.reason:
        output.styled(f"  reason: {made.reason}")
    for each in let_pass(made.allowed):
        output.styled("  let pass: ", (each, "yellow"))
    if made.approved:
        output.styled(f"  approved by {', '.join(made.approved)}")
    output.line(f"  changed: {_changed(made)}")
    output.styled(f"  {_ended(made)}")
    if entry.touched is not None:
        _print_touched(entry.touched)


def let_pass(allowed: Iterable[str]) -> Iterator[str]:
    """Yield the first objections of each guard, and how many more it has."""
    by_guard: dict[str, list[str]] = {}
    for each in allowed:
        guard = next((name for name in GUARDS if f"[{name}]" in each), "")
        by_guard.setdefault(guard, []).append(each)
    for guard, told in by_guard.items():
        yield from told[:_SHOWN_GUARDS]
        if len(told) > _SHOWN_GUARDS:
            yield f"and {len(told) - _SHOWN_GUARDS} more of [{guard}] (more with --json)"


def _when(made: Generation) -> str:
    return datetime.fromtimestamp(made.manifest.created, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _who(made: Generation) -> str:
    return f"{made.action} by {made.actor}" if made.actor else "released by another host"


def _commit(entry: Entry) -> str:
    found = entry.commit
    if found is None:
        text = entry.generation.manifest.commit
        return f"{text[:12]}, which is not in this clone" if text else "none"
    return output.visible(f'{found.id[:12]} "{found.subject}" of {found.author}')


def _changed(made: Generation) -> str:
    manifest = made.manifest
    counts = made.counts
    rrsets = (
        f"{output.plural(counts['added'], 'RRset')} added,"
        f" {counts['updated']} updated, {counts['deleted']} deleted; "
        if counts is not None and any(counts[each] for each in ("added", "updated", "deleted"))
        else ""
    )
    texts = [_zones("released", manifest.zones), _zones("removed", manifest.removed)]
    if made.rules:
        texts.append(output.visible(f"who may release ({', '.join(made.rules)})"))
    if made.settings:
        texts.append(named(made.settings))
    return rrsets + "; ".join(each for each in texts if each)


def _zones(what: str, zones: Iterable[Name]) -> str:
    from_names = sorted(map(to_text, zones))
    if not from_names:
        return ""
    more = f" and {len(from_names) - _SHOWN_ZONES} more" if len(from_names) > _SHOWN_ZONES else ""
    return output.visible(f"{what} {', '.join(from_names[:_SHOWN_ZONES])}{more}")


def _ended(made: Generation) -> str:
    without = f"; without site {made.without}" if made.without else ""
    missed = f"; not reached: {', '.join(made.missed)}" if made.missed else ""
    return f"{_ENDINGS[made.ending]}{without}{missed}"


def _print_touched(touched: Touched) -> None:
    for zone in touched.removed:
        output.styled("  ", ("-", "red"), f" zone {to_text(zone)}")
    for change in touched.changes[:_SHOWN_CHANGES]:
        print_change(change)
    more = len(touched.changes) - _SHOWN_CHANGES
    if more > 0:
        output.line(f"    and {more + touched.more} more RRsets (more with --json)")
    if not touched.complete:
        output.line("    and what cannot be told: the release before is not in the archive of this host")


def _to_json(entry: Entry) -> dict[str, Json]:
    made, manifest, touched = entry.generation, entry.generation.manifest, entry.touched
    commit = entry.commit
    told: dict[str, Json] = {
        "generation": made.number,
        "created": stamp(datetime.fromtimestamp(manifest.created, UTC)),
        "manifest": manifest.digest,
        "commit": manifest.commit,
        "subject": commit.subject if commit else None,
        "author": commit.author if commit else None,
        "actor": made.actor or None,
        "action": made.action or None,
        "reason": made.reason,
        "allowed": list(made.allowed),
        "approved": list(made.approved),
        "rules": list(made.rules),
        "settings": list(made.settings),
        "without": made.without,
        "zones": sorted(map(to_text, manifest.zones)),
        "removed": sorted(map(to_text, manifest.removed)),
        "counts": dict(made.counts) if made.counts is not None else None,
        "activated": list(made.activated),
        "missed": dict(made.missed),
        "ending": made.ending.replace(" ", "-"),
    }
    if touched is not None:
        told["records"] = [change_json(each) for each in touched.changes]
        told["more"] = touched.more
        told["complete"] = touched.complete
    return told
