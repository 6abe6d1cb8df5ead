"""RFC 8906 §8: what a server must answer to queries that others drop, or answer wrongly."""

import struct

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from dnsctl.serve.respond import Responder
from tests.conformance.asking import ask, octets, option, query, rcode, told
from tests.conformance.zones import is_authoritative

SOA = b"\5plain\4test\0\0\6\0\1"
Z = 0x40  # of the header's second octet of flags, RFC 1035 §4.1.1
AD, CD = 0x20, 0x10
UNKNOWN_FLAG = 0x40  # of EDNS
UNKNOWN_OPTION = struct.pack("!HH", 100, 0)
UNKNOWN_OPCODES = (1, 2, 3, *range(6, 16))

pytestmark = pytest.mark.parametrize("stream", [False, True])


def send(
    server, stream, *, bits=0, version=None, flags=0, options=b"", asked=SOA, payload=4096
) -> dns.message.Message:
    """Send a query for `asked`, with EDNS if there is a `version`; return the response."""
    opt = b""
    if version is not None:
        opt = b"\0\0\x29" + struct.pack("!HBBHH", payload, 0, version, flags, len(options)) + options
    wire = struct.pack("!HBB4H", 4711, 0, bits, 1, 0, 0, bool(opt)) + asked + opt
    message = dns.message.from_wire(server.octets(wire, stream=stream))
    assert message.id == 4711
    assert (message.edns == 0) is bool(opt)
    assert not message.ednsflags & ~dns.flags.DO
    assert not message.flags & 0xF0  # RA, Z, AD, CD
    assert all(one.otype != 100 for one in message.options)
    return message


def is_the_soa(message: dns.message.Message) -> bool:
    found = [one.rdtype for one in message.answer if one.rdtype != dns.rdatatype.RRSIG]
    return message.rcode() == 0 and is_authoritative(message) and found == [dns.rdatatype.SOA]


def is_badvers(message: dns.message.Message) -> bool:
    empty = not (message.answer or message.authority)
    return message.rcode() == dns.rcode.BADVERS and empty and not is_authoritative(message)


def test_section_8_1_1_server_is_configured_for_the_zone(server, stream):
    """Without EDNS: NOERROR, the SOA, AA"""
    assert is_the_soa(send(server, stream))


@pytest.mark.parametrize("rdtype", [1000, 65280, 261, 53])
def test_section_8_1_2_unknown_type_is_no_data(server, stream, rdtype):
    """NOERROR, an empty answer section, AA"""
    message = send(server, stream, asked=SOA[:-4] + struct.pack("!HH", rdtype, 1))
    assert (message.rcode(), message.answer, is_authoritative(message)) == (0, [], True)


@pytest.mark.parametrize("bits", [CD, AD, Z, CD | AD | Z], ids=["CD", "AD", "Z", "all"])
def test_section_8_1_3_header_bits_are_ignored_and_not_copied(server, stream, bits):
    """CD, AD, the reserved bit: NOERROR, the SOA, AA; the bit not in the response"""
    assert is_the_soa(send(server, stream, bits=bits))


@pytest.mark.parametrize("opcode", UNKNOWN_OPCODES)
@pytest.mark.parametrize("body", [b"", SOA, b"\xff" * 30], ids=["header only", "question", "garbage"])
def test_section_8_1_4_unknown_opcode_is_notimp_whatever_follows(server, stream, opcode, body):
    """NOTIMP, no SOA, no AA: nothing but the header is defined"""
    wire = struct.pack("!HBB4H", 4711, opcode << 3, 0, bool(body), 0, 0, 0) + body
    response = server.octets(wire, stream=stream)
    assert response[:4] == struct.pack("!HBB", 4711, 0x80 | opcode << 3, dns.rcode.NOTIMP)
    assert response[6:12] == bytes(6)


def test_section_8_2_1_minimal_edns(server, stream):
    """NOERROR, the SOA, OPT of version 0, AA"""
    assert is_the_soa(send(server, stream, version=0))


@pytest.mark.parametrize("version", [1, 100, 255])
def test_section_8_2_2_version_negotiation(server, stream, version):
    """BADVERS, no SOA, OPT of version 0, no AA"""
    assert is_badvers(send(server, stream, version=version))


def test_section_8_2_3_unknown_options_are_ignored(server, stream):
    """NOERROR, the SOA, AA; the option not in the response"""
    assert is_the_soa(send(server, stream, version=0, options=UNKNOWN_OPTION))


def test_section_8_2_4_unknown_flags_are_ignored(server, stream):
    """NOERROR, the SOA, AA; the flag not in the response"""
    assert is_the_soa(send(server, stream, version=0, flags=UNKNOWN_FLAG))


def test_section_8_2_5_version_negotiation_with_unknown_flags(server, stream):
    """BADVERS, no SOA, no AA; the flag not in the response"""
    assert is_badvers(send(server, stream, version=1, flags=UNKNOWN_FLAG))


def test_section_8_2_6_version_negotiation_with_unknown_options(server, stream):
    """BADVERS, no SOA, no AA; the option not in the response"""
    assert is_badvers(send(server, stream, version=1, options=UNKNOWN_OPTION))


def test_section_8_2_7_truncated_response_has_opt(server, stream):
    """What does not fit 512 octets has OPT beside TC"""
    asked = b"\5large" + SOA[:-4] + b"\0\x10\0\1"
    message = send(server, stream, version=0, flags=dns.flags.DO, payload=512, asked=asked)
    assert bool(message.flags & dns.flags.TC) is not stream


@pytest.mark.parametrize("zone", [b"\5plain", b"\4nsec"], ids=["plain", "signed"])
def test_section_8_2_8_do_comes_back(server, stream, zone):
    """NOERROR, the SOA, DO, AA"""
    message = send(server, stream, version=0, flags=dns.flags.DO, asked=zone + SOA[6:])
    assert is_the_soa(message)
    assert message.ednsflags & dns.flags.DO
    assert (len(message.answer) == 2) is (zone == b"\4nsec")


def test_section_8_2_9_version_negotiation_with_do(server, stream):
    """BADVERS, no SOA, no AA, DO"""
    message = send(server, stream, version=1, flags=dns.flags.DO)
    assert is_badvers(message)
    assert message.ednsflags & dns.flags.DO


def test_section_8_2_10_several_options_at_once(reader, stream):
    """COOKIE, NSID, EXPIRE and client subnet in one query: NOERROR, the SOA, AA"""
    options = (option(10, b"12345678"), option(3), option(9), option(8, b"\0\1\0\0"))
    message = ask(Responder("ns1"), reader, query("example.com.", "SOA", *options), stream=stream)
    assert is_the_soa(message)
    assert (told(message, 3), told(message, 9) is not None, told(message, 8)) == (b"ns1", True, None)


def test_meta_query_is_told_what_becomes_of_it(reader, stream):
    """MAILA, MAILB and AXFR over UDP get an answer: NOTIMP"""
    for rdtype in ("TYPE253", "TYPE254") + (() if stream else ("AXFR",)):
        assert rcode(ask(Responder(), reader, query("example.com.", rdtype), stream=stream)) == "NOTIMP"


def test_section_3_every_well_formed_query_gets_an_answer(reader, stream):
    """To fail to answer is not a way to say no: whatever type and class, there is a response"""
    for rdtype in range(0, 300):
        for rdclass in (0, 1, 3, 4, 254, 255):
            wire = struct.pack("!6H", 7, 0, 1, 0, 0, 0) + b"\7example\3com\0"
            response = octets(Responder(), reader, wire + struct.pack("!HH", rdtype, rdclass), stream=stream)
            assert response[2] & 0x80
