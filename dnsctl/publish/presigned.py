"""Pre-signed zones: none is published that a validator would not accept.

The same for `check`, `plan`, a release, and `serve --zones`. Zones signed here pass a gate of their own,
where they are signed: see `dnsctl.sign.signer`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from dnsctl.model.finding import Finding, Severity, levelled
from dnsctl.model.name import Name, to_text
from dnsctl.model.zone import SignedZone
from dnsctl.publish.faults import ZonesWithErrorsError
from dnsctl.publish.intent import Progress, ZoneIntent, no_progress
from dnsctl.sign.presigned import Taken, take

MANY_SIGNATURES = 10_000  # half a second of signing or verifying

Before = Callable[[Name], SignedZone | None]  # a zone as it was published last


def nothing_before(_: Name) -> None:
    """Return that no zone was published yet."""


@dataclass(frozen=True)
class Passed:
    """The zones as they go out, and what is worth knowing of them."""

    zones: dict[Name, SignedZone]
    findings: tuple[Finding, ...]


def take_signed(
    wanted: Iterable[ZoneIntent],
    now: datetime,
    before: Before = nothing_before,
    workers: int = 1,
    progress: Progress = no_progress,
) -> dict[Name, Taken]:
    """Judge the pre-signed zones of `wanted`, with the levels that `checks` sets; an error refuses one.

    Signatures that the zone of `before` holds byte for byte were verified when it was published.
    """
    found: dict[Name, Taken] = {}
    for each in wanted:
        if each.presigned:
            origin = each.zone.origin
            stage = telling(progress, f"verify {to_text(origin)}")
            taken = take(each.zone, now, before(origin), workers, stage)
            findings = tuple(levelled(taken.findings, each.levels))
            refused = any(one.severity is Severity.ERROR for one in findings)
            found[origin] = taken._replace(zone=None if refused else taken.zone, findings=findings)
    return found


def pass_presigned(
    wanted: Iterable[ZoneIntent],
    now: datetime,
    before: Before = nothing_before,
    workers: int = 1,
    progress: Progress = no_progress,
) -> Passed:
    """Do the same for a release, before any other work is done: it takes all of them, or none.

    Raises ZonesWithErrorsError with every finding.
    """
    taken = take_signed(wanted, now, before, workers, progress)
    findings = tuple(each for one in taken.values() for each in one.findings)
    zones = {origin: one.zone for origin, one in taken.items() if one.zone is not None}
    if len(zones) < len(taken):
        raise ZonesWithErrorsError(findings)
    return Passed(zones, findings)


def telling(progress: Progress, stage: str) -> Callable[[int, int], None]:
    """Show progress of signatures only for a zone with so many that a person would wonder."""

    def tell(done: int, total: int) -> None:
        if total >= MANY_SIGNATURES:
            progress(stage, done, total)

    return tell
