"""RFC 8914: why a query gets no answer, told to those who understand it (§2: to any query with EDNS)."""

import struct
from collections.abc import Iterator

import dns.message
import dns.opcode
import pytest

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.model.name import from_text
from dnsctl.serve.respond import Responder
from dnsctl.sign.signer import unsigned_zone
from tests.build import validated
from tests.conformance.asking import ask, octets, query, rcode, told

ERROR = 15


def reason(message: dns.message.Message) -> int | None:
    found = told(message, ERROR)
    return None if found is None else int(struct.unpack("!H", found)[0])  # a code, and no text


@pytest.mark.parametrize(
    ("name", "rdtype", "rdclass", "expected"),
    [
        ("www.example.org.", "A", "IN", ("REFUSED", 20)),
        ("www.example.com.", "A", "HS", ("REFUSED", 20)),
        ("version.bind.", "TXT", "CH", ("REFUSED", 18)),
        ("example.com.", "AXFR", "IN", ("NOTIMP", 21)),
        ("example.com.", "MAILB", "IN", ("NOTIMP", 21)),
    ],
)
def test_section_4_reason_fits_the_failure(
    reader: Reader, name: str, rdtype: str, rdclass: str, expected: tuple[str, int]
):
    message = ask(Responder(), reader, query(name, rdtype, rdclass=rdclass))
    assert (rcode(message), reason(message)) == expected


@pytest.mark.parametrize("name", ["www.example.com.", "absent.example.com.", "x.sub.example.com."])
def test_answer_has_no_reason(reader: Reader, name: str):
    assert reason(ask(Responder(), reader, query(name))) is None


def test_section_4_15_node_without_a_release_is_not_ready(empty_reader: Reader):
    message = ask(Responder(), empty_reader, query())
    assert (rcode(message), reason(message)) == ("REFUSED", 14)


def test_section_4_25_zone_that_cannot_be_served_is_invalid_data(reader: Reader, monkeypatch):
    def broken(*_arguments: object) -> None:
        raise KeyError("a damaged node")

    monkeypatch.setattr("dnsctl.serve.respond.answer", broken)
    message = ask(Responder(), reader, query("x.sub.example.com."))
    assert (rcode(message), reason(message)) == ("SERVFAIL", 24)


def test_section_4_22_unknown_opcode_is_not_supported(reader: Reader):
    asked = query()
    asked.set_opcode(dns.opcode.STATUS)
    message = ask(Responder(), reader, asked)
    assert (rcode(message), reason(message)) == ("NOTIMP", 21)


def test_section_2_client_without_edns_is_told_nothing(reader: Reader):
    message = ask(Responder(), reader, dns.message.make_query("www.example.org.", "A"))
    assert (rcode(message), message.edns) == ("REFUSED", -1)


@pytest.fixture(scope="module")
def reader_without(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """An image of example.com. that knows of out.example.com. and example.net., which had errors."""
    zones = {
        "example.com.": "www A 192.0.2.1\nout NS ns.out\nns.out A 192.0.2.2\n*.out A 192.0.2.3\n"
        f"out DS 1 13 2 {'ab' * 32}\n",
        "in.out.example.com.": "www A 192.0.2.4\n",
    }
    made = [compile_zone(unsigned_zone(validated(origin, text), 1)) for origin, text in zones.items()]
    with Image.open(tmp_path_factory.mktemp("left out"), readonly=False) as image:
        with image.writer() as writer:
            writer.apply(difference(writer, made))
            writer.set_left_out([from_text("out.example.com."), from_text("example.net.")])
        with image.reader() as reader:
            yield reader


@pytest.mark.parametrize("stream", [False, True], ids=["UDP", "TCP"])
@pytest.mark.parametrize("rdtype", ["A", "SOA", "NS", "ANY", "TYPE65400", "HTTPS"])
@pytest.mark.parametrize(
    "name", ["out.example.com.", "www.out.example.com.", "a.b.c.out.example.com.", "ns.out.example.com.",
             "OUT.example.com.", "example.net.", "www.example.net."],
)  # fmt: skip
def test_section_4_25_zone_that_was_left_out_is_invalid_data(
    reader_without: Reader, name: str, rdtype: str, stream: bool
):
    """SERVFAIL, Invalid Data, for a zone that is configured and not served; none above answers for it"""
    responder = Responder()
    for asked in ("www.example.com.", "no.example.com.", name, name, "a.no.example.com.", name):
        found = ask(responder, reader_without, query(asked, rdtype), stream=stream)
        assert (rcode(found) == "SERVFAIL") is (asked == name)
    assert (reason(found), found.answer, found.authority, found.additional) == (24, [], [], [])
    response = responder.respond(reader_without, query(name, rdtype).to_wire(), stream=stream)
    assert response is not None
    assert not response.cacheable
    assert responder.failures.count == 0


def test_section_4_25_what_stands_above_and_below_a_zone_that_was_left_out_is_answered(
    reader_without: Reader,
):
    responder = Responder()
    for name, rdtype, count in (
        ("out.example.com.", "DS", 1),
        ("www.in.out.example.com.", "A", 1),
        ("in.out.example.com.", "SOA", 1),
        ("www.example.com.", "A", 1),
    ):
        found = ask(responder, reader_without, query(name, rdtype))
        assert (rcode(found), len(found.answer)) == ("NOERROR", count)
    for name, rdtype in (("in.out.example.com.", "DS"), ("example.net.", "DS")):
        assert reason(ask(responder, reader_without, query(name, rdtype))) == 24
    for opcode in (dns.opcode.NOTIFY, dns.opcode.UPDATE):
        asked = query("out.example.com.", "SOA")
        asked.set_opcode(opcode)
        wire = octets(responder, reader_without, asked.to_wire())
        assert wire[3] & 0xF == 5
