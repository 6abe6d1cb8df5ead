"""RFC 6891 §6, §7: EDNS."""

import struct

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest

from dnsctl.serve.message.edns import without_options
from dnsctl.serve.message.query import MAX_OPTIONS
from tests.build import edns_option

OPT = b"\0\0\x29"


def raw(opts, name=b"\3www\5plain\4test\0"):
    return struct.pack("!6H", 7, 0, 1, 0, 0, len(opts)) + name + b"\0\1\0\1" + b"".join(opts)


def test_section_6_1_1_query_with_opt_gets_one(server):
    """If a query has an OPT RR, the response MUST have one; else it MUST NOT."""
    assert server.ask("www.plain.test.", use_edns=0).edns == 0
    assert server.ask("www.plain.test.").edns == -1


QUESTION = b"\3www\5plain\4test\0\0\1\0\1"
WITH_DO = OPT + struct.pack("!HIH", 1232, 0x8000, 0)
NEWER = OPT + struct.pack("!HIH", 1232, 0x10000, 0)
SOA = b"\xc0\x0c\0\6\0\1" + bytes(4) + b"\0\x16" + bytes(22)


def odd(
    kind: bytes = b"\0\1",
    *,
    opcode: int = 0,
    questions: int = 1,
    before: bytes = b"",
    behind: bytes = b"",
    opt: bytes = WITH_DO,
) -> bytes:
    """Return a message with EDNS and something else that is not usual."""
    asked = (QUESTION[:-4] + kind + b"\0\1") * questions
    head = struct.pack("!6H", 7, opcode << 11, questions, 0, bool(before), 1)
    return head + asked + before + opt + behind


@pytest.mark.parametrize(
    ("wire", "rcode"),
    [
        (odd(b"\0\xfb"), dns.rcode.REFUSED),
        (odd(b"\0\xfb", before=SOA), dns.rcode.REFUSED),
        (odd(questions=0), dns.rcode.FORMERR),
        (odd(questions=2), dns.rcode.FORMERR),
        (odd(questions=2, before=SOA), dns.rcode.FORMERR),
        (odd(behind=b"octets"), dns.rcode.FORMERR),
        (odd(opt=WITH_DO[:-2] + b"\0\4\0\3\0\1"), dns.rcode.FORMERR),
        (odd(opcode=dns.opcode.UPDATE), dns.rcode.FORMERR),
        (odd(b"\0\6", opcode=dns.opcode.UPDATE), dns.rcode.NOTAUTH),
        (odd(b"\0\6", opcode=dns.opcode.NOTIFY), dns.rcode.NOTAUTH),
        (odd(questions=0, opcode=dns.opcode.NOTIFY), dns.rcode.FORMERR),
        (odd(opcode=dns.opcode.STATUS), dns.rcode.NOTIMP),
        (odd(questions=0, opcode=6), dns.rcode.NOTIMP),
        (odd(questions=2, opcode=dns.opcode.STATUS), dns.rcode.NOTIMP),
        (odd(questions=0, opt=NEWER), dns.rcode.BADVERS),
        (odd(questions=2, opt=NEWER), dns.rcode.BADVERS),
        (odd(opcode=dns.opcode.STATUS, opt=NEWER), dns.rcode.BADVERS),
    ],
    ids=[
        "IXFR over UDP without SOA", "IXFR over UDP", "no question", "two questions", "two and a record",
        "octets behind", "option cut off", "UPDATE of no SOA", "UPDATE", "NOTIFY", "NOTIFY of nothing",
        "STATUS", "DSO", "STATUS of two", "version 1, no question", "version 1, two", "version 1, STATUS",
    ],
)  # fmt: skip
def test_section_6_1_1_whatever_goes_wrong_is_told_with_opt(server, wire, rcode):
    """A FORMERR without OPT would say that EDNS is not known here (§7)"""
    told = server.octets(wire, stream=False)
    questions = told[5]
    assert questions == (wire[5] == 1)
    message = dns.message.from_wire(told[:2] + b"\x80" + told[3:])  # an UPDATE is read in another way
    assert (message.rcode(), message.edns, message.answer) == (rcode, 0, [])
    assert bool(message.ednsflags & dns.flags.DO) is (WITH_DO[:9] in wire)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("count", "rcode"), [(MAX_OPTIONS, 0), (MAX_OPTIONS + 1, 1), (16_000, 1)])
def test_more_options_than_anybody_sends_are_formerr(server, count, rcode, stream):
    for option in (b"\0\x0a\0\0", b"\xfd\xe9\0\0"):
        opt = OPT + struct.pack("!HIH", 1232, 0, 4 * count) + option * count
        message = dns.message.from_wire(server.octets(raw([opt]), stream=stream))
        assert (message.rcode(), message.edns) == (rcode, 0)


def test_query_with_options_beyond_the_bound_is_not_taken_for_one_without():
    data = b"\xfd\xe9\0\0"
    counts = b"\0\1\0\0\0\0\0\1"
    for count, is_shared in ((MAX_OPTIONS, True), (MAX_OPTIONS + 1, False)):
        opt = OPT + struct.pack("!HIH", 1232, 0, 4 * count) + data * count
        wire = b"id\0\0" + counts + QUESTION + opt
        assert (without_options(wire) is not None) is is_shared


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
    message = server.ask("www.plain.test.", use_edns=0, options=[edns_option(65001, b"x")])
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
