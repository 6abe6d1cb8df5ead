"""Answers to random names by the batch: what denies one name of a gap denies all names in it.

A flood of random names finds nothing in a cache, as none comes twice. But what a zone says to a name without
a node, it says to all its siblings of one length in the same gap, between two names or two NSEC3 hashes next
to each other (RFC 8198 has resolvers do so). So here finished answers are kept by gap, and a batch of queries
is compared with the gaps as arrays: a few dozen array operations for all, where each query would take as many
steps of its own. Nothing is copied: the header is written over the query's, and the rest leaves from where
it stands.

Gaps are compared by the first octets of labels, or of hashes. Where these do not tell (a name that begins as
one that exists), where anything else is odd, and until a gap is known, the query is left to the other ways.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dnsctl.serve.fast.cache import ENTRY_OVERHEAD, Entry
from dnsctl.serve.fast.columns import Asked, View, Words, halves
from dnsctl.serve.fast.siblings import Siblings, spans
from dnsctl.serve.message.datagrams import Batch
from dnsctl.serve.zone.names import ZoneView

FEW: Final = 8  # queries of a batch that are not worth an array operation
MAX_TABLES: Final = 4
MAX_ANSWERS: Final = 65_536  # of all tables
MAX_OCTETS: Final = 48 << 20  # of these
LESSONS: Final = 8  # gaps learned in a batch, at most: each costs as much as a query
MAX_REST: Final = 64  # batches left alone where the tables answered less than a quarter
NEW_TABLE: Final = 64  # batches between two of them

_address = ctypes.pythonapi.PyBytes_AsString
_address.restype, _address.argtypes = ctypes.c_void_p, (ctypes.py_object,)


class _Finished:
    """Finished answers of all tables: what stands in headers and behind questions. The first is none."""

    def __init__(self) -> None:
        # Octets 2 to 9 and 4 to 11 of the message; address and length of what is behind the question; class
        self.words: Words = np.zeros((256, 5), np.uint64)
        self._kept: list[Entry | None] = [None]  # else what is at these addresses were gone
        self._octets = 0

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


class Gaps:
    """What one UDP worker knows of gaps. Call `renew` where the image may say something new."""

    def __init__(self) -> None:
        self._tables: list[Siblings] = []
        self._views: dict[Batch, View] = {}
        self._finished = _Finished()
        self._gone: list[_Finished] = []  # see `forget`
        self._rest = self._resting = 0
        self._fresh = 0  # batches until there may be another table
        self.lessons = 0  # gaps that may be learned until the next batch

    def renew(self, is_current: Callable[[ZoneView], bool]) -> None:
        """Forget what is not from a current view of a zone."""
        before, self._tables = self._tables, [table for table in self._tables if is_current(table.view)]
        if before and not self._tables:
            self.forget()

    def forget(self) -> None:
        """Forget all, but keep what answers of the batch at hand point to until the next."""
        self._tables = []
        self._gone.append(self._finished)
        self._finished = _Finished()

    def teach(self, misses: int) -> None:
        """Note how many queries of a batch the cache could not answer: where there are many, learn."""
        self.lessons = LESSONS if misses >= FEW else 0
        self._fresh = max(self._fresh - 1, 0)

    def learn(
        self, asked: Asked, around: Iterable[tuple[bytes, bytes]], entry: Entry, odd: Iterable[bytes]
    ) -> None:
        """Note that `entry` answers all siblings of one length between the keys, or hashes, `around`.

        But for those that begin as one of these, or as one of the names that are `odd`.
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
            answer = self._finished.add(entry)
            for span in new:
                table.add(span, length, answer)
        except OverflowError:
            self.forget()

    def _table(self, asked: Asked) -> Siblings | None:
        """Return the table of a query's siblings, or None where there is to be none yet."""
        way = asked.way
        for table in self._tables:
            if table.way == way and table.view is asked.view:
                return table
        if self._fresh:
            return None
        self._fresh = NEW_TABLE
        if len(self._tables) == MAX_TABLES:
            self._tables.pop(0)
        table = Siblings(asked)
        self._tables.append(table)
        self._rest = self._resting = 0
        return table

    def answer(self, batch: Batch, count: int, classes: list[int]) -> Sequence[int]:
        """Answer what can be of the first `count` queries in a batch; return the indexes of those left.

        `classes`: the answers given are added there (see `tally`). Call it for every batch, once the one
        before was sent: what those point to may go.
        """
        self._gone.clear()
        indexes = range(count)
        if not self._tables or count < FEW:
            return indexes
        if self._resting:
            self._resting -= 1
            return indexes
        view = self.view(batch)
        left: NDArray[np.bool_] | None = None
        for table in tuple(self._tables):
            fits = view.spare == table.spare
            fits[count:] = False
            if np.count_nonzero(fits) < FEW:
                continue
            table.sort()
            chosen, answers = table.find(view, fits)
            if not len(chosen):
                continue
            found = self._finished.words[answers]
            table.write(view, chosen, found)
            _count(found[:, 4], classes)
            if left is None:
                left = np.ones(count, np.bool_)
            left[chosen] = False
            if table is not self._tables[-1]:  # the first is the one that was of no use for longest
                self._tables.remove(table)
                self._tables.append(table)
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
    alike = int(np.count_nonzero(found == first))
    classes[first] += alike
    if alike < len(found):
        for one in found.tolist():
            classes[one] += one != first
