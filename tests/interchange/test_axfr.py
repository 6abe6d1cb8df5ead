"""Transfers from servers that are right, refuse, lie, stop, or never end: over real sockets."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest

from dnsctl.errors import RefusalRule
from dnsctl.interchange.axfr import Limits, Server, transferred
from dnsctl.model.name import from_text
from dnsctl.model.rrset import rdata_text
from tests.refusals import refused_by

ORIGIN = from_text("example.com.")
SOA = ("example.com.", 300, "SOA", "ns1.example.com. h.example.com. 7 1 1 1 1")
Record = tuple[str, int, str, str]
Answers = Callable[[dns.message.Message], Iterator[bytes]]


@contextlib.contextmanager
def answering(answers: Answers) -> Iterator[Server]:
    """Serve one transfer on loopback, by what `answers` makes of the query; then close the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    size = int.from_bytes(connection.recv(2), "big")
                    for each in answers(dns.message.from_wire(connection.recv(size))):
                        connection.sendall(len(each).to_bytes(2, "big") + each)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Server("127.0.0.1", listening.getsockname()[1])
        finally:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            thread.join(60)


def message(query: dns.message.Message, *records: Record) -> bytes:
    reply = dns.message.make_response(query)
    for owner, ttl, rdtype, text in records:
        reply.answer.append(dns.rrset.from_text(owner, ttl, "IN", rdtype, text))
    return reply.to_wire(max_size=65535)


def whole(query: dns.message.Message) -> Iterator[bytes]:
    yield message(query, SOA, ("example.com.", 60, "NS", "NS1.Example.com."))
    yield message(
        query, ("WWW.example.com.", 60, "A", "192.0.2.1"), ("www.example.com.", 60, "A", "192.0.2.2")
    )
    yield message(
        query,
        ("www.example.com.", 60, "RRSIG", "A 13 3 60 20300101000000 20260101000000 1 example.com. AQID"),
    )
    yield message(query, SOA)


def test_a_transfer_is_the_zone_in_lower_case_with_its_signatures() -> None:
    with answering(whole) as server:
        zone = transferred(ORIGIN, server).zone
    found = {(one.owner, one.rdtype): one for one in zone.rrsets()}
    www = found[from_text("www.example.com."), 1]
    assert [rdata_text(1, each) for each in www.rdatas] == ["192.0.2.1", "192.0.2.2"]
    assert (www.ttl, len(www.signatures)) == (60, 1)
    assert found[ORIGIN, 2].rdatas == (from_text("ns1.example.com."),)


def refusing(query: dns.message.Message) -> Iterator[bytes]:
    reply = dns.message.make_response(query)
    reply.set_rcode(dns.rcode.REFUSED)
    yield reply.to_wire()


def cut_short(query: dns.message.Message) -> Iterator[bytes]:
    yield message(query, SOA, ("www.example.com.", 60, "A", "192.0.2.1"))


def endless(query: dns.message.Message) -> Iterator[bytes]:
    yield message(query, SOA)
    while True:
        yield message(query, ("www.example.com.", 60, "TXT", '"' + "x" * 200 + '"'))


def of_another_zone(query: dns.message.Message) -> Iterator[bytes]:
    yield message(query, SOA, ("www.example.net.", 60, "A", "192.0.2.1"))
    yield message(query, SOA)


def garbage(_: dns.message.Message) -> Iterator[bytes]:
    yield b"\xff" * 40


def with_another_id(query: dns.message.Message) -> Iterator[bytes]:
    query.id ^= 1
    yield message(query, SOA, SOA)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (refusing, "is refused"),
        (cut_short, "is cut short"),
        (endless, "holds more than 100000 octets"),
        (garbage, "is not one"),
        (with_another_id, "is not one"),
    ],
)
def test_a_transfer_that_is_not_whole_is_one_clear_refusal(answers: Answers, said: str) -> None:
    with answering(answers) as server, refused_by(RefusalRule.TRANSFER, said) as caught:
        transferred(ORIGIN, server, Limits(octets=100_000))
    assert caught.value.where == str(server)


def test_a_name_of_another_zone_is_not_taken() -> None:
    with answering(of_another_zone) as server:
        assert list(transferred(ORIGIN, server).zone.nodes) == [ORIGIN]


def test_a_server_that_falls_silent_is_left() -> None:
    until = threading.Event()

    def silent(query: dns.message.Message) -> Iterator[bytes]:
        yield message(query, SOA)
        until.wait(60)

    with answering(silent) as server:
        try:
            with refused_by(RefusalRule.TRANSFER, "falls silent"):
                transferred(ORIGIN, server, Limits(silence=0.2))
        finally:
            until.set()


def test_a_transfer_that_takes_too_long_is_left() -> None:
    with answering(endless) as server, refused_by(RefusalRule.TRANSFER, "takes longer than 0 seconds"):
        transferred(ORIGIN, server, Limits(seconds=0.2))


def test_no_server_is_one_clear_refusal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with refused_by(RefusalRule.TRANSFER, "Connection refused"):
        transferred(ORIGIN, Server("127.0.0.1", port))
