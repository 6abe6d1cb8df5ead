"""Siblings: names one label below one other that are asked for in one way, and what is said to their gaps."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dnsctl.model.name import MAX_LABEL, MAX_NAME, Name
from dnsctl.serve.batch import BATCH, SLOT, Batch
from dnsctl.serve.lookup import ZoneView

MAX_GAPS: Final = 16_384  # of one table
MAX_WAIT: Final = 32  # batches until what was learned is looked at
_WINDOW: Final = 8  # octets that are compared: of a label or a hash
_LENGTHS: Final = 64  # of labels; a power of two
_END: Final = (1 << 64) - 1
_HEADER: Final = 12

Words = NDArray[np.uint64]
Numbers = NDArray[np.int64]
_U64: Final = np.uint64
# Constants as arrays: with a single number, an operation takes twice as long
_ROWS: Final[Numbers] = np.arange(BATCH, dtype=np.int64) * SLOT


def _each(octet: int) -> Words:
    return np.full(BATCH, octet * 0x0101010101010101, _U64)


_SEVEN: Final = _each(0x7F)
_FROM_A: Final = _each(0x80 - ord("A"))
_BEHIND_Z: Final = _each(0x80 - ord("Z") - 1)
_HIGH: Final = _each(0x80)
_TWO_BITS: Final = np.full(BATCH, 2, _U64)

_LAST_LENGTH: Final = np.full(BATCH, _LENGTHS - 1, np.int64)


class Asked(NamedTuple):
    """A query behind its id: what it says besides its name, all of it in lower case, where its name ends.

    `hash`: where the gap is one between NSEC3 hashes, what hashes a name; else None.
    """

    view: ZoneView
    told: bytes
    key: bytes
    at: int
    hash: Callable[[bytes], bytes] | None = None

    @property
    def above(self) -> bytes:
        """The name one label up, in lower case."""
        return self.key[11 + self.key[10] : self.at]

    @property
    def way(self) -> tuple[bytes, bytes, bool]:
        """What siblings asked for in one way have in common."""
        return self.told, self.above, self.hash is not None


def spans(asked: Asked, low: bytes, high: bytes, odd: Iterable[bytes]) -> Iterator[tuple[int, int]]:
    """Yield what lies between the keys or hashes `low` and `high`: numbers of first octets, neither included.

    Siblings that begin as `odd` names do are left out.
    """
    above = asked.above
    names = [name for name in odd if name[1 + name[0] :] == above]
    if asked.hash is not None:
        first, last = number(low), number(high) if high else _END
        cuts = [number(asked.hash(name)) for name in names]
    else:
        parent_key = asked.view.key(Name(above))
        first, last = _place(low, parent_key, 0), _place(high, parent_key, _END)
        cuts = [number(name[1 : 1 + name[0]]) for name in names]
    bounds = [first, *sorted(cut for cut in cuts if first < cut < last), last]
    yield from ((one, other) for one, other in itertools.pairwise(bounds) if one < other)


def number(octets: bytes) -> int:
    """Return the first octets of a label or hash as a number: smaller for what stands before."""
    return int.from_bytes(octets[:_WINDOW].ljust(_WINDOW, b"\0"), "big")


def _place(key: bytes, parent_key: bytes, else_: int) -> int:
    """Return the number of the sibling that is or stands above `key`; `else_` where it is none of them."""
    if len(key) <= len(parent_key) or not key.startswith(parent_key):
        return else_
    label = key[len(parent_key) : key.index(0, len(parent_key))]
    return number(label.replace(b"\1\1", b"\0").replace(b"\1\2", b"\1"))  # see `canonical_key`


class View:
    """The datagrams of a batch as arrays, all of its slots: what was not received now is of no use."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.slots = batch.slots
        self.words = batch.words
        self.flags = batch.column(2, np.uint64)  # octets 2 to 9
        self.counts = batch.column(4, np.uint64)  # octets 4 to 11
        self.labels = batch.column(_HEADER + 1, np.uint64)
        self._first = batch.column(_HEADER, np.uint8)
        self._behind = _ROWS + _HEADER + 1

    def read(self) -> None:
        """Read how long the labels are, what else there is of a query, and where that begins."""
        self.lengths = self._first.astype(np.int64)
        self.spare = self.batch.received - self.lengths
        self.behind = self._behind + self.lengths


class Siblings:
    """Names one label below one other, asked for in one way: gaps between them, and their answers."""

    def __init__(self, asked: Asked) -> None:
        self.view = asked.view
        self.hash = asked.hash
        self.way = asked.way
        behind = asked.above + asked.told[10:]
        self._above = len(asked.above)
        self.spare = _HEADER + 1 + len(behind)  # octets of the query but for the label
        first, second = halves(asked.told[:10])
        self._head = np.full(BATCH, first, _U64), np.full(BATCH, second, _U64)
        self._deltas, self._masks, self._wanted = _comparison(behind, self._above)
        self._within = _within(min(MAX_LABEL, MAX_NAME - 1 - self._above))
        self._spare = np.full(BATCH, self.spare, np.int64)
        self._asked = _HEADER + 1 + self._above + 4  # octets up to the end of the question, but for the label
        self._lows: Words = np.zeros(0, _U64)  # of gaps, ascending
        self._highs: Words = np.zeros(1, _U64)  # of the same, behind one that is none: before all others
        self._gaps: Numbers = np.zeros(1, np.int64)  # of the same, where their answers begin
        self._numbers: dict[tuple[int, int], int] = {(0, 0): 0}
        self._unsorted: list[tuple[int, int, int]] = []
        self._waited = 0
        self._answers: NDArray[np.int32] = np.zeros(
            256 * _LENGTHS, np.int32
        )  # by gap and length of the label

    def knows(self, span: tuple[int, int], length: int) -> bool:
        """True where the answer to labels of `length` in a gap is known."""
        gap = self._numbers.get(span)
        return gap is not None and self._answers[gap * _LENGTHS + length] > 0

    def add(self, span: tuple[int, int], length: int, answer: int) -> None:
        """Note the number of the answer to labels of `length` in a gap. Raises OverflowError."""
        gap = self._numbers.get(span)
        if gap is None:
            gap = len(self._numbers)
            if gap >= MAX_GAPS:
                raise OverflowError("too many gaps")
            if gap * _LENGTHS >= len(self._answers):
                self._answers = np.concatenate((self._answers, np.zeros_like(self._answers)))
            self._numbers[span] = gap
            self._unsorted.append((*span, gap))
        self._answers[gap * _LENGTHS + length] = answer

    def sort(self) -> None:
        """Take in the gaps that are new, once there are enough of them to be worth it."""
        if not self._unsorted:
            return
        self._waited += 1
        if self._waited < MAX_WAIT and len(self._unsorted) < len(self._lows) >> 4:
            return
        self._waited = 0
        lows, highs, gaps = zip(*self._unsorted, strict=True)
        self._unsorted.clear()
        joined = np.concatenate((self._lows, np.array(lows, _U64)))
        order = np.argsort(joined, kind="stable")
        self._lows = joined[order]
        self._highs = _reordered(self._highs, np.array(highs, _U64), order)
        self._gaps = _reordered(self._gaps, np.array(gaps, np.int64) * _LENGTHS, order)

    def find(self, batch: View, fits: NDArray[np.bool_]) -> tuple[Numbers, NDArray[np.int32]]:
        """Return which datagrams of the batch are answered, of those of the right length, and by what."""
        lengths = batch.lengths
        same = fits & (batch.flags == self._head[0]) & (batch.counts == self._head[1])
        there = batch.words[batch.behind + self._deltas]
        same &= np.bitwise_or.reduce((there | self._masks) ^ self._wanted, axis=0) == 0
        within = self._within[lengths]
        if self.hash is None:
            places = _lower(batch.labels.byteswap() & within)
        else:
            places = self._hashes(self.hash, batch, (same & (within > 0)).nonzero()[0])
        at: Numbers = self._lows.searchsorted(places)  # behind the last that begins before
        same &= places < self._highs[at]
        answers = self._answers[self._gaps[at] + (lengths & _LAST_LENGTH)]
        answers *= same
        chosen = answers.nonzero()[0]
        return chosen, answers[chosen]

    def _hashes(self, hashed: Callable[[bytes], bytes], batch: View, chosen: Numbers) -> Words:
        """Return the first octets of the hashes of the names asked for; 0 where not chosen."""
        slots, above = batch.slots, _HEADER + 1 + self._above
        digests = [
            hashed(slots[index][_HEADER : above + length].tobytes().lower())[:_WINDOW]
            for index, length in zip(chosen.tolist(), batch.lengths[chosen].tolist(), strict=True)
        ]
        places = np.zeros(BATCH, _U64)
        places[chosen] = np.frombuffer(b"".join(digests), ">u8")
        return places

    def write(self, batch: View, chosen: Numbers, found: Words) -> None:
        """Write answers over queries. `found`: what `_Finished` has of each."""
        batch.flags[chosen] = found[:, 0]
        batch.counts[chosen] = found[:, 1]
        batch.batch.heads[chosen] = batch.lengths[chosen] + self._asked
        batch.batch.tails[chosen] = found[:, 2]
        batch.batch.tail_sizes[chosen] = found[:, 3]
        batch.batch.add_tails(chosen)


def halves(header: bytes) -> tuple[np.uint64, np.uint64]:
    """Return octets 2 to 9 and 4 to 11 of a message, given those behind its id, as words."""
    return _U64(int.from_bytes(header[:8], "little")), _U64(int.from_bytes(header[2:10], "little"))


def _comparison(behind: bytes, name: int) -> tuple[Numbers, Words, Words]:
    """Return where the words stand that make up `behind`, what is to be set in them, and what is then wanted.

    The first `name` octets are of a name, in lower case: letters there match in both cases. A row each.
    """
    starts = list(range(0, len(behind) - 7, 8))
    if not starts or starts[-1] + 8 < len(behind):
        starts.append(len(behind) - 8)
    masks, wanted = [], []
    for start in starts:
        octets = [behind[at] if at >= 0 else 0xFF for at in range(start, start + 8)]
        mask = [
            0xFF if at < 0 else 0x20 if at < name and ord("a") <= behind[at] <= ord("z") else 0
            for at in range(start, start + 8)
        ]
        masks.append(int.from_bytes(mask, "little"))
        wanted.append(int.from_bytes(octets, "little"))
    rows = (len(starts), BATCH)
    return (
        np.array(starts, np.int64)[:, None],
        np.broadcast_to(np.array(masks, _U64)[:, None], rows).copy(),
        np.broadcast_to(np.array(wanted, _U64)[:, None], rows).copy(),
    )


def _within(longest: int) -> Words:
    """Return, by the octet before a label, which of the next eight are its own; none for no good length."""
    masks = [(1 << 64) - (1 << 8 * max(_WINDOW - length, 0)) for length in range(longest + 1)]
    return np.array(masks + [0] * (256 - len(masks)), _U64)


def _lower(words: Words) -> Words:
    """Return words with the capital letters among their octets in lower case."""
    seven = words & _SEVEN
    capital = (seven + _FROM_A) & ~(seven + _BEHIND_Z) & ~words & _HIGH
    return words | capital >> _TWO_BITS


def _reordered(old: NDArray[Any], new: NDArray[Any], order: Numbers) -> NDArray[Any]:
    """Return the old ones but for the first, and the new ones, in `order`, behind the first."""
    return np.concatenate((old[:1], np.concatenate((old[1:], new))[order]))
