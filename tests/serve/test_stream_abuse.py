"""TCP clients that want more than their share: of time, of memory, of connections, of transfers."""

import asyncio
import contextlib
import ipaddress
import resource
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import pytest

from dnsctl.image.generation import GenerationCounter
from dnsctl.image.store import Image
from dnsctl.model.repo import NodeFiles
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport import stream
from dnsctl.serve.transport.connection import StreamLimits
from dnsctl.serve.transport.stream import StreamServer
from tests.build import validated
from tests.node.running import publish, running
from tests.serve.test_stream import answer, framed, is_cut

LARGE = "\n".join(f'large TXT "{number:04d}{"x" * 240}"' for number in range(200))
ZONE = f"www A 192.0.2.1\n{LARGE}\n"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
Client = Callable[[int, StreamServer], Awaitable[None]]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("state")
    publish(path, [validated("example.com.", ZONE)])
    return path


def serve(state: Path, client: Client, limits: StreamLimits) -> None:
    """Run `client` beside a server that lets the loopback network transfer."""

    async def main() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        with Image.open(NodeFiles(state).image) as image:
            counter = GenerationCounter(NodeFiles(state).generation)
            server = StreamServer(image, counter, Responder(), LOOPBACK, limits)
            ready = asyncio.Event()
            running = asyncio.create_task(server.run([listening], ready.set))
            await ready.wait()
            try:
                async with asyncio.timeout(60):
                    await client(listening.getsockname()[1], server)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
            assert server.failures == 0

    asyncio.run(main())


async def transferred(reader: asyncio.StreamReader, wanted: dict[int, int]) -> list[int]:
    """Read until `wanted` SOA records came for each id; return the ids of all messages in order."""
    order = []
    while any(wanted.values()):
        message = await answer(reader)
        order.append(message.id)
        soas = sum(len(each) for each in message.answer if each.rdtype == dns.rdatatype.SOA)
        if message.id in wanted:
            wanted[message.id] -= soas
    return order


def test_query_behind_a_transfer_is_answered_before_its_end(state: Path):
    async def client(port: int, _server: StreamServer) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed("example.com", "AXFR", 1) + framed(number=2) + framed("example.com", "AXFR", 3))
        order = await transferred(reader, {1: 2, 3: 2})
        assert order.count(1) > 2
        assert order.index(2) < len(order) - 1 - order[::-1].index(1)
        writer.close()

    serve(state, client, StreamLimits())


def test_query_sent_while_a_transfer_waits_for_its_reader_is_answered_in_between(state: Path):
    """Transfers one after another keep the connection busy; what is asked meanwhile comes between them."""

    async def client(port: int, _server: StreamServer) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"".join(framed("example.com", "AXFR", number) for number in (1, 2)))
        await answer(reader)
        writer.write(framed(number=9))
        order = await transferred(reader, {1: 1, 2: 2})
        while 9 not in order:
            order.append((await answer(reader)).id)
        writer.close()

    serve(state, client, StreamLimits())


def test_more_transfers_than_one_connection_may_have_wait_for_each_other(state: Path):
    async def client(port: int, server: StreamServer) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"".join(framed("example.com", "AXFR", number) for number in range(1, 7)))
        await transferred(reader, dict.fromkeys(range(1, 7), 2))
        assert server.transfers == 0
        writer.close()

    serve(state, client, StreamLimits(transfers=2, transfers_per_client=1))


def test_client_that_closed_its_side_still_gets_its_transfer(state: Path):
    async def client(port: int, _server: StreamServer) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed("example.com", "AXFR", 1))
        writer.write_eof()
        await transferred(reader, {1: 2})
        assert await reader.read() == b""

    serve(state, client, StreamLimits())


def test_transfer_longer_than_the_idle_time_is_not_cut(state: Path):
    async def client(port: int, _server: StreamServer) -> None:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, ("127.0.0.1", port))
        wanted = b"".join(framed("example.com", "AXFR", number) for number in range(1, 200))
        await loop.sock_sendall(raw, wanted)
        got = b""
        for _ in range(30):  # 1.5 seconds, five times as long as a client may be silent
            got += await loop.sock_recv(raw, 64 << 10)
            await asyncio.sleep(0.05)
        assert got
        await loop.sock_sendall(raw, framed(number=999))  # the connection is there
        raw.close()

    serve(state, client, StreamLimits(idle=0.3, drain=5))


@pytest.mark.parametrize("half_closed", [False, True])
def test_client_that_never_reads_gives_its_place_back(state: Path, half_closed: bool):
    """Also one whose answers all fit into the buffers and that closed its side: nothing else ends it."""

    async def client(port: int, server: StreamServer) -> None:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, ("127.0.0.1", port))
        query = framed("large.example.com", "TXT")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await loop.sock_sendall(raw, query * (60 if half_closed else 20_000))
        if half_closed:
            raw.shutdown(socket.SHUT_WR)
        while server.connections:
            await asyncio.sleep(0.02)
        raw.close()

    serve(state, client, StreamLimits(drain=0.3, idle=15))


def test_reader_of_a_few_octets_a_second_is_cut_off(state: Path):
    async def client(port: int, server: StreamServer) -> None:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, ("127.0.0.1", port))
        sending = asyncio.create_task(loop.sock_sendall(raw, framed("large.example.com", "TXT") * 100_000))
        with contextlib.suppress(ConnectionError):
            while server.connections or not sending.done():
                await loop.sock_recv(raw, 16)
                await asyncio.sleep(0.05)
        await asyncio.gather(sending, return_exceptions=True)
        raw.close()

    serve(state, client, StreamLimits(drain=0.4, idle=15))


def test_flood_of_silent_connections_keeps_nobody_out(state: Path):
    async def client(port: int, server: StreamServer) -> None:
        held = []
        for number in range(200):
            address = f"127.0.{1 + number // 10}.1"
            held.append(await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0)))
            if number % 20 == 0:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(framed())
                assert (await answer(reader)).answer
                writer.close()
        assert server.connections <= 40
        assert await is_cut(held[0][0])
        for _, writer in held:
            writer.close()

    serve(state, client, StreamLimits(clients=40, clients_per_network=20))


def test_one_network_cannot_push_the_others_out(state: Path):
    """Its own share is full long before the server is."""

    async def client(port: int, _server: StreamServer) -> None:
        good = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
        greedy = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]
        good[1].write(framed())
        assert (await answer(good[0])).answer
        for _, writer in [*greedy, good]:
            writer.close()

    serve(state, client, StreamLimits(clients=40, clients_per_network=20))


def descriptors(pid: int | str = "self") -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def test_there_are_no_more_connections_than_descriptors_for_them(
    state: Path, monkeypatch: pytest.MonkeyPatch
):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(stream, "_SPARE", 40)

    async def client(port: int, server: StreamServer) -> None:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]
        reader, writer = held[-1]
        writer.write(framed())
        assert (await answer(reader)).answer
        assert server.connections <= 6
        for _, each in held:
            each.close()

    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors() + 50, hard))
    try:
        serve(state, client, StreamLimits())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_server_without_descriptors_says_so_once_and_goes_on_when_there_are_some(state: Path):
    with running(state) as node, contextlib.ExitStack() as held:
        port, pid = node.port, node.children()["stream"]
        limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors(pid) + 5, limit[1]))
        for _ in range(60):
            held.enter_context(socket.create_connection(("127.0.0.1", port)))
        node.wait_for("connections cannot be accepted")
        time.sleep(2.2)
        assert sum("cannot be accepted" in line for line in node.lines) == 1
        assert len(node.lines) < 40
        held.close()
        query = dns.message.make_query("www.example.com", "A")
        assert dns.query.tcp(query, "127.0.0.1", port=port, timeout=5).answer
        assert "stream" in node.children()
        assert node.children()["stream"] == pid
