"""TCP: framing, pipelining, and clients that are slow, silent, greedy or hostile."""

import asyncio
import contextlib
import ipaddress
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import dns.edns
import dns.message
import dns.rcode
import pytest

from dnsctl.image.generation import GenerationCounter
from dnsctl.image.store import Image
from dnsctl.model.fleet import Network
from dnsctl.model.repo import NodeFiles
from dnsctl.serve.fast.cache import MAX_KNOCKS
from dnsctl.serve.message.cookies import Cookies, fresh_secret
from dnsctl.serve.message.query import Client as Asker
from dnsctl.serve.metrics import counters
from dnsctl.serve.metrics.counters import Block
from dnsctl.serve.metrics.tally import Tally
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport.connection import StreamLimits
from dnsctl.serve.transport.stream import StreamServer
from tests.build import edns_option, validated
from tests.node.running import publish

LARGE = "\n".join(f'large TXT "{number:04d}{"x" * 240}"' for number in range(200))
ZONE = f"www A 192.0.2.1\n{LARGE}\n"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    publish(tmp_path, [validated("example.com.", ZONE)])
    return tmp_path


Client = Callable[[int], Awaitable[None]]


def serve(
    state: Path,
    client: Client,
    limits: StreamLimits | None = None,
    address: str = "127.0.0.1",
    tally: Tally | None = None,
    image: Image | None = None,
    responder: Responder | None = None,
    networks: Iterable[Network] = (),
) -> None:
    """Run `client` with the port of a server on `state`, and end the server after it.

    `image`: that of `state`, where the test has it open; `networks`: who may have transfers.
    """

    async def main() -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listening = socket.create_server((address, 0), family=family, backlog=64)
        with nullcontext(image) if image else Image.open(NodeFiles(state).image) as served:
            server = StreamServer(
                served,
                GenerationCounter(NodeFiles(state).generation),
                responder or Responder(),
                networks,
                limits or StreamLimits(),
                tally,
            )
            ready = asyncio.Event()
            running = asyncio.create_task(server.run([listening], ready.set))
            await ready.wait()
            try:
                async with asyncio.timeout(60):
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


def test_pipelined_queries_behind_half_a_query_wait_for_its_rest(state: Path):
    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        octets = b"".join(framed(number=number) for number in range(1, 41))
        for at in range(0, len(octets), 37):
            writer.write(octets[at : at + 37])
            await asyncio.sleep(0.001)
        assert [(await answer(reader)).id for _ in range(40)] == list(range(1, 41))
        writer.close()

    serve(state, client)


def test_client_that_closed_its_side_gets_what_it_asked_for_and_then_the_end(state: Path):
    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"".join(framed("large.example.com", "TXT", number) for number in range(1, 101)))
        writer.write_eof()
        assert [(await answer(reader)).id for _ in range(100)] == list(range(1, 101))
        assert await reader.read() == b""

    serve(state, client)


ASKED = [
    dns.message.make_query(name, rdtype, **more)
    for name in (
        "www.example.com",
        "WWW.Example.Com",
        "large.example.com",
        "absent.example.com",
        "example.org",
    )
    for rdtype in ("A", "TXT", "HTTPS", "ANY")
    for more in ({}, {"want_dnssec": True}, {"use_edns": 0, "payload": 512}, {"use_edns": 1})
]


def test_answers_are_those_of_the_full_path_however_often_they_are_asked(state: Path):
    wanted: dict[bytes, bytes] = {}

    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        wires = [query.to_wire() for query in ASKED] * 4
        writer.write(b"".join(struct.pack("!H", len(wire)) + wire for wire in wires))
        for wire in wires:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            assert await reader.readexactly(length) == wanted[wire[2:]]
        writer.close()

    with Image.open(NodeFiles(state).image) as image, image.reader() as seen:
        responder = Responder()
        for query in ASKED:
            response = responder.respond(seen, query.to_wire(), stream=True)
            assert response is not None
            wanted[query.to_wire()[2:]] = response.wire
        serve(state, client, image=image)


def test_every_answer_is_counted_once_however_it_was_found(state: Path):
    block = Block()
    tally = Tally(block)

    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for query in ASKED * 4:
            wire = query.to_wire()
            writer.write(struct.pack("!H", len(wire)) + wire)
            await answer(reader)
        writer.close()

    serve(state, client, tally=tally)
    tally.fold()
    wanted = len(ASKED) * 4
    cells = block.cells
    assert (cells[counters.TCP], cells[counters.UDP], cells[counters.CACHE_HITS]) == (wanted, 0, 0)
    for first, count in (
        (counters.OPCODES, counters.OPCODE_COUNT),
        (counters.RCODES, counters.RCODE_COUNT),
        (counters.KINDS, len(counters.KIND_NAMES)),
        (counters.TYPES, counters.TYPE_COUNT),
    ):
        assert sum(cells[first : first + count]) == wanted
    assert cells[counters.RCODES + dns.rcode.REFUSED] == 4 * 4 * 3  # BADVERS before it
    ((_, zone),) = block.zones()
    assert cells[zone] == cells[counters.RCODES] + cells[counters.RCODES + dns.rcode.NXDOMAIN]


def test_what_could_not_be_answered_is_told_and_counted(state: Path, monkeypatch: pytest.MonkeyPatch):
    block = Block()
    tally = Tally(block)

    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("nobody foresaw this")

    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(framed("alias.example.com", "ANY"))  # the full path
            assert (await answer(reader)).rcode() == dns.rcode.SERVFAIL
        writer.close()

    monkeypatch.setattr(Responder, "answered", fail)
    serve(state, client, tally=tally)
    tally.fold()
    assert block.cells[counters.TCP] == block.cells[counters.RCODES + dns.rcode.SERVFAIL] == 3


def test_new_generation_is_answered_at_once_on_an_open_connection(state: Path):
    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for generation in (2, 3):
            zone = validated("example.com.", f"alias CNAME to{generation}\n")
            publish(state, [zone], generation=generation, image=image)
            for _ in range(4):
                writer.write(framed("alias.example.com"))
                (alias,) = (await answer(reader)).answer
                assert alias[0].to_text() == f"to{generation}.example.com."
        writer.close()

    with Image.open(NodeFiles(state).image, readonly=False) as image:
        serve(state, client, image=image)


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

    block = Block()
    serve(state, client, StreamLimits(clients=4), tally=Tally(block))
    assert (block.cells[counters.CONNECTIONS_CUT], block.cells[counters.CONNECTIONS_REFUSED]) == (1, 0)


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


ANYBODY = (ipaddress.ip_network("127.0.0.0/8"),)
CLIENT_COOKIE = edns_option(10, b"12345678")


def transfer_query(
    *options: dns.edns.Option, name: str = "example.com", rdtype: str = "AXFR", version: int = 0
) -> bytes:
    wire = dns.message.make_query(name, rdtype, use_edns=version, options=list(options)).to_wire()
    return struct.pack("!H", len(wire)) + wire


@pytest.mark.parametrize("networks", [ANYBODY, ()], ids=["allowed", "not allowed"])
@pytest.mark.parametrize("rdtype", ["AXFR", "IXFR"])
def test_transfer_with_an_unknown_version_of_edns_is_badvers_and_nothing_else(
    state: Path, networks: tuple[Network, ...], rdtype: str
):
    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(transfer_query(rdtype=rdtype, version=1))
        message = await answer(reader)
        assert (message.rcode(), message.edns, message.answer) == (dns.rcode.BADVERS, 0, [])
        writer.write(framed(number=9))
        assert (await answer(reader)).id == 9
        writer.close()

    serve(state, client, networks=networks)


@pytest.mark.parametrize("networks", [ANYBODY, ()], ids=["allowed", "not allowed"])
@pytest.mark.parametrize("code, data", [(19, b"\2\0"), (10, b"short")], ids=["ZONEVERSION", "COOKIE"])
def test_transfer_with_a_malformed_option_is_formerr(
    state: Path, networks: tuple[Network, ...], code: int, data: bytes
):
    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(transfer_query(edns_option(code, data)))
        message = await answer(reader)
        assert (message.rcode(), message.edns, message.answer) == (dns.rcode.FORMERR, 0, [])
        writer.close()

    serve(state, client, networks=networks, responder=with_cookies(state))


def with_cookies(state: Path) -> Responder:
    secret = state / "cookie.secret"
    secret.write_bytes(fresh_secret())
    return Responder("ns1", cookies=Cookies((secret,)))


@pytest.mark.parametrize(
    ("networks", "name", "rdtype", "rcode"),
    [
        ((), "example.com", "AXFR", "REFUSED"),
        (ANYBODY, "example.org", "AXFR", "NOTAUTH"),
        (ANYBODY, "example.com", "IXFR", "FORMERR"),  # without its SOA
        (ANYBODY, "example.com", "AXFR", "SERVFAIL"),  # no room
        (ANYBODY, "example.com", "AXFR", "NOERROR"),
    ],
)
def test_options_of_a_transfer_query_are_answered_whatever_becomes_of_it(
    state: Path, networks: tuple[Network, ...], name: str, rdtype: str, rcode: str
):
    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        asked = (
            edns_option(3, b""),
            CLIENT_COOKIE,
            edns_option(11, b""),
        )
        writer.write(transfer_query(*asked, name=name, rdtype=rdtype))
        message = await answer(reader)
        told = {int(option.otype): option.to_wire() for option in message.options}
        assert dns.rcode.to_text(message.rcode()) == rcode
        assert (told[3], len(told[10] or b""), told[11]) == (b"ns1", 24, b"\0\2")
        assert (15 in told) is (rcode not in ("NOERROR", "FORMERR"))
        writer.close()

    limits = StreamLimits(idle=0.2, transfers=0 if rcode == "SERVFAIL" else 8)
    serve(state, client, limits, networks=networks, responder=with_cookies(state))


def test_type_that_is_a_letter_takes_no_more_room_each_time(state: Path) -> None:
    with Image.open(NodeFiles(state).image) as image:
        counter = GenerationCounter(NodeFiles(state).generation)
        server = StreamServer(image, counter, Responder(), (), StreamLimits())
        connection = SimpleNamespace(address="127.0.0.1")
        sizes = set()
        for _ in range(5):
            assert server.respond(framed(rdtype="HTTPS")[2:], connection) is not None  # type: ignore[arg-type]
            sizes.add((len(server.answerer.cache), server.answerer.cache.answers.octets))
    assert sizes == {(0, 0)}  # the fast path is as good


def test_what_the_cache_has_makes_nobody_forget_what_has_come_before(state: Path) -> None:
    with Image.open(NodeFiles(state).image) as image:
        server = StreamServer(
            image, GenerationCounter(NodeFiles(state).generation), Responder(), (), StreamLimits()
        )
        query = dns.message.make_query("www.example.com", "A").to_wire()
        for _ in range(MAX_KNOCKS + 4):
            assert server.answerer.respond(query, Asker)
        assert len(server.answerer.cache) == 1
        assert any(server.answerer.cache.doors)
