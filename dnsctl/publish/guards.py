"""Guards: changes that are rarely meant, and are refused until allowed by name with a reason.

`model.guard_names` has all of them. A first release and a new zone trip none but `ds-mismatch`. There is no
general "force": each guard is overridden by its name, and who did that, and why, is logged. Pure; malformed
data is for `validate`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from dnsctl.errors import RefusalRule, ReleaseRefusedError
from dnsctl.model import duration
from dnsctl.model.guard_limits import GuardLimits
from dnsctl.model.guard_names import DS_CHANGE, DS_MISMATCH, GUARDS, KEYS_MISSING
from dnsctl.model.name import ROOT, Name, from_text, to_text
from dnsctl.model.rrset import Type, type_text
from dnsctl.model.serial import distance
from dnsctl.publish.changeset import Fate, ZoneChangeset

SERIAL_JUMP: Final = (
    100_000_000  # three years of seconds; a change of serial policy passes it, an edit does not
)
TTL_JUMP_FACTOR: Final = 10
TTL_JUMP_ABOVE: Final = 86_400  # seconds: a day in caches can be waited for
_SHOWN = 3  # owners named in one message


class GuardVerdict(NamedTuple):
    """A guard's objection to a release. `guard` is a name of GUARDS; `zone` None: the whole release.

    `advice`: what to do if the change is not meant.
    """

    guard: str
    zone: Name | None
    message: str
    advice: str = ""

    def __str__(self) -> str:
        place = f"{to_text(self.zone)}: " if self.zone is not None else ""
        return f"{place}[{self.guard}] {self.message}"


class GuardRefusedError(ReleaseRefusedError):
    """Guards refuse a release. `verdicts`: all that are not allowed."""

    rule = RefusalRule.GUARD

    def __init__(self, verdicts: Sequence[GuardVerdict]) -> None:
        self.verdicts = tuple(verdicts)
        first = verdicts[0]
        names = sorted({each.guard for each in verdicts})
        more = f" (and {len(verdicts) - 1} more)" if len(verdicts) > 1 else ""
        super().__init__(
            f"guard {first.guard}: {first.message}{more}",
            where=to_text(first.zone) if first.zone is not None else "",
            advice=(f"{first.advice}; " if first.advice else "")
            + f"if that is meant, add {' '.join(f'--allow {each}' for each in names)} --reason TEXT",
        )


def judge(zones: Iterable[ZoneChangeset], limits: GuardLimits) -> tuple[GuardVerdict, ...]:
    """Return the guards' objections to a release, zones in their order, guards in the table's."""
    return tuple(
        GuardVerdict(guard, zone.origin, message)
        for zone in zones
        for guard, message in sorted(_judge(zone, limits), key=lambda each: list(GUARDS).index(each[0]))
    )


def enforce(verdicts: Iterable[GuardVerdict], allowed: Collection[str]) -> None:
    """Raise ReleaseRefusedError for the first verdict not allowed, or where `allowed` names no guard.

    `allowed`: as of `is_allowed`.
    """
    for name in allowed:
        guard, wanted, zone = name.partition("=")
        if wanted:
            from_text(zone, ROOT)  # raises for what is not a name
        if guard not in GUARDS:
            raise ReleaseRefusedError(
                f"{guard!r} is not a guard",
                advice=f"guards are {', '.join(GUARDS)}",
                rule=RefusalRule.GUARD_UNKNOWN,
            )
    refused = [verdict for verdict in verdicts if not is_allowed(allowed, verdict.guard, verdict.zone)]
    if not refused:
        return
    raise GuardRefusedError(refused)


def is_allowed(allowed: Collection[str], guard: str, zone: Name | None) -> bool:
    """True where `allowed` lets `guard` pass for `zone`: by its name, or by `GUARD=ZONE` for that zone."""
    if guard in allowed:
        return True
    named = (each.partition("=") for each in allowed)
    return zone is not None and any(
        name == guard and one and from_text(at, ROOT) == zone for name, one, at in named
    )


def _judge(zone: ZoneChangeset, limits: GuardLimits) -> Iterator[tuple[str, str]]:
    for event in zone.events:
        if event.name == DS_MISMATCH:
            yield DS_MISMATCH, event.message
    if zone.fate is Fate.NEW or zone.fate is Fate.CARRIED:
        return
    if zone.fate is Fate.REMOVED:
        yield "removed-zone", f"its {zone.rrsets_before} RRsets would no longer be served"
        return
    yield from _shares(zone, limits)
    if zone.emptied:
        yield (
            "emptied-zone",
            f"{zone.rrsets_before} RRsets would be deleted; only SOA and NS of the apex would stay",
        )
    if zone.emptied_owners:
        yield "emptied-owner", _emptied_owners(zone.emptied_owners)
    for change in zone.records:
        if change.owner == zone.origin and change.rdtype == Type.NS:
            yield "apex-ns", "the apex's NS RRset would change"
    for event in zone.events:
        if event.name == KEYS_MISSING:
            yield KEYS_MISSING, event.message
        elif event.ds_relevant:
            yield DS_CHANGE, event.message
    if zone.serial is not None and zone.serial_before is not None:
        yield from _serials(zone.serial_before, zone.serial)
    yield from _ttls(zone)


def _emptied_owners(owners: Sequence[Name]) -> str:
    shown = ", ".join(map(to_text, owners[:_SHOWN]))
    more = f" and {len(owners) - _SHOWN} more" if len(owners) > _SHOWN else ""
    return f"{shown}{more} would lose all records: the zone file has an empty list there"


def _serials(before: int, after: int) -> Iterator[tuple[str, str]]:
    ahead = distance(after, before)
    if ahead < 0:
        yield "serial-jump", f"serial {after} is not after {before}"
    elif ahead > SERIAL_JUMP:
        yield "serial-jump", f"serial {after} is {ahead} after {before}"
    elif ahead == 0:
        yield (
            "serial-jump",
            f"contents change but serial {after} does not, so secondaries will not see the change",
        )


def _shares(zone: ZoneChangeset, limits: GuardLimits) -> Iterator[tuple[str, str]]:
    total = zone.rrsets_before
    if total < limits.minimum:
        return
    for guard, kind, limit in (("deletes", "delete", limits.deletes), ("updates", "update", limits.updates)):
        count = sum(change.kind == kind for change in zone.records)
        if count > limit * total:
            yield guard, f"{count} of {total} RRsets ({count / total:.0%}, allowed are {limit:.0%})"


def _ttls(zone: ZoneChangeset) -> Iterator[tuple[str, str]]:
    grown = [
        change
        for change in zone.records
        if change.before is not None
        and change.after is not None
        and change.after.ttl > max(TTL_JUMP_ABOVE, change.before.ttl * TTL_JUMP_FACTOR)
    ]
    if grown:
        shown = ", ".join(
            f"{to_text(change.owner)} {type_text(change.rdtype)} to {duration.to_text(change.after.ttl)}"
            for change in grown[:_SHOWN]
            if change.after is not None
        )
        more = f" and {len(grown) - _SHOWN} more" if len(grown) > _SHOWN else ""
        yield "ttl-jump", f"TTL of {shown}{more}"
