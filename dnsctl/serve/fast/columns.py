"""A batch of queries as arrays, and patterns of queries: for names one label below one other, with one form.

A few array operations find which queries of a batch have one pattern, and the keys of their names in the
image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dnsctl.model.name import MAX_LABEL, MAX_NAME
from dnsctl.serve.message.datagrams import BATCH, SLOT, Batch
from dnsctl.serve.zone.names import ZoneView

HEADER: Final = 12
LABEL_WORDS: Final = 3  # of a label that is taken for a key; longer ones are left

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
_TWO: Final = _each(2)
_TWO_BITS: Final = np.full(BATCH, 2, _U64)


class Asked(NamedTuple):
    """A query behind its id: its form's `frame`, all of it in lower case, where its name ends.

    `hash`: where the gap is one between NSEC3 hashes, what hashes a name; else None.
    """

    view: ZoneView
    frame: bytes
    key: bytes
    at: int
    hash: Callable[[bytes], bytes] | None = None

    @property
    def above(self) -> bytes:
        """The name one label up, in lower case."""
        return self.key[11 + self.key[10] : self.at]

    @property
    def pattern(self) -> tuple[bytes, bytes, bool]:
        """What queries of one pattern have in common."""
        return self.frame, self.above, self.hash is not None


class View:
    """The datagrams of a batch as arrays, all of its slots: what was not received now is of no use."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.slots = batch.slots
        self.words = batch.words
        self.flags = batch.column(2, np.uint64)  # octets 2 to 9
        self.counts = batch.column(4, np.uint64)  # octets 4 to 11
        self.labels = batch.columns(HEADER + 1, LABEL_WORDS)  # the first words of a label, a row for each
        self._first = batch.column(HEADER, np.uint8)
        self._behind = _ROWS + HEADER + 1

    def read(self) -> None:
        """Read how long the labels are, what else there is of a query, and where that begins."""
        self.lengths = self._first.astype(np.int64)
        self.spare = self.batch.received - self.lengths
        self.behind = self._behind + self.lengths


class Pattern:
    """Names one label below one other, asked for with one form."""

    def __init__(self, asked: Asked) -> None:
        self.view = asked.view
        self.pattern = asked.pattern
        behind = asked.above + asked.frame[10:]
        self.above = len(asked.above)
        self.spare = HEADER + 1 + len(behind)  # octets of the query but for the label
        self._spare = np.full(BATCH, self.spare, np.int64)
        first, second = halves(asked.frame[:10])
        self._head = np.full(BATCH, first, _U64), np.full(BATCH, second, _U64)
        self._deltas, self._masks, self._wanted = _comparison(behind, self.above)
        self.longest = min(MAX_LABEL, MAX_NAME - 1 - self.above)

    def match(self, batch: View) -> NDArray[np.bool_]:
        """Return which datagrams are queries of this pattern, whatever their labels."""
        same = batch.spare == self._spare
        same &= batch.flags == self._head[0]
        same &= batch.counts == self._head[1]
        there = batch.words[batch.behind + self._deltas]
        differs: Words = np.bitwise_or.reduce((there | self._masks) ^ self._wanted, axis=0)
        found: NDArray[np.bool_] = same & (differs == 0)
        return found


class Keys(Pattern):
    """The keys of names right below an apex, asked for with one form."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        prefix = asked.view.prefix
        label_at = (len(prefix) + 7) // 8 * 8
        size = label_at + 8 * (LABEL_WORDS + 1)  # the label ends in 0
        self._octets = np.zeros((BATCH, size), np.uint8)
        self._octets[:, label_at - len(prefix) : label_at] = np.frombuffer(prefix, np.uint8)
        self._labels: Words = np.ndarray((LABEL_WORDS, BATCH), _U64, self._octets.data, label_at, (8, size))
        self._starts = [index * size + label_at - len(prefix) for index in range(BATCH)]
        self._ends = np.arange(BATCH) * size + label_at + 1
        self._within = np.array([own_octets(self.longest, word) for word in range(LABEL_WORDS)], _U64)
        self._within[:, 8 * LABEL_WORDS + 1 :] = 0

    def read(self, batch: View) -> list[bytes | None]:
        """Return the key of each datagram's name.

        None where the query is of another pattern, or the label is long or has octets that keys escape (see
        `canonical_key`).
        """
        within = self._within[:, batch.lengths]
        labels = lower(batch.labels) & within
        usual = labels | ~within
        odd = np.bitwise_or.reduce((usual - _TWO) & ~usual & _HIGH, axis=0)
        same = self.match(batch) & (odd == 0) & (within[0] > 0)
        self._labels[:] = labels
        octets, ends = self._octets.tobytes(), (self._ends + batch.lengths).tolist()
        return [
            octets[start:end] if one else None
            for start, end, one in zip(self._starts, ends, same.tolist(), strict=True)
        ]


def halves(header: bytes) -> tuple[np.uint64, np.uint64]:
    """Return octets 2 to 9 and 4 to 11 of a message, given those behind its id, as words."""
    return _U64(int.from_bytes(header[:8], "little")), _U64(int.from_bytes(header[2:10], "little"))


def own_octets(longest: int, word: int) -> list[int]:
    """Return, by the length octet of a label, which octets of one of its words belong to the label.

    None do where it is not the length of a label.
    """
    masks = [(1 << 8 * min(max(length - 8 * word, 0), 8)) - 1 for length in range(longest + 1)]
    return masks + [0] * (256 - len(masks))


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


def lower(words: Words) -> Words:
    """Return words with the capital letters among their octets in lower case."""
    seven = words & _SEVEN
    capital = (seven + _FROM_A) & ~(seven + _BEHIND_Z) & ~words & _HIGH
    return words | capital >> _TWO_BITS
