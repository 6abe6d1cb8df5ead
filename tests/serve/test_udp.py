"""The UDP worker: batches, addresses, hostile neighbours in a batch, and the cache against no cache."""

import random
import socket
import time
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.generation import GenerationCounter
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.model.repo import NodeFiles
from dnsctl.serve.message.cookies import Cookies
from dnsctl.serve.message.datagrams import BATCH, SLOT, Batch
from dnsctl.serve.message.query import Client
from dnsctl.serve.message.sections import server_failure
from dnsctl.serve.metrics import counters
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport.udp import UdpWorker
from dnsctl.sign.signer import unsigned_zone
from tests.build import edns_option, validated
from tests.node.running import publish, running

ZONE = """\
www A 192.0.2.1
www AAAA 2001:db8::1
www HTTPS 1 . alpn=h2
alias CNAME www
*.wild TXT "found"
sub NS ns1.sub
ns1.sub A 192.0.2.2
big TXT "0123456789012345678901234567890123456789012345678901234567890123456789"
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    publish(tmp_path, [validated("example.com.", ZONE)])
    return tmp_path


LOOPBACK = bytes((127, 0, 0, 1))
ANY = "0.0.0.0"  # noqa: S104 - the wildcard address is what is tested


def ask(name: str, rdtype: str = "A", **more: object) -> dns.message.Message:
    return dns.message.make_query(name, rdtype, **more)  # type: ignore[arg-type]


def a_socket(*, timeout: float = 2.0) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(timeout)
    return made


class Worker:
    """A worker without a process around it: `exchange` sends, lets it answer one batch, and collects."""

    def __init__(self, state: Path, cookies: Cookies | None = None) -> None:
        self.socket = a_socket()
        self.image = Image.open(NodeFiles(state).image, readonly=False)
        self.batch = Batch(self.socket)
        self.responder = Responder(cookies=cookies)
        self.worker = UdpWorker(
            [self.socket], self.image.reader(), GenerationCounter(NodeFiles(state).generation), self.responder
        )

    def exchange(self, wires: list[bytes]) -> list[bytes]:
        with a_socket(timeout=0.5) as client:
            for wire in wires:
                client.sendto(wire, self.socket.getsockname())
            self.worker.turn(self.batch, self.batch.receive(wait=True))
            found = []
            client.setblocking(False)
            try:
                while True:
                    found.append(client.recv(65535))
            except BlockingIOError:
                return found


@pytest.fixture
def worker(state: Path) -> Worker:
    return Worker(state)


def test_hostile_datagrams_in_a_batch_leave_the_others_answered(worker: Worker):
    good = [ask(name).to_wire() for name in ("www.example.com", "nothing.example.com")]
    hostile = [
        b"",
        b"\0",
        b"id" + bytes(9),
        bytes(12),
        b"id\x01\0\0\1" + bytes(6) + b"\x3f",
        b"id\x01\0\0\1" + bytes(6) + b"\xc0\x0c\0\1\0\1",
        b"id\x80\0\0\1" + bytes(6) + b"\3www\0\0\1\0\1",
        b"\xff" * 600,
        random.Random(1).randbytes(4096),
        ask("www.example.com").to_wire()[:-3],
        b"A" * 9000,
    ]
    found = worker.exchange([good[0], *hostile, good[1]])
    answered = {wire[:2] for wire in found}
    assert {wire[:2] for wire in good} <= answered
    assert all(wire[2] & 0x80 for wire in found)
    assert worker.worker.failures == 0


def test_query_cut_off_anywhere_is_formerr_or_nothing_and_never_a_failure(worker: Worker):
    """Every length of a query with EDNS and a cookie: also those whose OPT record is there in part."""
    whole = ask(
        "www.example.com",
        use_edns=0,
        options=[edns_option(10, b"12345678")],
    ).to_wire()
    for length in range(len(whole)):
        for wire in worker.exchange([whole[:length]]):
            assert wire[3] & 0xF == dns.rcode.FORMERR, length
    assert worker.worker.failures == 0


def test_responses_are_never_answered(worker: Worker):
    response = dns.message.make_response(ask("www.example.com")).to_wire()
    assert worker.exchange([response, response]) == []


def test_whole_batch_is_answered_in_one_turn_and_the_rest_in_the_next(worker: Worker):
    wires = [ask("www.example.com", id=number).to_wire() for number in range(BATCH + 5)]
    first = worker.exchange(wires)
    assert {int.from_bytes(wire[:2], "big") for wire in first} == set(range(BATCH))
    assert worker.batch.receive(wait=True) == 5


def test_failing_responder_costs_one_answer_and_says_so(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    worker.worker.answerer.renew()
    known, full = worker.worker.answerer.known, worker.responder.answered
    owner = known.owner

    def failing_owner(key: bytes) -> bytes | None:
        if b"oom" in key:
            raise ZeroDivisionError("unforeseen")
        return owner(key)

    def failing_full(reader: Reader, message: bytes, client: Client) -> object:
        if b"boom" in message:
            raise ZeroDivisionError("not foreseen either")
        return full(reader, message, client)

    monkeypatch.setattr(known, "owner", failing_owner)
    monkeypatch.setattr(worker.responder, "answered", failing_full)
    worker.exchange([ask("example.com").to_wire()])  # the zone is known now
    names = ("boom.example.com", "zoom.example.com", "www.example.com")
    found = worker.exchange([ask(name).to_wire() for name in names])
    codes = [dns.message.from_wire(wire).rcode() for wire in found]
    assert sorted(codes) == [dns.rcode.NOERROR, dns.rcode.SERVFAIL, dns.rcode.NXDOMAIN]
    assert worker.worker.failures == 3
    assert "unforeseen" in caplog.text


def test_unsendable_answer_is_left_out_and_the_rest_leave(worker: Worker):
    """A datagram with source port 0 cannot be answered: sendmmsg(2) stops there."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw, a_socket() as client:
        query = ask("www.example.com").to_wire()
        port = worker.socket.getsockname()[1]
        udp = bytes(2) + port.to_bytes(2, "big") + (8 + len(query)).to_bytes(2, "big") + bytes(2) + query
        header = b"\x45\0" + (20 + len(udp)).to_bytes(2, "big") + b"\0\0\0\0\x40\x11\0\0"
        client.sendto(query, ("127.0.0.1", port))
        raw.sendto(header + socket.inet_aton("127.0.0.1") * 2 + udp, ("127.0.0.1", 0))
        client.sendto(query, ("127.0.0.1", port))
        worker.worker.turn(worker.batch, worker.batch.receive(wait=True))
        assert client.recv(4096)[:2] == client.recv(4096)[:2] == query[:2]
        assert worker.worker.refused == 1


def random_query(picked: random.Random) -> bytes:
    names = ["www", "alias", "a.wild", "x.sub", "nothing", "big", "@", "b.a.wild", "sub"]
    label = picked.choice(names)
    name = "example.com" if label == "@" else f"{label}.example.com"
    name = "".join(picked.choice((c.upper(), c.lower())) for c in name)
    query = ask(name, picked.choice(["A", "AAAA", "HTTPS", "TYPE97", "TXT", "SOA", "ANY"]))
    if picked.random() < 0.7:
        query.use_edns(
            0,
            ednsflags=picked.choice([0, dns.flags.DO]),
            payload=picked.choice([512, 1232, 16705]),
            options=[dns.edns.GenericOption(dns.edns.COOKIE, b"theirOWN")] if picked.random() < 0.5 else [],
        )
    wire = bytearray(query.to_wire())
    if picked.random() < 0.3:
        wire[picked.randrange(len(wire))] = picked.choice(b"aAzZ\0\1\xff")
    if picked.random() < 0.1:
        wire += picked.choice([b"a", b"A", b"\0"])
    return bytes(wire)


def test_cached_answers_are_those_without_a_cache_and_counted_once(state: Path, tmp_path: Path):
    """Few names in random case, cookies, random flags and stray letters: what is cached changes no octet."""
    secret = tmp_path / "cookie.secret"
    secret.write_text("00112233445566778899aabbccddeeff\n")
    cookies = Cookies([secret], clock=lambda: 1_700_000_000.0)
    worker = Worker(state, cookies)
    tally = worker.worker.answerer.tally
    block = tally.block
    picked = random.Random(20261121)
    responder = Responder(cookies=cookies)
    reader = worker.image.reader()
    answered = hits = 0
    for _ in range(60):
        wires = [random_query(picked) for _ in range(50)]
        wires = [number.to_bytes(2, "big") + wire[2:] for number, wire in enumerate(wires)]
        got = {wire[:2]: wire for wire in worker.exchange(wires)}
        for wire in wires:
            wanted = responder.respond(reader, wire, stream=False, address=LOOPBACK)
            assert got.get(wire[:2]) == (wanted.wire if wanted else None)
        tally.fold()
        answered += len(got)
        before, hits = hits, block.cells[counters.CACHE_HITS]
        assert before <= hits <= before + len(got)
        assert block.cells[counters.UDP] == answered
    assert hits > 300


def test_new_generation_is_answered_at_once(worker: Worker, state: Path):
    query = ask("www.example.com").to_wire()
    before = worker.exchange([query, query])
    publish(state, [validated("example.com.", "www A 192.0.2.99")], generation=2, image=worker.image)
    after = worker.exchange([query])
    assert socket.inet_aton("192.0.2.1") in before[1]
    assert socket.inet_aton("192.0.2.99") in after[0]


def test_batch_slots_keep_neighbours_apart(worker: Worker):
    """Answers of every length are written over their own queries only."""
    assert SLOT >= 4096
    wires = [
        ask(("x" * (1 + number % 60)) + ".wild.example.com", "TXT", id=number).to_wire()
        for number in range(BATCH)
    ]
    for _ in range(2):  # uncached, then cached
        for wire in worker.exchange(wires):
            answer = dns.message.from_wire(wire)
            assert str(answer.question[0].name) == "x" * (1 + answer.id % 60) + ".wild.example.com."
            assert answer.answer[0].name == answer.question[0].name


@pytest.mark.parametrize(
    ("listen", "asked"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        (ANY, "127.0.0.1"),
        (ANY, "127.0.0.2"),
        ("::", "::1"),
    ],
)
def test_answer_comes_from_the_address_that_was_asked(state: Path, listen: str, asked: str):
    with running(state, [(listen, 0)]) as node:
        for _ in range(2):
            answer = dns.query.udp(ask("www.example.com"), asked, port=node.port, timeout=2)
            assert answer.answer[0][0].address == "192.0.2.1"  # dns.query checks where it came from


def test_one_worker_answers_on_all_its_addresses(state: Path):
    with running(state, [("127.0.0.1", 0), ("::1", 0), (ANY, 0)]) as node:
        for address, port in zip(("127.0.0.1", "::1", "127.0.0.3"), node.ports, strict=True):
            answer = dns.query.udp(ask("alias.example.com"), address, port=port, timeout=2)
            assert len(answer.answer) == 2


def test_idle_worker_lets_go_of_the_old_generation(worker: Worker, state: Path):
    assert worker.exchange([ask("www.example.com").to_wire()])
    publish(state, [validated("example.com.", "www A 192.0.2.99")], generation=2, image=worker.image)
    worker.worker.turn(worker.batch, 0)
    assert worker.worker.answerer.reader.generation == 2
    assert len(worker.worker.answerer.cache) == 0


def test_receive_without_waiting_returns_at_once(worker: Worker):
    start = time.monotonic()
    assert worker.batch.receive(wait=False) == 0
    assert time.monotonic() - start < 0.5


@pytest.mark.parametrize("message", [b"", b"id", b"id\x80" + bytes(9)])
def test_no_failure_is_told_to_what_is_no_query(message: bytes):
    assert server_failure(message) is None


def test_cached_referral_gives_way_to_the_child_zone_once_that_is_served_too(worker: Worker, state: Path):
    for _ in range(3):  # worked out, kept, found in the cache
        (referral,) = worker.exchange([ask("www.sub.example.com").to_wire()])
    assert not dns.message.from_wire(referral).answer
    child = unsigned_zone(validated("sub.example.com.", "www A 192.0.2.77\n"), 1)
    with worker.image.writer() as writer:
        writer.apply(difference(writer, [compile_zone(child)]))
    GenerationCounter(NodeFiles(state).generation).advance()
    (answer,) = worker.exchange([ask("www.sub.example.com").to_wire()])
    assert dns.message.from_wire(answer).answer[0][0].address == "192.0.2.77"


@pytest.mark.parametrize(
    ("name", "rdtype", "payload"),
    [
        ("www.example.com", "A", 1232),
        ("www.example.com", "HTTPS", 1232),
        ("WWW.example.COM", "AAAA", 512),
        ("alias.example.com", "A", 1232),
        ("x.wild.example.com", "TXT", 1232),
        ("nothing.example.com", "A", 1232),
        ("host.sub.example.com", "A", 1232),
        ("example.com", "SOA", 1232),
        ("long.example.com", "TXT", 1232),  # only fits without a cookie
        ("example.org", "A", 1232),  # refused, with another option in the answer
        ("version.bind", "A", 1232),
    ],
)
def test_query_with_a_cookie_is_answered_as_by_the_full_path_first_and_again(
    tmp_path: Path, name: str, rdtype: str, payload: int
):
    fits = f'long TXT "{"y" * 255}" "{"y" * 255}" "{"y" * 255}" "{"y" * 255}" "{"y" * 130}"\n'
    publish(tmp_path, [validated("example.com.", ZONE + fits)])
    secret = tmp_path / "cookie.secret"
    secret.write_text("00112233445566778899aabbccddeeff\n")
    worker = Worker(tmp_path, Cookies([secret]))
    worker.worker.answerer.renew()
    reader = worker.worker.answerer.reader

    def query(cookie: bytes) -> bytes:
        option = dns.edns.GenericOption(dns.edns.COOKIE, cookie)
        return ask(name, rdtype, use_edns=0, payload=payload, options=[option]).to_wire()

    first = worker.responder.respond(reader, query(b"theirown"), stream=False, address=LOOPBACK)
    given = dns.message.from_wire(first.wire).options[0].server
    good = query(b"theirown" + given)
    expected = worker.responder.respond(reader, good, stream=False, address=LOOPBACK).wire
    plain = ask(name, rdtype, use_edns=0, payload=payload).to_wire()
    for _ in range(3):
        assert [wire[2:] for wire in worker.exchange([good])] == [expected[2:]]
        assert len(worker.exchange([plain])) == 1
    assert b"theirown" + given in expected
    assert worker.worker.failures == 0


@pytest.mark.parametrize("cookie", [False, True])
@pytest.mark.parametrize("name", ["www.example.com", "alias.example.com"])
def test_type_that_is_a_letter_is_worked_out_once_and_kept_once(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, cookie: bool
):
    secret = tmp_path / "cookie.secret"
    secret.write_text("00112233445566778899aabbccddeeff\n")
    worker = Worker(state, Cookies([secret]) if cookie else None)
    worker.worker.answerer.renew()
    options = [dns.edns.GenericOption(dns.edns.COOKIE, b"theirown")] if cookie else []
    query = ask(name, "HTTPS", use_edns=0, options=options).to_wire()
    for _ in range(3):
        assert len(worker.exchange([query])) == 1
    kept, worked_out = worker.worker.answerer.cache.answers.octets, []
    full = worker.responder.answered

    def counted(*given):
        worked_out.append(given)
        return full(*given)

    monkeypatch.setattr(worker.responder, "answered", counted)
    for _ in range(5):
        assert len(worker.exchange([query])) == 1
    assert worked_out == []
    assert worker.worker.answerer.cache.answers.octets == kept
