"""Prove from outside that every node serves exactly the release, over real DNS.

`verify_responder` does the same to a name server that is a function, before a release leaves.

All addresses of all nodes are asked the same questions, a batch at a time; while one batch is judged, the
next is under way. Octets that came from two nodes alike are decoded and judged once, and counted for both.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import NamedTuple
from urllib.parse import urlsplit

from dnsctl.errors import RELEASE_FIRST, InconclusiveError, RefusalRule, WireFormatError
from dnsctl.image.layout import ZoneEntry
from dnsctl.image.reader import Reader
from dnsctl.model.fleet import Endpoint, Node
from dnsctl.model.name import Name, to_text
from dnsctl.model.rrset import Type
from dnsctl.verify.anchor import NO_ANCHORS, Anchors, Found
from dnsctl.verify.asking import Asked, Asking, Progress, Told
from dnsctl.verify.client import MIN_UDP_PAYLOAD, WINDOW, Channel, Reply
from dnsctl.verify.comparison import Mismatch
from dnsctl.verify.decoders import Answer, decode
from dnsctl.verify.direct import Direct, Respond
from dnsctl.verify.expectation import mismatches
from dnsctl.verify.report import Fault, NodeResult, Note, Report

RESPONDER = "release"  # what answers in this process, in reports
_IN_PROCESS = Node(RESPONDER, "", (), "")
KEPT_FAULTS = 1000  # a node that serves something else entirely fails at every question


@dataclass
class _Target:
    """One address under test, and its results so far."""

    node: Node
    channel: Channel | Direct
    answers: int = 0
    faults: int = 0
    expiry: int | None = None
    serials: dict[Name, int] = field(default_factory=dict)
    lost: set[Name] = field(default_factory=set)  # zones it does not serve at all: told once each

    def result(self) -> NodeResult:
        return NodeResult(
            self.node.name,
            self.node.site,
            self.channel.address,
            self.channel.silent,
            self.answers,
            self.faults,
            self.expiry,
            self.serials,
        )


class _Judged(NamedTuple):
    answer: Answer | None
    mismatches: tuple[Mismatch, ...]


def verify_fleet(
    nodes: Sequence[Node],
    reader: Reader,
    *,
    now: datetime,
    zones: Collection[Name] | None = None,
    full: bool = False,
    touched: Collection[Name] | None = None,
    anchors: Anchors = NO_ANCHORS,
    progress: Progress | None = None,
) -> Report:
    """Ask every address of `nodes` and compare with the release that `reader` holds.

    `zones`: these only. `full`: every RRset; `touched`, for right after a push: the apex, these owners and a
    few more, over UDP only; without either a sample. `anchors`: DS rdatas by apex, beside what a parent in
    the release publishes. Raises InconclusiveError where there is no release or no node to compare, or a
    zone is named that the release does not hold.
    """
    if not nodes:
        raise InconclusiveError("no node to ask", advice="name a site of dnsctl.yaml that has nodes")
    entries = entries_of(reader, zones)

    def ask(told: Told) -> Iterator[Asked]:
        return Asking(reader, anchors, now, told).questions(entries, touched, progress, full=full)

    return verify_by(ask, nodes, reader, entries)


def verify_by(
    ask: Callable[[Told], Iterator[Asked]],
    nodes: Sequence[Node],
    reader: Reader,
    entries: Sequence[ZoneEntry],
) -> Report:
    """Ask every address of `nodes` the questions about `entries` that `ask` yields.

    `ask` gets what is to hear of chains of trust.
    """
    started = time.monotonic()
    run = _Run(reader, [_Target(node, Channel(endpoint)) for node in nodes for endpoint in addresses(node)])
    run.over(ask(run.told))
    return run.report(entries, time.monotonic() - started)


def verify_responder(
    respond: Respond,
    reader: Reader,
    *,
    now: datetime,
    zones: Collection[Name],
    anchors: Anchors = NO_ANCHORS,
    progress: Progress | None = None,
) -> Report:
    """Ask `respond` for every RRset of `zones`, and compare with the release that `reader` holds.

    As `verify_fleet` with `full`; its one node is called `RESPONDER`.
    """
    started = time.monotonic()
    entries = entries_of(reader, zones)
    run = _Run(reader, [_Target(_IN_PROCESS, Direct(respond))])
    asking = Asking(reader, anchors, now, run.told)
    run.over(asking.questions(entries, None, progress, full=True))
    return run.report(entries, time.monotonic() - started)


def entries_of(reader: Reader, zones: Collection[Name] | None) -> list[ZoneEntry]:
    """Return the entries of `zones`, all if None, in the release. Raises InconclusiveError."""
    if not reader.generation:
        raise InconclusiveError(
            "nothing was released yet",
            advice=RELEASE_FIRST,
            rule=RefusalRule.NOTHING_RELEASED,
        )
    if zones is None:
        return list(reader.zones())
    entries = []
    for origin in sorted(zones):
        entry = reader.zone(origin)
        if entry is None:
            raise InconclusiveError(
                "the release holds no such zone",
                where=to_text(origin),
                advice="`dnsctl zone list` shows what there is; push what is new first",
                rule=RefusalRule.ZONE_UNKNOWN,
            )
        entries.append(entry)
    return entries


class _Run:
    """One verification: its targets, and what was found."""

    def __init__(self, reader: Reader, targets: Sequence[_Target]) -> None:
        self._reader = reader
        self._targets = targets
        self._faults: dict[Fault, None] = {}  # in the order they were found
        self._more = 0
        self._notes: list[Note] = []
        self._checked = 0
        self._one_decoder = 0

    def over(self, questions: Iterator[Asked]) -> None:
        """Ask everything: while one batch is judged, the next is under way."""
        with ExitStack() as channels:
            for target in self._targets:
                channels.enter_context(target.channel)
            under_way: list[Asked] = []
            while batch := list(islice(questions, WINDOW)) or under_way:
                replies = [target.channel.collect() for target in self._targets] if under_way else []
                if batch is not under_way:
                    self._post(batch)
                for at, asked in enumerate(under_way):
                    self._judge(asked, [each[at] for each in replies])
                under_way = batch if batch is not under_way else []

    def _post(self, batch: Sequence[Asked]) -> None:
        for target in self._targets:
            target.channel.post([asked.expectation.question for asked in batch])

    def report(self, entries: Sequence[ZoneEntry], seconds: float) -> Report:
        return Report(
            generation=self._reader.generation,
            manifest=self._reader.manifest,
            zones=len(entries),
            rrsets=sum(entry.rrsets for entry in entries),
            checked=self._checked,
            seconds=seconds,
            nodes=tuple(target.result() for target in self._targets),
            faults=tuple(self._faults),
            notes=tuple(self._notes),
            one_decoder=self._one_decoder,
            more_faults=self._more,
        )

    def told(self, origin: Name, found: Found) -> None:
        """Keep what is wrong, or worth knowing, about a zone's chain of trust."""
        for mismatch in found.mismatches:
            self._keep(Fault("release", "", origin, *mismatch))
        if found.note:
            self._notes.append(Note(origin, found.note))

    def _judge(self, asked: Asked, replies: Sequence[Reply]) -> None:
        """Judge one question's replies, alike octets once; then the nodes against each other."""
        compared = asked.zone.compared if asked.zone is not None and asked.verified else frozenset()
        before = len(compared)
        judged: dict[bytes, _Judged] = {}
        agreed: tuple[str, Answer] | None = None
        for target, reply in zip(self._targets, replies, strict=True):
            if target.channel.silent or asked.origin in target.lost:
                continue
            if reply.wire is None:
                self._found(target, asked, _mismatch("no-answer", asked, "an answer", reply.reason))
                continue
            content = reply.wire[2:]  # all but the message ID
            if content not in judged:
                judged[content] = _judge(asked, reply.wire)
            answer, mismatches = judged[content]
            self._count(target, asked, answer)
            for mismatch in (*mismatches, *_oversize(asked, reply)):
                self._found(target, asked, mismatch)
            if answer is None or mismatches:
                continue
            if agreed is None:
                agreed = (target.node.name, answer)
            elif answer is not agreed[1] and not answer.same_but_additional(agreed[1]):
                got = "other records in the authority section"
                self._found(target, asked, _mismatch("nodes-differ", asked, f"what {agreed[0]} answers", got))
        self._checked += len(compared) - before

    def _count(self, target: _Target, asked: Asked, answer: Answer | None) -> None:
        target.answers += 1
        if answer is None:
            return
        self._one_decoder += answer.decoders == 1
        expiry = answer.expiry()
        if expiry is not None and (target.expiry is None or expiry < target.expiry):
            target.expiry = expiry
        if asked.first:
            soa = next((one for one in answer.answer if one.rdtype == Type.SOA), None)
            if soa is not None:
                target.serials[asked.origin] = int.from_bytes(soa.rdata[-20:-16], "big")
            else:  # refused, or answered from a zone above
                target.lost.add(asked.origin)

    def _found(self, target: _Target, asked: Asked, mismatch: Mismatch) -> None:
        fault = Fault(target.node.name, target.channel.address, asked.origin, *mismatch)
        if fault not in self._faults:  # an RRset comes with several answers
            target.faults += 1
            self._keep(fault)

    def _keep(self, fault: Fault) -> None:
        if len(self._faults) < KEPT_FAULTS:
            self._faults[fault] = None
        else:
            self._more += 1


def _judge(asked: Asked, wire: bytes) -> _Judged:
    try:
        answer = decode(wire)
    except WireFormatError as error:
        return _Judged(None, (_mismatch("undecodable", asked, "a well-formed answer", str(error)),))
    return _Judged(answer, tuple(mismatches(asked.expectation, answer, asked.zone)))


def _oversize(asked: Asked, reply: Reply) -> Iterator[Mismatch]:
    limit = max(asked.expectation.question.payload, MIN_UDP_PAYLOAD)
    if reply.datagram > limit:
        yield _mismatch("too-large", asked, f"at most {limit} octets over UDP", f"{reply.datagram} octets")


def _mismatch(rule: str, asked: Asked, expected: str, got: str) -> Mismatch:
    question = asked.expectation.question
    return Mismatch(rule, question.qname, question.qtype, expected, got)


def addresses(node: Node) -> tuple[Endpoint, ...]:
    """Return where `node` can be asked: an unspecified address (0.0.0.0, ::) is that of its agent's URL."""
    found = []
    for endpoint in node.listen:
        if not ipaddress.ip_address(endpoint.address).is_unspecified:
            found.append(endpoint)
        elif host := urlsplit(node.control).hostname:
            found.append(Endpoint(_resolve(host, ":" in endpoint.address), endpoint.port))
    return tuple(found)


def _resolve(host: str, wide: bool) -> str:
    """Return an address of `host` of the wanted family, or `host` itself where it has none."""
    try:
        family = socket.AF_INET6 if wide else socket.AF_INET
        return str(socket.getaddrinfo(host, None, family, socket.SOCK_DGRAM)[0][4][0])
    except OSError:
        return host
