"""Hosts of a fleet in network namespaces of their own, on links that can be cut and slowed down.

`world` is the namespace of this process, and of whoever asks. Plain veth pairs lead from there to the nodes;
nothing ever happens to these. control–ns1, control–ns2 and ns1–ns2 are pairs of TUN devices, and a process of
our own carries each packet from one to the other: late, or not at all. What tc's netem does is done here, so
that it does not take a kernel that has it.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import multiprocessing
import os
import random
import selectors
import struct
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from bench.faults.life import ends_with_us

ADDRESSES = {
    "ns1": "192.0.2.53",
    "ns2": "198.51.100.53",
    "control": "203.0.113.1",
    "world": "203.0.113.2",
}
NODES = ("ns1", "ns2")
LINKS = (("control", "ns1"), ("control", "ns2"), ("ns1", "ns2"))
_TUNSETIFF = 0x400454CA  # linux/if_tun.h
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_MTU = 1500

Way = tuple[str, str]  # from whom to whom


class NoNetworkError(Exception):
    """This machine gives us no network of our own; the message says why."""


@dataclass(frozen=True)
class Condition:
    """What is done to packets on a way: seconds of delay and jitter, share lost, octets a second (0: any)."""

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    rate: float = 0.0

    def __str__(self) -> str:
        if self.loss >= 1:
            return "cut"
        limit = f", {self.rate / 1000:.0f} kB/s" if self.rate else ""
        return f"{self.delay * 1000:.0f}+{self.jitter * 1000:.0f} ms, {self.loss:.0%} lost{limit}"


GOOD = Condition()
CUT = Condition(loss=1.0)


class Network:
    """The hosts, and the links between them. Make it with `network`."""

    def __init__(self, namespaces: Mapping[str, str], orders: Connection) -> None:
        self._namespaces = namespaces
        self._orders = orders

    def inside(self, host: str) -> tuple[str, ...]:
        """Return what to put before a command so that it runs on `host`."""
        return ("nsenter", f"--net={self._namespaces[host]}", "--")

    def let(self, ways: Iterable[Way], condition: Condition) -> None:
        """Have packets on `ways` go through `condition` from here on."""
        self._orders.send(dict.fromkeys(ways, condition))
        self._orders.recv()

    def heal(self) -> None:
        """Make all links good."""
        self.let(both(LINKS), GOOD)


def both(links: Iterable[Way]) -> list[Way]:
    """Return both ways of each link."""
    return [way for one, other in links for way in ((one, other), (other, one))]


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """Yield the hosts; for a process that has a network namespace of its own. Raises NoNetworkError."""
    with contextlib.ExitStack() as stack:
        hosts = {name: stack.enter_context(_namespace()) for name in ADDRESSES if name != "world"}
        try:
            _run("ip", "link", "set", "lo", "up")
            _run("ip", "addr", "add", f"{ADDRESSES['world']}/32", "dev", "lo")
            for name, pid in hosts.items():
                _on(pid, "ip", "link", "set", "lo", "up")
                _on(pid, "ip", "addr", "add", f"{ADDRESSES[name]}/32", "dev", "lo")
            for name in NODES:
                _join_world(name, hosts[name])
            ends = {way: stack.enter_context(_end(way, hosts[way[0]])) for way in both(LINKS)}
        except (OSError, subprocess.CalledProcessError) as fault:
            told = getattr(fault, "stderr", "") or fault
            raise NoNetworkError(f"no network of our own: {told}".strip()) from None
        ours, theirs = multiprocessing.Pipe()
        fork = multiprocessing.get_context("fork")
        carrier = fork.Process(target=_carry, args=(ends, theirs, os.getpid()), daemon=True)
        carrier.start()
        try:
            yield Network({name: f"/proc/{pid}/ns/net" for name, pid in hosts.items()}, ours)
        finally:
            carrier.kill()
            carrier.join()


@contextlib.contextmanager
def _namespace() -> Iterator[int]:
    """Yield a process that holds a network namespace."""
    own = Path("/proc/self/ns/net").readlink()
    holder = subprocess.Popen(
        ("unshare", "--net", "sleep", "infinity"),
        stdin=subprocess.DEVNULL,
        preexec_fn=ends_with_us(),  # noqa: PLW1509 - no thread runs yet
    )
    try:
        while Path(f"/proc/{holder.pid}/ns/net").readlink() == own:
            if holder.poll() is not None:
                raise NoNetworkError("no network of our own: unshare fails")
            time.sleep(0.01)
        yield holder.pid
    finally:
        holder.kill()
        holder.wait()


def _join_world(name: str, pid: int) -> None:
    _run("ip", "link", "add", name, "type", "veth", "peer", "name", "world", "netns", str(pid))
    _run("ip", "link", "set", name, "up")
    _on(pid, "ip", "link", "set", "world", "up")
    _run("ip", "route", "add", ADDRESSES[name], "dev", name, "src", ADDRESSES["world"])
    _on(pid, "ip", "route", "add", ADDRESSES["world"], "dev", "world", "src", ADDRESSES[name])


@contextlib.contextmanager
def _end(way: Way, pid: int) -> Iterator[int]:
    """Yield the descriptor of the device by which the first host of `way` reaches the second."""
    here, there = way
    device, final = f"{here[:5]}-{there[:5]}", f"to-{there}"
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TUN | _IFF_NO_PI))
        _run("ip", "link", "set", device, "netns", str(pid), "name", final)
        _on(pid, "ip", "link", "set", final, "up", "mtu", str(_MTU))
        _on(pid, "ip", "route", "add", ADDRESSES[there], "dev", final, "src", ADDRESSES[here])
        yield descriptor
    finally:
        os.close(descriptor)


def _on(pid: int, *command: str) -> None:
    _run("nsenter", f"--net=/proc/{pid}/ns/net", "--", *command)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def _carry(ends: Mapping[Way, int], orders: Connection, parent: int) -> None:
    """Carry packets for ever: what is read at the end of a way goes out at the end of the way back."""
    ends_with_us(parent)()
    conditions, free = dict.fromkeys(ends, GOOD), dict.fromkeys(ends, 0.0)
    waiting: list[tuple[float, int, int, bytes]] = []  # when it is due, order, where to, packet
    chance, count = random.Random(1), 0
    with selectors.DefaultSelector() as selector:
        selector.register(orders, selectors.EVENT_READ, None)
        for way, end in ends.items():
            selector.register(end, selectors.EVENT_READ, way)
        while True:
            pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
            for key, _ in selector.select(pause):
                if key.data is None:
                    conditions.update(orders.recv())
                    orders.send(None)
                    continue
                way, now = key.data, time.monotonic()
                packet, condition = os.read(key.fd, 65536), conditions[key.data]
                if chance.random() < condition.loss:
                    continue
                if condition.rate:
                    free[way] = max(now, free[way]) + len(packet) / condition.rate
                    now = free[way]
                count += 1
                due = now + condition.delay + condition.jitter * chance.random()
                heapq.heappush(waiting, (due, count, ends[way[::-1]], packet))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, end, packet = heapq.heappop(waiting)
                with contextlib.suppress(OSError):  # the queue of the device is full
                    os.write(end, packet)
