"""RFC 2136: UPDATE is declined: zones change by releases alone."""

import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.tsig
import dns.update
import pytest

from dnsctl.image.reader import Reader
from dnsctl.model.fleet import TransferKey
from dnsctl.serve.message.tsig import Keyring
from dnsctl.serve.respond import Responder
from tests.conformance.asking import ask, octets, query, rcode


def update(zone: str, records: int = 1) -> dns.update.UpdateMessage:
    made = dns.update.UpdateMessage(zone)
    made.present("www")
    for number in range(records):
        made.add(f"n{number}", 300, "A", "192.0.2.9")
    return made


@pytest.mark.parametrize(
    ("zone", "expected"), [("example.com.", "REFUSED"), ("www.example.com.", "NOTAUTH"), ("org.", "NOTAUTH")]
)
@pytest.mark.parametrize("records", [1, 200])
def test_section_3_declined_with_opcode_and_zone(reader: Reader, zone: str, expected: str, records: int):
    asked = update(zone, records)
    message = dns.message.from_wire(octets(Responder(), reader, asked.to_wire()))
    assert (rcode(message), message.opcode(), message.id) == (expected, dns.opcode.UPDATE, asked.id)
    assert message.question[0].name.to_text() == zone
    assert not message.answer
    assert not message.authority


def test_section_3_1_1_zone_section_that_is_not_an_soa_is_formerr(reader: Reader):
    wire = bytearray(update("example.com.").to_wire())
    wire[12 + 13 + 1] = 1  # the zone's type
    assert octets(Responder(), reader, bytes(wire))[3] & 0xF == 1


@pytest.mark.parametrize("zones", [0, 2])
def test_section_3_1_1_zone_count_other_than_1_is_formerr(reader: Reader, zones: int):
    wire = bytearray(update("example.com.").to_wire())
    wire[5] = zones
    response = octets(Responder(), reader, bytes(wire))
    assert (response[3] & 0xF, response[2] >> 3 & 0xF) == (1, dns.opcode.UPDATE)


@pytest.mark.parametrize("rdclass", ["CH", "HS", "NONE", "ANY"])
def test_section_3_1_2_zone_of_another_class_is_notauth(reader: Reader, rdclass: str):
    """NOTAUTH where the server has no zone of that name and class"""
    wire = bytearray(update("example.com.").to_wire())
    wire[12 + 13 + 2 : 12 + 13 + 4] = dns.rdataclass.from_text(rdclass).to_bytes(2, "big")
    assert octets(Responder(), reader, bytes(wire))[3] & 0xF == dns.rcode.NOTAUTH


def test_section_3_1_2_form_is_looked_at_before_the_zone(reader: Reader):
    """FORMERR for what is not an SOA, also of a zone that is not here"""
    for zone in ("example.com.", "example.org."):
        wire = bytearray(update(zone).to_wire())
        wire[12 + 13 + 1] = 255
        assert octets(Responder(), reader, bytes(wire))[3] & 0xF == dns.rcode.FORMERR


@pytest.mark.parametrize("stream", [False, True])
def test_section_3_3_nobody_may_update(reader: Reader, stream: bool):
    """REFUSED for who may not update, also with a key, and nothing is changed"""
    key = TransferKey("k.example", "hmac-sha256", b"x" * 32)
    responder = Responder(keys=Keyring([key]))
    used = dns.tsig.Key("k.example.", key.secret, key.algorithm)
    asked = update("example.com.")
    asked.use_edns(0)
    asked.use_tsig(used)
    wire = octets(responder, reader, asked.to_wire(), stream=stream)
    message = dns.message.from_wire(wire, keyring={used.name: used}, request_mac=asked.mac)
    assert (rcode(message), message.edns, message.had_tsig) == ("REFUSED", 0, True)
    assert rcode(ask(responder, reader, query("n0.example.com."))) == "NXDOMAIN"


@pytest.mark.parametrize("size", [0, 12, 17, 28, 30])
def test_section_2_message_that_is_cut_off_is_formerr_or_no_query(reader: Reader, size: int):
    """An update that ends in its zone section or in a record is malformed"""
    wire = update("example.com.").to_wire()[:size]
    response = Responder().respond(reader, wire, stream=True)
    assert (response is None) is (size < 12)
    assert response is None or response.wire[3] & 0xF == dns.rcode.FORMERR
