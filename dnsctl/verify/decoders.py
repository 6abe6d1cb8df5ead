"""Read a response with two independent decoders, dnspython and dnslib. Both must read the same.

Neither made the answer: `dnsctl.serve` writes octets of its own. Names are lower-cased (the question's case
is echoed, RFC 4343), rdata is as served, with compression undone where RFC 3597 §4 allows it.
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass
from typing import NamedTuple

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.wire
from dns.rdtypes.ANY.NSEC import NSEC
from dns.rdtypes.ANY.RRSIG import RRSIG
from dnslib.bimap import BimapError
from dnslib.buffer import BufferError as DnslibBufferError
from dnslib.dns import QTYPE, RD, RDMAP, DNSError, DNSHeader
from dnslib.label import DNSBuffer, DNSLabel

from dnsctl.errors import WireFormatError
from dnsctl.model.name import ROOT, Name
from dnsctl.model.rrset import Type

_COMPRESSIBLE = frozenset({Type.NS, Type.CNAME, Type.SOA, Type.PTR, Type.MX})  # RFC 3597 §4, RFC 1035
_KEPT = 4096  # rdatas that were decoded last: what one batch of answers has, and more
_POINTER = 0xC0  # RFC 1035 §4.1.4
RRSIG_HEAD = struct.Struct("!HBBIIIH")  # what stands before the signer's name, RFC 4034 §3.1
_QR, _AA, _TC = 0x8000, 0x0400, 0x0200  # RFC 1035 §4.1.1
_DO = 0x8000  # RFC 3225 §3, in the lower half of OPT's TTL


class Record(NamedTuple):
    """One resource record: `owner` lower-case and uncompressed, `rdata` uncompressed."""

    owner: Name
    rdtype: int
    rdclass: int
    ttl: int
    rdata: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that both decoders agree on. `rcode` holds EDNS's upper bits as well (RFC 6891 §6.1.3).

    `size` is what came over the wire, `edns` and `do` tell of its OPT record, which is no longer in
    `additional`. `decoders` is 1 where dnslib could not read a name: it knows labels in UTF-8 only.
    """

    rcode: int
    authoritative: bool
    truncated: bool
    answer: tuple[Record, ...]
    authority: tuple[Record, ...]
    additional: tuple[Record, ...]
    edns: bool
    do: bool
    size: int
    decoders: int = 2

    def same_but_additional(self, other: Answer) -> bool:
        """True where both have the same records in answer and authority, in any order."""
        return (self.rcode, self.authoritative) == (other.rcode, other.authoritative) and all(
            sorted(mine) == sorted(theirs)
            for mine, theirs in ((self.answer, other.answer), (self.authority, other.authority))
        )

    def expiry(self) -> int | None:
        """Return the earliest expiration of the signatures in it (RFC 4034 §3.1.5), in Unix seconds."""
        found = [
            int.from_bytes(one.rdata[8:12], "big")
            for one in (*self.answer, *self.authority, *self.additional)
            if one.rdtype == Type.RRSIG
        ]
        return min(found, default=None)


class _Message(NamedTuple):
    """What one decoder read: the header's flags, questions, and all records with the section's sizes."""

    flags: int
    counts: tuple[int, int, int]
    questions: tuple[tuple[Name, int, int], ...]
    records: tuple[Record, ...]


class _UnreadableLabelError(Exception):
    """dnslib refuses a label that is not UTF-8, which DNS allows (RFC 2181 §11)."""


def decode(wire: bytes) -> Answer:
    """Return what `wire` holds. Raises WireFormatError where a decoder fails or the two disagree."""
    first = _read_with_dnspython(wire)
    decoders = 2
    try:
        second = _read_with_dnslib(wire)
    except _UnreadableLabelError:
        decoders = 1
    else:
        if first != second:
            raise WireFormatError(f"dnspython and dnslib disagree: {_difference(first, second)}")
    return _answer(first, len(wire), decoders)


def _read_with_dnspython(wire: bytes) -> _Message:
    try:
        parser = dns.wire.Parser(wire)
        _, flags, questions, *counts = parser.get_struct("!HHHHHH")
        asked = tuple(
            (_lower(parser.get_name(decompress=True)), *parser.get_struct("!HH")) for _ in range(questions)
        )
        owners: dict[bytes, Name] = {}
        records = tuple(_record_with_dnspython(parser, owners) for _ in range(sum(counts)))
        if parser.remaining():
            raise WireFormatError(f"{parser.remaining()} octets behind the last record")
    except (dns.exception.DNSException, struct.error, ValueError) as error:
        raise WireFormatError(f"dnspython cannot read it: {type(error).__name__}: {error}") from None
    return _Message(flags, (counts[0], counts[1], counts[2]), asked, records)


def _record_with_dnspython(parser: dns.wire.Parser, owners: dict[bytes, Name]) -> Record:
    owner = _owner_with_dnspython(parser, owners)
    rdtype, rdclass, ttl, length = parser.get_struct("!HHIH")
    if rdtype == Type.OPT:
        return Record(owner, rdtype, rdclass, ttl, bytes(parser.get_bytes(length)))
    if rdtype not in _COMPRESSIBLE:
        return Record(owner, rdtype, rdclass, ttl, read_rdata(rdclass, rdtype, parser.get_bytes(length))[1])
    with parser.restrict_to(length):
        wire = dns.rdata.from_wire_parser(rdclass, rdtype, parser).to_wire()
    assert wire is not None  # noqa: S101 - to_wire without a file always returns octets
    return Record(owner, rdtype, rdclass, ttl, wire)


def _owner_with_dnspython(parser: dns.wire.Parser, owners: dict[bytes, Name]) -> Name:
    """Read an owner. `owners`: those of the message that are nothing but a pointer, which repeats."""
    start = parser.wire[parser.current : parser.current + 2]
    known = owners.get(start)
    if known is not None:
        parser.seek(parser.current + 2)
        return known
    if start[:1] == ROOT:  # of OPT, in every answer
        parser.seek(parser.current + 1)
        return ROOT
    name = _lower(parser.get_name(decompress=True))
    if start[0] & _POINTER == _POINTER:
        owners[start] = name
    return name


@functools.lru_cache(_KEPT)
def read_rdata(rdclass: int, rdtype: int, octets: bytes) -> tuple[dns.rdata.Rdata, bytes]:
    """Return what dnspython reads from rdata in which no name is compressed, and what it writes for it.

    The same NSEC, SOA and signatures come with many answers, and are validated once they are decoded.
    """
    kind = dns.rdatatype.RdataType.make(rdtype)
    rdata = dns.rdata.from_wire(dns.rdataclass.RdataClass.make(rdclass), kind, octets, 0, len(octets))
    return rdata, _written(rdata)


def _written(rdata: dns.rdata.Rdata) -> bytes:
    """Return the octets of what dnspython has read. Its own writer takes long for a name inside rdata."""
    if isinstance(rdata, RRSIG):
        head = RRSIG_HEAD.pack(
            rdata.type_covered,
            rdata.algorithm,
            rdata.labels,
            rdata.original_ttl,
            rdata.expiration,
            rdata.inception,
            rdata.key_tag,
        )
        return head + _octets(rdata.signer) + rdata.signature
    if isinstance(rdata, NSEC):
        windows = (bytes((window, len(bitmap))) + bitmap for window, bitmap in rdata.windows)
        return _octets(rdata.next) + b"".join(windows)
    wire = rdata.to_wire()
    assert wire is not None  # noqa: S101 - to_wire without a file always returns octets
    return wire


def _octets(name: dns.name.Name) -> bytes:
    wire = name.to_wire()
    assert wire is not None  # noqa: S101 - as above
    return wire


def _lower(name: dns.name.Name) -> Name:
    return Name(_octets(name).lower())


def _read_with_dnslib(wire: bytes) -> _Message:
    try:
        buffer = DNSBuffer(wire)
        header = DNSHeader.parse(buffer)
        asked = tuple(_question_with_dnslib(buffer) for _ in range(header.q))
        owners: dict[bytes, Name] = {}
        counts = header.a + header.auth + header.ar
        records = tuple(_record_with_dnslib(buffer, owners) for _ in range(counts))
    except (DNSError, DnslibBufferError, BimapError, struct.error, ValueError, IndexError) as error:
        if "Invalid label" in str(error):
            raise _UnreadableLabelError from None
        raise WireFormatError(f"dnslib cannot read it: {type(error).__name__}: {error}") from None
    if buffer.remaining():
        raise WireFormatError(f"{buffer.remaining()} octets behind the last record")
    return _Message(header.bitmap, (header.a, header.auth, header.ar), asked, records)


def _question_with_dnslib(buffer: DNSBuffer) -> tuple[Name, int, int]:
    qname = _uncompressed(buffer.decode_name())
    qtype, qclass = buffer.unpack("!HH")
    return qname, qtype, qclass


def _record_with_dnslib(buffer: DNSBuffer, owners: dict[bytes, Name]) -> Record:
    start = bytes(buffer.data[buffer.offset : buffer.offset + 2])
    owner = owners.get(start)  # as with dnspython
    if owner is not None:
        buffer.offset += 2
    else:
        owner = _uncompressed(buffer.decode_name())
        if start[0] & _POINTER == _POINTER:
            owners[start] = owner
    rdtype, rdclass, ttl, length = buffer.unpack("!HHIH")
    if rdtype not in _COMPRESSIBLE:
        return Record(owner, rdtype, rdclass, ttl, buffer.get(length))
    end = buffer.offset + length
    rdata = RDMAP.get(QTYPE.get(rdtype), RD).parse(buffer, length)
    if buffer.offset != end:
        raise WireFormatError("dnslib: rdata is not as long as its length says")
    plain = DNSBuffer()
    plain.encode_name = plain.encode_name_nocompress
    rdata.pack(plain)
    return Record(owner, rdtype, rdclass, ttl, bytes(plain.data))


def _uncompressed(label: DNSLabel) -> Name:
    return Name(b"".join(bytes((len(each),)) + each for each in label.label).lower() + b"\0")


def _difference(first: _Message, second: _Message) -> str:
    for field, one, other in zip(_Message._fields, first, second, strict=True):
        if one != other:
            return f"{field}: {one!r:.200} against {other!r:.200}"
    return "nothing"


def _answer(message: _Message, size: int, decoders: int) -> Answer:
    first, second, _ = message.counts
    additional = message.records[first + second :]
    options = [one for one in additional if one.rdtype == Type.OPT]
    if not message.flags & _QR:
        raise WireFormatError("a query came back, not a response")
    if len(options) > 1:
        raise WireFormatError("more than one OPT record (RFC 6891 §6.1.1)")
    extended = options[0].ttl if options else 0
    return Answer(
        rcode=(message.flags & 0x0F) | (extended >> 24) << 4,
        authoritative=bool(message.flags & _AA),
        truncated=bool(message.flags & _TC),
        answer=message.records[:first],
        authority=message.records[first : first + second],
        additional=tuple(one for one in additional if one.rdtype != Type.OPT),
        edns=bool(options),
        do=bool(extended & _DO),
        size=size,
        decoders=decoders,
    )
