"""Load from dnsperf, and what servers make of it: queries a second, CPU time, latency.

One server at a time: it has core 0, the client core 1. What a second worker is worth cannot be measured so on
two cores: see `drain`.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import latency
import workload
from servers import Server
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
        generator = _dnsperf(server.port, questions, load)
        time.sleep(_SETTLE)
        taken, unanswered = latency.probe(server.port, queries, load.seconds - 2 * _SETTLE, load.tcp)
        told = _told(generator)
        used = server.cpu_seconds() - before
    answered = told.completed + len(taken)
    server.lost += told.lost + unanswered
    server.queries.append(told.completed / told.seconds)
    server.cpu.append(used / max(answered, 1) * 1e6)
    server.latency += taken


def _dnsperf(port: int, questions: Questions, load: Load) -> subprocess.Popen[str]:
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(questions.path)]
    command += ["-l", str(load.seconds), "-c", "8", "-T", "1", "-q", "200"]
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
