"""Count queries at next to no cost: one list item a query, folded into the process's block now and then.

Queries that count alike (type, flags, response code, kind of answer, zone) are of one *class*, a small number
that is found when an answer is made and kept with the cached answer. A query found in the cache then costs
`counts[class] += 1`. `fold` spreads the counts over the cells of the block: four times a second under load,
and when the worker is idle. A killed process loses what it had not folded.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from itertools import repeat
from typing import Final, NamedTuple

from dnsctl.model.name import Name
from dnsctl.serve.message.edns import OPT_HEAD, opt_record
from dnsctl.serve.message.kind import Kind
from dnsctl.serve.message.query import TC, Rcode, parse
from dnsctl.serve.metrics import counters
from dnsctl.serve.metrics.counters import IDLE_SECONDS, Block

FOLD_EVERY: Final = 250_000_000  # nanoseconds
SAMPLE_EVERY: Final = 64  # batches; of one of them the time is taken
MAX_EVERY: Final = 8  # batches between two looks at the clock
LONGEST_SILENCE: Final = 1.25 * MAX_EVERY * IDLE_SECONDS  # between two folds, where load ends abruptly
MAX_CLASSES: Final = 32_768  # beyond it, queries are counted without their zone
MAX_FORMS: Final = 8192  # queries' forms whose class is remembered; hostile clients make up many
_HEADER: Final = 12
_TC: Final = TC >> 8  # of the third octet
_OPT_FLAGS: Final = 9  # octets of an OPT record up to the end of its flags
_SERVED: Final = frozenset((0, 3, 6))  # NOERROR, NXDOMAIN, YXDOMAIN: answered from a zone
# Kinds by their place in `KIND_NAMES`
_LABELS: Final = {
    kind: counters.KIND_NAMES.index(label)
    for kind, label in {
        Kind.DATA: "data",
        Kind.SYNTHESIZED: "data",
        Kind.NXDOMAIN: "name_error",
        Kind.NODATA: "no_data",
        Kind.REFERRAL: "referral",
        Kind.OTHER: "other",
    }.items()
}
# Counts of one question, alone or with one more record: an OPT stands right behind the question
_PLAIN: Final = frozenset((b"\0\1\0\0\0\0\0\0", b"\0\1\0\0\0\0\0\1"))
# Octets 2 to 11 of a response; of the query type, class and head of OPT; zone; kind
_Form = tuple[bytes, bytes, Name | None, Kind]


def is_silent(block: Block, longest: float | None = None) -> bool:
    """True where the process that counts in `block` has given no sign of life for `longest` seconds.

    By default for longer than one that answers queries ever waits: it hangs, or the machine stood still.
    """
    silent = time.perf_counter_ns() - block.cells[counters.ALIVE]  # the same clock in all processes
    return silent > (LONGEST_SILENCE if longest is None else longest) * 1_000_000_000


class _Facts(NamedTuple):
    """What queries of one class have in common."""

    rdtype: int
    opcode: int
    rcode: int
    kind: Kind
    edns: bool
    do: bool
    truncated: bool
    zone: Name | None


class Tally:
    """Counts for one process. `counts` by class may be added to by anybody in the process; nothing else."""

    def __init__(self, block: Block | None = None, *, by_zone: bool = True) -> None:
        self.block = block or Block()
        self._by_zone = by_zone
        self.counts: list[int] = [0]
        self._cells: list[tuple[int, ...]] = [()]  # by class
        self._facts: list[_Facts] = [_Facts(counters.OTHER_TYPE, 0, 0, Kind.OTHER, False, False, False, None)]
        self._classes: dict[_Facts, int] = {}
        self.forms: dict[_Form, int] = {}
        self._zones = dict(self.block.zones())
        self.missed = 0  # UDP queries that were not in the cache
        self.ipv6 = 0  # UDP queries over IPv6
        self.ignored = 0
        self.dropped = 0  # by the rate limit
        self.slipped = 0
        self.unsent = 0
        self._streamed = [0, 0]  # queries over streams by IPv4 and by IPv6
        self.untimed = repeat(0, 0)  # as many items as batches until `turned` is to be called
        self._every = 1
        self._sampled = 0  # batches since the last that was timed
        self._due = 0

    def begin(self) -> None:
        """Note in the block that this process has started."""
        cells = self.block.cells
        cells[counters.PID] = os.getpid()
        cells[counters.STARTED] = time.time_ns()
        cells[counters.CONNECTIONS] = 0
        cells[counters.ALIVE] = time.perf_counter_ns()
        self.block.add(counters.STARTS, 1)

    def kind_of(self, class_: int) -> tuple[Kind, Name | None]:
        """Return what answers of a class say, and from which zone; None also where there are too many."""
        facts = self._facts[class_]
        return facts.kind, facts.zone

    def class_of(self, message: bytes, wire: bytes, end: int, zone: Name | None, kind: Kind) -> int:
        """Return the class of a query with its response, which is of `kind`.

        `end`: of the question; `zone`: the one asked.
        """
        asked = message[end - 4 : end + _OPT_FLAGS] if end > _HEADER else b""
        if message[4:_HEADER] not in _PLAIN:
            asked = (asked[:4] or bytes(4)) + _opt_of(message, wire, end)
        form = (wire[2:_HEADER], asked, zone, kind)
        known = self.forms.get(form)
        return self._classify(form, wire, end) if known is None else known

    def turned(self, began: int, count: int) -> None:
        """Note that a batch of `count` read at `began` was answered, the one where `untimed` ended.

        The next call is due sooner where batches are rare, so that counts are not kept back for long.
        """
        now = time.perf_counter_ns()
        self._sampled += self._every
        if self._sampled >= SAMPLE_EVERY:
            self._sampled = 0
            self._took(now - began, count)
        if now >= self._due:
            late = now - self._due > FOLD_EVERY
            self._every = 1 if late else self._every
            self.fold(now)
        else:
            self._every = min(2 * self._every, MAX_EVERY)
        self.untimed = repeat(0, self._every - 1)

    def idle(self) -> None:
        """Note that no query came for a while."""
        self._every = 1
        self.untimed = repeat(0, 0)
        self.fold()

    def message(
        self, message: bytes, wire: bytes, end: int, zone: Name | None, kind: Kind, *, ipv6: bool
    ) -> None:
        """Count one query over a stream and its answer (of a transfer: the first message)."""
        self.counts[self.class_of(message, wire, end, zone, kind)] += 1
        self.streamed(ipv6=ipv6)

    def streamed(self, *, ipv6: bool) -> None:
        """Count one query over a stream whose class is counted already."""
        self._streamed[ipv6] += 1

    def add(self, cell: int, count: int) -> None:
        """Add to a cell at once: for what is rare."""
        self.block.add(cell, count)

    def set(self, cell: int, value: int) -> None:
        """Set a cell at once: for what is a state, not a count."""
        self.block.cells[cell] = value

    def fold(self, now: int = 0) -> None:
        """Bring the block up to date."""
        now = now or time.perf_counter_ns()
        self._due = now + FOLD_EVERY
        self.block.cells[counters.ALIVE] = now
        add = self.block.add
        counts, cells = self.counts, self._cells
        queries = -sum(self._streamed)
        for number, count in enumerate(counts):
            if count:
                counts[number] = 0
                for cell in cells[number]:
                    add(cell, count)
                queries += count
        for cell, count in (
            (counters.UDP, queries - self.ipv6),
            (counters.UDP + 1, self.ipv6),
            (counters.TCP, self._streamed[0]),
            (counters.TCP + 1, self._streamed[1]),
            (counters.CACHE_HITS, queries - self.missed),
            (counters.IGNORED, self.ignored),
            (counters.RATE_DROPPED, self.dropped),
            (counters.RATE_SLIPPED, self.slipped),
            (counters.UNSENT, self.unsent),
        ):
            if count:
                add(cell, count)
        self._streamed = [0, 0]
        self.missed = self.ipv6 = self.ignored = self.dropped = self.slipped = self.unsent = 0

    def _took(self, nanoseconds: int, count: int) -> None:
        """Note what each query of a batch took: they wait for each other."""
        place = bisect_left(counters.LATENCY_BOUNDS, nanoseconds)
        self.block.add(counters.LATENCIES + place, count)
        self.block.add(counters.LATENCY_SUM, nanoseconds * count)

    def _classify(self, form: _Form, wire: bytes, end: int) -> int:
        """Find or make the class of a form, and remember it."""
        if len(self.forms) >= MAX_FORMS:
            self.forms.clear()
        facts = _facts(form, wire, end)
        number = self.forms[form] = self._number_of(facts)
        return number

    def _number_of(self, facts: _Facts) -> int:
        if facts not in self._classes and len(self._classes) >= MAX_CLASSES:
            facts = facts._replace(zone=None)
        number = self._classes.get(facts)
        if number is None:
            number = self._classes[facts] = len(self.counts)
            self._cells.append(self._cells_of(facts))
            self._facts.append(facts)
            self.counts.append(0)
        return number

    def _cells_of(self, facts: _Facts) -> tuple[int, ...]:
        cells = [
            counters.TYPES + facts.rdtype,
            counters.OPCODES + facts.opcode,
            counters.RCODES + facts.rcode,
            counters.KINDS + _LABELS[Kind.NXDOMAIN if facts.rcode == Rcode.NXDOMAIN else facts.kind],
        ]
        for is_so, cell in (
            (facts.edns, counters.EDNS),
            (facts.do, counters.DNSSEC_OK),
            (facts.truncated, counters.TRUNCATED),
        ):
            if is_so:
                cells.append(cell)
        if facts.zone is not None and self._by_zone:
            cells.extend(self._zone_cell(facts.zone))
        return tuple(cells)

    def _zone_cell(self, origin: Name) -> tuple[int, ...]:
        if origin not in self._zones:
            try:
                self._zones[origin] = self.block.add_zone(origin)
            except OverflowError:
                return ()
        return (self._zones[origin],)


def _opt_of(message: bytes, wire: bytes, end: int) -> bytes:
    """Return the head of the OPT record of a query with other records too; empty without one.

    A response without records has its own right behind the question, with the same DO.
    """
    if wire[6:10] == bytes(4):
        return wire[end : end + _OPT_FLAGS] if wire.startswith(OPT_HEAD, end) else b""
    edns = parse(message).edns  # what gets data can be parsed
    return b"" if edns is None else opt_record(edns, 0)[:_OPT_FLAGS]


def _facts(form: _Form, wire: bytes, end: int) -> _Facts:
    """Read what is counted from a response's header and from what stands behind the query's name."""
    header, rest, zone, kind = form
    rcode = header[1] & 0x0F
    if header[4:8] == bytes(4) and wire[end : end + 3] == OPT_HEAD:
        rcode |= wire[end + 5] << 4  # RFC 6891 §6.1.3
    rcode = min(rcode, counters.RCODE_COUNT - 1)
    opcode = header[0] >> 3 & 0x0F
    truncated = bool(header[0] & _TC)
    asked = header[2:4] == b"\0\1"
    edns = rest[4:7] == OPT_HEAD
    served = rcode in _SERVED and opcode == 0 and rest[2:4] == b"\0\1"
    rdtype = rest[0] << 8 | rest[1] if asked else counters.OTHER_TYPE
    return _Facts(
        rdtype=min(rdtype, counters.OTHER_TYPE),
        opcode=opcode,
        rcode=rcode,
        kind=kind,
        edns=edns,
        do=edns and rest[11:12] > b"\x7f",  # an OPT record that is cut off says nothing
        truncated=truncated,
        zone=zone if served else None,
    )
