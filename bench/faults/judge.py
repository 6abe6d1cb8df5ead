"""What an answer tells of the release it comes from, and whether a node may say so now.

Pure: takes what was seen of one node, in the order in which it was asked, and what was released. Each
question was sent after the answer before it had come, over UDP and TCP, of one zone and another. So what a
node shows belongs to a release, and never to an earlier one than anything it has shown before: it neither
goes back nor mixes two releases. A rollback is a later release with earlier records.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

# records: the number in a TXT; serial: that of a SOA, asked for or in a denial; silence: no answer in time;
# servfail; fault: anything else, in words
Kind = Literal["records", "serial", "silence", "servfail", "fault"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one question. `at`: when it came, by the monotonic clock; `by`: "udp" or "tcp"."""

    at: float
    by: str
    zone: str
    kind: Kind
    value: int | str


@dataclass
class Releases:
    """All that was ever released: of each generation which records it has, and the serial of each zone."""

    records: dict[int, int] = field(default_factory=dict)  # by generation
    _by_records: dict[int, list[int]] = field(default_factory=dict)
    _by_serial: dict[tuple[str, int], int] = field(default_factory=dict)

    def add(self, generation: int, records: int, serials: Mapping[str, int]) -> None:
        if generation in self.records:
            return
        self.records[generation] = records
        self._by_records.setdefault(records, []).append(generation)
        self._by_records[records].sort()
        for zone, serial in serials.items():
            taken = self._by_serial.setdefault((zone, serial), generation)
            assert taken == generation, f"{zone}: serial {serial} in generations {taken} and {generation}"

    def of(self, seen: Seen) -> Sequence[int]:
        """Return the generations that `seen` may come from, ascending."""
        if seen.kind == "records":
            return self._by_records.get(int(seen.value), ())
        found = self._by_serial.get((seen.zone, int(seen.value)))
        return () if found is None else (found,)


@dataclass
class Judge:
    """One node. `floor`: the earliest generation that it may show now."""

    node: str
    floor: int = 0
    asked: int = 0
    answers: int = 0
    silence: int = 0
    servfail: int = 0
    damaged: int = 0  # wrong, by octets that were flipped under a node that has not found it yet
    wrong: list[str] = field(default_factory=list)
    _by: str = "nothing"

    def take(self, seen: Seen, releases: Releases, *, excused: bool = False) -> None:
        """Judge what was seen next. `excused`: octets of its image are known to be flipped."""
        self.asked += 1
        if seen.kind == "silence":
            self.silence += 1
            return
        self.answers += 1
        if seen.kind == "servfail":
            self.servfail += 1
            return
        why = self._why_wrong(seen, releases)
        if why and excused:
            self.damaged += 1
        elif why:
            self.wrong.append(f"{self.node}, {seen.zone} by {seen.by}: {why}")

    def _why_wrong(self, seen: Seen, releases: Releases) -> str:
        if seen.kind == "fault":
            return str(seen.value)
        may_be = releases.of(seen)
        if not may_be:
            return f"{seen.kind} {seen.value} of no release"
        first = bisect_left(may_be, self.floor)
        if first == len(may_be):
            return f"generation {may_be[-1]} after {self._by} had shown {self.floor}"
        if may_be[first] > self.floor:
            self.floor, self._by = may_be[first], f"{seen.zone} by {seen.by}"
        return ""
