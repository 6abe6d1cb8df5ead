"""Parse a query: header, the one question, EDNS, where a TSIG stands (RFC 1035 §4.1, RFC 6891 §6.1).

The order of checks: length, QR, opcode, QDCOUNT, question, other records, OPT and TSIG. A message that gets
no answer raises `Unanswerable`; one whose answer is only an RCODE raises `Rejected`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

import dns.exception
import dns.message
import dns.rdatatype

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
MAX_OPTIONS = 64  # in an OPT record, for the same reason: 16,000 fit a message, and each takes its time
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


class Client(NamedTuple):
    """Who asks, and how. `address`: 4 or 16 octets, or not known; `idle`: seconds a stream may be silent.

    `trusted`: signed the query with a key that is good for transfers to its address.
    """

    address: bytes = b""
    stream: bool = False
    idle: float = 0.0
    trusted: bool = False


class Unanswerable(WireFormatError):  # noqa: N818 - says what the message is
    """Too short for a header, or itself a response: answering could loop (RFC 1035 §4.1.1)."""


class Rejected(WireFormatError):  # noqa: N818 - says what becomes of the query
    """A query that is answered with an RCODE alone. `end`: where its question ends, or the header.

    `edns`: its OPT record, as far as it was found: the response has one then (RFC 6891 §6.1.1).
    `malformed`: its records are malformed, or stand where none may, whatever version of EDNS it speaks.
    """

    def __init__(
        self,
        what: str,
        rcode: Rcode,
        end: int = HEADER_LENGTH,
        edns: Edns | None = None,
        *,
        malformed: bool = False,
    ) -> None:
        super().__init__(what)
        self.rcode = rcode
        self.end = end
        self.edns = edns
        self.malformed = malformed


class Edns(NamedTuple):
    """The OPT record of a query: UDP payload size in octets, version, DO, the first option of each code."""

    payload: int
    version: int
    do: bool
    options: Mapping[int, bytes]


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
        edns = _edns_behind(message, questions, answers + authorities, additionals)
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


def _edns_behind(message: bytes, questions: int, others: int, additionals: int) -> Edns | None:
    """Return the OPT record of a message that has not one question but none or several; None without one.

    Raises Rejected where its records are malformed.
    """
    if not 0 < questions + others + additionals <= MAX_RECORDS:
        return None
    at = HEADER_LENGTH
    for _ in range(questions):
        at = _skip_name(message, at) + 4
    try:
        return _records(message, at, others, additionals)[0]
    except Rejected as rejected:
        if rejected.malformed and rejected.edns is not None:
            rejected.end = HEADER_LENGTH
            raise
        return rejected.edns


def _records(message: bytes, question_end: int, others: int, additionals: int) -> tuple[Edns | None, int]:
    """Walk the records behind the question; return what the one OPT says, and where a TSIG stands.

    Raises Rejected, with the OPT if that came before what is wrong.
    """
    edns, tsig = None, 0
    at = question_end
    for index in range(others + additionals):
        start = at
        at = _skip_name(message, at)
        if at + _RECORD.size > len(message):
            raise Rejected("record is cut off", Rcode.FORMERR, question_end, edns, malformed=True)
        rdtype, rdclass, ttl, length = _RECORD.unpack_from(message, at)
        at += _RECORD.size
        if at + length > len(message):
            raise Rejected("rdata is cut off", Rcode.FORMERR, question_end, edns, malformed=True)
        if rdtype == Type.OPT:
            if edns is not None or index < others or message[start]:  # RFC 6891 §6.1.1
                what = "a second or misplaced OPT"
                raise Rejected(what, Rcode.FORMERR, question_end, edns, malformed=True)
            options = read_options(message[at : at + length]) if length else {}
            edns = Edns(rdclass, ttl >> 16 & 0xFF, bool(ttl & DO), options or {})
            if options is None:
                raise Rejected("EDNS options are cut off or too many", Rcode.FORMERR, question_end, edns)
        elif rdtype == TSIG:
            last = index >= others and index == others + additionals - 1
            if not last or rdclass != _ANY_CLASS or ttl:  # RFC 8945 §5.2
                what = "a malformed or misplaced TSIG"
                raise Rejected(what, Rcode.FORMERR, question_end, edns, malformed=True)
            tsig = start
        at += length
    if at != len(message):
        raise Rejected("octets behind the message", Rcode.FORMERR, question_end, edns)
    return edns, tsig


def _skip_name(message: bytes, at: int) -> int:
    """Return where the name at `at` ends; where it is malformed or cut off, the end of the message."""
    end = min(len(message), at + MAX_NAME)  # 64 kB hold 32,000 labels
    while at < end:
        length = message[at]
        if not length:
            return at + 1
        if length >= 0xC0:
            return at + 2
        if length > MAX_LABEL:
            break
        at += 1 + length
    return len(message)


def read_options(data: bytes) -> dict[int, bytes] | None:
    """Return the first option of each code; None where one is cut off, or where there are too many."""
    found: dict[int, bytes] = {}
    at = 0
    for _ in range(MAX_OPTIONS):
        if at + _OPTION.size > len(data):
            break
        code, length = _OPTION.unpack_from(data, at)
        at += _OPTION.size + length
        found.setdefault(code, data[at - length : at])
    return found if at == len(data) else None


def tells_serial(message: bytes) -> bool:
    """True where the IXFR query `message`, without TSIG, says what serial its client has (RFC 1995 §3)."""
    try:
        return serial_of(dns.message.from_wire(message)) is not None
    except (dns.exception.DNSException, LookupError, ValueError):
        return False


def serial_of(query: dns.message.Message) -> int | None:
    """Return the serial an IXFR client has (RFC 1995 §3); None for AXFR. Raises LookupError without one."""
    if query.question[0].rdtype != dns.rdatatype.IXFR:
        return None
    held = [one for one in query.authority if one.rdtype == dns.rdatatype.SOA]
    return int(held[0][0].serial)
