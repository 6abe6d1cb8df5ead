"""Answers of one process, and the order of steps in which they are found: `Answerer.order`.

Each step returns the answer, octet for octet the one that the last step would return, or leaves the query to
the next. First come the steps that look only at the octets of a query (the cache, the fast path), then those
that look at the client (cookies), last the full path. A query that fails on the fast path is left to the full
path; one that fails there gets SERVFAIL: only `ImageError` is ever raised.

The generation counter is read once a batch, or once a message of a stream. If it has moved, the read
transaction is renewed and what is known of changed zones is dropped: no answer is older than the last
activation before its query was read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple, Protocol

from dnsctl.image.reader import Reader
from dnsctl.serve.fast.bulk import answer_batch
from dnsctl.serve.fast.cache import LAST_DOOR, AnswerCache, Entry, wire_of
from dnsctl.serve.fast.find import find
from dnsctl.serve.fast.known import Known
from dnsctl.serve.message.cookies import OPTIONS_LENGTH, Validity
from dnsctl.serve.message.datagrams import BATCH, DATAGRAM, Batch
from dnsctl.serve.message.edns import BARE_OPTS, OPT_LENGTH, udp_limit, without_options
from dnsctl.serve.message.query import HEADER_LENGTH, Client
from dnsctl.serve.message.sections import Response, server_failure
from dnsctl.serve.metrics.failures import FailureLog
from dnsctl.serve.metrics.tally import Tally
from dnsctl.serve.respond import Responder, is_transfer

_NO_ID: Final = bytes(2)
_BAD, _GOOD = Validity.BAD, Validity.GOOD  # looked up once: a member of an Enum costs more than a global
_log = logging.getLogger(__name__)

Step = Callable[[bytes, bytes], Entry | None]  # given a query behind its id, as it is and in lower case
OwnStep = Callable[[bytes, Client], Entry | None]  # given a whole query, and who asks


class Generations(Protocol):
    """Counts activations."""

    @property
    def value(self) -> int: ...


class Order(NamedTuple):
    """The steps that a query takes, cheapest first, after what the cache has at hand.

    `first`: if its octets come for the first time; `again`: if they have come before; then `own`.
    """

    first: tuple[Step, ...]
    again: tuple[Step, ...]
    own: tuple[OwnStep, ...]


_TRANSFER: Final[Entry] = (b"", 0, b"", 0, 0, None)


class Answerer:
    """Answers from what `reader` sees, with `responder` as the full path. Call `renew` before the first.

    `stream`: over connections, where all fits.
    """

    def __init__(
        self,
        reader: Reader,
        counter: Generations,
        responder: Responder,
        tally: Tally,
        cache: AnswerCache | None = None,
        *,
        stream: bool = False,
    ) -> None:
        self.reader: Final = reader
        self.cache: Final = AnswerCache() if cache is None else cache
        self.tally: Final = tally
        self.failed: Final = FailureLog(_log)
        self._counter = counter
        self.responder: Final = responder
        self._stream = stream
        self._seen = -1
        self._is_wanted = False  # the answer to the query at hand is worth keeping
        self._is_proved = False  # a cookie shows that its client's address is the client's own
        self._hits = 0  # of the batch at hand, that were found in the cache after all
        self._know()

    def _know(self) -> None:
        self.known = Known(self.reader, self.responder.zones(self.reader), self.tally)
        self.order = self._order()

    def _order(self) -> Order:
        """Return the steps of a query that is answered alone, cheapest first.

        A batch begins with `Intervals.answer`; where the cache is of no use, `answer_batch` follows, which
        is the fast path for all of it, and what that leaves has none.
        """
        if self._stream:
            return Order(
                first=(self._fast_whole,),
                again=(self._kept, self._fast),
                own=(self._exact, self._transfer, self._full),
            )
        return Order(
            first=(partial(find, self.known),),
            again=(self._kept, self._fast),
            own=(self._without_options, self._exact, self._full),
        )

    def renew(self) -> None:
        """Move to the newest generation, if it is another. Raises ImageReplacedError."""
        generation = self._counter.value
        if generation == self._seen:
            return
        self.cache.renew(self.reader)
        if self.responder.zones(self.reader) is not self.known.zones:
            self._know()
        self.known.renew()
        self._seen = generation

    def answer(self, batch: Batch, count: int, proved: list[int]) -> list[int]:
        """Write answers over the first `count` queries of a batch; return the indexes of those that get none.

        `proved`: the indexes of those whose client's address a cookie proves are added there.
        """
        if self._counter.value != self._seen:
            self.renew()
        counts, cache, intervals = self.tally.counts, self.cache, self.known.intervals
        first, again, _ = self.order
        left = intervals.answer(batch, count, counts)
        if cache.is_skipped():
            left = answer_batch(self.known, batch, left, counts, self.failed)
            first, again = (), (self._kept,)
        silent: list[int] = []
        misses = self._answer_each(batch, left, first, again, silent, proved)
        cache.looked_up(len(left), misses)
        misses += count - len(left)
        if misses:
            self.tally.ignored += len(silent)
            self.tally.missed += misses - self._hits - len(silent)
            self._hits = 0
            intervals.teach(misses)
        return silent

    def _answer_each(
        self,
        batch: Batch,
        indexes: Sequence[int],
        first: tuple[Step, ...],
        again: tuple[Step, ...],
        silent: list[int],
        proved: list[int],
    ) -> int:
        """Answer queries of a batch one by one; return how many the cache did not have at hand."""
        lengths, slots, sizes = batch.lengths(BATCH), batch.slots, batch.sizes
        classes, counts = batch.classes, self.tally.counts
        if not isinstance(indexes, range):
            slots, lengths = tuple(slots[index] for index in indexes), [lengths[index] for index in indexes]
        cache, misses = self.cache, 0
        get, get_denial, doors = cache.answers.recent.get, cache.denials.recent.get, cache.doors
        for index, slot, length in zip(indexes, slots, lengths, strict=False):
            raw = slot[2:length].tobytes()
            key = raw.lower()
            entry = get(key)
            if entry is None:
                entry = get_denial(key)
                if entry is None:
                    misses += 1
                    door = hash(key) & LAST_DOOR
                    has_come = doors[door]
                    doors[door] = 1
                    try:
                        for step in again if has_come else first:
                            entry = step(raw, key)
                            if entry is not None:
                                break
                    except Exception:  # noqa: BLE001 - the full path may know better
                        self.failed.note("a query failed on the fast path", raw)
                    if entry is None:
                        self._is_wanted = has_come > 0
                        entry = self._own(slot[:length].tobytes(), Client(batch.client(index)))
                        if entry is None:
                            silent.append(index)
                            continue
                        if self._is_proved:
                            proved.append(index)
            header, end, tail, size, class_, _ = entry
            counts[class_] += 1
            if classes is not None:
                classes[index] = class_
            slot[2:12] = header
            slot[end:size] = tail
            sizes[index] = size
        return misses

    def respond(self, message: bytes, client: Callable[[], Client]) -> bytes | None:
        """Return the response to a message; empty where it asks a stream for a transfer, None without one.

        Counts it, but not the transport that it came by.
        """
        self.renew()
        raw = message[2:]
        entry = self._by_octets(raw, raw.lower()) or self._own(message, client())
        return b"" if entry is _TRANSFER else self._counted(entry, message)

    def respond_in_full(self, message: bytes, client: Client) -> bytes | None:
        """Return the response of the full path, also where a transfer is asked for."""
        self._is_wanted = False
        return self._counted(self._full(message, client), message)

    def _counted(self, entry: Entry | None, message: bytes) -> bytes | None:
        if entry is None:
            self.tally.ignored += 1
            return None
        _, _, _, _, class_, _ = entry
        self.tally.counts[class_] += 1
        return wire_of(entry, message)

    def _by_octets(self, raw: bytes, key: bytes) -> Entry | None:
        """Take one query through the steps that go by its octets."""
        entry = self.cache.answers.recent.get(key)
        if entry is not None:
            self._hits += 1
            return entry
        self._is_wanted = self.cache.is_wanted(key)
        try:
            for step in self.order.again if self._is_wanted else self.order.first:
                entry = step(raw, key)
                if entry is not None:
                    return entry
        except Exception:  # noqa: BLE001 - the full path may know better
            self.failed.note("a query failed on the fast path", raw)
        return None

    def _own(self, message: bytes, client: Client) -> Entry | None:
        """Take one query through the steps that look at who asks; None: it gets no answer."""
        self._is_proved = False
        try:
            for step in self.order.own:
                entry = step(message, client)
                if entry is not None:
                    return entry
        except Exception:  # noqa: BLE001 - whatever one message brings, the others are answered
            self.failed.note("a query failed", message)
            failure = server_failure(message)
            return None if failure is None else self._entry(message, failure)
        return None

    # The steps

    def _kept(self, _raw: bytes, key: bytes) -> Entry | None:
        """Find an answer in the cache that is not at hand."""
        entry = self.cache.find(key)
        self._hits += entry is not None
        return entry

    def _fast(self, raw: bytes, key: bytes) -> Entry | None:
        """Find an answer by the fast path, and keep it."""
        entry = self.order.first[-1](raw, key)
        if entry is not None:
            self.cache.keep(raw, key, entry)
        return entry

    def _fast_whole(self, raw: bytes, key: bytes) -> Entry | None:
        """Find an answer by the fast path, if nothing of it must be cut off to fit a datagram."""
        cuts = self.known.cuts
        entry = find(self.known, raw, key)
        return entry if self.known.cuts == cuts else None

    def _without_options(self, message: bytes, client: Client) -> Entry | None:
        """Answer a query with options that are ignored, or a cookie, as one without, and put our cookie in.

        None: it is another, or the answer has other options too, or no room for ours.
        """
        found = without_options(message)
        if found is None:
            return None
        bare, cookie = found
        try:
            verdict = self.responder.judge(cookie, client.address) if cookie else None
        except ValueError:
            return None
        if verdict is not None and verdict.validity is _BAD:
            return None
        hits = self._hits
        entry = self._by_octets(bare, bare.lower()) or self._exact(_NO_ID + bare, client)
        entry = entry or self._shared(_NO_ID + bare, client)
        if entry is None or verdict is None:
            return entry
        header, end, tail, size, class_, zone = entry
        size += len(verdict.option)
        if tail[-OPT_LENGTH:] not in BARE_OPTS or size > udp_limit(bare[-8] << 8 | bare[-7]):
            self._hits = hits
            return None
        self._is_proved = verdict.validity is _GOOD
        tail = b"".join((tail[:-2], OPTIONS_LENGTH, verdict.option))
        return header, end, tail, size, class_, zone

    def _exact(self, message: bytes, _client: Client) -> Entry | None:
        """Find an answer in the cache to a query with letters behind its name."""
        entry = self.cache.find_exact(message)
        self._hits += entry is not None
        return entry

    def _transfer(self, message: bytes, _client: Client) -> Entry | None:
        """Leave a query for a transfer to who sends those."""
        return _TRANSFER if is_transfer(message) else None

    def _full(self, message: bytes, client: Client) -> Entry | None:
        """Answer by the full path, and keep the answer where it is worth it; None: there must be none."""
        response = self.responder.answered(self.reader, message, client)
        if response is None:
            return None
        if len(response.wire) > DATAGRAM and not client.stream:
            raise OverflowError(f"answer of {len(response.wire)} octets over UDP")
        self._is_proved = response.proved
        return self._entry(message, response)

    def _shared(self, message: bytes, client: Client) -> Entry | None:
        """Answer by the full path, if all who send these octets get the same answer."""
        response = self.responder.answered(self.reader, message, client)
        return None if response is None or not response.cacheable else self._entry(message, response)

    def _entry(self, message: bytes, response: Response) -> Entry:
        """Classify a response of the full path; keep it where it is worth it."""
        wire, end, zone = response.wire, response.question_end, response.zone
        class_ = self.tally.class_of(message, wire, end, zone, response.kind)
        if response.cacheable and self._is_wanted:
            self.cache.store(message, response, class_, zone)
        return wire[2:HEADER_LENGTH], end, wire[end:], len(wire), class_, zone
