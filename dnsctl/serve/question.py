"""Parse a query: header, the one question, EDNS, where a TSIG stands (RFC 1035 §4.1, RFC 6891 §6.1).

The order of checks: length, QR, opcode, QDCOUNT, question, other records, OPT and TSIG. What cannot be
answered at all is `Unanswerable`; what gets an answer that only says why is `Rejected`, with the RCODE.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from dnsctl.errors import WireFormatError
from dnsctl.model.name import MAX_LABEL, MAX_NAME, Name
from dnsctl.model.rrset import Type

HEADER = struct.Struct("!HHHHHH")  # id, flags, and the four counts (RFC 1035 §4.1.1)
HEADER_LENGTH = HEADER.size
_RECORD = struct.Struct("!HHIH")  # type, class, TTL, rdlength
_OPTION = struct.Struct("!HH")
QR = 0x8000
OPCODE = 0x7800
AA = 0x0400
TC = 0x0200
RD = 0x0100
DO = 0x8000  # of the OPT record's flags, RFC 3225 §3
MAX_RECORDS = 64  # in a query, beyond the question: more is not a query anybody sends
_MAX_UPDATE = 6000  # records in 65,535 octets, more or less: an UPDATE may be as long as a message
_ANY_CLASS = 255
TSIG = 250  # RFC 8945 §4.2


class Opcode(IntEnum):
    """What a message asks for (RFC 1035 §4.1.1, RFC 1996 §3.3, RFC 2136 §1.3)."""

    QUERY = 0
    NOTIFY = 4
    UPDATE = 5


class Rcode(IntEnum):
    """Response codes, extended ones included (RFC 1035 §4.1.1, RFC 6672 §2.2, RFC 6891 §9)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    YXDOMAIN = 6
    NOTAUTH = 9
    BADVERS = 16
    BADCOOKIE = 23


class Unanswerable(WireFormatError):  # noqa: N818 - says what the message is
    """Too short for a header, or itself a response: answering could loop (RFC 1035 §4.1.1)."""


class Rejected(WireFormatError):  # noqa: N818 - says what becomes of the query
    """A query that is answered with an RCODE alone. `end`: where its question ends, or the header.

    `edns`: its OPT record, where there was no question to go with it.
    """

    def __init__(self, what: str, rcode: Rcode, end: int = HEADER_LENGTH, edns: Edns | None = None) -> None:
        super().__init__(what)
        self.rcode = rcode
        self.end = end
        self.edns = edns


class Edns(NamedTuple):
    """The OPT record of a query: UDP payload size in octets, version, DO, and the options as they came."""

    payload: int
    version: int
    dnssec: bool
    options: bytes

    def option(self, code: int) -> bytes | None:
        """Return the data of the first option `code`, or None."""
        at = 0
        while at < len(self.options):
            found, length = _OPTION.unpack_from(self.options, at)
            if found == code:
                return self.options[at + 4 : at + 4 + length]
            at += 4 + length
        return None


class Question(NamedTuple):
    """What is asked. `end`: offset behind the question; `plain`: nothing follows but a bare OPT.

    `tsig`: offset of the TSIG record, the last one of the message; 0: there is none.
    """

    name: Name
    rdtype: int
    rdclass: int
    end: int
    edns: Edns | None
    plain: bool
    tsig: int = 0


def opcode_of(message: bytes) -> int:
    """Return the opcode of a message; 0 for what is too short to have one."""
    return message[2] >> 3 & 0xF if len(message) > 2 else 0


def parse(message: bytes, opcode: int = Opcode.QUERY) -> Question:
    """Return the question of `message`, which must have `opcode`. Raises Unanswerable or Rejected."""
    if len(message) < HEADER_LENGTH:
        raise Unanswerable("shorter than a header")
    _, flags, questions, answers, authorities, additionals = HEADER.unpack_from(message)
    if flags & QR:
        raise Unanswerable("a response")
    if flags & OPCODE != opcode << 11:
        raise Rejected(f"opcode is not {opcode}", Rcode.NOTIMP)
    if questions != 1:
        edns = None
        if not questions and 0 < answers + authorities + additionals <= MAX_RECORDS:
            edns, _ = _records(message, HEADER_LENGTH, answers + authorities, additionals)
        raise Rejected("QDCOUNT is not 1", Rcode.FORMERR, edns=edns)  # RFC 9619
    name, at = _question_name(message)
    if at + 4 > len(message):
        raise Rejected("question is cut off", Rcode.FORMERR)
    end = at + 4
    rdtype, rdclass = message[at] << 8 | message[at + 1], message[at + 2] << 8 | message[at + 3]
    others = answers + authorities
    if not others and not additionals:
        if end != len(message):
            raise Rejected("octets behind the message", Rcode.FORMERR, end)
        return Question(name, rdtype, rdclass, end, None, True)
    if others + additionals > (MAX_RECORDS if opcode != Opcode.UPDATE else _MAX_UPDATE):
        raise Rejected("more records than any query holds", Rcode.FORMERR, end)
    edns, tsig = _records(message, end, others, additionals)
    plain = not others and additionals == 1 and edns is not None and not edns.options
    return Question(name, rdtype, rdclass, end, edns, plain, tsig)


def _question_name(message: bytes) -> tuple[Name, int]:
    at = HEADER_LENGTH
    size = len(message)
    while at < size and (length := message[at]):
        if length > MAX_LABEL:  # a pointer can only lead into the header
            raise Rejected("compressed or malformed question name", Rcode.FORMERR)
        at += 1 + length
    at += 1
    if at > size or at - HEADER_LENGTH > MAX_NAME:
        raise Rejected("question name is cut off or too long", Rcode.FORMERR)
    return Name(message[HEADER_LENGTH:at].lower()), at


def _records(message: bytes, question_end: int, others: int, additionals: int) -> tuple[Edns | None, int]:
    """Walk the records behind the question; return what the one OPT says, and where a TSIG stands.

    Raises Rejected.
    """
    edns, tsig = None, 0
    at = question_end
    for index in range(others + additionals):
        start = at
        at = _skip_name(message, at, question_end)
        if at + _RECORD.size > len(message):
            raise Rejected("record is cut off", Rcode.FORMERR, question_end)
        rdtype, rdclass, ttl, length = _RECORD.unpack_from(message, at)
        at += _RECORD.size
        if at + length > len(message):
            raise Rejected("rdata is cut off", Rcode.FORMERR, question_end)
        if rdtype == Type.OPT:
            if edns is not None or index < others or message[start]:  # RFC 6891 §6.1.1
                raise Rejected("a second or misplaced OPT", Rcode.FORMERR, question_end)
            options = message[at : at + length]
            _check_options(options, question_end)
            edns = Edns(rdclass, ttl >> 16 & 0xFF, bool(ttl & DO), options)
        elif rdtype == TSIG:
            last = index >= others and index == others + additionals - 1
            if not last or rdclass != _ANY_CLASS or ttl:  # RFC 8945 §5.2
                raise Rejected("a malformed or misplaced TSIG", Rcode.FORMERR, question_end)
            tsig = start
        at += length
    if at != len(message):
        raise Rejected("octets behind the message", Rcode.FORMERR, question_end)
    return edns, tsig


def _skip_name(message: bytes, at: int, question_end: int) -> int:
    while at < len(message):
        length = message[at]
        if not length:
            return at + 1
        if length >= 0xC0:
            return at + 2
        if length > MAX_LABEL:
            break
        at += 1 + length
    raise Rejected("owner is malformed or cut off", Rcode.FORMERR, question_end)


def _check_options(options: bytes, question_end: int) -> None:
    at = 0
    while at < len(options):
        if at + _OPTION.size > len(options):
            raise Rejected("EDNS option is cut off", Rcode.FORMERR, question_end)
        at += _OPTION.size + _OPTION.unpack_from(options, at)[1]
    if at != len(options):
        raise Rejected("EDNS option is cut off", Rcode.FORMERR, question_end)
