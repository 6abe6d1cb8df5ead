"""Counting: exact whichever way an answer goes, on after a restart, bounded whatever is asked."""

import ipaddress
import os
import random
import socket
from collections import Counter
from pathlib import Path

import dns.edns
import dns.message
import dns.opcode
import dns.rrset
import pytest

from dnsctl.image.generation import GenerationCounter
from dnsctl.image.store import Image
from dnsctl.model.name import Name, from_text
from dnsctl.model.repo import NodeFiles
from dnsctl.serve.message.cookies import Cookies, fresh_secret
from dnsctl.serve.message.datagrams import BATCH, Batch
from dnsctl.serve.message.kind import Kind
from dnsctl.serve.message.sections import Response
from dnsctl.serve.metrics import counters, tally
from dnsctl.serve.metrics.counters import Block
from dnsctl.serve.metrics.tally import Tally
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport.udp import UdpWorker
from tests.build import validated
from tests.conformance import zones
from tests.node.running import publish

ZONE = """\
www A 192.0.2.1
alias CNAME www
*.wild TXT "found"
sub NS ns1.sub
ns1.sub A 192.0.2.2
"""
BIG = "".join(f'big TXT "{number:060d}"\n' for number in range(60))
APEX = from_text("example.com.")


class Counted:
    """A worker without a process around it, and its block."""

    def __init__(
        self,
        state: Path,
        before: "Counted | None" = None,
        *,
        family: int = socket.AF_INET,
        by_zone: bool = True,
        responder: Responder | None = None,
    ) -> None:
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.socket.settimeout(60)
        self.image: Image = before.image if before else Image.open(NodeFiles(state).image)
        self.block: Block = before.block if before else Block()
        self.tally = Tally(self.block, by_zone=by_zone)
        self.batch = Batch(self.socket)
        self.worker = UdpWorker(
            [self.socket],
            self.image.reader(),
            GenerationCounter(NodeFiles(state).generation),
            responder or Responder(),
            tally=self.tally,
        )

    def ask(self, wires: list[bytes]) -> int:
        """Send `wires`; return how many answers came."""
        with socket.socket(self.socket.family, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            answers = 0
            for start in range(0, len(wires), BATCH):
                for wire in wires[start : start + BATCH]:
                    client.sendto(wire, self.socket.getsockname())
                self.worker.turn(self.batch, self.batch.receive(wait=True))
                try:
                    while client.recv(65535):
                        answers += 1
                except BlockingIOError:
                    pass
        return answers

    def __getitem__(self, cell: int) -> int:
        self.tally.fold()
        return self.block.cells[cell]

    def kinds(self) -> dict[str, int]:
        found = {name: self[counters.KINDS + at] for at, name in enumerate(counters.KIND_NAMES)}
        return {name: count for name, count in found.items() if count}

    def zones(self) -> dict[Name, int]:
        self.tally.fold()
        return {origin: self.block.cells[cell] for origin, cell in self.block.zones()}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    publish(
        tmp_path, [validated("example.com.", ZONE + BIG), validated("deep.example.com.", "www A 192.0.2.9")]
    )
    return tmp_path


@pytest.fixture
def counted(state: Path) -> Counted:
    return Counted(state)


def wire(name: str = "www.example.com", rdtype: str = "A", **more: object) -> bytes:
    return dns.message.make_query(name, rdtype, **more).to_wire()  # type: ignore[arg-type]


def test_same_question_is_counted_each_time_whether_from_the_cache_or_not(counted: Counted):
    assert counted.ask([wire()] * 200) == 200
    assert counted[counters.UDP] == 200
    assert counted[counters.CACHE_HITS] == 198  # an answer is kept when it is asked for a second time
    assert counted[counters.TYPES + 1] == counted[counters.RCODES] == counted[counters.OPCODES] == 200
    assert counted.kinds() == {"data": 200}
    assert counted.zones() == {APEX: 200}


@pytest.mark.parametrize(
    ("name", "rdtype", "kind", "rcode", "zone"),
    [
        ("www.example.com", "A", "data", 0, "example.com."),
        ("www.deep.example.com", "A", "data", 0, "deep.example.com."),
        ("alias.example.com", "A", "data", 0, "example.com."),
        ("a.wild.example.com", "TXT", "data", 0, "example.com."),
        ("www.example.com", "MX", "no_data", 0, "example.com."),
        ("a.wild.example.com", "A", "no_data", 0, "example.com."),
        ("nothing.example.com", "A", "name_error", 3, "example.com."),
        ("not.there.example.com", "A", "name_error", 3, "example.com."),
        ("host.sub.example.com", "A", "referral", 0, "example.com."),
        ("www.example.org", "A", "other", 5, None),
        ("version.bind", "TXT", "other", 5, None),
    ],
)
def test_answer_is_of_the_kind_code_type_and_zone_it_is(counted: Counted, name, rdtype, kind, rcode, zone):
    counted.ask([wire("www.example.com"), wire("www.deep.example.com")])
    before = counted.kinds(), counted[counters.RCODES + rcode], counted.zones()
    query = dns.message.make_query(name, rdtype)
    counted.ask([query.to_wire()] * 5)
    assert Counter(counted.kinds()) - Counter(before[0]) == {kind: 5}
    assert counted[counters.RCODES + rcode] - before[1] == 5
    grown = Counter(counted.zones()) - Counter(before[2])
    assert grown == ({from_text(zone): 5} if zone else {})


def test_edns_do_truncation_and_opcode(counted: Counted):
    counted.ask([wire(), wire(use_edns=0), wire(want_dnssec=True)] * 3)
    assert (counted[counters.EDNS], counted[counters.DNSSEC_OK]) == (6, 3)
    counted.ask([wire("big.example.com", "TXT")] * 4)
    assert counted[counters.TRUNCATED] == 4
    notify = dns.message.make_query("example.com", "SOA")
    notify.set_opcode(dns.opcode.NOTIFY)
    counted.ask([notify.to_wire()] * 2)
    assert counted[counters.OPCODES + dns.opcode.NOTIFY] == 2
    version = dns.message.make_query("example.com", "SOA", use_edns=3)
    counted.ask([version.to_wire()] * 2)
    assert counted[counters.RCODES + 16] == 2  # BADVERS


SOA = dns.rrset.from_text("example.com.", 0, "IN", "SOA", ". . 1 0 0 0 0")


def with_soa(rdtype: str, opcode: int = 0, *, section: str = "authority", dnssec: bool = True) -> bytes:
    query = dns.message.make_query("example.com", rdtype, use_edns=0, want_dnssec=dnssec)
    query.set_opcode(dns.opcode.Opcode(opcode))
    query.section_from_number(["question", "answer", "authority"].index(section)).append(SOA)
    return query.to_wire()


ALLOWED = (ipaddress.ip_network("127.0.0.0/8"),)
ODD = {
    "IXFR answered": with_soa("IXFR"),
    "IXFR without SOA": wire("example.com", "IXFR", want_dnssec=True),
    "IXFR of no zone here": with_soa("IXFR").replace(b"example", b"exemple"),
    "NOTIFY": with_soa("SOA", dns.opcode.NOTIFY, section="answer"),
    "UPDATE": with_soa("SOA", dns.opcode.UPDATE),
    "data": with_soa("SOA"),
    "no data": with_soa("MX"),
    "cut": with_soa("TXT").replace(b"\7example", b"\3big\7example", 1),
    "no question": b"id\0\0" + bytes(7) + b"\1\0\0\x29\4\xd0\0\0\x80\0\0\0",
    "two questions": b"id\0\0\0\2" + bytes(5) + b"\1" + b"\0\0\1\0\1" * 2
    + b"\0\0\x29\4\xd0\0\0\x80\0\0\0",
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_edns_and_do_are_counted_wherever_the_opt_record_stands(state: Path, kind: str):
    counted = Counted(state, responder=Responder(networks=ALLOWED))
    assert counted.ask([ODD[kind]] * 3) == 3
    assert (counted[counters.EDNS], counted[counters.DNSSEC_OK]) == (3, 3)
    counted.ask([ODD[kind].replace(b"\x80\0\0\0", bytes(4))] * 2)  # without DO
    assert (counted[counters.EDNS], counted[counters.DNSSEC_OK]) == (5, 3)


def test_other_records_are_not_taken_for_edns(counted: Counted):
    query = dns.message.make_query("example.com", "SOA")
    query.authority.append(SOA)
    query.additional.append(SOA)
    notify = dns.message.make_query("example.com", "SOA")
    notify.set_opcode(dns.opcode.NOTIFY)
    notify.answer.append(SOA)
    assert counted.ask([query.to_wire(), notify.to_wire()]) == 2
    assert (counted[counters.EDNS], counted.kinds()) == (0, {"data": 1, "other": 1})


def test_denial_that_is_cut_is_no_data(tmp_path: Path):
    zones.fill(NodeFiles(tmp_path).image).close()
    counted = Counted(tmp_path)
    more = {"want_dnssec": True, "payload": 512}
    data, denial = wire("large.nsec3.test", "TXT", **more), wire("a.wild.nsec3.test", "MX", **more)
    missing, referral = wire("a.b.nsec3.test", "TXT", **more), wire("a.wide.nsec3.test", "TXT", **more)
    for _ in range(3):
        counted.ask([data, denial, missing, denial, referral, data, data])
    assert counted[counters.TRUNCATED] == 21
    assert counted.kinds() == {"data": 9, "no_data": 6, "name_error": 3, "referral": 3}


def test_what_is_no_query_is_ignored_and_what_is_none_we_know_is_counted_once(counted: Counted):
    response = dns.message.make_response(dns.message.make_query("www.example.com", "A")).to_wire()
    assert counted.ask([b"", b"short", response, wire()]) == 1
    assert (counted[counters.IGNORED], counted[counters.UDP]) == (3, 1)
    assert counted.ask([wire()[:-3], b"id\1\0\0\1" + bytes(6) + b"\xc0\x0c\0\1\0\1"]) == 2
    assert (counted[counters.RCODES + 1], counted[counters.UDP]) == (2, 3)


def test_every_sum_agrees_with_what_was_answered_whatever_is_asked(counted: Counted):
    rng = random.Random(3)
    names = [
        "www.example.com", "alias.example.com", "x.wild.example.com", "y.sub.example.com", "example.com",
        "www.deep.example.com", "example.org", *(f"r{number}.example.com" for number in range(40)),
    ]  # fmt: skip
    wires = []
    for _ in range(1500):
        query = bytearray(
            wire(rng.choice(names), rng.choice(["A", "MX", "DS", "ANY", "HTTPS", "TYPE999"]),
                 want_dnssec=rng.random() < 0.5)
        )  # fmt: skip
        if rng.random() < 0.2:
            query[rng.randrange(2, len(query))] ^= 1 << rng.randrange(8)
        wires.append(bytes(query))
    answers = counted.ask(wires)
    assert counted[counters.UDP] == answers
    assert counted[counters.UDP] + counted[counters.IGNORED] == 1500
    for start, size in (
        (counters.TYPES, counters.TYPE_COUNT),
        (counters.OPCODES, counters.OPCODE_COUNT),
        (counters.RCODES, counters.RCODE_COUNT),
        (counters.KINDS, len(counters.KIND_NAMES)),
    ):
        assert sum(counted[cell] for cell in range(start, start + size)) == answers
    assert 0 < counted[counters.CACHE_HITS] < answers
    assert counted[counters.TYPES + counters.OTHER_TYPE] > 0


def test_ipv6_is_counted_apart(state: Path):
    counted = Counted(state, family=socket.AF_INET6)
    counted.ask([wire()] * 7)
    assert (counted[counters.UDP], counted[counters.UDP + 1]) == (0, 7)


def test_successor_of_a_dead_process_counts_on(state: Path):
    first = Counted(state)
    first.ask([wire()] * 10)
    first.tally.begin()
    first.tally.fold()
    second = Counted(state, first)
    second.tally.begin()
    second.ask([wire()] * 5)
    assert second[counters.UDP] == 15
    assert second.zones() == {APEX: 15}
    assert second[counters.STARTS] == 2


def test_zones_are_not_told_apart_where_that_is_switched_off(state: Path):
    counted = Counted(state, by_zone=False)
    counted.ask([wire()] * 5)
    assert counted.zones() == {}
    assert counted[counters.UDP] == 5


def test_what_a_forked_process_counts_is_seen_here():
    block = Block()
    child = os.fork()
    if not child:
        block.add(counters.UDP, 12)
        block.cells[block.add_zone(APEX)] = 7
        os._exit(0)
    os.waitpid(child, 0)
    assert block.cells[counters.UDP] == 12
    assert [(origin, block.cells[cell]) for origin, cell in block.zones()] == [(APEX, 7)]


def test_queries_in_endless_forms_take_bounded_memory_and_are_all_counted(counted: Counted):
    rng = random.Random(5)
    query = bytearray(wire(want_dnssec=True))
    wires = []
    for _ in range(20_000):
        query[-8:-6] = rng.randbytes(2)  # the client's payload size
        wires.append(bytes(query))
    assert counted.ask(wires) == 20_000
    assert counted[counters.UDP] == counted[counters.TYPES + 1] == 20_000
    assert len(counted.tally.forms) <= tally.MAX_FORMS
    assert len(counted.tally.counts) < 20


def test_more_zones_than_there_is_room_for_are_counted_together(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(counters, "MAX_ZONES", 3)
    counting = Tally(Block())
    for number in range(5):
        asked = wire()
        answered = asked[:2] + b"\x84" + asked[3:]
        counting.counts[
            counting.class_of(asked, answered, 33, from_text(f"zone{number}.example."), Kind.DATA)
        ] += 2
    block = counting.block
    counting.fold()
    assert [block.cells[cell] for _, cell in block.zones()] == [2, 2, 2]


def test_time_of_one_batch_in_64_is_taken_of_all_its_queries(counted: Counted):
    for _ in range(tally.SAMPLE_EVERY * 3):
        counted.ask([wire()] * 2)
    cells = counted.block.cells
    timed = sum(cells[counters.LATENCIES + place] for place in range(len(counters.LATENCY_BOUNDS) + 1))
    assert 2 <= timed <= 6
    assert 0 < cells[counters.LATENCY_SUM] / timed < 1e9


def test_quiet_worker_keeps_nothing_back(counted: Counted):
    counted.ask([wire()] * 3)
    counted.worker.turn(counted.batch, 0)  # idle
    assert counted.block.cells[counters.UDP] == 3


@pytest.mark.parametrize("octets", [None, 5000], ids=["raises", "too long for a datagram"])
def test_query_the_responder_fails_on_is_counted_once_as_a_failure(
    counted: Counted, monkeypatch: pytest.MonkeyPatch, octets: int | None
):
    def fail(*_arguments: object, **_options: object) -> Response:
        if octets is None:
            raise RuntimeError("nobody foresaw this")
        return Response(bytes(octets), 12, False)

    monkeypatch.setattr(Responder, "answered", fail)
    notify = dns.message.make_query("example.com", "SOA")
    notify.set_opcode(dns.opcode.NOTIFY)  # the full path
    assert counted.ask([notify.to_wire()] * 3) == 3
    assert counted[counters.UDP] == counted[counters.RCODES + 2] == 3
    assert counted.kinds() == {"other": 3}
    assert counted[counters.CACHE_HITS] == 0


@pytest.mark.parametrize("payload", [1232, 512], ids=["fast path", "no room for the cookie"])
def test_queries_with_cookies_are_counted_once_each(state: Path, tmp_path: Path, payload: int):
    publish(state, [validated("example.com.", "".join(f"n A 192.0.2.{n}\n" for n in range(1, 29)))])
    secret = tmp_path / "cookie.secret"
    secret.write_bytes(fresh_secret())
    counted = Counted(state, responder=Responder(cookies=Cookies((secret,))))
    counted.ask([wire("n.example.com", payload=payload)] * 2)  # kept
    option = dns.edns.CookieOption(b"12345678", b"")
    asked = wire("n.example.com", options=[option], payload=payload)
    assert counted.ask([asked] * 40) == 40
    assert counted[counters.UDP] == counted[counters.TYPES + 1] == counted[counters.EDNS] == 42
    assert counted.zones() == {APEX: 42}
    fits = payload > 512
    assert counted[counters.CACHE_HITS] == (40 if fits else 0)
    assert counted[counters.TRUNCATED] == (0 if fits else 40)


def test_what_gets_no_answer_takes_nothing_from_the_cache_hits(counted: Counted):
    counted.ask([wire()] * 5)
    assert counted[counters.CACHE_HITS] == 3
    assert counted.ask([b"short", wire()[:2] + b"\x80" + wire()[3:]] * 20) == 0
    assert counted[counters.IGNORED] == 40
    assert counted[counters.CACHE_HITS] == 3
