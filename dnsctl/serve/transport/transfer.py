"""Zone transfers over a stream: AXFR (RFC 5936), and IXFR answered in full or with the SOA (RFC 1995 §4).
IXFR over UDP: see `respond`.

A transfer is what one read transaction sees, whatever is activated meanwhile: SOA, every other RRset with its
signatures, glue and occluded names included, NSEC3 last, SOA. Names are compressed where RFC 3597 §4 allows.
`admit` says who may have one: by address, or by the TSIG of the query (RFC 8945).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.rdatatype

from dnsctl.image.fragment import decode
from dnsctl.image.layout import owner_key
from dnsctl.image.reader import Reader
from dnsctl.model.fleet import Network
from dnsctl.model.message_size import MAX_MESSAGE
from dnsctl.model.name import Name
from dnsctl.model.rrset import CLASS_IN, COMPRESSIBLE, RRset, Type
from dnsctl.model.serial import is_after
from dnsctl.model.soa import intervals_of
from dnsctl.serve.message import edns
from dnsctl.serve.message.edns import ExtendedError
from dnsctl.serve.message.query import Edns, Rejected, Unanswerable, parse, serial_of
from dnsctl.serve.message.tsig import Keyring, Signer, is_within

MESSAGE_SIZE: Final = 16 << 10  # octets; all of it can be reached by a compression pointer (RFC 1035 §4.1.4)
_MAX_UNSIGNED: Final = 99  # messages in a row, RFC 8945 §5.3.1; none before the first that is signed
_RECORD: Final = struct.Struct("!HHIH")  # type, class, TTL, length of rdata
_HEADER: Final = 12  # octets
_FORMERR: Final = 1
_SERVFAIL: Final = 2
_REFUSED: Final = 5
_NOTAUTH: Final = 9
_INVALID: Final = ExtendedError.INVALID_DATA


class Admission(NamedTuple):
    """A transfer query without its TSIG, whether it is allowed, and what signs the response."""

    message: bytes
    allowed: bool
    signer: Signer | None

    def signed(self, wires: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the messages of the response, each signed where the query was (RFC 8945 §5.3.1).

        One between others that has no room for its TSIG goes without: the next one signs for it. Raises
        OverflowError where that is the first, the last, or one too many in a row.
        """
        signer, unsigned, has_room = self.signer, _MAX_UNSIGNED, True
        for wire in wires:
            if signer is None:
                yield wire
                continue
            has_room = len(wire) + signer.size <= MAX_MESSAGE
            if has_room:
                unsigned = 0
                yield signer.sign(wire, more=True)
                continue
            unsigned += 1
            if unsigned > _MAX_UNSIGNED:
                break
            signer.cover(wire)
            yield wire
        if not has_room:
            raise OverflowError("a message has no room for its TSIG")


def admit(message: bytes, address: str, networks: Iterable[Network], keys: Keyring) -> Admission:
    """Say whether `address` (text) may transfer: from one of `networks`, or with one of `keys`.

    Raises Rejected where the query is malformed or its TSIG does not hold.
    """
    question = parse(message)
    known = is_within(address, networks)
    if not question.tsig:
        return Admission(message, known, None)
    verified = keys.verify(message, question.tsig, question.end)
    return Admission(verified.message, known or verified.is_good_for(address), verified.signer)


def refusal(message: bytes, options: bytes = b"") -> bytes:
    """Return REFUSED for a transfer query. Whether there is such a zone is not told. See `messages`."""
    return _failure(message, _REFUSED, ExtendedError.PROHIBITED, options)


def postponement(message: bytes, options: bytes = b"") -> bytes:
    """Return SERVFAIL for a transfer query: the receiver tries again later. See `messages`."""
    return _failure(message, _SERVFAIL, ExtendedError.OTHER, options)


def messages(reader: Reader, message: bytes, options: bytes = b"") -> Iterator[bytes]:
    """Yield the messages that answer the transfer query `message`; one with an RCODE where it cannot be.

    `options`: EDNS options for the first of them, besides EXPIRE (RFC 7314 §4).
    Raises OverflowError, in the middle, for a record no message can hold: the connection must then be cut,
    so that the receiver does not take what it has for the zone.
    """
    try:
        query = dns.message.from_wire(message)
        question = query.question[0]
        serial = serial_of(query)
    except (dns.exception.DNSException, LookupError, ValueError):
        yield _failure(message, _FORMERR, None, options)
        return
    origin = Name(question.name.to_digestable())
    entry = reader.zone(origin) if question.rdclass == CLASS_IN else None
    apex = reader.owner(owner_key(origin, origin)) if entry is not None else None
    if entry is None or apex is None:
        is_ours = question.rdclass == CLASS_IN and origin in reader.left_out()
        code, error = (_SERVFAIL, _INVALID) if is_ours else (_NOTAUTH, ExtendedError.NOT_AUTHORITATIVE)
        yield _failure(message, code, error, options)
        return
    soa = decode(apex, Type.SOA, origin, origin)
    writer = _Writer(message, _opt(query, soa, options))
    if serial is not None and not is_after(entry.serial, serial):
        yield from writer.add(soa._replace(signatures=()))
    else:
        yield from writer.add(soa)
        for one in reader.rrsets(origin):
            if one.rdtype != Type.SOA:
                yield from writer.add(one)
        yield from writer.add(soa._replace(signatures=()))
    yield writer.finish()


def _opt(query: dns.message.Message, soa: RRset, options: bytes) -> bytes:
    """Return the OPT record of the first message, empty where the query has none."""
    if query.edns < 0:
        return b""
    if any(option.otype == edns.EXPIRE for option in query.options):
        options += struct.pack("!HHI", edns.EXPIRE, 4, intervals_of(soa.rdatas[0]).expire)
    return edns.opt_record(Edns(0, 0, bool(query.ednsflags & dns.flags.DO), {}), 0, options)


def _failure(message: bytes, code: int, error: ExtendedError | None, options: bytes) -> bytes:
    """Return `code` with the question of `message`, as far as it can be told.

    With `options` and `error` if it has EDNS.
    """
    end = _question_end(message)
    try:
        asked = parse(message).edns
    except (Rejected, Unanswerable):
        asked = None
    opt = b""
    if asked is not None:
        opt = edns.opt_record(asked, code, options + edns.options(asked, b"", None, error, 0))
    counts = bytes((0, 1 if end > _HEADER else 0, 0, 0, 0, 0, 0, 1 if opt else 0))
    return message[:2] + bytes((0x80 | message[2] & 0x79, code)) + counts + message[_HEADER:end] + opt


def _question_end(message: bytes) -> int:
    """Return where the first question ends, or where it would begin if it is not a plain one."""
    at = _HEADER
    while at < len(message) and 0 < message[at] < 64:
        at += 1 + message[at]
    whole = at + 5 <= len(message) and message[at] == 0
    return at + 5 if whole else _HEADER


class _Writer:
    """Fills messages of about MESSAGE_SIZE with records, compressing names inside each."""

    def __init__(self, query: bytes, opt: bytes) -> None:
        self._start = query[:2] + bytes((0x84 | query[2] & 0x01, 0))  # QR, AA, and RD as it came
        self._question = query[_HEADER : _question_end(query)]
        self._additional = opt
        self._begin()

    def _begin(self) -> None:
        self._octets = bytearray(_HEADER)
        self._octets += self._question
        self._names: dict[bytes, int] = {}
        self._records = 0

    def add(self, one: RRset) -> Iterator[bytes]:
        """Write the records of `one` and its signatures; yield the message before where it got full."""
        for rdata in one.rdatas:
            yield from self._add(one.owner, one.rdtype, one.ttl, rdata)
        for rdata in one.signatures:
            yield from self._add(one.owner, Type.RRSIG, one.ttl, rdata)

    def _add(self, owner: bytes, rdtype: int, ttl: int, rdata: bytes) -> Iterator[bytes]:
        room = len(owner) + _RECORD.size + len(rdata) + len(self._additional)
        if self._records and len(self._octets) + room > MESSAGE_SIZE:
            yield self.finish()
            self._begin()
        self._name(owner)
        at = len(self._octets)
        self._octets += _RECORD.pack(rdtype, CLASS_IN, ttl, 0)
        self._rdata(rdtype, rdata)
        length = len(self._octets) - at - _RECORD.size
        self._octets[at + 8 : at + 10] = length.to_bytes(2, "big")
        self._records += 1
        if len(self._octets) + len(self._additional) > MAX_MESSAGE:
            raise OverflowError(f"a record of {length} octets of rdata fits no message")

    def _rdata(self, rdtype: int, rdata: bytes) -> None:
        """Write `rdata`, whose names are compressed for the types of RFC 1035 §3.3 only (RFC 3597 §4)."""
        before, names = COMPRESSIBLE.get(rdtype, (len(rdata), 0))
        self._octets += rdata[:before]
        at = before
        for _ in range(names):
            end = at
            while rdata[end]:
                end += 1 + rdata[end]
            self._name(rdata[at : end + 1])
            at = end + 1
        self._octets += rdata[at:]

    def _name(self, name: bytes) -> None:
        """Write `name`, ending in a pointer to the longest suffix written before."""
        names, octets = self._names, self._octets
        at = 0
        while length := name[at]:
            suffix = name[at:]
            place = names.get(suffix)
            if place is not None:
                octets += place.to_bytes(2, "big")
                return
            here = len(octets)
            if here < MESSAGE_SIZE:
                names[suffix] = 0xC000 | here
            octets += name[at : at + 1 + length]
            at += 1 + length
        octets.append(0)

    def finish(self) -> bytes:
        """Return the message; the question and OPT stand in the first only (RFC 5936 §2.2)."""
        counts = struct.pack("!HHHH", bool(self._question), self._records, 0, bool(self._additional))
        self._octets[:_HEADER] = self._start + counts
        wire = bytes(self._octets + self._additional)
        self._question = self._additional = b""
        return wire
