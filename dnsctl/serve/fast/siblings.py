"""Siblings: names one label below one other that are asked for in one way, and what is said to their gaps.

Gaps are told apart by the first octets of labels, or of NSEC3 hashes, and found for a whole batch at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dnsctl.model.name import Name
from dnsctl.serve.fast.columns import HEADER, Asked, Numbers, View, Way, Words, lower, own_octets
from dnsctl.serve.message.datagrams import BATCH

MAX_GAPS: Final = 16_384  # of one table
MAX_WAIT: Final = 32  # batches until what was learned is looked at
_WINDOW: Final = 8  # octets that are compared: of a label or a hash
_LENGTHS: Final = 64  # of labels; a power of two
_LAST_LENGTH: Final = np.full(BATCH, _LENGTHS - 1, np.int64)
_END: Final = (1 << 64) - 1
_U64: Final = np.uint64


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


class Siblings(Way):
    """Names one label below one other, asked for in one way: gaps between them, and their answers."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        self.hash = asked.hash
        self._within = np.array(own_octets(self.longest, 0), _U64)
        self._asked = HEADER + 1 + self.above + 4  # octets up to the end of the question, but for the label
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
        same = fits & self.match(batch)
        within = self._within[lengths]
        if self.hash is None:
            places = (lower(batch.labels[0]) & within).byteswap()
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
        slots, above = batch.slots, HEADER + 1 + self.above
        digests = [
            hashed(slots[index][HEADER : above + length].tobytes().lower())[:_WINDOW]
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


def _reordered(old: NDArray[Any], new: NDArray[Any], order: Numbers) -> NDArray[Any]:
    """Return the old ones but for the first, and the new ones, in `order`, behind the first."""
    return np.concatenate((old[:1], np.concatenate((old[1:], new))[order]))
