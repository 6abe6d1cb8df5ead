"""How long an answer takes under load: probes at a fixed rate, beside the load and of the same questions.

They run in the client's process, on the client's core, and leave on time whether or not earlier ones were
answered. A probe's time runs from the clock read directly before it is sent to the time the kernel stamped
its answer with (SO_TIMESTAMPNS): the wait for the core that the prober shares with dnsperf is not counted.
"""

from __future__ import annotations

import math
import select
import socket
import struct
import time
from collections.abc import Sequence

RATE = 500  # probes a second
_PATIENCE = 0.5  # seconds that an answer is waited for
_SO_TIMESTAMPNS = 35  # linux/socket.h; the socket module has no name for it
_TIME = struct.Struct("qq")  # struct timespec
_ANCILLARY = socket.CMSG_SPACE(_TIME.size)
_BUFFER = 65536


class Datagrams:
    """Probes over UDP."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)

    def send(self, query: bytes) -> None:
        self.socket.send(query)

    def receive(self) -> list[tuple[int, int]]:
        """Return message IDs and nanoseconds of arrival of what has come; empty where nothing has."""
        try:
            data, ancillary, _, _ = self.socket.recvmsg(_BUFFER, _ANCILLARY)
        except (BlockingIOError, ConnectionRefusedError):
            return []
        return [(int.from_bytes(data[:2], "big"), _stamped(ancillary))]


class _Stream(Datagrams):
    """Probes over one TCP connection. Answers that come in one piece have the time of its end."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.socket.setblocking(False)
        self._acknowledge_at_once()
        self.data = b""

    def _acknowledge_at_once(self) -> None:
        """Else a server that leaves Nagle's algorithm on waits for our next probe. The kernel forgets it."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def send(self, query: bytes) -> None:
        self.socket.send(len(query).to_bytes(2, "big") + query)

    def receive(self) -> list[tuple[int, int]]:
        try:
            data, ancillary, _, _ = self.socket.recvmsg(_BUFFER, _ANCILLARY)
        except BlockingIOError:
            return []
        self._acknowledge_at_once()
        if not data:
            raise ConnectionResetError("the server closed the probes' connection")
        moment = _stamped(ancillary)
        self.data += data
        found = []
        while len(self.data) >= 2 and len(self.data) >= (end := 2 + int.from_bytes(self.data[:2], "big")):
            found.append((int.from_bytes(self.data[2:4], "big"), moment))
            self.data = self.data[end:]
        return found


def probe(port: int, queries: Sequence[bytes], seconds: float, tcp: bool) -> tuple[list[float], int]:
    """Send one of `queries` after the other for `seconds`; each has its place as message ID.

    Return the milliseconds that answers took, and how many never came.
    """
    link = _Stream(port) if tcp else Datagrams(port)
    sent: dict[int, int] = {}
    taken: list[float] = []

    def collect(until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            select.select([link.socket], [], [], left)
            for number, moment in link.receive():
                if (left_at := sent.pop(number, None)) is not None:
                    taken.append((moment - left_at) / 1e6)

    with link.socket:
        begun = time.monotonic()
        for number in range(min(len(queries), round(seconds * RATE))):
            collect(begun + number / RATE)
            sent[number] = time.clock_gettime_ns(time.CLOCK_REALTIME)
            link.send(queries[number])
        deadline = time.monotonic() + _PATIENCE
        while sent and time.monotonic() < deadline:
            collect(min(deadline, time.monotonic() + 0.01))
    return taken, len(sent)


def arrival(client: socket.socket) -> int | None:
    """Take one message off a `Datagrams` socket; return when it arrived, or None where there is none."""
    try:
        _, ancillary, _, _ = client.recvmsg(_BUFFER, _ANCILLARY)
    except BlockingIOError:
        return None
    return _stamped(ancillary)


def _stamped(ancillary: Sequence[tuple[int, int, bytes]]) -> int:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIME.unpack(data)
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    raise OSError("the kernel stamped no time of arrival")


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of `values` do not exceed; 0 where there is none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(1, math.ceil(share * len(ordered))) - 1]
