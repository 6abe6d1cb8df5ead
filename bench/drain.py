"""What a second worker is worth, with no generator in the way.

On two cores, a generator beside two workers is the limit, whatever the workers do. So the queries wait in the
workers' sockets before anything is timed: both workers are stopped (SIGSTOP), CLIENTS of each send it DEPTH
queries, and it is resumed while the generator sleeps. A worker's rate is that of its answers, by the time the
kernel stamped them with on arrival, from the end of the first batch on. Each worker has a core to itself.

Of one burst each worker has its rate *alone*, while the other stays stopped, and *together* with it. The
queries, processes, sockets and queue lengths are the same; all that differs is whether the other one works.
A burst counts where no other process took a worker's core meanwhile, and both did work side by side.
Clients are chosen so that each worker has as many; how SO_REUSEPORT spreads them when not chosen is told too.
What a query costs the kernel on its way in is paid by the generator here, as by another machine's driver.
"""

from __future__ import annotations

import os
import signal
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import latency
import workload
from servers import Server, pin

from dnsctl.serve.message.datagrams import BATCH

SPREAD = 256  # clients whose worker is found out
CLIENTS = 24  # of each worker
DEPTH, SHALLOW = 32, 16  # queries of a client in a burst; where sockets may have the kernel's default only
PATIENCE = 4  # times as many bursts are tried as are to count
OVERLAP = 0.8  # of the time, at least, that workers resumed together must have worked side by side
SETTLING = 5  # times _QUIET in which a worker answers one question of each client, whatever else goes on
_QUIET = 0.03  # seconds in which a burst is answered
_ENOUGH = 1 << 20  # octets of a socket's buffer; a waiting query takes some 800
_Run = list[int]  # times at which answers arrived, ascending


class BusyError(Exception):
    """The machine has other work: nothing could be measured."""


@dataclass(frozen=True)
class Drained:
    """Queries a second: of each worker alone and together, medians over bursts; and what became of bursts."""

    alone: tuple[float, float]
    together: tuple[float, float]
    bursts: int  # that count
    skipped: int  # a worker lost its core to something else, an answer, or the other worker's company
    busier: float  # share of SPREAD clients that the kernel gives to the worker with more of them


def drain(server: Server, lines: Sequence[str], bursts: int) -> Drained:
    """Measure a server of two workers on two cores until so many bursts count. Raises BusyError."""
    workers = server.workers()
    for core, pid in enumerate(workers):
        pin(pid, core)
    queries = [workload.query_wire(line, number, True) for number, line in enumerate(lines[: depth()])]
    with ExitStack() as stack:
        clients = [stack.enter_context(_client(server.port)) for _ in range(SPREAD)]
        first, second = _owned(clients, workers)
        if min(len(first), len(second)) < CLIENTS:
            raise BusyError(f"of {SPREAD} clients, one worker answered {len(first)}")
        chosen = (first[:CLIENTS], second[:CLIENTS])
        _burst(chosen, queries, workers, at_once=True)  # fills caches
        counted: list[tuple[float, ...]] = []
        tried = 0
        while len(counted) < bursts and tried < PATIENCE * bursts:
            tried += 1
            alone = _burst(chosen, queries, workers, at_once=False)
            together = _burst(chosen, queries, workers, at_once=True)
            whole = all(len(run) == CLIENTS * len(queries) for run in (*alone, *together))
            if whole and _overlap(*together) >= OVERLAP:
                counted.append(tuple(_rate(run) for run in (*alone, *together)))
    if not counted:
        raise BusyError(f"in none of {tried} bursts did both workers have a core to themselves")
    medians = [statistics.median(column) for column in zip(*counted, strict=True)]
    return Drained(
        (medians[0], medians[1]),
        (medians[2], medians[3]),
        len(counted),
        tried - len(counted),
        max(len(first), len(second)) / SPREAD,
    )


def depth() -> int:
    """Return how many queries of a client can wait in a worker's socket."""
    return DEPTH if int(Path("/proc/sys/net/core/rmem_max").read_text()) >= _ENOUGH else SHALLOW


def _owned(
    clients: Sequence[socket.socket], workers: Sequence[int]
) -> tuple[list[socket.socket], list[socket.socket]]:
    """Part clients by the worker that the kernel gives their queries to: the first one, while it is alone."""
    question = workload.query_wire(f"{workload.ORIGIN} SOA", 1, True)
    parted: tuple[list[socket.socket], list[socket.socket]] = [], []
    with _stopped(workers[1:]):
        for client in clients:
            client.send(question)
        answered: set[socket.socket] = set()
        for _ in range(SETTLING):
            time.sleep(_QUIET)
            answered |= {client for client in clients if _arrivals([client])}
    for client in clients:
        parted[client not in answered].append(client)
    time.sleep(_QUIET)
    _arrivals(clients)
    return parted


def _burst(
    clients: tuple[list[socket.socket], list[socket.socket]],
    queries: Sequence[bytes],
    workers: Sequence[int],
    *,
    at_once: bool,
) -> tuple[_Run, _Run]:
    """Let the queries wait, resume the workers at once or one after the other; return both runs.

    A run is empty where another process took a core meanwhile.
    """
    with _stopped(workers):
        for query in queries:
            for pair in zip(*clients, strict=True):
                for client in pair:
                    client.send(query)
        before = [_preempted(pid) for pid in workers]
        if not at_once:
            with suppress(ProcessLookupError):  # a worker that is gone shows below
                os.kill(workers[0], signal.SIGCONT)
            time.sleep(_QUIET)
    time.sleep(_QUIET)
    first, second = _arrivals(clients[0]), _arrivals(clients[1])
    if before != [_preempted(pid) for pid in workers]:
        return [], []
    return first, second


def _preempted(pid: int) -> int:
    """Return how often a process had to leave its core although it had work; -1 where it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return -1
    return int(status.partition("nonvoluntary_ctxt_switches:")[2].split()[0])


@contextmanager
def _stopped(pids: Sequence[int]) -> Iterator[None]:
    stopped = [pid for pid in pids if _is_sent(pid, signal.SIGSTOP)]
    try:
        time.sleep(0.002)
        yield
    finally:
        left = [pid for pid in stopped if _is_sent(pid, signal.SIGCONT)]
    if len(left) < len(pids):
        raise BusyError("a worker stood still for so long that its supervisor replaced it")


def _is_sent(pid: int, number: signal.Signals) -> bool:
    """Send a signal; return whether the process is there."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


@contextmanager
def _client(port: int) -> Iterator[socket.socket]:
    link = latency.Datagrams(port)
    with link.socket:
        yield link.socket


def _arrivals(clients: Sequence[socket.socket]) -> _Run:
    found = []
    for client in clients:
        while (moment := latency.arrival(client)) is not None:
            found.append(moment)
    return sorted(found)


def _rate(run: _Run) -> float:
    """Return answers a second from the end of the first batch on: when that began is not known."""
    return (len(run) - BATCH) / (run[-1] - run[BATCH - 1]) * 1e9


def _overlap(one: _Run, other: _Run) -> float:
    both = min(one[-1], other[-1]) - max(one[0], other[0])
    return both / (max(one[-1], other[-1]) - min(one[0], other[0]))
