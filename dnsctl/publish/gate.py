"""The gate for zones that come signed: none goes into a release that a validator would not accept.

The same for `plan`, which makes nothing, and for `build`. Zones signed here pass a gate of their own, where
they are signed: see `dnsctl.sign.signer`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from dnsctl.image.reader import Reader
from dnsctl.model.finding import Finding
from dnsctl.model.name import Name, to_text
from dnsctl.model.zone import SignedZone
from dnsctl.publish.commit import ZonesWithErrorsError
from dnsctl.publish.intent import Progress, ZoneIntent, no_progress
from dnsctl.sign.presigned import take

MANY_SIGNATURES = 10_000  # half a second of signing or verifying


@dataclass(frozen=True)
class Passed:
    """The zones as they go out, and what is worth knowing of them."""

    zones: dict[Name, SignedZone]
    findings: tuple[Finding, ...]


def pass_presigned(
    wanted: Iterable[ZoneIntent],
    parent: Reader | None,
    now: datetime,
    workers: int = 1,
    progress: Progress = no_progress,
) -> Passed:
    """Judge those of `wanted` that come signed, all of them, before any other work is done.

    Signatures that `parent` holds byte for byte were verified when they were released. Raises
    ZonesWithErrorsError with every finding.
    """
    zones: dict[Name, SignedZone] = {}
    findings: list[Finding] = []
    refused = False
    for each in wanted:
        if not each.presigned:
            continue
        origin = each.zone.origin
        held = parent is not None and parent.zone(origin) is not None
        before = parent.signed_zone(origin) if parent is not None and held else None
        taken = take(each.zone, now, before, workers, telling(progress, f"verify {to_text(origin)}"))
        findings += taken.findings
        if taken.zone is None:
            refused = True
        else:
            zones[origin] = taken.zone
    if refused:
        raise ZonesWithErrorsError(tuple(findings))
    return Passed(zones, tuple(findings))


def telling(progress: Progress, stage: str) -> Callable[[int, int], None]:
    """Tell of signatures only where there are so many of one zone that a person would wonder."""

    def tell(done: int, total: int) -> None:
        if total >= MANY_SIGNATURES:
            progress(stage, done, total)

    return tell
