"""RFC 8914: why a query gets no answer, told to those who understand it (§2: to any query with EDNS)."""

import struct

import dns.message
import dns.opcode
import pytest

from dnsctl.image.reader import Reader
from dnsctl.serve.respond import Responder
from tests.conformance.asking import ask, query, rcode, told

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
