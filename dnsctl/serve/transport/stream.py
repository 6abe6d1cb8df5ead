"""DNS over TCP (RFC 7766): one asyncio process for all stream clients, transfers included.

Queries on a connection may be pipelined; each is answered as soon as it is read, also while a transfer asked
for before is under way: answers come between the transfer's messages (RFC 7766 §6.2.1.1, RFC 5936 §4.1).
There are limits on what a client costs: connections in all and from one network, transfers on one connection,
time for a whole query to arrive, time for an answer to be taken (the last one before the end too), octets
waiting in each direction. At the limit, the connection that has been quiet longest is closed for a new one
(RFC 7766 §6.2.3).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import resource
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from dnsctl.errors import ImageReplacedError
from dnsctl.image.generation import GenerationCounter
from dnsctl.image.store import Image
from dnsctl.model.fleet import Network
from dnsctl.model.name import Name
from dnsctl.serve.answerer import Answerer
from dnsctl.serve.fast.cache import AnswerCache
from dnsctl.serve.message.kind import Kind
from dnsctl.serve.message.query import HEADER_LENGTH, Client, Rejected
from dnsctl.serve.metrics import counters
from dnsctl.serve.metrics.counters import IDLE_SECONDS
from dnsctl.serve.metrics.failures import FailureLog
from dnsctl.serve.metrics.tally import Tally
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport import transfer
from dnsctl.serve.transport.accept import ACCEPTED, Acceptor
from dnsctl.serve.transport.connection import Connection, StreamLimits

ENDING_TIME: Final = 25.0  # seconds for open connections
ENDING_QUIET: Final = 1.0  # seconds without a query, after which a connection is done
_ENDING_LOOK: Final = 0.1  # seconds
_READ_BUFFER: Final = 16 << 10  # octets read at once, of whichever connection
_CACHED: Final = 16_384  # answers
_CACHED_OCTETS: Final = 16 << 20
_SPARE: Final = 2 * ACCEPTED  # descriptors: for those whose turn it is, and for files
_ID: Final = 2  # octets of a message's id
_LOOKS: Final = 8  # at the connections, in the shortest time one may take
_log = logging.getLogger(__name__)


class StreamServer:
    """Answers on listening sockets. Opens its own read transactions on `image`."""

    def __init__(
        self,
        image: Image,
        counter: GenerationCounter,
        responder: Responder,
        networks: Iterable[Network] = (),
        limits: StreamLimits | None = None,
        tally: Tally | None = None,
    ) -> None:
        self.limits = limits or StreamLimits()
        self.scratch = memoryview(bytearray(_READ_BUFFER))
        self._image = image
        self._responder = responder
        self._networks = tuple(networks)
        self._tally = tally or Tally()
        # A cache of its own: answers over UDP may be others, cut to fit
        self.answerer: Final = Answerer(
            image.reader(), counter, responder, self._tally, AnswerCache(_CACHED, _CACHED_OCTETS), stream=True
        )
        self._replaced: ImageReplacedError | None = None
        self._per_network: Counter[str] = Counter()
        self._clients = min(self.limits.clients, _affordable())
        self._connecting: set[asyncio.Task[None]] = set()
        self._quiet: dict[Connection, None] = {}  # all connections, the longest quiet first
        self.transfers = 0  # under way
        self._places = asyncio.Semaphore(self.limits.transfers)
        self._faults = FailureLog(_log)
        self._ends_at: float | None = None  # in the event loop's time
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Take no more connections, and have `run` return once those that are open are done, or cut.

        A connection is done when it was quiet for `ENDING_QUIET` seconds; at the second call, all are.
        """
        now = asyncio.get_running_loop().time()
        self._ends_at = now + ENDING_TIME if self._ends_at is None else now
        self._ending.set()
        self.limits = replace(self.limits, idle=min(self.limits.idle, ENDING_QUIET))
        for connection in self._quiet:
            connection.deadline = min(connection.deadline, now + self.limits.idle)

    @property
    def failures(self) -> int:
        """Messages and connections that ended by an unforeseen failure."""
        return self._faults.count + self.answerer.failed.count

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._quiet)

    async def run(self, sockets: Iterable[socket.socket], ready: Callable[[], None]) -> None:
        """Serve until cancelled, or told to `end`; call `ready` once connections are accepted."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_log_loop_fault)
        listeners = tuple(sockets)
        acceptors = [Acceptor(listener, self._take, self._full) for listener in listeners]
        for acceptor in acceptors:
            acceptor.start()
        ready()
        pause = min(IDLE_SECONDS, min(self.limits.idle, self.limits.drain) / _LOOKS)
        try:
            while not self._is_done(loop.time()):
                await self._pause(pause)
                if self._ending.is_set():
                    for acceptor in acceptors:
                        acceptor.stop()
                self._renew()
                if self._replaced is not None:
                    raise self._replaced
                self._tally.fold()
                now = loop.time()
                for connection in [one for one in self._quiet if one.deadline <= now]:
                    connection.expire()
        finally:
            for acceptor in acceptors:
                acceptor.stop()
            for listener in listeners:
                listener.close()
            for connection in tuple(self._quiet):
                connection.abort()

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until it is told to end."""
        if self._ending.is_set():
            await asyncio.sleep(_ENDING_LOOK)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()

    def _is_done(self, now: float) -> bool:
        if self._ends_at is None:
            return False
        return now >= self._ends_at or not (self._quiet or self._connecting)

    def _renew(self) -> None:
        """See the newest generation; where the image was replaced, end soon, to be started on the new one."""
        try:
            self.answerer.renew()
        except ImageReplacedError as replaced:
            self._replaced = replaced

    def _take(self, accepted: socket.socket) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(accepted))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def _full(self, error: OSError) -> None:
        self._faults.tell(f"connections cannot be accepted: {error.strerror or error}")
        self._make_room()

    async def _connect(self, accepted: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: Connection(self), accepted)
        except OSError:
            accepted.close()

    def admit(self, connection: Connection) -> bool:
        """Count a connection; False where its client has too many. The longest quiet one makes room."""
        network = _network(connection.address)
        if self._per_network[network] >= self.limits.clients_per_network:
            self._tally.add(counters.CONNECTIONS_REFUSED, 1)
            return False
        if len(self._quiet) >= self._clients:
            self._make_room()
        self._per_network[network] += 1
        self._quiet[connection] = None
        self._tally.set(counters.CONNECTIONS, len(self._quiet))
        return True

    def _make_room(self) -> None:
        """Cut the connection that has been quiet longest."""
        for longest_quiet in self._quiet:
            self.forget(longest_quiet)  # at once: the next to come must find another
            longest_quiet.abort()
            self._tally.add(counters.CONNECTIONS_CUT, 1)
            break

    def forget(self, connection: Connection) -> None:
        """Stop counting a connection, if it was counted."""
        if connection not in self._quiet:
            return
        del self._quiet[connection]
        self._tally.set(counters.CONNECTIONS, len(self._quiet))
        network = _network(connection.address)
        self._per_network[network] -= 1
        if not self._per_network[network]:
            del self._per_network[network]

    def touch(self, connection: Connection) -> None:
        """Make the connection the one that was quiet for the shortest time."""
        if connection in self._quiet:
            del self._quiet[connection]
            self._quiet[connection] = None

    def respond(self, message: bytes, connection: Connection) -> bytes | None:
        """Return the response; empty where `message` asks for a transfer, None where it is not a query."""
        address = connection.address
        wire = self.answerer.respond(message, lambda: self._client_of(address))
        if wire:
            self._tally.streamed(ipv6=":" in address)
        return wire

    async def transfer(self, message: bytes, connection: Connection) -> None:
        """Send a whole zone, or the reason why not; cut the connection where that cannot go on."""
        try:
            await self._transfer(message, connection)
        except (TimeoutError, OSError):
            connection.abort()
        except Exception:  # noqa: BLE001 - a record that fits no message, or what nobody foresaw
            self._faults.note(f"connection of {connection.address} cut", b"")
            connection.abort()

    async def _transfer(self, message: bytes, connection: Connection) -> None:
        """Send a whole zone as it is now, or the reason why not."""
        address = connection.address
        try:
            asked = transfer.admit(message, address, self._networks, self._responder.keys)
            options = self._responder.transfer_options(asked.message, self._client_of(address))
        except Rejected:  # TSIG or EDNS is to be refused: that is told as to any other query
            refused = self.answerer.respond_in_full(message, self._client_of(address))
            self._tally.streamed(ipv6=":" in address)
            await connection.send(refused or transfer.refusal(message))
            return
        if not asked.allowed:
            refusal = asked.signed((transfer.refusal(asked.message, options),))
            await self._send_all(connection, refusal, message)
            return
        try:
            async with asyncio.timeout(self.limits.idle):
                await self._places.acquire()
        except TimeoutError:
            _log.warning("transfer to %s put off: %d others are under way", address, self.limits.transfers)
            refusal = asked.signed((transfer.postponement(asked.message, options),))
            await self._send_all(connection, refusal, message)
            return
        self.transfers += 1
        try:
            async with asyncio.timeout(self.limits.transfer):
                with self._image.reader() as reader:
                    self._tally.add(counters.TRANSFERS, 1)
                    wires = asked.signed(transfer.messages(reader, asked.message, options))
                    await self._send_all(connection, wires, message)
        finally:
            self.transfers -= 1
            self._places.release()

    def _client_of(self, address: str) -> Client:
        """Return who asks; an IPv4-mapped address counts as IPv4."""
        found = ipaddress.ip_address(address)
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        return Client((mapped or found).packed, stream=True, idle=self.limits.idle)

    async def _send_all(self, connection: Connection, wires: Iterator[bytes], message: bytes) -> None:
        end = message.find(0, HEADER_LENGTH) + 5
        origin = Name(message[HEADER_LENGTH : end - 4].lower())
        for number, wire in enumerate(wires):
            if not number:
                kind = Kind.OTHER if wire[3] & 0xF else Kind.DATA
                self._tally.message(message, wire, end, origin, kind, ipv6=":" in connection.address)
            await connection.send(wire)


def _affordable() -> int:
    """Return how many connections there are descriptors for."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(1, soft - sum(1 for _ in Path("/proc/self/fd").iterdir()) - _SPARE)


def _network(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or an IPv6 /64."""
    found = ipaddress.ip_address(address)
    if found.version == 6:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return address


def _log_loop_fault(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    _log.error("stream server: %s: %s", context.get("message"), context.get("exception"))
