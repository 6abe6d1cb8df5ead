"""Counters of a node's processes, in shared memory: one block a process, written only by that process.

A block is made before the fork and outlives the process: the successor of a dead one goes on counting. Cells
are aligned 8-octet words, so a reader in another process needs no lock: each cell is right, but two of them
may be from different moments. For what is counted when, see `dnsctl.serve.metrics.tally`.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Final

from dnsctl.model.name import MAX_NAME, Name

IDLE_SECONDS: Final = 1.0  # how often a process without queries looks for a new generation, and tells

# Single cells
PID: Final = 0
STARTS: Final = 1
STARTED: Final = 2  # nanoseconds since the epoch
UDP: Final = 3  # queries over IPv4, then over IPv6
TCP: Final = 5  # the same
CACHE_HITS: Final = 7
EDNS: Final = 8
DNSSEC_OK: Final = 9
TRUNCATED: Final = 10
IGNORED: Final = 11  # messages that get no answer: too short for a header, or themselves responses
RATE_DROPPED: Final = 12
RATE_SLIPPED: Final = 13
UNSENT: Final = 14  # answers the kernel would not send
TRANSFERS: Final = 15
CONNECTIONS: Final = 16  # open now
CONNECTIONS_REFUSED: Final = 17
LATENCY_SUM: Final = 18  # nanoseconds
ALIVE: Final = 19  # when it last told, nanoseconds of the monotonic clock that all processes share
CONNECTIONS_CUT: Final = 20  # the longest quiet, to make room
NOTIFIES_SENT: Final = 21
NOTIFIES_ANSWERED: Final = 22  # by NOERROR
NOTIFIES_REFUSED: Final = 23  # by anything else
NOTIFIES_GIVEN_UP: Final = 24

# Ranges of cells
OPCODES: Final = 32
OPCODE_COUNT: Final = 16
RCODES: Final = OPCODES + OPCODE_COUNT
RCODE_COUNT: Final = 32  # up to BADCOOKIE, 23 (RFC 7873 §8), and room
KINDS: Final = RCODES + RCODE_COUNT
KIND_NAMES: Final = ("data", "name_error", "no_data", "referral", "other")
LATENCIES: Final = KINDS + 8
LATENCY_BOUNDS: Final = tuple(  # nanoseconds; one more cell holds what took longer
    round(1e9 * bound)
    for bound in (25e-6, 50e-6, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 1.0)
)
TYPES: Final = LATENCIES + 16
TYPE_COUNT: Final = 264  # types up to 262 by number; the last cell is for all others, and for none
OTHER_TYPE: Final = TYPE_COUNT - 1
ZONE_COUNT: Final = TYPES + TYPE_COUNT
ZONES: Final = ZONE_COUNT + 1

MAX_ZONES: Final = 16_384  # a process keeps apart; queries for further ones are counted, but not by zone
_NAME_SLOT: Final = 256  # octets: a length, and a name of at most 255
_NAMES_AT: Final = (ZONES + MAX_ZONES) * 8
_SIZE: Final = _NAMES_AT + MAX_ZONES * _NAME_SLOT


class Block:
    """One process's counters. Pages nobody wrote to take no memory."""

    def __init__(self) -> None:
        memory = mmap.mmap(-1, _SIZE)  # shared with every process forked from here on
        self._octets = memoryview(memory)
        self.cells = self._octets[:_NAMES_AT].cast("Q")

    def add(self, cell: int, count: int) -> None:
        """Add to a cell, modulo 2^64."""
        self.cells[cell] = (self.cells[cell] + count) & 0xFFFFFFFFFFFFFFFF

    def add_zone(self, origin: Name) -> int:
        """Return the cell of one more zone. Raises OverflowError where there is no room."""
        number = self.cells[ZONE_COUNT]
        if number >= MAX_ZONES:
            raise OverflowError(f"more than {MAX_ZONES} zones")
        at = _NAMES_AT + number * _NAME_SLOT
        self._octets[at : at + 1 + len(origin)] = bytes((len(origin),)) + origin
        self.cells[ZONE_COUNT] = number + 1  # last: a reader that sees the number sees the name
        return ZONES + number

    def zones(self) -> Iterator[tuple[Name, int]]:
        """Yield (origin, cell) of every zone counted so far."""
        for number in range(min(self.cells[ZONE_COUNT], MAX_ZONES)):
            at = _NAMES_AT + number * _NAME_SLOT
            length = min(self._octets[at], MAX_NAME)
            yield Name(bytes(self._octets[at + 1 : at + 1 + length])), ZONES + number
