"""What a release changes, as people and programs read it: `plan` and dry runs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from dnsctl.cli import output
from dnsctl.model.finding import by_position
from dnsctl.model.json_value import Json
from dnsctl.model.name import Name, to_relative_text, to_text
from dnsctl.model.rrset import RRset, Type, rdata_text, type_text
from dnsctl.publish.changes import RecordChange
from dnsctl.publish.changeset import Fate, ZoneChangeset
from dnsctl.publish.faults import ZonesWithErrorsError
from dnsctl.publish.guards import GuardVerdict

_SHOWN = 200  # RRsets of a new zone: all of it stands in its file anyway
_STYLES = {"+": "green", "-": "red", "~": "yellow", "!": "bold yellow"}


@contextmanager
def errors_listed() -> Iterator[None]:
    """List what was found in zones, as `check` does, before the one line of the failure."""
    try:
        yield
    except ZonesWithErrorsError as error:
        list_findings(error)
        raise error.below_its_findings() from None


def list_findings(error: ZonesWithErrorsError) -> None:
    """List what was found in zones that ended a release, warnings beside errors."""
    output.findings(by_position(error.findings), sys.stderr)


def print_zones(
    zones: Iterable[ZoneChangeset], guards: Iterable[GuardVerdict], most: int | None = None
) -> None:
    """Print every change, zone by zone, with what guards have against it; what is against all first.

    `most`: RRsets that are shown; of those beyond it, and of their zones, the number.
    """
    verdicts: dict[Name | None, list[GuardVerdict]] = {}
    for verdict in guards:
        verdicts.setdefault(verdict.zone, []).append(verdict)
    for verdict in verdicts.get(None, ()):
        output.styled(*_guard_line(verdict))
    wanted = list(zones)
    for place, zone in enumerate(wanted):
        if most is not None and most <= 0:
            output.line(_rest(wanted[place:]))
            return
        output.styled((_heading(zone), "bold"))
        for sign, text in _lines(zone, most):
            output.styled("  ", (sign, _STYLES.get(sign, "")), f" {text}")
        for verdict in verdicts.get(zone.origin, ()):
            output.styled("  ", *_guard_line(verdict))
        if most is not None:
            most -= max(1, len(zone.records))


def _rest(zones: Sequence[ZoneChangeset]) -> str:
    count = sum(len(each.records) for each in zones)
    return f"and {output.plural(len(zones), 'more zone')} with {output.plural(count, 'RRset')}"


def vouched_lines(approved: Sequence[str], rules: Sequence[str]) -> Iterator[str]:
    """Yield who approved a commit, and what it changes about who may release."""
    if approved:
        yield output.visible(f"Approved by {', '.join(approved)}")
    if rules:
        yield f"Changes who may release: {', '.join(rules)}"


def allowing(guards: Sequence[GuardVerdict]) -> str:
    """Return the options that let all of `guards` pass."""
    return " ".join(f"--allow {name}" for name in dict.fromkeys(each.guard for each in guards))


def _guard_line(verdict: GuardVerdict) -> tuple[tuple[str, str], str]:
    text = f"guard {verdict.guard}: {verdict.message}"
    advice = f"; {verdict.advice}" if verdict.advice else ""
    return ("!", _STYLES["!"]), f" {text}{advice}"


def guard_json(verdict: GuardVerdict) -> dict[str, Json]:
    """Return a verdict as `--json` prints it."""
    zone = to_text(verdict.zone) if verdict.zone is not None else None
    return {"guard": verdict.guard, "zone": zone, "message": verdict.message}


def _heading(zone: ZoneChangeset) -> str:
    serials = ""
    if zone.serial is not None:
        from_to = "" if zone.serial_before is None else f"{zone.serial_before} -> "
        serials = f", serial {from_to}{zone.serial} or later"
    return f"{to_text(zone.origin)} {zone.fate.value}{serials}"


def _lines(zone: ZoneChangeset, most: int | None) -> Iterator[tuple[str, str]]:
    """Yield (sign, text) of all that happens to a zone, but of RRsets at most `most`."""
    if zone.fate is Fate.REMOVED:
        yield "-", f"the zone with all its {output.plural(zone.rrsets_before, 'RRset')}"
    limit = _SHOWN if zone.fate is Fate.NEW and most is None else most
    shown = zone.records[:limit]
    for change in shown:
        yield from record_lines(change, to_relative_text(change.owner, zone.origin))
    if len(shown) < len(zone.records):
        where = " (all with --json)" if most is None else ""
        yield "+", f"and {len(zone.records) - len(shown)} more RRsets{where}"
    for event in zone.events:
        yield "~", f"DNSSEC: {event.message}"
    for effect in zone.effects:
        yield " ", f"({effect.message})"


def change_lines(zone: ZoneChangeset) -> Iterator[tuple[str, str]]:
    """Yield (sign, text) of all that happens to a zone; first its name and fate, without a sign."""
    yield "", _heading(zone)
    yield from _lines(zone, len(zone.records))


def print_change(change: RecordChange) -> None:
    """Print what becomes of one RRset, under its whole name."""
    for sign, text in record_lines(change, to_text(change.owner)):
        output.styled("  ", (sign, _STYLES.get(sign, "")), f" {text}")


def record_lines(change: RecordChange, owner: str) -> Iterator[tuple[str, str]]:
    """Yield (sign, text) of what becomes of one RRset; `owner`: its name as it is to be shown."""
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


def zone_json(zone: ZoneChangeset) -> dict[str, Json]:
    """Return a zone as `plan --json` prints it."""
    return {
        "zone": to_text(zone.origin),
        "fate": zone.fate.name.lower(),
        "serial": {"before": zone.serial_before, "after": zone.serial},
        "records": [
            {
                **change_json(each),
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


def change_json(change: RecordChange) -> dict[str, Json]:
    """Return what becomes of an RRset."""
    return {
        "change": change.kind,
        "owner": to_text(change.owner),
        "type": type_text(change.rdtype),
        "before": _rrset_json(change.before),
        "after": _rrset_json(change.after),
    }


def _rrset_json(one: RRset | None) -> dict[str, Json] | None:
    if one is None:
        return None
    return {"ttl": one.ttl, "values": [rdata_text(one.rdtype, rdata) for rdata in one.rdatas]}
