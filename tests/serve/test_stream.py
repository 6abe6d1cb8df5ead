"""TCP: framing, pipelining, and clients that are slow, silent, greedy or hostile."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from dnsctl.image.generation import GenerationCounter
from dnsctl.image.store import Image
from dnsctl.node.worker import counter_path, image_path
from dnsctl.serve.respond import Responder
from dnsctl.serve.stream import StreamLimits, StreamServer
from tests.build import validated
from tests.node.running import publish

LARGE = "\n".join(f'large TXT "{number:04d}{"x" * 240}"' for number in range(200))
ZONE = f"www A 192.0.2.1\n{LARGE}\n"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    publish(tmp_path, [validated("example.com.", ZONE)])
    return tmp_path


Client = Callable[[int], Awaitable[None]]


def serve(
    state: Path, client: Client, limits: StreamLimits | None = None, address: str = "127.0.0.1"
) -> None:
    """Run `client` with the port of a server on `state`, and end the server after it."""

    async def main() -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listening = socket.create_server((address, 0), family=family, backlog=64)
        with Image.open(image_path(state)) as image:
            server = StreamServer(
                image, GenerationCounter(counter_path(state)), Responder(), (), limits or StreamLimits()
            )
            ready = asyncio.Event()
            running = asyncio.create_task(server.run([listening], ready.set))
            await ready.wait()
            try:
                async with asyncio.timeout(15):
                    await client(listening.getsockname()[1])
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())


def framed(name: str = "www.example.com", rdtype: str = "A", number: int = 1) -> bytes:
    wire = dns.message.make_query(name, rdtype, id=number).to_wire()
    return struct.pack("!H", len(wire)) + wire


async def answer(reader: asyncio.StreamReader) -> dns.message.Message:
    (length,) = struct.unpack("!H", await reader.readexactly(2))
    return dns.message.from_wire(await reader.readexactly(length))


async def is_cut(reader: asyncio.StreamReader) -> bool:
    """Wait for the end of the stream, whatever comes before it."""
    with contextlib.suppress(ConnectionError):
        await reader.read()
    return True


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_pipelined_queries_are_all_answered(state: Path, address: str):
    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection(address, port)
        writer.write(b"".join(framed(number=number) for number in range(1, 101)))
        assert {(await answer(reader)).id for _ in range(100)} == set(range(1, 101))
        writer.close()

    serve(state, client, address=address)


def test_answer_too_large_for_udp_is_whole(state: Path):
    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed("large.example.com", "TXT"))
        assert len((await answer(reader)).answer[0]) == 200
        writer.close()

    serve(state, client)


def test_query_in_single_octets_is_answered(state: Path):
    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for octet in framed():
            writer.write(bytes((octet,)))
            await writer.drain()
            await asyncio.sleep(0.001)
        assert (await answer(reader)).answer
        writer.close()

    serve(state, client)


def test_silent_client_is_cut_off(state: Path):
    async def client(port: int) -> None:
        reader, _writer = await asyncio.open_connection("127.0.0.1", port)
        assert await is_cut(reader)

    serve(state, client, StreamLimits(idle=0.1))


def test_query_that_trickles_in_is_cut_off(state: Path):
    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        cut = asyncio.create_task(is_cut(reader))
        for octet in framed():
            if cut.done():
                break
            writer.write(bytes((octet,)))
            await asyncio.sleep(0.02)
        assert await cut

    serve(state, client, StreamLimits(idle=0.1))


def test_client_that_never_reads_is_cut_off_and_others_are_served(state: Path):
    async def client(port: int) -> None:
        raw = socket.create_connection(("127.0.0.1", port))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        query = framed("large.example.com", "TXT")
        loop = asyncio.get_running_loop()
        sending = asyncio.create_task(loop.sock_sendall(raw, query * 200_000))  # more than buffers hold
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed())
        assert (await answer(reader)).answer
        with pytest.raises(ConnectionError):
            await sending
        raw.close()
        writer.close()

    serve(state, client, StreamLimits(drain=0.2, idle=5))


def test_longest_quiet_connection_makes_room(state: Path):
    async def client(port: int) -> None:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        for reader, writer in held:
            writer.write(framed())
            await answer(reader)
        held[0][1].write(framed())
        await answer(held[0][0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed())
        assert (await answer(reader)).answer
        assert await is_cut(held[1][0])
        held[0][1].write(framed())
        assert (await answer(held[0][0])).answer

    serve(state, client, StreamLimits(clients=4))


def test_one_address_gets_its_share_only(state: Path):
    async def client(port: int) -> None:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for reader, writer in held:
            writer.write(framed())
            await answer(reader)
        over, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await is_cut(over)
        held[0][1].close()
        other, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.9", 0))
        writer.write(framed())
        assert (await answer(other)).answer

    serve(state, client, StreamLimits(clients_per_network=3))


@pytest.mark.parametrize(
    "octets",
    [
        b"\0\0",
        b"\0\1a",
        b"\xff\xff" + b"\xff" * 65535,
        b"GET / HTTP/1.1\r\n\r\n" * 4000,
        b"\x16\x03\x01\x02\0",
    ],
    ids=["empty", "one octet", "all ones", "http", "tls"],
)
def test_what_is_no_query_ends_its_connection_only(state: Path, octets: bytes):
    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(octets)
        assert await is_cut(reader)
        other, to_other = await asyncio.open_connection("127.0.0.1", port)
        to_other.write(framed())
        assert (await answer(other)).answer

    serve(state, client, StreamLimits(idle=0.3))


def test_transfer_is_refused_unless_allowed(state: Path):
    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed("example.com", "AXFR") + framed("unknown.example", "AXFR", 2))
        for _ in range(2):
            assert (await answer(reader)).rcode() == dns.rcode.REFUSED
        writer.write(framed())
        assert (await answer(reader)).answer

    serve(state, client)
