"""RFC 9660: ZONEVERSION tells which version of which zone an answer comes from."""

import struct

import dns.flags
import pytest

from dnsctl.image.reader import Reader
from dnsctl.serve.respond import Responder
from tests.conformance.asking import ask, option, query, rcode, told
from tests.conformance.conftest import SERIAL

ZONEVERSION = 19


@pytest.mark.parametrize(
    ("name", "rdtype", "labels", "serial"),
    [
        ("www.example.com.", "A", 2, SERIAL),
        ("absent.example.com.", "A", 2, SERIAL),
        ("www.example.com.", "MX", 2, SERIAL),
        ("x.sub.example.com.", "A", 2, SERIAL),  # a referral, from the zone above the cut
        ("www.child.example.com.", "A", 3, SERIAL + 1),
        ("child.example.com.", "DS", 2, SERIAL),  # of the parent
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_section_3_2_serial_of_the_zone_that_answers_is_told(
    reader: Reader, name: str, rdtype: str, labels: int, serial: int, stream: bool
):
    message = ask(Responder(), reader, query(name, rdtype, option(ZONEVERSION)), stream=stream)
    assert told(message, ZONEVERSION) == struct.pack("!BBI", labels, 0, serial)


def test_section_3_2_name_in_no_zone_has_no_version(reader: Reader):
    message = ask(Responder(), reader, query("www.example.org.", "A", option(ZONEVERSION)))
    assert (rcode(message), told(message, ZONEVERSION)) == ("REFUSED", None)


def test_section_3_2_it_is_told_only_when_asked_for(reader: Reader):
    assert told(ask(Responder(), reader, query()), ZONEVERSION) is None


def test_section_3_1_option_with_data_in_a_query_is_formerr(reader: Reader):
    message = ask(Responder(), reader, query("www.example.com.", "A", option(ZONEVERSION, b"\2\0")))
    assert (rcode(message), message.answer) == ("FORMERR", [])


def test_truncated_answer_still_tells_it(reader: Reader):
    message = ask(Responder(), reader, query("large.example.com.", "TXT", option(ZONEVERSION), payload=512))
    assert (bool(message.flags & dns.flags.TC), told(message, ZONEVERSION) is not None) == (True, True)
