"""What counting costs: CPU of a UDP worker per query with its counters and with them taken out, in one run.

    .venv/bin/python bench/counting.py [--rounds 40] [--batches 100]

The worker runs in this process; only its turns are timed (CPU, kernel's part included): receive, answer,
send. Batches wait for it; a query that comes alone is one it waits for, as at light load: a client process
sends the next when it has the answer. "Without" is the same worker with the counting lines cut out of the
source of its loop and nothing done where queries are counted one by one. Rounds go through both in turn; the
median of the rounds' ratios counts.
"""

from __future__ import annotations

import argparse
import gc
import inspect
import multiprocessing
import os
import random
import re
import socket
import statistics
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import dns.message

from dnsctl.image.generation import GenerationCounter
from dnsctl.image.store import Image
from dnsctl.model.repo import NodeFiles
from dnsctl.serve import answerer
from dnsctl.serve.answerer import Answerer
from dnsctl.serve.message.datagrams import BATCH, Batch
from dnsctl.serve.metrics.tally import Tally
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport import udp
from dnsctl.serve.transport.udp import UdpWorker
from tests.build import validated
from tests.node.running import publish

NAMES = 1000
OTHER_CORE, OWN_CORE = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))


COUNTING = "|".join(  # lines that are there for counting only
    (
        r"counts\[class_\] \+= 1",
        r"self\.tally\.(?:ignored|missed) \+= .*",
        r"if batch\.is_ipv6:\n *tally\.ipv6 \+= .*",
        r"tally = self\._tally",
        r"began = .*",
        r"if began:\n *tally\.turned\(.*",
        r"self\._hits (?:\+=|=) .*",
    )
)


def without_counting(kind: type, home: ModuleType, *names: str) -> type:
    """Return a class without the lines that count in some of its methods. `home`: its module."""
    cut = 0
    methods: dict[str, object] = {}
    for name in names:
        source = textwrap.dedent(inspect.getsource(getattr(kind, name)))
        bare, number = re.subn(rf"^ *(?:{COUNTING})\n", "", source, flags=re.MULTILINE)
        cut += number
        exec(compile("from __future__ import annotations\n" + bare, "bare", "exec"), vars(home), methods)  # noqa: S102
    assert cut == {Answerer: 6, UdpWorker: 4}[kind], (
        f"{kind.__name__} counts in other ways now: {cut} lines cut"
    )
    return type("Bare", (kind,), methods)


def bare_worker() -> type[UdpWorker]:
    """Return the worker, and its answerer, without the lines that count."""
    answering = without_counting(Answerer, answerer, "answer", "_answer_each", "_kept", "_exact")
    worker = without_counting(UdpWorker, udp, "turn")

    class Bare(worker):  # type: ignore[misc, valid-type]
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self.answerer.__class__ = answering

    return Bare


class Bench:
    """A worker, the socket it answers on, and a client."""

    def __init__(self, state: Path, image: Image, worker: type[UdpWorker]) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.connect(self.socket.getsockname())
        self.client.setblocking(False)
        self.batch = Batch(self.socket)
        responder, reader = Responder(), image.reader()
        counter = GenerationCounter(NodeFiles(state).generation)
        self.worker = worker([self.socket], reader, counter, responder, tally=Tally())
        self.worker.answerer.renew()

    def turns(self, queries: Callable[[], list[bytes]], batches: int) -> float:
        """Return CPU microseconds a query that stands in a batch."""
        spent = count = 0
        for _ in range(batches):
            for wire in queries():
                self.client.send(wire)
            before = time.thread_time_ns()
            number = self.batch.receive(wait=True)
            self.worker.turn(self.batch, number)
            spent += time.thread_time_ns() - before
            count += number
            for _ in range(number):
                self.client.recv(4096)
        return spent / 1000 / count

    def waits(self, queries: list[bytes]) -> float:
        """Return CPU microseconds a query that was waited for; a process of its own asks."""
        self.client.setblocking(True)
        asking = multiprocessing.get_context("fork").Process(target=self._ask, args=(queries,), daemon=True)
        asking.start()
        before = time.thread_time_ns()
        for _ in queries:
            self.worker.turn(self.batch, self.batch.receive(wait=True))
        spent = time.thread_time_ns() - before
        asking.join()
        self.client.setblocking(False)
        return spent / 1000 / len(queries)

    def _ask(self, queries: list[bytes]) -> None:
        os.sched_setaffinity(0, {OTHER_CORE})
        for wire in queries:
            self.client.send(wire)
            self.client.recv(4096)


def one_round(
    figure: Callable[[Bench], float], benches: tuple[Bench, Bench], first: int
) -> tuple[float, float]:
    """Return the figures without and with; each goes first in every second round."""
    found = {which: figure(benches[which]) for which in (first, 1 - first)}
    return found[0], found[1]


def workloads(batches: int) -> dict[str, Callable[[Bench], float]]:
    """Return what gives the figure of a workload, by its name."""
    picked = random.Random(1)
    known = [
        dns.message.make_query(f"h{number}.example.com", "A", want_dnssec=True).to_wire()
        for number in range(NAMES)
    ]
    form = dns.message.make_query("0123456789abcdef.example.com", "A", want_dnssec=True).to_wire()

    def flood() -> bytes:
        return form[:13] + picked.randbytes(8).hex().encode() + form[29:]

    return {
        f"hits, batches of {BATCH}": lambda bench: bench.turns(
            lambda: picked.choices(known, k=BATCH), batches
        ),
        "hits, waited for": lambda bench: bench.waits(picked.choices(known, k=batches * 8)),
        f"random names, batches of {BATCH}": lambda bench: bench.turns(
            lambda: [flood() for _ in range(BATCH)], batches
        ),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=40)
    arguments.add_argument("--batches", type=int, default=100, help=f"of {BATCH} queries, in a round")
    given = arguments.parse_args()
    os.sched_setaffinity(0, {OWN_CORE})
    print(f"load average {os.getloadavg()[0]:.1f}, {given.rounds} rounds")
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory)
        publish(state, [validated("example.com.", "".join(f"h{n} A 192.0.2.1\n" for n in range(NAMES)))])
        with Image.open(NodeFiles(state).image) as image:
            benches = (
                Bench(state, image, bare_worker()),
                Bench(state, image, UdpWorker),
            )
            gc.disable()
            for name, figure in workloads(given.batches).items():
                for each in benches:
                    figure(each)
                rounds = [one_round(figure, benches, number % 2) for number in range(given.rounds)]
                without, counted = (statistics.median(column) for column in zip(*rounds, strict=True))
                ratio = statistics.median(after / before for before, after in rounds)
                print(f"{name:30} {without:6.2f} µs without, {counted:6.2f} with: {ratio - 1:+.1%}")


if __name__ == "__main__":
    main()
