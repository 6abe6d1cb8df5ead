"""One connection without sockets: whatever pieces its octets come in and however slowly answers are taken."""

import asyncio
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from dnsctl.serve.transport.connection import Connection, StreamLimits

PARTS = 3  # messages of a transfer
LIMITS = StreamLimits(transfers_per_client=2)
TRANSFER = b"transfer"
NO_QUERY = b"no query"


class Transport(asyncio.Transport):
    """Takes what is written. Each item of `stops` says whether the client is slow to take it."""

    def __init__(self, stops: list[bool]) -> None:
        super().__init__({"peername": ("192.0.2.1", 53)})
        self.connection: Connection
        self.stops = stops
        self.written = b""
        self.reading = True
        self.ended = ""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.ended
        self.written += bytes(data)
        if self.stops and self.stops.pop():
            self.connection.pause_writing()
            asyncio.get_running_loop().call_soon(self.connection.resume_writing)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high is not None

    def is_closing(self) -> bool:
        return bool(self.ended)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = self.ended or "aborted"


@dataclass
class Server:
    """Answers a message with itself and its length; sends transfers of PARTS messages."""

    limits: StreamLimits = LIMITS
    scratch: memoryview = field(default_factory=lambda: memoryview(bytearray(64)))
    transfers: int = 0
    most: int = 0

    def admit(self, _connection: Connection) -> bool:
        return True

    def forget(self, _connection: Connection) -> None: ...

    def touch(self, _connection: Connection) -> None: ...

    def respond(self, message: bytes, _connection: Connection) -> bytes | None:
        if message.startswith(NO_QUERY):
            return None
        return b"" if message.startswith(TRANSFER) else b"answer " + message

    async def transfer(self, message: bytes, connection: Connection) -> None:
        self.transfers += 1
        self.most = max(self.most, self.transfers)
        for number in range(PARTS):
            await connection.send(b"%d of %s" % (number, message))
        self.transfers -= 1


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


def messages(octets: bytes) -> list[bytes]:
    found = []
    while octets:
        end = 2 + int.from_bytes(octets[:2], "big")
        assert len(octets) >= end
        found.append(octets[2:end])
        octets = octets[end:]
    return found


async def conversation(octets: bytes, sizes: list[int], stops: list[bool]) -> tuple[Transport, Server]:
    """Send `octets` in pieces of `sizes` as the event loop would, and the end behind them."""
    server, transport = Server(), Transport(stops)
    transport.connection = connection = Connection(server)
    connection.connection_made(transport)
    while octets and not transport.ended:
        if transport.reading:
            size = min(sizes.pop() if sizes else 64, len(octets))
            server.scratch[:size] = octets[:size]
            octets = octets[size:]
            connection.buffer_updated(size)
        await asyncio.sleep(0)
    for _ in range(1000):
        if transport.reading and not transport.ended:
            transport.reading = False
            connection.eof_received()
        if transport.ended:
            break
        await asyncio.sleep(0)
    return transport, server


KINDS = st.one_of(
    st.binary(min_size=1, max_size=150).map(lambda octets: b"query " + octets),
    st.integers(0, 99).map(lambda number: TRANSFER + b" %d" % number),
)


@given(
    st.lists(KINDS, max_size=40),
    st.sampled_from([b"", b"\0", b"\0\7half", framed(NO_QUERY), framed(NO_QUERY) + b"\0"]),
    st.lists(st.integers(1, 64)),
    st.lists(st.booleans()),
)
def test_every_query_is_answered_once_and_in_order_however_it_comes(
    asked: list[bytes], tail: bytes, sizes: list[int], stops: list[bool]
):
    octets = b"".join(map(framed, asked)) + tail
    transport, server = asyncio.run(conversation(octets, sizes, stops))
    found = messages(transport.written)
    queries = [message for message in asked if not message.startswith(TRANSFER)]
    assert [one for one in found if one.startswith(b"answer ")] == [b"answer " + one for one in queries]
    half = tail[:1] == b"\0" and not tail.startswith(framed(NO_QUERY))
    assert transport.ended == ("aborted" if half else "closed")
    wanted = sorted(one for one in asked if one.startswith(TRANSFER))
    for number in range(PARTS):
        start = b"%d of " % number
        parts = sorted(one[len(start) :] for one in found if one.startswith(start))
        assert parts == wanted or (half and set(parts) <= set(wanted))
    assert server.most <= LIMITS.transfers_per_client


def test_flooding_client_is_answered_a_share_at_a_time_and_not_read_meanwhile():
    async def main() -> None:
        server, transport = Server(scratch=memoryview(bytearray(16_384))), Transport([])
        transport.connection = connection = Connection(server)
        connection.connection_made(transport)
        octets = framed(b"query") * 1000
        server.scratch[: len(octets)] = octets
        connection.buffer_updated(len(octets))
        before = len(messages(transport.written))
        assert 0 < before < 100
        assert not transport.reading
        while not transport.reading:
            await asyncio.sleep(0)
            now = len(messages(transport.written))
            assert now - before < 100
            before = now
        assert before == 1000

    asyncio.run(main())


def test_connection_without_a_peer_is_given_up():
    async def main() -> None:
        transport = Transport([])
        transport._extra = {}  # type: ignore[attr-defined]
        connection = Connection(Server())
        connection.connection_made(transport)
        assert transport.ended == "aborted"

    asyncio.run(main())
