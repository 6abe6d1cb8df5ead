"""RFC 6891 §6, §7: EDNS."""

import struct

import dns.edns
import dns.flags
import dns.message
import pytest

OPT = b"\0\0\x29"


def raw(opts, name=b"\3www\5plain\4test\0"):
    return struct.pack("!6H", 7, 0, 1, 0, 0, len(opts)) + name + b"\0\1\0\1" + b"".join(opts)


def test_section_6_1_1_query_with_opt_gets_one(server):
    """If a query has an OPT RR, the response MUST have one; else it MUST NOT."""
    assert server.ask("www.plain.test.", use_edns=0).edns == 0
    assert server.ask("www.plain.test.").edns == -1


def test_section_6_1_1_more_than_one_opt_is_formerr(server):
    """More than one OPT RR: FORMERR MUST be returned."""
    opt = OPT + struct.pack("!HIH", 1232, 0, 0)
    assert server.octets(raw([opt, opt]))[3] & 0xF == 1


def test_section_6_1_2_opt_owner_must_be_the_root(server):
    """NAME MUST be 0."""
    opt = b"\1a" + OPT + struct.pack("!HIH", 1232, 0, 0)
    assert server.octets(raw([opt]))[3] & 0xF == 1


def test_section_6_1_2_unknown_options_are_ignored(server):
    """Any OPTION-CODE not understood MUST be ignored."""
    message = server.ask("www.plain.test.", use_edns=0, options=[dns.edns.GenericOption(65001, b"x")])
    assert (message.rcode(), message.options) == (0, ())


def test_section_6_1_3_unknown_version_is_badvers_with_ours(server):
    """A higher VERSION MUST get BADVERS, with the highest we know; nothing else is answered."""
    message = server.ask("www.plain.test.", use_edns=1)
    assert (message.rcode(), message.edns, message.answer) == (16, 0, [])


def test_section_6_1_4_unknown_flags_are_ignored_and_not_sent(server):
    """Z is zero in what we send and ignored in what we get."""
    opt = OPT + struct.pack("!HIH", 1232, 0x7FFF, 0)
    message = dns.message.from_wire(server.octets(raw([opt])))
    assert (message.rcode(), message.ednsflags) == (0, 0)


@pytest.mark.parametrize("payload", [0, 100, 511])
def test_section_6_2_3_payload_below_512_is_taken_for_512(server, payload):
    """Values lower than 512 MUST be treated as equal to 512."""
    message = server.ask("a.sub.plain.test.", stream=False, use_edns=0, payload=payload)
    assert not message.flags & dns.flags.TC


def test_section_6_2_5_response_is_never_larger_than_the_client_takes(server):
    """The payload size of the client is a limit, and so is ours (1232)."""
    for payload in (512, 700, 1232, 4096):
        query = dns.message.make_query("a.wide.plain.test.", "A", use_edns=0, payload=payload)
        assert len(server.octets(query.to_wire(), stream=False)) <= min(payload, 1232)


def test_section_7_truncated_response_has_opt(server):
    """OPT is in the truncated response too."""
    message = server.ask("a.wide.plain.test.", stream=False, use_edns=0, payload=512)
    assert (bool(message.flags & dns.flags.TC), message.edns) == (True, 0)


def test_section_7_formerr_where_edns_cannot_be_read(server):
    """An option that is cut off: FORMERR."""
    opt = OPT + struct.pack("!HIH", 1232, 0, 4) + b"\0\3\0\1"
    assert server.octets(raw([opt]))[3] & 0xF == 1
