"""Zones that are signed and compiled as a whole: large ones one by one, many small ones side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from itertools import chain, groupby
from typing import NamedTuple

from dnsctl.image.compiler import CompiledZone, compile_zone
from dnsctl.image.layout import ZoneEntry
from dnsctl.model.overlay import Overlay
from dnsctl.model.zone import SignedZone
from dnsctl.publish.finish import finish
from dnsctl.publish.intent import Progress, ZoneIntent, no_progress
from dnsctl.publish.side_by_side import shared_out
from dnsctl.publish.within_zone import Made
from dnsctl.sign.keystore import SigningKey

_SMALL = 1000  # owners; a larger zone is signed by several processes, if it is worth it
_GROUP = 4000  # owners of small zones at a time: a second of work for two processes
_WORTH_FORKS = 200  # owners; with fewer, forks cost more than they bring


class Due(NamedTuple):
    """A zone that is to be made as a whole, and all that decides what it becomes.

    `previous`: as it was published last; `came_signed`: where it is pre-signed.
    """

    wanted: ZoneIntent
    signing: tuple[SigningKey, ...]
    serial: int
    source: str
    previous: SignedZone | None = None
    came_signed: SignedZone | None = None

    @property
    def owners(self) -> int:
        return len(self.wanted.zone.nodes)

    @property
    def is_apart(self) -> bool:
        """True for a small zone, all of it in memory: a fork must not read from an image (LMDB)."""
        nodes = self.wanted.zone.nodes
        return len(nodes) <= _SMALL and not self.wanted.presigned and not isinstance(nodes, Overlay)


class Whole(NamedTuple):
    """A zone as it is served."""

    zone: SignedZone
    compiled: CompiledZone

    @property
    def entry(self) -> ZoneEntry:
        return self.compiled.entry


def made_in_order(
    given: Iterable[Due | Made], now: datetime, workers: int, progress: Progress = no_progress
) -> Iterator[Whole | Made]:
    """Yield what becomes of each zone, in order, in `workers` processes; what is made already, as it is.

    May take more of `given` than it has yielded. Raises SigningError, ImageError.
    """
    for is_apart, run in groupby(given, lambda one: workers > 1 and isinstance(one, Due) and one.is_apart):
        if is_apart:
            yield from _side_by_side((one for one in run if isinstance(one, Due)), now, workers)
        else:
            yield from (_made(one, now, workers, progress) if isinstance(one, Due) else one for one in run)


def _side_by_side(due: Iterable[Due], now: datetime, workers: int) -> Iterator[Whole]:
    groups = _groups(due)
    first = next(groups)
    if len(first) == 1 or sum(one.owners for one in first) < _WORTH_FORKS:  # it is the only group then
        yield from (_made(one, now) for one in first)
        return
    for made in shared_out(chain((first,), groups), partial(_made, now=now), workers):
        yield from made


def _groups(due: Iterable[Due]) -> Iterator[list[Due]]:
    group: list[Due] = []
    owners = 0
    for one in due:
        group.append(one)
        owners += one.owners
        if owners >= _GROUP:
            yield group
            group, owners = [], 0
    if group:
        yield group


def _made(due: Due, now: datetime, workers: int = 1, progress: Progress = no_progress) -> Whole:
    signed = finish(
        due.wanted,
        due.signing,
        due.serial,
        now,
        previous=due.previous,
        came_signed=due.came_signed,
        workers=workers,
        progress=progress,
    )
    return Whole(signed, compile_zone(signed, due.source))
