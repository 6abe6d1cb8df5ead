"""Response rate limiting: who is limited, at which count, what leaves instead, and with how much memory."""

import ipaddress
import os
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from dnsctl.image.generation import GenerationCounter
from dnsctl.image.store import Image
from dnsctl.model.fleet import RateLimit
from dnsctl.model.name import from_text
from dnsctl.model.repo import NodeFiles
from dnsctl.serve.message.cookies import Cookies
from dnsctl.serve.message.datagrams import BATCH, Batch
from dnsctl.serve.metrics.counters import RATE_DROPPED, RATE_SLIPPED, Block
from dnsctl.serve.metrics.tally import Tally
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport.rate_limit import Flow, FlowTable, RateLimiter, flow_of, truncated
from dnsctl.serve.transport.udp import UdpWorker
from tests.build import edns_option, validated
from tests.node.running import publish

ZONE = """\
www A 192.0.2.1
other A 192.0.2.2
*.wild TXT "found"
d DNAME target
sub NS ns1.sub
ns1.sub A 192.0.2.3
"""
SECOND = 1_000_000_000


@dataclass
class Published:
    """An image with two zones, and where its generations are counted."""

    image: Image
    counter: GenerationCounter


@pytest.fixture
def published(tmp_path: Path) -> Iterator[Published]:
    publish(tmp_path, [validated("example.com.", ZONE), validated("example.net.", "www A 192.0.2.9")])
    with Image.open(NodeFiles(tmp_path).image) as opened:
        yield Published(opened, GenerationCounter(NodeFiles(tmp_path).generation))


class Server:
    """A worker with a rate limit and a clock of ours; clients are addresses of the loopback network."""

    def __init__(
        self, published: Published, limit: RateLimit, workers: int = 1, table: FlowTable | None = None
    ) -> None:
        self.now = 1000 * SECOND
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(60)
        self.image = published.image
        self.block = Block()
        self.tally = Tally(self.block)
        self.table = table or FlowTable(limit.table_size)
        self.limiter = RateLimiter(limit, self.table, self.tally, workers, lambda: self.now)
        self.responder = Responder("ns1")
        self.batch = Batch(self.socket, keep_classes=True)
        self.worker = UdpWorker(
            [self.socket], self.image.reader(), published.counter, self.responder,
            tally=self.tally, limiter=self.limiter,
        )  # fmt: skip

    def counted(self, cell: int) -> int:
        self.tally.fold()
        return self.block.cells[cell]

    def ask(self, wires: list[bytes], source: str = "127.0.0.1") -> list[dns.message.Message]:
        """Send `wires` from `source`, and return what comes back, in the order asked."""
        found = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind((source, 0))
            client.setblocking(False)
            for start in range(0, len(wires), BATCH):
                part = wires[start : start + BATCH]
                for wire in part:
                    client.sendto(wire, self.socket.getsockname())
                self.worker.turn(self.batch, self.batch.receive(wait=True))
                try:
                    while True:
                        found.append(dns.message.from_wire(client.recv(65535)))
                except BlockingIOError:
                    pass
        return found


def query(name: str = "www.example.com", rdtype: str = "A", **more: object) -> bytes:
    return dns.message.make_query(name, rdtype, **more).to_wire()  # type: ignore[arg-type]


def whole(answers: list[dns.message.Message]) -> int:
    return sum(not answer.flags & dns.flags.TC for answer in answers)


def heat(server: Server, rate: int, source: str = "127.0.0.1") -> None:
    """Use up what a network gets before it is looked at."""
    server.ask([query("version.bind", "TXT", rdclass="CH")] * rate, source)


def test_beyond_the_rate_answers_come_truncated_and_without_data(published: Published):
    server = Server(published, RateLimit(rate=20))
    answers = server.ask([query(want_dnssec=True)] * 100)
    assert len(answers) == 100
    assert 20 <= whole(answers) <= 40
    cut = answers[-1]
    assert cut.flags & dns.flags.TC and cut.edns == 0 and not (cut.answer or cut.authority or cut.additional)
    assert cut.question[0].name.to_text() == "www.example.com."
    assert server.counted(RATE_SLIPPED) == 100 - whole(answers)


def test_sustained_flood_gets_the_rate_and_no_more(published: Published):
    server = Server(published, RateLimit(rate=20))
    passed = []
    for _ in range(6):
        passed.append(whole(server.ask([query()] * 60)))
        server.now += SECOND
    assert passed[0] <= 40
    assert passed[2:] == [20] * 4


def test_network_that_asks_less_again_is_answered_in_full(published: Published):
    server = Server(published, RateLimit(rate=20))
    server.ask([query()] * 200)
    server.now += 5 * SECOND
    assert whole(server.ask([query()] * 20)) == 20


@pytest.mark.parametrize(("slip", "cut"), [(0, 0), (1, 60), (2, 30), (3, 20)])
def test_every_slipth_limited_answer_leaves(published: Published, slip: int, cut: int):
    server = Server(published, RateLimit(rate=20, slip=slip))
    heat(server, 20)
    answers = server.ask([query()] * 80)
    assert whole(answers) == 20
    assert len(answers) - 20 == cut == server.counted(RATE_SLIPPED)
    assert server.counted(RATE_DROPPED) == 60 - cut


def test_other_names_other_kinds_and_other_networks_have_their_own_count(published: Published):
    server = Server(published, RateLimit(rate=20))
    heat(server, 20)
    assert whole(server.ask([query()] * 60)) == 20
    assert whole(server.ask([query("other.example.com")] * 20)) == 20
    assert whole(server.ask([query("nothing.example.com")] * 20)) == 20
    assert whole(server.ask([query()] * 20, "127.0.1.1")) == 20
    assert whole(server.ask([query()] * 20, "127.0.0.77")) == 0


@pytest.mark.parametrize(
    ("names", "rdtype"),
    [
        ("{}.example.com", "A"),
        ("{}.wild.example.com", "TXT"),
        ("{}.wild.example.com", "MX"),
        ("{}.d.example.com", "A"),
        ("{}.sub.example.com", "A"),
    ],
    ids=["name errors", "wildcard", "wildcard no data", "DNAME", "referral"],
)
def test_random_names_are_counted_together(published: Published, names: str, rdtype: str):
    server = Server(published, RateLimit(rate=20))
    heat(server, 20)
    assert whole(server.ask([query(names.format(f"x{number}"), rdtype) for number in range(80)])) == 20


def test_name_errors_of_two_zones_are_counted_apart(published: Published):
    server = Server(published, RateLimit(rate=20))
    heat(server, 20)
    assert whole(server.ask([query(f"x{number}.example.com") for number in range(40)])) == 20
    assert whole(server.ask([query(f"x{number}.example.net") for number in range(40)])) == 20


def test_errors_leave_as_they_are_at_the_slip_rate(published: Published):
    server = Server(published, RateLimit(rate=20, slip=2))
    heat(server, 20)
    answers = server.ask([query(f"x{number}.example.org") for number in range(100)])
    # The questions that heated it were refused as well: all is over the rate but the burst
    assert {answer.rcode() for answer in answers} == {dns.rcode.REFUSED}
    assert whole(answers) == len(answers)
    assert 50 <= len(answers) <= 61


def test_what_leaves_beyond_the_rate_is_hardly_more_than_came(tmp_path: Path):
    """Errors and cut answers keep the cookie of their options, and no other."""
    secret = tmp_path / "secret"
    secret.write_text("00112233445566778899aabbccddeeff\n")
    publish(tmp_path, [validated("example.com.", "www A 192.0.2.1\n")])
    responder = Responder("a-name-of-forty-octets-for-this-server..", cookies=Cookies([secret]))
    options = [
        edns_option(dns.edns.NSID, b""),
        dns.edns.GenericOption(dns.edns.COOKIE, b"theirown"),
    ]
    with Image.open(NodeFiles(tmp_path).image) as image, image.reader() as reader:
        for name in ("www.example.com", "www.example.net"):
            for given in (options, options[:1], []):
                asked = query(name, options=given, use_edns=0)
                whole = responder.respond(reader, asked, stream=False, address=bytes((192, 0, 2, 1))).wire
                short = truncated(whole)
                reply = dns.message.from_wire(short)
                assert len(short) <= len(asked) + (16 if len(given) == 2 else 0)
                assert [one.otype for one in reply.options] == [dns.edns.COOKIE] * (len(given) == 2)
                assert reply.rcode() == dns.message.from_wire(whole).rcode()
                assert bool(reply.flags & dns.flags.TC) == (name == "www.example.com")


def test_prefix_length_says_what_one_network_is(published: Published):
    narrow = Server(published, RateLimit(rate=20, ipv4_prefix=32))
    heat(narrow, 20)
    assert whole(narrow.ask([query()] * 60)) == 20
    assert whole(narrow.ask([query()] * 20, "127.0.0.2")) == 20
    wide = Server(published, RateLimit(rate=20, ipv4_prefix=8))
    heat(wide, 20)
    assert whole(wide.ask([query()] * 60)) == 20
    assert whole(wide.ask([query()] * 20, "127.99.0.1")) == 0


@pytest.mark.parametrize(
    ("whitelist", "passing", "limited"),
    [("127.0.0.0/16", "127.0.0.1", "127.1.0.1"), ("127.0.0.5/32", "127.0.0.5", "127.0.0.6")],
    ids=["whole network", "one address of it"],
)
def test_whitelisted_are_never_limited(published: Published, whitelist: str, passing: str, limited: str):
    server = Server(published, RateLimit(rate=20, whitelist=(ipaddress.ip_network(whitelist),)))
    assert whole(server.ask([query()] * 100, passing)) == 100
    heat(server, 20, limited)
    assert whole(server.ask([query()] * 100, limited)) == 20


def test_client_whose_address_is_proved_is_not_limited(published: Published, monkeypatch: pytest.MonkeyPatch):
    """`Response.proved` is what a valid cookie sets."""
    server = Server(published, RateLimit(rate=20))
    full = server.responder.answered
    known = query(use_edns=0, options=[edns_option(9, b"known")])

    def proved(reader: object, message: bytes, *more: object, **named: object) -> object:
        response = full(reader, message, *more, **named)  # type: ignore[arg-type]
        assert response is not None
        return response._replace(proved=b"known" in message)

    monkeypatch.setattr(server.responder, "answered", proved)
    heat(server, 40)
    answers = server.ask([known, query()] * 60)
    assert whole(answers) == 60 + 20


def test_two_workers_share_the_count(published: Published):
    table = FlowTable(1000)
    limit = RateLimit(rate=20)
    first, second = Server(published, limit, 2, table), Server(published, limit, 2, table)
    heat(first, 20)
    heat(second, 20)
    assert whole(first.ask([query()] * 50)) + whole(second.ask([query()] * 50)) == 20


def test_below_the_share_nothing_is_looked_at(published: Published):
    """Clients of different networks together may ask what no one of them may."""
    server = Server(published, RateLimit(rate=20))
    for number in range(50):
        assert whole(server.ask([query()] * 20, f"127.1.{number}.1")) == 20
    assert not any(server.table.cells)


def test_flood_from_everywhere_takes_no_more_memory_and_spares_no_flow(published: Published):
    """A million flows through a table of a thousand: it stays as large, and a steady flood stays limited."""
    table = FlowTable(1000)
    size = len(table.cells)
    now, passed = SECOND, 0
    for number in range(200_000):
        table.take(("spoofed", number), now, SECOND // 20)
        if number % 10 == 0:
            passed += table.take("victim", now, SECOND // 20)
        now += SECOND // 100_000
    assert len(table.cells) == size
    assert passed < 20_000 / 2


def test_flow_gets_its_rate_to_the_answer_and_fills_up_again():
    table = FlowTable(100)
    now = 5 * SECOND
    assert sum(table.take("flow", now, SECOND // 10) for _ in range(100)) == 10
    assert sum(table.take("flow", now + SECOND // 2, SECOND // 10) for _ in range(100)) == 5
    assert sum(table.take("flow", now + 10 * SECOND, SECOND // 10) for _ in range(100)) == 10


def test_ipv6_clients_are_counted_by_56_bits(published: Published):
    limiter = RateLimiter(RateLimit(), FlowTable(100), Tally())
    source = int.from_bytes(ipaddress.ip_address("2001:db8:1:2ff::1").packed[:8], "little")
    assert str(limiter.network(True, source & limiter.masks[True])) == "2001:db8:1:200::/56"
    source = int.from_bytes(ipaddress.ip_address("192.0.2.77").packed, "little")
    assert str(limiter.network(False, source & limiter.masks[False])) == "192.0.2.0/24"


def test_ipv6_batch_tells_its_sources():
    with (
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client,
    ):
        server.bind(("::1", 0))
        client.sendto(b"x", server.getsockname()[:2])
        batch = Batch(server)
        assert batch.receive(wait=True) == 1
        assert batch.sources(1) == [0]
        assert str(batch.source(0)) == "::1"


KINDS = {
    ("www.example.com.", "A"): (Flow.POSITIVE, "www.example.com."),
    ("WWW.example.com.", "A"): (Flow.POSITIVE, "www.example.com."),
    ("www.example.com.", "ANY"): (Flow.ANY, "www.example.com."),
    ("www.example.com.", "MX"): (Flow.NO_DATA, "example.com."),
    ("example.com.", "MX"): (Flow.NO_DATA, "example.com."),
    ("a.b.example.com.", "A"): (Flow.NAME_ERROR, "example.com."),
    ("a.wild.example.com.", "TXT"): (Flow.WILDCARD, "example.com."),
    ("a.d.example.com.", "TXT"): (Flow.WILDCARD, "example.com."),
    ("a.sub.example.com.", "A"): (Flow.REFERRAL, "sub.example.com."),
}


@pytest.mark.parametrize("case", KINDS, ids=" ".join)
def test_kind_and_name_of_an_answer(published: Published, case: tuple[str, str]):
    server = Server(published, RateLimit())
    reader = server.image.reader()
    response = server.responder.respond(reader, query(*case), stream=False)
    assert response is not None
    kind, name = KINDS[case]
    assert flow_of(response.wire, response.kind, response.zone) == (
        kind,
        from_text(name),
    )


def test_what_is_cut_down_is_never_larger_than_the_query(published: Published):
    server = Server(published, RateLimit())
    reader = server.image.reader()
    options = [edns_option(3, b"")]
    sizes: Counter[bool] = Counter()
    for name, rdtype in KINDS:
        for more in ({}, {"want_dnssec": True}, {"use_edns": 0, "options": options}):
            wire = query(name, rdtype, **more)
            response = server.responder.respond(reader, wire, stream=False)
            assert response is not None
            short = truncated(response.wire)
            message = dns.message.from_wire(short)
            assert message.flags & dns.flags.TC
            assert message.edns == (0 if more else -1)
            assert message.options == ()
            sizes[len(short) <= len(wire)] += 1
    assert sizes == {True: len(KINDS) * 3}


def test_hostile_queries_beyond_the_rate_neither_raise_nor_stop_the_others(published: Published):
    server = Server(published, RateLimit(rate=1))
    heat(server, 2)
    hostile = [b"", b"\0" * 12, b"id\1\0\0\1" + bytes(6) + b"\x3f", os.urandom(300), query()[:-3]]
    answers = server.ask([*hostile * 8, query("other.example.com")])
    assert server.worker.failures == 0
    assert answers[-1].question[0].name.to_text() == "other.example.com."
