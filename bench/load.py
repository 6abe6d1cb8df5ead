"""Load from dnsperf, and what servers make of it: queries a second, CPU time, latency.

One server at a time (`measure`): it has core 0, the client core 1. Scaling over two workers (`Cells`) cannot
be measured so on two cores, since a generator beside two workers would be the limit: there, a *cell* is a
core with a worker and two generators that share it, and two cells are compared with one.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import latency
import workload
from servers import Server, cpu_seconds
from workload import Questions

SERVER_CORE, CLIENT_CORE = 0, 1
_SETTLE = 0.2  # seconds that dnsperf has before the first probe, and after the last


@dataclass(frozen=True)
class Load:
    """How questions are asked."""

    seconds: int
    want_dnssec: bool = True
    tcp: bool = False


@dataclass(frozen=True)
class Told:
    """What one run of dnsperf says."""

    completed: int
    lost: int
    seconds: float


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Keep this thread, and what it starts, on one core inside the block."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measure(server: Server, questions: Questions, load: Load) -> None:
    """One round with one server: pin, load, probe, and read what it took from /proc."""
    server.pin(SERVER_CORE)
    queries = [
        workload.query_wire(line, number, load.want_dnssec)
        for number, line in enumerate(questions.probes[: load.seconds * latency.RATE])
    ]
    with on_core(CLIENT_CORE):
        before = server.cpu_seconds()
        generator = _dnsperf(server.port, questions, load, clients=8, outstanding=200)
        time.sleep(_SETTLE)
        taken, unanswered = latency.probe(server.port, queries, load.seconds - 2 * _SETTLE, load.tcp)
        told = _told(generator)
        used = server.cpu_seconds() - before
    answered = told.completed + len(taken)
    server.lost += told.lost + unanswered
    server.queries.append(told.completed / told.seconds)
    server.cpu.append(used / max(answered, 1) * 1e6)
    server.latency += taken


@dataclass
class Cells:
    """Cells that run at the same time, and what was measured of them, by round."""

    name: str
    servers: Sequence[Server]  # each core's workers belong to one of them
    cores: Sequence[int]
    queries: list[float] = field(default_factory=list)  # a second, of all together
    cpu: list[float] = field(default_factory=list)  # microseconds of the servers a query
    busier: list[float] = field(default_factory=list)  # the share of the worker that works most

    def pin(self) -> None:
        """Give each worker a core, and the rest of its server the first one."""
        for server in self.servers:
            server.pin(self.cores[0])
        for pid, core in zip(self._workers(), self.cores, strict=True):
            os.sched_setaffinity(pid, {core})

    def measure(self, questions: Questions, load: Load) -> None:
        """One round. Every core has two generators: on two servers one for each, else both for the one."""
        self.pin()
        before = [cpu_seconds(pid) for pid in self._workers()]
        generators = []
        for core in self.cores:
            for server in (self.servers[0], self.servers[-1]):
                with on_core(core):
                    generators.append(_dnsperf(server.port, questions, load, clients=16, outstanding=100))
        told = [_told(one) for one in generators]
        used = [cpu_seconds(pid) - start for pid, start in zip(self._workers(), before, strict=True)]
        self.queries.append(sum(one.completed / one.seconds for one in told))
        self.cpu.append(sum(used) / max(1, sum(one.completed for one in told)) * 1e6)
        self.busier.append(max(used) / (sum(used) or 1))

    def median(self) -> tuple[float, float, float]:
        """Return queries a second, CPU microseconds a query and the busiest worker's share."""
        return (
            statistics.median(self.queries),
            statistics.median(self.cpu),
            statistics.median(self.busier),
        )

    def _workers(self) -> list[int]:
        return [pid for server in self.servers for pid in server.workers()]


def _dnsperf(
    port: int, questions: Questions, load: Load, *, clients: int, outstanding: int
) -> subprocess.Popen[str]:
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(questions.path)]
    command += ["-l", str(load.seconds), "-c", str(clients), "-T", "1", "-q", str(outstanding)]
    command += ["-D"] if load.want_dnssec else []
    command += ["-m", "tcp"] if load.tcp else []
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def _told(generator: subprocess.Popen[str]) -> Told:
    """Wait for dnsperf to end. Raises CalledProcessError where it failed."""
    output, _ = generator.communicate()
    found = [
        re.search(rf"{what}:\s+([0-9.]+)", output)
        for what in ("Queries completed", "Queries lost", r"Run time \(s\)")
    ]
    completed, lost, seconds = (float(one[1]) if one else 0.0 for one in found)
    if generator.returncode or not seconds:
        raise subprocess.CalledProcessError(generator.returncode, generator.args, output)
    return Told(int(completed), int(lost), seconds)
