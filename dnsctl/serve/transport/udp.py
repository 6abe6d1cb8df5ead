"""One UDP worker: a plain loop over batches of datagrams, with an `Answerer` and the rate limit behind it.

A broken socket or image raises: the supervisor restarts the worker.
"""

from __future__ import annotations

import gc
import select
import socket
import time
from collections.abc import Sequence
from typing import Final

from dnsctl.image.generation import GenerationCounter
from dnsctl.image.reader import Reader
from dnsctl.serve.answerer import Answerer
from dnsctl.serve.fast.cache import AnswerCache
from dnsctl.serve.message.datagrams import Batch
from dnsctl.serve.metrics.counters import IDLE_SECONDS
from dnsctl.serve.metrics.tally import Tally
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport.rate_limit import RateLimiter


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
        self._batches = [Batch(one, keep_classes=limiter is not None) for one in sockets]
        self._tally = Tally() if tally is None else tally
        self._limiter = limiter
        self.answerer: Final = Answerer(reader, counter, responder, self._tally, cache)
        self.refused = 0  # answers the kernel would not send
        self._is_ending = False

    @property
    def failures(self) -> int:
        """Messages the responder could not handle."""
        return self.answerer.failed.count

    def end(self) -> None:
        """Have `run` return once what was read is answered; `IDLE_SECONDS` later at most."""
        self._is_ending = True

    def run(self) -> None:
        """Answer until `end`. Raises OSError for a broken socket, ImageError for a broken image."""
        self.answerer.renew()
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
                self.answerer.renew()
                self._tally.idle()

    def turn(self, batch: Batch, count: int) -> None:
        """Answer the `count` datagrams that `batch` received; none: it was idle."""
        if not count:
            self.answerer.renew()
            self._tally.idle()
            return
        tally = self._tally
        began = next(tally.untimed, 1) and time.perf_counter_ns()  # 0 for all but one batch in many
        proved: list[int] = []
        silent = self.answerer.answer(batch, count, proved)
        if batch.is_ipv6:
            tally.ipv6 += count - len(silent)
        if self._limiter is not None:
            silent = self._limiter.apply(batch, count, silent, proved)
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
