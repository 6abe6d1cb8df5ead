"""RFC 1035 §2.3.4, §4.1, §4.2: sizes and messages."""

import struct

import dns.flags
import dns.message
import dns.name
import pytest

from tests.conformance.zones import lines


def test_section_2_3_4_udp_message_is_at_most_512_octets(server):
    """UDP messages are 512 octets or less (without EDNS)."""
    query = dns.message.make_query("large.plain.test.", "TXT")
    assert len(server.octets(query.to_wire(), stream=False)) <= 512


def test_section_3_1_name_of_255_octets_is_answered(server):
    """Names up to 255 octets are names."""
    name = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 49, "plain.test."])
    assert len(dns.name.from_text(name).to_wire()) == 254
    assert server.ask(name).rcode() == 3


def test_section_4_1_1_id_opcode_and_rd_come_back(server):
    """ID, OPCODE and RD are copied into the response."""
    query = dns.message.make_query("www.plain.test.", "A")
    query.id = 0xBEEF
    wire = server.octets(query.to_wire())
    assert wire[:2] == b"\xbe\xef"
    assert wire[2] & 0xF9 == 0x81


def test_section_4_1_1_response_is_never_answered(server):
    """A message with QR set is not a query."""
    query = dns.message.make_query("www.plain.test.", "A")
    query.flags |= dns.flags.QR
    assert server.responder.respond(server.reader, query.to_wire(), stream=False) is None


def test_section_4_1_1_z_bit_of_the_response_is_zero(server):
    """Z must be zero in all responses."""
    query = dns.message.make_query("www.plain.test.", "A")
    query.flags |= 0x40
    assert not server.octets(query.to_wire())[3] & 0x40


def test_section_4_1_1_unreadable_query_is_a_format_error(server):
    """RCODE 1 where the query could not be interpreted."""
    query = dns.message.make_query("www.plain.test.", "A").to_wire()
    assert server.octets(query[:-3])[3] & 0xF == 1


def test_section_4_1_1_kind_of_query_that_is_not_supported_is_not_implemented(server):
    """RCODE 4 for an opcode that the server does not know."""
    query = bytearray(dns.message.make_query("www.plain.test.", "A").to_wire())
    query[2] = 3 << 3
    assert server.octets(bytes(query))[3] & 0xF == 4


def test_section_4_1_1_truncation_is_told(server):
    """TC where the message was longer than the transport allows."""
    message = server.ask("large.plain.test.", "TXT", stream=False)
    assert message.flags & dns.flags.TC
    assert not server.ask("large.plain.test.", "TXT").flags & dns.flags.TC


def test_section_4_1_2_question_comes_back(server):
    """The question section of the response is that of the query."""
    assert server.ask("www.plain.test.").question[0].to_text() == "www.plain.test. IN A"


def test_section_4_1_4_compression_points_backwards_to_names(server):
    """Each pointer leads to a prior occurrence of the same name."""
    wire = server.octets(dns.message.make_query("a.sub.plain.test.", "A").to_wire())
    pointers = [at for at in range(12, len(wire) - 1) if wire[at] == 0xC0]
    assert pointers
    assert all(struct.unpack_from("!H", wire, at)[0] & 0x3FFF < at for at in pointers)
    assert len(dns.message.from_wire(wire).additional) == 3


@pytest.mark.parametrize("name", [r"do\.t.plain.test.", r"nul\000l.plain.test."])
def test_section_5_1_any_octet_may_stand_in_a_label(server, name):
    r"""`\.` and `\DDD` are octets of a label like others."""
    assert len(lines(server.ask(name).answer)) == 1
