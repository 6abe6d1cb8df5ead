"""Answers to random names by the batch: what denies one name of a gap denies all names in it.

A flood of random names finds nothing in a cache, because none comes twice. But a zone gives the same answer
to all names without a node that have one length and lie in the same gap, between two adjacent names or NSEC3
hashes (RFC 8198 lets resolvers use that). So finished answers are kept by gap, and a batch of queries is
compared with the gaps as arrays: a few dozen array operations for all, where each query would take as many
steps of its own. Nothing is copied: the header is written over the query's, and the rest is sent from where
it is.

Gaps are compared by the first octets of labels, or of hashes. If these do not decide (a name begins like one
that exists), if anything else is unusual, or while a gap is not known, the query is left to the other steps.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from dnsctl.model.name import Name
from dnsctl.serve.fast.cache import ENTRY_OVERHEAD, Entry
from dnsctl.serve.fast.columns import HEADER, Asked, Numbers, Pattern, View, Words, halves, lower, own_octets
from dnsctl.serve.message.datagrams import BATCH, Batch
from dnsctl.serve.zone.names import ZoneView

FEW: Final = 8  # queries of a batch that are not worth an array operation
MAX_TABLES: Final = 4
MAX_ANSWERS: Final = 65_536  # of all tables
MAX_OCTETS: Final = 48 << 20  # of these
LESSONS: Final = 8  # gaps learned in a batch, at most: each costs as much as a query
MAX_REST: Final = 64  # batches left alone where the tables answered less than a quarter
NEW_TABLE: Final = 64  # batches between two of them
MAX_GAPS: Final = 16_384  # of one table
MAX_WAIT: Final = 32  # batches until what was learned is looked at
_WINDOW: Final = 8  # octets that are compared: of a label or a hash
_LENGTHS: Final = 64  # of labels; a power of two
_LAST_LENGTH: Final = np.full(BATCH, _LENGTHS - 1, np.int64)
_END: Final = (1 << 64) - 1
_U64: Final = np.uint64
_Word = TypeVar("_Word", np.uint64, np.int64)

_address = ctypes.pythonapi.PyBytes_AsString
_address.restype, _address.argtypes = ctypes.c_void_p, (ctypes.py_object,)


def spans(asked: Asked, low: bytes, high: bytes, odd: Iterable[bytes]) -> Iterator[tuple[int, int]]:
    """Yield what lies between the keys or hashes `low` and `high`: numbers of first octets, neither included.

    Names that begin as `odd` ones do are left out.
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
    """Return the number of the name one label down that is or stands above `key`; `else_` without one."""
    if len(key) <= len(parent_key) or not key.startswith(parent_key):
        return else_
    label = key[len(parent_key) : key.index(0, len(parent_key))]
    return number(label.replace(b"\1\1", b"\0").replace(b"\1\2", b"\1"))  # see `canonical_key`


class Table(Pattern):
    """The gaps between names one label below one other, and the answers there to queries of one pattern."""

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

    def __len__(self) -> int:
        return len(self._numbers)

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
        """Write answers over queries. `found`: what `Finished` has of each."""
        batch.flags[chosen] = found[:, 0]
        batch.counts[chosen] = found[:, 1]
        batch.batch.heads[chosen] = batch.lengths[chosen] + self._asked
        batch.batch.tails[chosen] = found[:, 2]
        batch.batch.tail_sizes[chosen] = found[:, 3]
        batch.batch.add_tails(chosen, found[:, 4])


def _reordered(old: NDArray[_Word], new: NDArray[_Word], order: Numbers) -> NDArray[_Word]:
    """Return the first of `old`, then the others and `new` in `order`."""
    return np.concatenate((old[:1], np.concatenate((old[1:], new))[order]))


class Finished:
    """Finished answers of all tables: what stands in headers and behind questions. The first is none."""

    def __init__(self) -> None:
        # Octets 2 to 9 and 4 to 11 of the message; address and length of what is behind the question; class
        self.words: Words = np.zeros((256, 5), np.uint64)
        self._kept: list[Entry | None] = [None]  # else what is at these addresses were gone
        self._octets = 0

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, entry: Entry) -> int:
        """Keep an answer; return its number. Raises OverflowError where there is no room."""
        header, _, tail, _, kind, _ = entry
        place = len(self._kept)
        self._octets += len(tail) + ENTRY_OVERHEAD
        if place >= MAX_ANSWERS or self._octets > MAX_OCTETS:
            raise OverflowError("too many answers")
        if place == len(self.words):
            self.words = np.concatenate((self.words, np.zeros_like(self.words)))
        self._kept.append(entry)
        self.words[place] = *halves(header), _address(tail), len(tail), kind
        return place


class Intervals:
    """What one UDP worker knows of gaps. Call `renew` where the image may say something new."""

    def __init__(self) -> None:
        self.tables: list[Table] = []
        self._views: dict[Batch, View] = {}
        self.finished = Finished()
        self.gone: list[Finished] = []  # see `forget`
        self._rest = self._resting = 0
        self.pause = 0  # batches until there may be another table
        self.lessons = 0  # gaps that may be learned until the next batch

    def renew(self, is_current: Callable[[ZoneView], bool]) -> None:
        """Forget what is not from a current view of a zone."""
        before, self.tables = self.tables, [table for table in self.tables if is_current(table.view)]
        if before and not self.tables:
            self.forget()

    def forget(self) -> None:
        """Forget everything, but keep until the next batch what answers of this batch point to."""
        self.tables = []
        self.gone.append(self.finished)
        self.finished = Finished()

    def teach(self, misses: int) -> None:
        """Note how many queries of a batch the cache could not answer: where there are many, learn."""
        self.lessons = LESSONS if misses >= FEW else 0
        self.pause = max(self.pause - 1, 0)

    def learn(
        self, asked: Asked, around: Iterable[tuple[bytes, bytes]], entry: Entry, odd: Iterable[bytes]
    ) -> None:
        """Note that `entry` answers all names of one length between the keys, or hashes, `around`.

        Names that begin as one of these, or as one of the `odd` names, are left out.
        """
        length = asked.key[10]
        table = self._table(asked)
        if table is None:
            return
        found = [span for low, high in around for span in spans(asked, low, high, odd)]
        new = [span for span in found if not table.knows(span, length)]
        if not new:
            return
        try:
            answer = self.finished.add(entry)
            for span in new:
                table.add(span, length, answer)
        except OverflowError:
            self.forget()

    def _table(self, asked: Asked) -> Table | None:
        """Return the table of a query's pattern, or None where there is to be none yet."""
        pattern = asked.pattern
        for table in self.tables:
            if table.pattern == pattern and table.view is asked.view:
                return table
        if self.pause:
            return None
        self.pause = NEW_TABLE
        if len(self.tables) == MAX_TABLES:
            self.tables.pop(0)
        table = Table(asked)
        self.tables.append(table)
        self._rest = self._resting = 0
        return table

    def answer(self, batch: Batch, count: int, classes: list[int]) -> Sequence[int]:
        """Answer those of the first `count` queries in a batch that can be; return the indexes of the others.

        `classes`: the answers given are added there (see `tally`). Call it for every batch, once the one
        before was sent: what those point to may go.
        """
        self.gone.clear()
        indexes = range(count)
        if not self.tables or count < FEW:
            return indexes
        if self._resting:
            self._resting -= 1
            return indexes
        view = self.view(batch)
        left: NDArray[np.bool_] | None = None
        for table in tuple(self.tables):
            fits = view.spare == table.spare
            fits[count:] = False
            if np.count_nonzero(fits) < FEW:
                continue
            table.sort()
            chosen, answers = table.find(view, fits)
            if not len(chosen):
                continue
            found = self.finished.words[answers]
            table.write(view, chosen, found)
            _count(found[:, 4], classes)
            if left is None:
                left = np.ones(count, np.bool_)
            left[chosen] = False
            if table is not self.tables[-1]:  # the first is the one that was of no use for longest
                self.tables.remove(table)
                self.tables.append(table)
        some = indexes if left is None else left.nonzero()[0].tolist()
        is_worth_it = len(some) <= count - (count >> 2)
        self._rest = 0 if is_worth_it else min(2 * self._rest + 1, MAX_REST)
        self._resting = self._rest
        return some

    def view(self, batch: Batch) -> View:
        """Return what a batch holds now as arrays."""
        view = self._views.get(batch)
        if view is None:
            view = self._views[batch] = View(batch)
        view.read()
        return view


def _count(found: Words, classes: list[int]) -> None:
    """Add one for each class found, which are mostly the same."""
    first = int(found[0])
    same = int(np.count_nonzero(found == first))
    classes[first] += same
    if same < len(found):
        for one in found.tolist():
            classes[one] += one != first
