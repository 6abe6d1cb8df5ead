"""One UDP worker: a plain loop over batches of datagrams, answered from the cache or from the image.

Once a batch the generation counter is looked at; where it moved, the worker renews its read transaction and
drops what it cached, so no answer is older than the activation seen before its query was read. Nothing that
arrives can raise past `_work_out`: what the responder cannot do is answered SERVFAIL, counted and logged.
A broken socket or image does raise: the supervisor restarts the worker.
"""

from __future__ import annotations

import gc
import logging
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final

from dnsctl.image.generation import GenerationCounter
from dnsctl.image.reader import Reader
from dnsctl.model.name import Name
from dnsctl.serve.fast.bulk import Batchwise
from dnsctl.serve.fast.cache import LAST_DOOR, AnswerCache, Entry
from dnsctl.serve.message.cookies import OPTIONS_LENGTH, Standing
from dnsctl.serve.message.datagrams import DATAGRAM, Batch
from dnsctl.serve.message.edns import BARE_OPTS, OPT_LENGTH, udp_limit
from dnsctl.serve.message.query import Client
from dnsctl.serve.message.sections import Response
from dnsctl.serve.metrics.counters import IDLE_SECONDS
from dnsctl.serve.metrics.failures import FailureLog
from dnsctl.serve.metrics.tally import Tally
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport.rate_limit import RateLimiter

_SERVFAIL: Final = 2
_log = logging.getLogger(__name__)


class UdpWorker:
    """Answers on `sockets` until the process ends. `reader` is this process's own read transaction."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        reader: Reader,
        counter: GenerationCounter,
        responder: Responder,
        cache: AnswerCache | None = None,
        tally: Tally | None = None,
        limiter: RateLimiter | None = None,
    ) -> None:
        self._batches = [Batch(one) for one in sockets]
        self._reader = reader
        self._counter = counter
        self._responder = responder
        self._cache = AnswerCache() if cache is None else cache
        self._doors = self._cache.doors
        self._tally = responder.tally = Tally() if tally is None else tally
        self._counts = self._tally.counts
        self._limiter = limiter
        self._proved: list[int] = []  # indexes of clients in the batch whose address a cookie proves
        self._wanted = False  # the answer to the query at hand is worth storing
        self._seen = -1
        self._take(responder.direct(reader))
        self._failed = FailureLog(_log)
        self.refused = 0  # answers the kernel would not send
        self._is_ending = False

    @property
    def failures(self) -> int:
        """Messages the responder could not handle."""
        return self._failed.count

    def end(self) -> None:
        """Have `run` return once what was read is answered; `IDLE_SECONDS` later at most."""
        self._is_ending = True

    def run(self) -> None:
        """Answer until `end`. Raises OSError for a broken socket, ImageError for a broken image."""
        self.renew()
        gc.collect()
        gc.freeze()  # what exists now stays: keep the collector, and the forked pages, off it
        if len(self._batches) == 1:
            batch = self._batches[0]
            while not self._is_ending:
                self.turn(batch, batch.receive(wait=True))
            return
        poll = select.poll()
        by_descriptor = {batch.socket.fileno(): batch for batch in self._batches}
        for descriptor in by_descriptor:
            poll.register(descriptor, select.POLLIN)
        while not self._is_ending:
            ready = poll.poll(IDLE_SECONDS * 1000)
            for descriptor, _ in ready:
                batch = by_descriptor[descriptor]
                self.turn(batch, batch.receive(wait=False))
            if not ready:
                self.renew()
                self._tally.idle()

    def turn(self, batch: Batch, count: int) -> None:
        """Answer the `count` datagrams that `batch` received; none: it was idle."""
        if self._counter.value != self._seen:
            self.renew()
        if not count:
            self._tally.idle()
            return
        tally = self._tally
        began = next(tally.untimed, 1) and time.perf_counter_ns()  # 0 for all but one batch in many
        silent = self._answer(batch, count)
        if batch.is_ipv6:
            tally.ipv6 += count - len(silent)
        if self._limiter is not None:
            silent = self._limiter.apply(batch, count, silent, self._proved, self._synthesized)
            self._proved.clear()
        first = unsent = 0
        for index in silent:
            if first < index:
                unsent += batch.send(first, index)
            first = index + 1
        if first < count:
            unsent += batch.send(first, count)
        if unsent:
            self.refused += unsent
            tally.unsent += unsent
        if began:
            tally.turned(began, count)

    def _synthesized(self, qname: Name) -> Name | None:
        return self._responder.synthesized(self._reader, qname)

    def renew(self) -> None:
        """See the newest generation: a fresh read transaction, and a cache without the zones that changed."""
        generation = self._counter.value
        if generation != self._seen:
            self._cache.renew(self._reader)
            self._take(self._responder.direct(self._reader))
            self._seen = generation

    def _take(self, direct: Batchwise) -> None:
        self._direct, self._short = direct, direct.find

    def _answer(self, batch: Batch, count: int) -> list[int]:
        """Write the answers over the queries; return the indexes of those that get none, ascending."""
        gaps, counts, cache = self._direct.gaps, self._counts, self._cache
        lengths, slots = batch.lengths(count), batch.slots
        find: Callable[[bytes, bytes], Entry | None] = self._find
        left = gaps.answer(batch, count, counts)
        if cache.is_skipped():
            left = self._direct.answer(batch, left, counts, self._failed)
            find = self._find_kept
        asked = len(left)
        if asked < count:
            slots, lengths = tuple(slots[index] for index in left), [lengths[index] for index in left]
        sizes = batch.sizes
        get, get_denial = cache.answers.recent.get, cache.denials.recent.get
        silent: list[int] = []
        misses = 0
        for index, slot, length in zip(left, slots, lengths, strict=False):
            raw = slot[2:length].tobytes()
            key = raw.lower()
            entry = get(key)
            if entry is None:
                entry = get_denial(key)
                if entry is None:
                    misses += 1
                    entry = find(raw, key)
            if entry is not None:
                header, end, tail, size, kind, _ = entry
                counts[kind] += 1
                slot[2:12] = header
                slot[end:size] = tail
                sizes[index] = size
            elif (wire := self._work_out(slot[:length].tobytes(), batch, index)) is not None:
                size = len(wire)
                slot[:size] = wire
                sizes[index] = size
            else:
                silent.append(index)
        cache.looked_up(asked, misses)
        misses += count - asked
        if misses:
            self._tally.missed += misses
            gaps.teach(misses)
        return silent

    def _find(self, raw: bytes, key: bytes) -> Entry | None:
        """Return the answer to a query from the cache's slower paths or by the short way, if it has one."""
        door = hash(key) & LAST_DOOR
        try:
            if self._doors[door]:
                return self._find_again(raw, key)
            self._doors[door] = 1
            self._wanted = False
            return self._short(raw, key)
        except Exception:  # noqa: BLE001 - the long way may know better, and says SERVFAIL if not
            self._failed.note("a query failed on the short way", raw)
            return None

    def _find_again(self, raw: bytes, key: bytes) -> Entry | None:
        """Do so for a query that has come before, more likely than not: keep what is found."""
        self._wanted = True
        entry = self._cache.find(key)
        if entry is not None:
            self._tally.missed -= 1
            return entry
        entry = self._short(raw, key)
        if entry is not None:
            self._cache.keep(raw, key, entry)
        return entry

    def _find_kept(self, _raw: bytes, key: bytes) -> Entry | None:
        """Return the answer to a query that has no short way from the cache's slower paths."""
        door = hash(key) & LAST_DOOR
        self._wanted = bool(self._doors[door])
        self._doors[door] = 1
        entry = self._cache.find(key) if self._wanted else None
        self._tally.missed -= entry is not None
        return entry

    def _work_out(self, message: bytes, batch: Batch, index: int) -> bytes | None:
        """Return the answer to `message` by the ways that are not short; None: say nothing."""
        try:
            client = Client(batch.client(index))
            wire = self._without_options(message, client, index)
            if wire is not None:
                return wire
            entry = self._find_exact(message)
            if entry is not None:
                header, end, tail, _, kind, _ = entry
                self._counts[kind] += 1
                return message[:2] + header + message[12:end] + tail
            response = self._long(message, client)
            if response is None:
                self._ignore()
                return None
            if len(response.wire) > DATAGRAM:
                raise OverflowError(f"answer of {len(response.wire)} octets over UDP")
            if response.proved and self._limiter is not None:
                self._proved.append(index)
            self._count(message, response)
            return response.wire
        except Exception:  # noqa: BLE001 - whatever one message brings, the others are answered
            self._failed.note("a query failed", message)
            failure = server_failure(message)
            if failure is None:
                self._ignore()
            else:
                self._count(message, Response(failure, 0, False))
            return failure

    def _long(self, message: bytes, client: Client) -> Response | None:
        """Answer by the long way, and keep the answer where it is worth it."""
        response = self._responder.long(self._reader, message, client)
        if response is None:
            return None
        response = response._replace(kind=self._class_of(message, response))
        if response.cacheable and self._wanted:
            self._cache.store(message, response, response.kind, response.zone)
        return response

    def _without_options(self, message: bytes, client: Client, index: int) -> bytes | None:
        """Answer a query with options that are ignored, or a cookie, as one without, and put our cookie in.

        None: it is another, or the answer has other options too, or no room for ours.
        """
        found = self._responder.without_options(message, client.address)
        if found is None:
            return None
        bare, verdict = found
        key = bare.lower()
        missed = self._tally.missed
        entry = self._cache.answers.recent.get(key)
        if entry is not None:
            self._tally.missed -= 1
        else:
            entry = self._find(bare, key) or self._find_exact(bytes(2) + bare) or self._learn(bare, client)
        if entry is None:
            return None
        header, end, tail, size, kind, _ = entry
        if verdict is None:
            self._counts[kind] += 1
            return b"".join((message[:2], header, message[12:end], tail))
        payload = bare[-8] << 8 | bare[-7]
        if tail[-OPT_LENGTH:] not in BARE_OPTS or size + len(verdict.option) > udp_limit(payload):
            self._tally.missed = missed
            return None
        self._counts[kind] += 1
        if verdict.standing is Standing.GOOD and self._limiter is not None:
            self._proved.append(index)
        return b"".join((message[:2], header, message[12:end], tail[:-2], OPTIONS_LENGTH, verdict.option))

    def _find_exact(self, message: bytes) -> Entry | None:
        """Return the answer to a query with letters behind its name, if it is kept."""
        entry = self._cache.find_exact(message)
        self._tally.missed -= entry is not None
        return entry

    def _learn(self, bare: bytes, client: Client) -> Entry | None:
        """Answer a query behind its id by the long way; None where the answer is not for all who ask it."""
        message = bytes(2) + bare
        response = self._long(message, client)
        if response is None or not response.cacheable:
            return None
        wire, end = response.wire, response.question_end
        return wire[2:12], end, wire[end:], len(wire), response.kind, response.zone

    def _ignore(self) -> None:
        """Count a message that gets no answer: it is not a query, so it did not miss the cache."""
        self._tally.ignored += 1
        self._tally.missed -= 1

    def _count(self, message: bytes, response: Response) -> None:
        """Count a query that was answered the long way."""
        self._tally.counts[response.kind or self._class_of(message, response)] += 1

    def _class_of(self, message: bytes, response: Response) -> int:
        wire, end, zone = response.wire, response.question_end, response.zone
        return self._tally.class_of(message, wire, end, zone, denied=response.denied)


def server_failure(message: bytes) -> bytes | None:
    """Return SERVFAIL without a question for a query that could not be handled; None where it is none."""
    if len(message) < 12 or message[2] & 0x80:
        return None
    return message[:2] + bytes((0x80 | message[2] & 0x79, _SERVFAIL)) + bytes(8)
