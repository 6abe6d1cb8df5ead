"""Good queries are answered whatever stands beside them in a batch, and whatever names and options hold."""

import socket
from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsctl.image.generation import GenerationCounter
from dnsctl.image.store import Image
from dnsctl.model.fleet import RateLimit
from dnsctl.model.repo import NodeFiles
from dnsctl.serve.message.chaos import Chaos
from dnsctl.serve.message.cookies import Cookies
from dnsctl.serve.message.datagrams import BATCH, Batch
from dnsctl.serve.metrics.tally import Tally
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport.rate_limit import FlowTable, RateLimiter, flow_of, truncated
from dnsctl.serve.transport.udp import UdpWorker
from tests.build import edns_option, validated
from tests.node.running import publish

ZONE = """\
www A 192.0.2.1
*.wild TXT "found"
alias CNAME www
d DNAME www
sub NS ns1.sub
ns1.sub A 192.0.2.2
"""
GOOD = ("www", "alias", "x.wild", "nothing", "x.sub", "a.d")
CODES = (3, 8, 9, 10, 11, 12, 14, 15, 19, 65001)


class Serving:
    """A worker with all that is optional switched on, and a client of it."""

    def __init__(self, state: Path, image: Image) -> None:
        (state / "cookie.secret").write_text("00112233445566778899aabbccddeeff\n")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(60)
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.bind(("127.0.0.1", 0))
        self.client.setblocking(False)
        cookies = Cookies([state / "cookie.secret"], lambda: 1_800_000_000.0)
        self.responder = Responder("ns1", about=Chaos(b"ns1", b"1"), cookies=cookies)
        self.reader = image.reader()
        tally = Tally()
        self.batch = Batch(self.socket, keep_classes=True)
        self.worker = UdpWorker(
            [self.socket], image.reader(), GenerationCounter(NodeFiles(state).generation), self.responder,
            tally=tally, limiter=RateLimiter(RateLimit(rate=1_000_000), FlowTable(1024), tally),
        )  # fmt: skip

    def exchange(self, wires: list[bytes]) -> list[bytes]:
        for wire in wires:
            self.client.sendto(wire, self.socket.getsockname())
        self.worker.turn(self.batch, self.batch.receive(wait=True))
        found = []
        try:
            while True:
                found.append(self.client.recv(65535))
        except BlockingIOError:
            return found


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    state = tmp_path_factory.mktemp("state")
    publish(state, [validated("example.com.", ZONE)])
    with Image.open(NodeFiles(state).image) as image:
        made = Serving(state, image)
        yield made
        made.socket.close()
        made.client.close()


def query(name: str, number: int) -> bytes:
    return dns.message.make_query(f"{name}.example.com", "A", id=number, want_dnssec=True).to_wire()


def decoded(wire: bytes) -> dns.message.Message:
    """Decode a response as if to a query: dnspython reads that to an UPDATE in another way."""
    return dns.message.from_wire(wire[:2] + bytes((wire[2] & 0x87,)) + wire[3:])


options: st.SearchStrategy[list[dns.edns.Option]] = st.lists(
    st.builds(edns_option, st.sampled_from(CODES) | st.integers(0, 65535), st.binary(max_size=60)),
    max_size=4,
)
labels = st.lists(st.binary(min_size=1, max_size=63), max_size=3)


@st.composite
def drawn_queries(draw: st.DrawFn) -> bytes:
    """A query whose every part is drawn, well formed as a whole."""
    name = dns.name.Name([*draw(labels), *draw(st.sampled_from(((b"example", b"com", b""), (b"",))))])
    made = dns.message.make_query(
        name,
        dns.rdatatype.RdataType.make(draw(st.integers(0, 65535))),
        dns.rdataclass.RdataClass.make(draw(st.sampled_from((1, 3, 254, 255, 0)))),
    )
    if draw(st.booleans()):
        flags = draw(st.sampled_from((0, dns.flags.DO, 0x7FFF)))
        made.use_edns(draw(st.integers(0, 2)), flags, draw(st.integers(0, 65535)), options=draw(options))
    wire = bytearray(made.to_wire(max_size=65535))
    wire[:2] = b"\xff\xff"
    wire[2:4] = (
        draw(st.sampled_from((b"\0\0", b"\1\0", b"\0\x10")))
        if draw(st.booleans())
        else draw(st.binary(min_size=2, max_size=2))
    )
    return bytes(wire)


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A query with a few octets changed, cut off, or with something behind it."""
    wire = bytearray(draw(drawn_queries()))
    for _ in range(draw(st.integers(0, 4))):
        wire[draw(st.integers(0, len(wire) - 1))] = draw(st.integers(0, 255))
    return b"\xff\xff" + bytes(wire[2 : draw(st.integers(0, len(wire)))]) + draw(st.binary(max_size=20))


hostile = st.binary(max_size=300).map(lambda rest: b"\xff\xff" + rest) | drawn_queries() | broken()


@settings(max_examples=60)
@given(st.lists(st.sampled_from(GOOD) | hostile, min_size=1, max_size=BATCH - 1))
def test_good_queries_of_a_batch_are_answered_whatever_is_beside_them(
    serving: Serving, drawn: list[str | bytes]
):
    wires = [query(one, at) if isinstance(one, str) else one for at, one in enumerate([*drawn, "www"])]
    got = {wire[:2]: wire for wire in serving.exchange(wires)}
    for wire in wires:
        if wire[:2] != b"\xff\xff":
            wanted = serving.responder.respond(serving.reader, wire, stream=False)
            assert wanted is not None
            assert got[wire[:2]] == wanted.wire
    assert serving.worker.failures == serving.responder.failures.count == 0


@settings(max_examples=150)
@given(drawn_queries() | broken())
def test_any_query_gets_a_whole_response_of_its_own_or_none(serving: Serving, wire: bytes):
    for stream in (False, True):
        response = serving.responder.respond(
            serving.reader, wire, stream=stream, address=bytes((127, 0, 0, 1))
        )
        if response is None:
            assert len(wire) < 12 or wire[2] & 0x80
            continue
        message = decoded(response.wire)
        assert response.wire[:2] == wire[:2]
        assert message.flags & dns.flags.QR
        assert len(response.wire) <= (65535 if stream else 1232)
    assert serving.responder.failures.count == 0


@settings(max_examples=150)
@given(drawn_queries())
def test_what_the_rate_limit_leaves_of_a_response_is_a_smaller_one_to_the_same_question(
    serving: Serving, wire: bytes
):
    response = serving.responder.respond(serving.reader, wire, stream=False)
    if response is None:
        return
    flow = flow_of(response.wire, response.kind, response.zone)
    if flow is None:
        return
    short = truncated(response.wire)
    before, after = decoded(response.wire), decoded(short)
    assert len(short) <= len(response.wire)
    assert (after.id, after.question, after.edns, after.options) == (
        before.id, before.question, before.edns,
        tuple(one for one in before.options if one.otype == dns.edns.COOKIE),
    )  # fmt: skip
    assert after.flags & dns.flags.TC or before.rcode() not in (
        dns.rcode.NOERROR, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN,
    )  # fmt: skip


@settings(max_examples=150)
@given(labels)
def test_name_of_any_octets_comes_back_as_it_was_asked(serving: Serving, drawn: list[bytes]):
    name = dns.name.Name([*drawn, b"example", b"com", b""])
    wire = dns.message.make_query(name, "A").to_wire()
    response = serving.responder.respond(serving.reader, wire, stream=False)
    assert response is not None
    assert response.wire[12 : response.question_end] == wire[12 : response.question_end]
    assert dns.message.from_wire(response.wire).rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
