"""HTTP for few clients, of whom one may be hostile: uvicorn's protocol behind an accept loop of our own.

Each client has its own places for connections. When they are taken, its quietest connection makes room: no
client can disturb another. TLS says who a client is; until then it holds one of a few places for handshakes,
for seconds. The head of a request, and a response that is not read, have limits of time, too. Requests of a
client that is faster than its pace wait, unread: it costs no more than what it may ask. A closed client gets
no reason, and no log line.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import math
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from dnsctl.serve.metrics.failures import FailureLog
from dnsctl.serve.transport.accept import ACCEPTED, Acceptor

_SWEEP: Final = 5  # ticks of uvicorn, of 0.1 s, between two looks at deadlines
_WRITE_BUFFER: Final = 128 * 1024  # octets of a response that wait for a slow reader, in the kernel too
_HANDSHAKES: Final = 50.0  # begun in a second, for long: a sixth of what one core does
_HANDSHAKES_AT_ONCE: Final = 32
_END: Final = 2.0  # seconds for requests that are cut to end
_KEPT: Final = 3600  # seconds between requests, for uvicorn: `Times.head` is less
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Guest:
    """Whose connection it is: a name, places for connections, and what its requests are to know of it.

    `pace`: requests a second that it may make, and as many connections, for long; `burst` of them at once.
    """

    name: str
    places: int
    state: dict[str, object] = field(default_factory=dict)
    pace: float = math.inf
    burst: int = 200


@dataclass(frozen=True, slots=True)
class Times:
    """How long a client may take, in seconds."""

    handshake: float = 5.0
    head: float = 10.0  # for the head of a request to arrive, the first or the next
    drain: float = 10.0  # for `_WRITE_BUFFER` octets of a response to be taken


@dataclass(eq=False, slots=True)
class _Stranger:
    """A connection until it is known whose it is."""

    network: str
    socket: socket.socket
    has_spoken: bool = False  # it has sent something
    is_handed_over: bool = False  # to asyncio, which closes it: nobody else may

    def leave(self, _: asyncio.Task[None]) -> None:
        if not self.is_handed_over:
            self.socket.close()


Welcome = Callable[[asyncio.BaseTransport], Guest | None]  # None: it is none of ours


def network_of(transport: asyncio.BaseTransport) -> str:
    """Return what counts as one client where no certificate tells: an IPv4 address, or an IPv6 /64."""
    peer = transport.get_extra_info("peername")
    return _network(peer) if peer else ""  # it went before it was served


class HttpServer(uvicorn.Server):
    """Serves `application` on a listening socket until `should_exit` is set.

    `context`: of TLS, or None for plain HTTP. `handshakes`: at once.
    """

    def __init__(
        self,
        application: Starlette,
        listener: socket.socket,
        welcome: Welcome,
        context: ssl.SSLContext | None = None,
        *,
        times: Times | None = None,
        handshakes: int = 64,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http=H11Protocol,
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_KEPT,
                timeout_graceful_shutdown=1,
            )
        )
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # it logs all that clients do
        self.times = times or Times()
        self._listener = listener
        self._welcome = welcome
        self._context = context
        self._handshakes = handshakes
        self._strangers: dict[asyncio.Task[None], _Stranger] = {}  # the oldest first
        self._next_handshake = 0.0  # in the event loop's time
        self._guests: dict[str, dict[_Connection, None]] = {}  # by name, the longest quiet first
        self._paid: dict[str, float] = {}  # by name: until when its requests have used up its time
        self._acceptor: Acceptor | None = None
        self._faults = FailureLog(_log)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # who runs us listens for them

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.servers = []
        asyncio.get_running_loop().set_exception_handler(self._note)
        self._acceptor = Acceptor(self._listener, self._take, self._full)
        self._acceptor.start()
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._acceptor is not None:
            self._acceptor.stop()
        self._listener.close()
        for task, stranger in tuple(self._strangers.items()):
            _dismiss(task, stranger)
        await super().shutdown()
        for connection in self._connections():
            connection.transport.abort()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_END)

    async def on_tick(self, counter: int) -> bool:
        if counter % _SWEEP == 0:
            now = asyncio.get_running_loop().time()
            for connection in self._connections():
                if connection.deadline <= now:
                    connection.transport.abort()
            self._paid = {name: until for name, until in self._paid.items() if until > now}
        return await super().on_tick(counter)

    # -- Connections ---------------------------------------------------------------------------------------

    def _connections(self) -> list[_Connection]:
        return [one for places in self._guests.values() for one in places]

    def _take(self, accepted: socket.socket) -> None:
        if len(self._strangers) >= self._handshakes:
            self._dismiss_stranger()
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _WRITE_BUFFER)
            network = _network(accepted.getpeername())
        except OSError:
            accepted.close()
            return
        stranger = _Stranger(network, accepted)
        task = asyncio.get_running_loop().create_task(self._connect(stranger))
        self._strangers[task] = stranger
        task.add_done_callback(self._met)
        task.add_done_callback(stranger.leave)

    async def _connect(self, stranger: _Stranger) -> None:
        limit = self.times.handshake if self._context is not None else None
        try:
            if limit is not None:
                async with asyncio.timeout(limit):
                    await _readable(stranger.socket)
                    stranger.has_spoken = True
                    await self._turn()
        except OSError:  # among them TimeoutError
            return
        stranger.is_handed_over = True
        with contextlib.suppress(OSError):  # of the handshake
            await asyncio.get_running_loop().connect_accepted_socket(
                self._connection, stranger.socket, ssl=self._context, ssl_handshake_timeout=limit
            )

    async def _turn(self) -> None:
        """Wait until one more handshake may begin: they cost most, and anybody may ask for one."""
        now = asyncio.get_running_loop().time()
        self._next_handshake = max(self._next_handshake, now) + 1 / _HANDSHAKES
        await asyncio.sleep(self._next_handshake - now - _HANDSHAKES_AT_ONCE / _HANDSHAKES)

    def _connection(self) -> _Connection:
        return _Connection(self)

    def _dismiss_stranger(self) -> None:
        """End a handshake of the network that has most under way: the oldest, of those that sent nothing."""
        if self._strangers:
            ((busiest, _),) = Counter(one.network for one in self._strangers.values()).most_common(1)
            theirs = [(task, one) for task, one in self._strangers.items() if one.network == busiest]
            silent = [(task, one) for task, one in theirs if not one.has_spoken]
            task, oldest = (silent or theirs)[0]
            _dismiss(task, oldest)
            self._met(task)

    def _met(self, task: asyncio.Task[None]) -> None:
        self._strangers.pop(task, None)

    def _full(self, error: OSError) -> None:
        self._faults.tell(f"connections cannot be accepted: {error.strerror or error}")
        if self._strangers:
            for _ in range(min(len(self._strangers), ACCEPTED)):
                self._dismiss_stranger()
        else:
            largest = max(self._guests.values(), key=len, default={})
            longest_quiet = next((one for one in largest if one.waits_for_client), None)
            if longest_quiet is not None:
                longest_quiet.transport.abort()

    def admit(self, connection: _Connection) -> Guest | None:
        """Return whose `connection` is and count it; None where it may not stay."""
        guest = self._welcome(connection.transport)
        if guest is None:
            return None
        places = self._guests.setdefault(guest.name, {})
        if len(places) >= guest.places:
            longest_quiet = next((one for one in places if one.waits_for_client), None)
            if longest_quiet is None:
                return None
            places.pop(longest_quiet)
            longest_quiet.transport.abort()
        places[connection] = None
        return guest

    def charge(self, guest: Guest) -> float:
        """Note that `guest` asks for something; return the seconds that this has to wait."""
        if guest.pace == math.inf:
            return 0.0
        now = asyncio.get_running_loop().time()
        until = max(self._paid.get(guest.name, 0.0), now) + 1 / guest.pace
        self._paid[guest.name] = until
        return max(0.0, until - now - guest.burst / guest.pace)

    def touch(self, connection: _Connection, name: str) -> None:
        """Make the connection the one that was quiet for the shortest time."""
        places = self._guests.get(name, {})
        if connection in places:
            places[connection] = places.pop(connection)

    def forget(self, connection: _Connection, name: str) -> None:
        places = self._guests.get(name, {})
        places.pop(connection, None)
        if not places:
            self._guests.pop(name, None)

    def _note(self, _loop: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
        self._faults.tell(f"{context.get('message')}: {context.get('exception')!r}")


class _Connection(H11Protocol):
    """One client's connection. `deadline`: when it is cut, in the event loop's time."""

    def __init__(self, server: HttpServer) -> None:
        super().__init__(server.config, server.server_state, {})
        self.deadline = math.inf
        self._house = server
        self._guest = Guest("", 0)
        self._stuck = False  # the response is not read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        guest = self._house.admit(self)
        if guest is None:
            transport.abort()
            return
        self._guest = guest
        self.app_state = guest.state  # copied by uvicorn into the scope of each request
        self._expect(self._house.times.head)
        if rest := self._house.charge(guest):
            self.flow.pause_reading()
            self.loop.call_later(rest, self._read_on)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._house.forget(self, self._guest.name)

    @property
    def waits_for_client(self) -> bool:
        return self._stuck or not self._is_busy

    @property
    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        was_busy = self._is_busy
        super().data_received(data)
        if self._is_busy and not was_busy:
            self._house.touch(self, self._guest.name)
            if not self._stuck:
                self.deadline = math.inf  # for its body, the application has limits of its own

    def on_response_complete(self) -> None:
        """Go on with the next request; after a rest where its host asks too fast."""
        self._expect(self._house.times.head)
        if rest := self._house.charge(self._guest):
            self.loop.call_later(rest, self._go_on)
        else:
            self._go_on()

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def _go_on(self) -> None:
        self._expect(self._house.times.head)
        super().on_response_complete()
        if self._is_busy and not self._stuck:  # with a request that came behind the last
            self.deadline = math.inf

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck = True
        self._expect(self._house.times.drain)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stuck = False
        if self._is_busy:
            self.deadline = math.inf
        else:
            self._expect(self._house.times.head)

    def _expect(self, seconds: float) -> None:
        self.deadline = self.loop.time() + seconds


def _dismiss(task: asyncio.Task[None], stranger: _Stranger) -> None:
    """End a stranger's connection; shut it down where asyncio reads it already."""
    if stranger.is_handed_over:
        with contextlib.suppress(OSError):
            stranger.socket.shutdown(socket.SHUT_RDWR)
    else:
        task.cancel()


async def _readable(accepted: socket.socket) -> None:
    """Wait for the first octets: until then a client costs a descriptor, and no memory for TLS."""
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    loop.add_reader(accepted, arrived.set)
    try:
        await arrived.wait()
    finally:
        loop.remove_reader(accepted)


def _network(peer: Sequence[object]) -> str:
    address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
