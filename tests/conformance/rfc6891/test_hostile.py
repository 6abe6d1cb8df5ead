"""RFC 6891 with messages that nobody means well: several OPT, OPT where none may stand, octets cut off."""

import struct
from typing import Any

import dns.message
import dns.opcode
import dns.rcode
import pytest

from dnsctl.serve.message.query import Opcode

QUESTION = b"\3www\5plain\4test\0\0\1\0\1"
ADDRESS = b"\xc0\x0c\0\1\0\1" + bytes(4) + b"\0\4\xc0\0\2\1"
TSIG = (
    b"\3key\0\0\xfa\0\xff\0\0\0\0\0\x3a\x0bhmac-sha256\0" + bytes(6) + b"\1\x2c\0\x20" + bytes(32) + bytes(6)
)


def opt(version: int = 0, data: bytes = b"", owner: bytes = b"\0") -> bytes:
    return owner + struct.pack("!HHIH", 41, 1232, version << 16, len(data)) + data


def wire(
    *additional: bytes,
    answer: tuple[bytes, ...] = (),
    authority: tuple[bytes, ...] = (),
    questions: int = 1,
    opcode: int = 0,
    rdtype: int = 1,
) -> bytes:
    counts = questions, len(answer), len(authority), len(additional)
    asked = QUESTION[:-4] + struct.pack("!HH", rdtype, 1)
    return b"".join(
        (struct.pack("!6H", 7, opcode << 11, *counts), asked * questions, *answer, *authority, *additional)
    )


def said(server, message: bytes, *, stream: bool) -> tuple[int, int]:
    """Return RCODE and version of EDNS (-1: none) of the response, which holds no records."""
    found = server.octets(message, stream=stream)
    assert found[6:10] == bytes(4)
    read = dns.message.from_wire(found[:2] + bytes((found[2] & 0x87,)) + found[3:])
    return read.rcode(), read.edns


both = pytest.mark.parametrize("stream", [False, True], ids=["UDP", "TCP"])


@both
@pytest.mark.parametrize("opcode", [Opcode.QUERY, Opcode.NOTIFY, Opcode.UPDATE])
@pytest.mark.parametrize("rdtype", [1, 6, 252, 251], ids=["A", "SOA", "AXFR", "IXFR"])
@pytest.mark.parametrize("questions", [0, 1, 2])
@pytest.mark.parametrize("versions", [(0, 0), (1, 0), (0, 1), (1, 1), (255, 0), (0, 0, 1)])
def test_section_6_1_1_several_opt_are_formerr_whatever_their_versions(
    server, versions, questions, rdtype, opcode, stream
):
    """More than one OPT RR: FORMERR MUST be returned, not BADVERS where the first is of another version."""
    message = wire(*(opt(version) for version in versions), questions=questions, opcode=opcode, rdtype=rdtype)
    assert said(server, message, stream=stream) == (dns.rcode.FORMERR, 0)


@both
@pytest.mark.parametrize("version", [0, 1])
def test_section_6_1_1_opt_in_another_section_is_formerr(server, version, stream):
    """OPT MUST stand in the additional section"""
    elsewhere: tuple[dict[str, Any], ...] = ({"answer": (opt(version),)}, {"authority": (opt(version),)})
    for others in elsewhere:
        for more in ((), (opt(),), (opt(1),)):
            assert said(server, wire(*more, **others), stream=stream)[0] == dns.rcode.FORMERR


@both
@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("owner", [b"\1a\0", b"\xc0\x0c", b"\xc0\x1a", b"\3www\xc0\x10"])
def test_section_6_1_2_owner_other_than_the_root_is_formerr(server, owner, version, stream):
    """NAME MUST be 0, and one octet: a pointer to the root is another"""
    assert said(server, wire(opt(version, owner=owner)), stream=stream)[0] == dns.rcode.FORMERR


@both
@pytest.mark.parametrize(
    "additional",
    [
        (opt(1), ADDRESS[:-2]),
        (opt(1), ADDRESS[:5]),
        (opt(1), TSIG, ADDRESS),
        (opt(1), TSIG, TSIG),
        (opt(1), TSIG.replace(b"\xfa\0\xff", b"\xfa\0\1")),
        (opt(1), TSIG.replace(b"\xff\0\0\0\0", b"\xff\0\0\0\1")),
    ],
    ids=[
        "rdata cut off",
        "record cut off",
        "TSIG not last",
        "two TSIG",
        "TSIG of class IN",
        "TSIG with a TTL",
    ],
)
def test_section_6_1_3_malformed_message_is_formerr_also_with_a_newer_version(server, additional, stream):
    """BADVERS is for what can be read: a message whose records are none is FORMERR"""
    assert said(server, wire(*additional), stream=stream) == (dns.rcode.FORMERR, 0)


@both
@pytest.mark.parametrize("additional", [(opt(1), ADDRESS), (ADDRESS, opt(1)), (opt(1, b"\0\3\0\4ab"),)])
def test_section_6_1_3_what_stands_beside_or_in_a_newer_opt_is_not_looked_at(server, additional, stream):
    assert said(server, wire(*additional), stream=stream) == (dns.rcode.BADVERS, 0)


@both
@pytest.mark.parametrize("opcode", [Opcode.NOTIFY, Opcode.UPDATE])
@pytest.mark.parametrize(
    ("record", "rcode"),
    [
        (opt(), None),
        (opt(1), dns.rcode.BADVERS),
        (opt(0, b"\0\3\0\4ab"), dns.rcode.FORMERR),
        (opt(0, b"\0\x0a\0"), dns.rcode.FORMERR),
        (opt(0, b"\0\x13\0\1x"), dns.rcode.FORMERR),
    ],
    ids=["plain", "version 1", "option cut off", "head cut off", "malformed ZONEVERSION"],
)
def test_section_7_edns_of_notify_and_update_is_looked_at_as_of_queries(
    server, opcode, record, rcode, stream
):
    """EDNS is of messages, whatever their opcode"""
    expected = dns.rcode.REFUSED if rcode is None else rcode
    message = struct.pack("!6H", 7, opcode << 11, 1, 0, 0, 1) + b"\5plain\4test\0\0\6\0\1" + record
    assert said(server, message, stream=stream) == (expected, 0)
