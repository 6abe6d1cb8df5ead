"""One client's TCP connection: framing, turns, and deadline (RFC 7766).

Queries may be pipelined; complete ones are answered in order, a fair share of them a turn. A transfer is a
separate task, so that later queries are answered meanwhile (RFC 7766 §6.2.1.1). While answers wait for a slow
reader, nothing is read. There are no timers: the server checks `deadline` now and then.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Final, Protocol, cast

FAIR_SHARE: Final = 8  # pipelined queries answered in a row before others get their turn
_WRITE_BUFFER: Final = 128 << 10  # octets of answers that wait for a slow reader
_PREFIX: Final = 2  # octets of a message's length, RFC 1035 §4.2.2


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds on what clients may take. Times in seconds."""

    clients: int = 1000
    clients_per_network: int = 100  # an IPv4 address, or an IPv6 /64
    idle: float = 10.0  # for a whole query to arrive
    drain: float = 10.0  # for answers to be taken
    transfers: int = 8  # at once; more wait for `idle`
    transfers_per_client: int = 2  # on one connection; nothing more is read until one of them is done
    transfer: float = 600.0  # for a whole transfer: it holds a read transaction


class Server(Protocol):
    """What a connection asks of the one that accepted it."""

    @property
    def limits(self) -> StreamLimits: ...
    @property
    def scratch(self) -> memoryview:
        """Where octets are read to; whoever reads takes them away at once."""

    def admit(self, connection: Connection) -> bool:
        """Say whether a connection may stay, and count it if so."""

    def forget(self, connection: Connection) -> None: ...
    def touch(self, connection: Connection) -> None:
        """Make the connection the one that was quiet for the shortest time."""

    def respond(self, message: bytes, connection: Connection) -> bytes | None:
        """Return the response; empty where `message` asks for a transfer, None where it is not a query."""

    async def transfer(self, message: bytes, connection: Connection) -> None: ...


class Connection(asyncio.BufferedProtocol):
    """`address`: the client's, as text; `deadline`: when to call `expire`, in the event loop's time."""

    def __init__(self, server: Server) -> None:
        self.address = ""
        self.deadline = math.inf
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._waiting = b""  # octets not answered yet
        self._is_partial = False  # they are less than a message
        self._writable = asyncio.Event()
        self._writable.set()
        self._transfers: set[asyncio.Task[None]] = set()
        self._ended = False  # nothing more is to be read

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = peer[0].partition("%")[0] if peer else ""
        if not self.address or not self._server.admit(self):  # without one, it went before it was served
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        self._wait(self._server.limits.idle)

    def connection_lost(self, _fault: Exception | None) -> None:
        for task in self._transfers:
            task.cancel()
        self._server.forget(self)

    def get_buffer(self, _wanted: int) -> memoryview:
        return self._server.scratch

    def buffer_updated(self, count: int) -> None:
        if not self._waiting:
            self._wait(self._server.limits.idle)  # from here on for all of a message
        self._waiting += self._server.scratch[:count].tobytes()
        self._turn()

    def eof_received(self) -> bool:
        self._ended = True
        self._turn()
        return True  # answers are still to be sent

    def pause_writing(self) -> None:
        self._writable.clear()
        self._transport.pause_reading()
        self._wait(self._server.limits.drain)

    def resume_writing(self) -> None:
        self._writable.set()
        self._wait(self._server.limits.idle)
        self._loop.call_soon(self._turn)

    def expire(self) -> None:
        """Cut the connection, unless all it waits for is us."""
        busy = bool(self._transfers) and not self._is_partial and self._writable.is_set()
        if busy and not self._transport.is_closing():
            self._wait(self._server.limits.idle)
        else:
            self._transport.abort()

    def abort(self) -> None:
        self._transport.abort()

    async def send(self, wire: bytes) -> None:
        """Send one message of a transfer; return when there is room for another."""
        self._transport.write(len(wire).to_bytes(_PREFIX, "big") + wire)
        self._server.touch(self)
        await self._writable.wait()
        await asyncio.sleep(0)  # a fast reader never makes us wait: the others want their turn

    def _wait(self, seconds: float) -> None:
        self.deadline = self._loop.time() + seconds

    def _turn(self) -> None:
        """Answer what has come whole, a fair share of it."""
        if self._transport.is_closing() or not self._writable.is_set():
            return  # `resume_writing` goes on
        waiting, at, answers = self._waiting, 0, b""
        self._is_partial = is_blocked = False
        for _ in range(FAIR_SHARE):
            end = at + _PREFIX + int.from_bytes(waiting[at : at + _PREFIX], "big")
            if len(waiting) < max(end, at + _PREFIX):
                self._is_partial = at < len(waiting)
                self._read_on(waiting[at:], answers)
                return
            message = waiting[at + _PREFIX : end]
            wire = self._server.respond(message, self)
            if wire is None:
                self._ended = True  # no reason to listen on
                self._read_on(b"", answers)
                return
            if wire:
                answers += len(wire).to_bytes(_PREFIX, "big") + wire
            elif is_blocked := not self._begin_transfer(message):
                break
            at = end
        self._waiting = waiting[at:]
        self._transport.pause_reading()
        self._write(answers)
        if not is_blocked:
            self._loop.call_soon(self._turn)

    def _read_on(self, rest: bytes, answers: bytes) -> None:
        """Wait for more than `rest`; at the client's end, end as well once the transfers are done."""
        self._waiting = rest
        self._write(answers)
        if not self._ended:
            if self._writable.is_set():
                self._transport.resume_reading()
            return
        self._transport.pause_reading()
        if rest:
            self._transport.abort()
        elif not self._transfers and not self._transport.is_closing():
            self._wait(self._server.limits.drain)
            self._transport.close()

    def _write(self, answers: bytes) -> None:
        if answers:
            self._server.touch(self)
            self._wait(self._server.limits.idle)
            self._transport.write(answers)

    def _begin_transfer(self, message: bytes) -> bool:
        """Begin a transfer; False where one that is under way must end first."""
        if len(self._transfers) >= self._server.limits.transfers_per_client:
            return False
        task = self._loop.create_task(self._server.transfer(message, self))
        self._transfers.add(task)
        task.add_done_callback(self._transferred)
        return True

    def _transferred(self, task: asyncio.Task[None]) -> None:
        self._transfers.discard(task)
        self._wait(self._server.limits.idle)
        self._turn()
