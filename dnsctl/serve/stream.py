"""DNS over TCP (RFC 7766): one asyncio process for all stream clients, transfers included.

Queries on a connection may be pipelined; each is answered as soon as it is read, also while a transfer asked
for before is under way: answers stand between the transfer's messages (RFC 7766 §6.2.1.1, RFC 5936 §4.1).
A client costs a bounded amount: connections in all and from one network, transfers on one connection, time
for a whole query to arrive, time for an answer to be taken (the last one before the end too), octets waiting
in each direction. At the limit the connection that has been quiet longest makes room for a new one
(RFC 7766 §6.2.3). A connection's end never says anything but that it ended.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from dnsctl.image.generation import GenerationCounter
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.model.fleet import Network
from dnsctl.model.name import Name
from dnsctl.serve import counters, transfer
from dnsctl.serve.failures import FailureLog
from dnsctl.serve.question import HEADER_LENGTH, Rejected
from dnsctl.serve.respond import Client, Responder, is_transfer
from dnsctl.serve.sockets import BACKLOG, IDLE_SECONDS
from dnsctl.serve.tally import Tally
from dnsctl.serve.udp import server_failure

_FAIR_SHARE: Final = 16  # pipelined queries answered in a row before others get their turn
_READ_BUFFER: Final = 16 << 10  # octets; asyncio stops reading at twice this
_WRITE_BUFFER: Final = 128 << 10  # octets of answers that wait for a slow reader
_log = logging.getLogger(__name__)


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
        self._image = image
        self._counter = counter
        self._responder = responder
        self._networks = tuple(networks)
        self._limits = limits or StreamLimits()
        self._tally = tally or Tally()
        self._reader: Reader = image.reader()
        self._seen = counter.value
        self._per_network: Counter[str] = Counter()
        self._quiet: dict[asyncio.StreamWriter, None] = {}  # all connections, the longest quiet first
        self._transfers = asyncio.Semaphore(self._limits.transfers)
        self._faults = FailureLog(_log)

    @property
    def failures(self) -> int:
        """Messages and connections that came to an end nobody foresaw."""
        return self._faults.count

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._quiet)

    async def run(self, sockets: Iterable[socket.socket], ready: Callable[[], None]) -> None:
        """Serve until cancelled; call `ready` once connections are accepted."""
        asyncio.get_running_loop().set_exception_handler(_log_loop_fault)
        servers = [
            await asyncio.start_server(self._client, sock=one, limit=_READ_BUFFER, backlog=BACKLOG)
            for one in sockets
        ]
        ready()
        try:
            while True:
                await asyncio.sleep(IDLE_SECONDS)
                self._renew()
                self._tally.fold()
        finally:
            for server in servers:
                server.close()

    def _renew(self) -> None:
        value = self._counter.value
        if value != self._seen:
            self._reader.renew()
            self._seen = value

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        if peer is None:  # it went before it was served
            writer.transport.abort()
            return
        address = peer[0].partition("%")[0]
        network = _network(address)
        if self._per_network[network] >= self._limits.clients_per_network:
            self._tally.add(counters.CONNECTIONS_REFUSED, 1)
            writer.transport.abort()
            return
        if len(self._quiet) >= self._limits.clients:
            longest_quiet = next(iter(self._quiet))
            del self._quiet[longest_quiet]  # at once: the next to come must find another
            longest_quiet.transport.abort()
        self._per_network[network] += 1
        self._quiet[writer] = None
        self._tally.set(counters.CONNECTIONS, len(self._quiet))
        writer.transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        under_way: set[asyncio.Task[None]] = set()
        try:
            await self._or_cut(self._converse(reader, writer, address, under_way), writer, address)
        finally:
            for task in under_way:
                task.cancel()
            self._quiet.pop(writer, None)
            self._tally.set(counters.CONNECTIONS, len(self._quiet))
            self._per_network[network] -= 1
            if not self._per_network[network]:
                del self._per_network[network]

    async def _or_cut(
        self, work: Coroutine[None, None, None], writer: asyncio.StreamWriter, address: str
    ) -> None:
        """Do `work`, and cut the connection where it cannot go on."""
        try:
            await work
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            writer.transport.abort()
        except Exception:  # noqa: BLE001 - a transfer that cannot go on, or what nobody foresaw
            self._faults.note(f"connection of {address} cut", b"")
            writer.transport.abort()

    async def _converse(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        address: str,
        under_way: set[asyncio.Task[None]],
    ) -> None:
        """Answer query after query until the client's end. Raises at a timeout or a broken stream.

        `under_way`: the connection's transfers.
        """
        answered = 0
        while (message := await self._next(reader, under_way)) is not None:
            self._touch(writer)
            if is_transfer(message):
                if len(under_way) >= self._limits.transfers_per_client:
                    await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                work = self._or_cut(self._transfer(message, writer, address), writer, address)
                task = asyncio.create_task(work)
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            else:
                wire = self._respond(message, address)
                if wire is None:
                    break  # nothing that is a query: no reason to listen on
                await self._send(writer, wire)
            answered += 1
            if answered % _FAIR_SHARE == 0:
                await asyncio.sleep(0)
        if under_way:
            await asyncio.wait(under_way)
        writer.close()
        async with asyncio.timeout(self._limits.drain):
            await writer.wait_closed()

    async def _next(self, reader: asyncio.StreamReader, under_way: set[asyncio.Task[None]]) -> bytes | None:
        """Return the next message, None at the end. Raises TimeoutError for an idle client."""
        while True:
            try:
                async with asyncio.timeout(self._limits.idle):
                    length = await reader.readexactly(2)
                break
            except asyncio.IncompleteReadError as end:
                if end.partial:
                    raise
                return None
            except TimeoutError:
                if not under_way:
                    raise
        async with asyncio.timeout(self._limits.idle):
            return await reader.readexactly(length[0] << 8 | length[1])

    def _touch(self, writer: asyncio.StreamWriter) -> None:
        """Make the connection the one that was quiet for the shortest time."""
        if writer in self._quiet:
            del self._quiet[writer]
            self._quiet[writer] = None

    def _respond(self, message: bytes, address: str) -> bytes | None:
        self._renew()
        try:
            response = self._responder.long(self._reader, message, self._client_of(address))
        except Exception:  # noqa: BLE001 - one message must not take the others' process down
            self._faults.note("a query could not be answered", message)
            return server_failure(message)
        if response is None:
            self._tally.ignored += 1
            return None
        wire, end = response.wire, response.question_end
        self._tally.message(message, wire, end, self._responder.zone, ipv6=":" in address)
        return wire

    async def _send(self, writer: asyncio.StreamWriter, wire: bytes) -> None:
        writer.write(len(wire).to_bytes(2, "big") + wire)
        async with asyncio.timeout(self._limits.drain):
            await writer.drain()

    async def _transfer(self, message: bytes, writer: asyncio.StreamWriter, address: str) -> None:
        """Send a whole zone as it is now, or the reason why not."""
        try:
            asked = transfer.admit(message, address, self._networks, self._responder.keys)
        except Rejected:  # its TSIG does not hold: that is told as to any other query
            await self._send(writer, self._respond(message, address) or transfer.refusal(message))
            return
        if not asked.allowed:
            refusal = asked.signed((transfer.refusal(asked.message),))
            await self._send_all(writer, refusal, message, address)
            return
        try:
            async with asyncio.timeout(self._limits.idle):
                await self._transfers.acquire()
        except TimeoutError:
            _log.warning("transfer to %s put off: %d others are under way", address, self._limits.transfers)
            refusal = asked.signed((transfer.postponement(asked.message),))
            await self._send_all(writer, refusal, message, address)
            return
        options = self._responder.stream_options(asked.message, self._client_of(address))
        try:
            async with asyncio.timeout(self._limits.transfer):
                with self._image.reader() as reader:
                    self._tally.add(counters.TRANSFERS, 1)
                    wires = asked.signed(transfer.messages(reader, asked.message, options))
                    await self._send_all(writer, wires, message, address)
        finally:
            self._transfers.release()

    def _client_of(self, address: str) -> Client:
        """Return who asks; an IPv4-mapped address counts as IPv4."""
        found = ipaddress.ip_address(address)
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        return Client((mapped or found).packed, stream=True, idle=self._limits.idle)

    async def _send_all(
        self, writer: asyncio.StreamWriter, wires: Iterator[bytes], message: bytes, address: str
    ) -> None:
        end = message.find(0, HEADER_LENGTH) + 5
        origin = Name(message[HEADER_LENGTH : end - 4].lower())
        for number, wire in enumerate(wires):
            if not number:
                self._tally.message(message, wire, end, origin, ipv6=":" in address)
            await self._send(writer, wire)
            self._touch(writer)
            await asyncio.sleep(0)  # a fast reader never makes drain() wait: the others want their turn


def _network(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or an IPv6 /64."""
    found = ipaddress.ip_address(address)
    if found.version == 6:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return address


def _log_loop_fault(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    _log.error("stream server: %s: %s", context.get("message"), context.get("exception"))
