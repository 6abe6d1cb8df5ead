"""A verification of many zones, shared out among processes: decoding and validating is most of it.

Each process opens the image itself, asks every node about some of the zones, and reports; the reports become
one.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from dnsctl.errors import DnsctlError, InconclusiveError
from dnsctl.image.layout import ZoneEntry
from dnsctl.image.reader import Reader
from dnsctl.model.fleet import Node
from dnsctl.model.name import Name
from dnsctl.model.prctl import die_with_parent
from dnsctl.verify.anchor import NO_ANCHORS, Anchors
from dnsctl.verify.asking import SAMPLED_OWNERS, Asked, Asking, Progress, Told
from dnsctl.verify.consistency import entries_of, verify_by
from dnsctl.verify.report import NodeResult, Report

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess

_WORTH_FORKING = 2000  # RRsets: half a second of work for each of two processes

Reopen = Callable[[], AbstractContextManager[Reader]]


@dataclass(frozen=True)
class _Fleet:
    """What every process verifies its zones with."""

    nodes: Sequence[Node]
    manifest: str
    now: datetime
    anchors: Anchors
    zones: int  # of all processes together
    full: bool

    def verified(self, reader: Reader, zones: Collection[Name], progress: Progress | None) -> Report:
        entries = entries_of(reader, zones)

        def ask(told: Told) -> Iterator[Asked]:
            sampled = SAMPLED_OWNERS * len(zones) // max(1, self.zones)
            asking = Asking(reader, self.anchors, self.now, told, sampled)
            return asking.questions(entries, None, progress, full=self.full)

        return verify_by(ask, self.nodes, reader, entries)


def verify_by_processes(
    nodes: Sequence[Node],
    reopen: Reopen,
    processes: int,
    *,
    now: datetime,
    zones: Collection[Name] | None = None,
    full: bool = False,
    anchors: Anchors = NO_ANCHORS,
    progress: Progress | None = None,
) -> Report:
    """Ask for every RRset (`full`) or a sample, as `verify_fleet`, in up to `processes` where that is faster.

    `reopen` opens the image: it is open in no process that forks. Raises InconclusiveError as `verify_fleet`
    does, and where another release came meanwhile, or a process was killed.
    """
    if not nodes:
        raise InconclusiveError("no node to ask", advice="name a site of dnsctl.yaml that has nodes")
    with reopen() as reader:
        entries = entries_of(reader, zones)
        fleet = _Fleet(nodes, reader.manifest, now, anchors, len(entries), full)
        parts = parts_of(entries, processes)
        if len(parts) < 2:
            return fleet.verified(reader, [each.origin for each in entries], progress)
    started = time.monotonic()
    with _Processes(fleet, reopen, parts) as running:
        report = merged(running.reports(progress))
    return replace(report, seconds=time.monotonic() - started)


def parts_of(entries: Sequence[ZoneEntry], processes: int) -> list[set[Name]]:
    """Return the zones of each process, about as much work for each; one part where sharing takes longer."""
    if sum(each.rrsets for each in entries) < _WORTH_FORKING:
        processes = 1
    parts: list[set[Name]] = [set() for _ in range(max(1, min(processes, len(entries))))]
    loads = [0] * len(parts)
    for each in sorted(entries, key=lambda one: one.rrsets, reverse=True):
        least = loads.index(min(loads))
        parts[least].add(each.origin)
        loads[least] += each.rrsets
    return parts


class _Processes:
    """A process for each part. As a context manager: none outlives it."""

    def __init__(self, fleet: _Fleet, reopen: Reopen, parts: Sequence[Collection[Name]]) -> None:
        from multiprocessing import get_context  # noqa: PLC0415 - few verifications need processes

        context = get_context("fork")
        self._total = sum(map(len, parts))
        self._hearing: list[Connection] = []
        self._running: list[ForkProcess] = []
        for zones in parts:
            hear, tell = context.Pipe(duplex=False)
            process = context.Process(target=_part, args=(tell, os.getpid(), fleet, reopen, zones))
            process.start()
            tell.close()
            self._hearing.append(hear)
            self._running.append(process)

    def __enter__(self) -> _Processes:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            process.kill()  # it has told all it had to tell, or is not needed any more
            process.join()

    def reports(self, progress: Progress | None) -> list[Report]:
        """Return the report of each, when all are there."""
        from multiprocessing.connection import Connection, wait  # noqa: PLC0415 - as above

        done: dict[Connection, int] = {}
        reports: dict[Connection, Report] = {}
        while len(reports) < len(self._hearing):
            for each in wait([one for one in self._hearing if one not in reports]):
                assert isinstance(each, Connection)  # noqa: S101 - nothing else is waited for
                told = _heard(each)
                if isinstance(told, Report):
                    reports[each] = told
                    continue
                done[each] = told
                if progress is not None:
                    progress(sum(done.values()), self._total)
        return [reports[each] for each in self._hearing]


def _heard(connection: Connection) -> Report | int:
    try:
        told = connection.recv()
    except EOFError:
        raise InconclusiveError("a process that asked nodes was killed", advice="out of memory?") from None
    if isinstance(told, DnsctlError):
        raise told
    if not isinstance(told, (Report, int)):
        raise InconclusiveError("another release came meanwhile", advice="run it again")
    return told


def _part(tell: Connection, parent: int, fleet: _Fleet, reopen: Reopen, zones: Collection[Name]) -> None:
    """Be a process that verifies `zones`. None is told where the image holds another release."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches all: the parent decides
    die_with_parent(parent, signal.SIGKILL)
    try:
        with reopen() as reader:
            is_same = reader.manifest == fleet.manifest
            tell.send(fleet.verified(reader, zones, lambda done, _: tell.send(done)) if is_same else None)
    except DnsctlError as error:
        tell.send(error)


def merged(reports: Sequence[Report]) -> Report:
    """Return one report of several that asked the same nodes about different zones of one release."""
    first = reports[0]
    return replace(
        first,
        zones=sum(each.zones for each in reports),
        rrsets=sum(each.rrsets for each in reports),
        checked=sum(each.checked for each in reports),
        nodes=tuple(map(_node, zip(*(each.nodes for each in reports), strict=True))),
        faults=tuple(fault for each in reports for fault in each.faults),
        notes=tuple(note for each in reports for note in each.notes),
        more_faults=sum(each.more_faults for each in reports),
        one_decoder=sum(each.one_decoder for each in reports),
    )


def _node(results: Iterable[NodeResult]) -> NodeResult:
    """Return what came of one address. It is silent where it was so to one: not everything was asked."""
    found = list(results)
    return replace(
        found[0],
        silent=next((each.silent for each in found if each.silent), ""),
        answers=sum(each.answers for each in found),
        faults=sum(each.faults for each in found),
        expiry=min((each.expiry for each in found if each.expiry is not None), default=None),
        serials={zone: serial for each in found for zone, serial in each.serials.items()},
    )
