"""RFC 2136: UPDATE is declined: zones change by releases alone."""

import dns.message
import dns.opcode
import dns.update
import pytest

from dnsctl.image.reader import Reader
from dnsctl.serve.respond import Responder
from tests.conformance.asking import octets, rcode


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


def test_section_3_1_1_zone_section_that_is_no_soa_is_formerr(reader: Reader):
    wire = bytearray(update("example.com.").to_wire())
    wire[12 + 13 + 1] = 1  # the zone's type
    assert octets(Responder(), reader, bytes(wire))[3] & 0xF == 1


@pytest.mark.parametrize("zones", [0, 2])
def test_section_3_1_1_zone_count_other_than_1_is_formerr(reader: Reader, zones: int):
    wire = bytearray(update("example.com.").to_wire())
    wire[5] = zones
    response = octets(Responder(), reader, bytes(wire))
    assert (response[3] & 0xF, response[2] >> 3 & 0xF) == (1, dns.opcode.UPDATE)
