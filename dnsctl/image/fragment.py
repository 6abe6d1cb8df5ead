"""Fragments: an RRset with its RRSIGs as the bytes of an answer to a question for its owner, and back.

Every record's owner is the pointer 0xC00C, as the question stands at offset 12. Names inside the rdata of
the types of RFC 1035 §3.3 (the only ones that may be compressed, RFC 3597 §4) end in a pointer to the
longest suffix that stands before them, in the owner or in an earlier name of the same RRset. Pointers are
those of a message in which the fragment stands right behind a question for its owner: below `fragment_at`
they lead to the owner, else into the fragment. RRSIGs follow the records, so that with and without DO are
two slices.

A node keeps only what `Shape` does not know of a fragment:

* of an RRset's only record the rdata, of several all octets;
* in short, of its only RRSIG: expiration, inception and key tag, then the signature. That is where signer,
  labels, TTL and type covered are what they are for any RRset of the node, see `_algorithm`; else all octets
  of all RRSIGs;
* behind that, where pointers stand, 2 octets each relative to the fragment's start, so that an answer whose
  owner or fragment stands elsewhere can move them.

It depends on nothing but the RRset and the labels of its node. `Shape` depends on nothing but the index of
the node and the apex, and holds for all nodes with the same index.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dnsctl.errors import ImageError
from dnsctl.image.layout import (
    ENTRY,
    HEADER,
    NEGATIVE_SOA,
    OCCLUDED,
    SHORT,
    TYPES_AT,
    WIDE,
    WIDE_ENTRY,
    WIDE_SHORT,
)
from dnsctl.model.message_size import MAX_OFFSET
from dnsctl.model.name import Name, label_count, name_end
from dnsctl.model.rrset import CLASS_IN, COMPRESSIBLE, RRset, Type
from dnsctl.model.rrsig import COVERS, SIGNER_AT

QUESTION_AT = 12  # octets of the message header, RFC 1035 §4.1.1
OWNER_POINTER = b"\xc0\x0c"
RECORD = struct.Struct("!HHHIH")  # owner pointer, type, class, TTL, length of rdata
RECORD_HEAD = RECORD.size
OFFSET_BITS = 14
MAX_HOPS = 8  # pointers that lead to pointers: decoders follow some 16
_RRSIG = int(Type.RRSIG)
_SOA = int(Type.SOA)
_MAX_POINTER_PLACE = 0xFFFF
_NARROW_OCTETS = 0xFFFF  # what `ENTRY` can say of a node's body
_NARROW_COUNT = 0x7F  # and of the number of records, RRSIGs, names
_TIMES = SIGNER_AT - COVERS.size  # octets of expiration, inception and key tag

_NAMES = {**COMPRESSIBLE, NEGATIVE_SOA: COMPRESSIBLE[_SOA]}


class Shape(NamedTuple):
    """How the fragments of one type are put together from nodes with one and the same index.

    A fragment is `before` and the rdata, then `between`, the times, `signer` and the signature: three slices
    of the node. Where RRSIGs are not kept in short, all their octets are `times`, the other three empty.
    """

    rdata: slice
    times: slice
    signature: slice
    before: bytes
    between: bytes
    signer: bytes
    records: int
    signatures: int
    pointers: int

    def plain(self) -> int:
        """Return the octets of a fragment without RRSIGs."""
        return len(self.before) + int(self.rdata.stop - self.rdata.start)

    def full(self) -> int:
        """Return the octets of a fragment."""
        kept = int(self.signature.stop - self.rdata.start)
        return len(self.before) + len(self.between) + len(self.signer) + kept


_Bare = tuple[slice, slice, slice, bytes, bytes, bytes, int, int, int]  # a `Shape` costs more to make


class Fragment(NamedTuple):
    """An RRset as it stands in an answer. `plain`: octets without RRSIGs; `pointers`: where they stand."""

    octets: bytes
    plain: int
    records: int
    signatures: int
    pointers: tuple[int, ...]


def encode_node(flags: int, depth: int, rrsets: list[tuple[int, RRset]], owner: Name, apex: Name) -> bytes:
    """Return the value of an owner. `rrsets`: (type code to file it under, RRset), ascending by code.

    `depth`: of the occluder, where `flags` say that there is one.
    """
    labels = depth if flags & OCCLUDED else label_count(owner)
    entries: list[tuple[int, int, int, int, int, int, int, int]] = []
    body, types = bytearray(), b""
    for code, one in rrsets:
        plain, pointers = _plain(code, one, owner)
        algorithm = 0 if flags & OCCLUDED else _algorithm(one, labels, apex)
        signatures = _signatures(one, algorithm, apex)
        full = len(plain) + len(signatures)
        counts = len(one.rdatas), len(one.signatures), len(pointers)
        entries.append((algorithm, len(body), len(plain), full, *counts, one.ttl))
        types += code.to_bytes(2, "big")
        body += plain + signatures
        if pointers:
            body += struct.pack(f"!{len(pointers)}H", *pointers)
    layout, short = ENTRY, SHORT
    if len(body) > _NARROW_OCTETS or any(max(entry[4:7]) > _NARROW_COUNT for entry in entries):
        layout, short, flags = WIDE_ENTRY, WIDE_SHORT, flags | WIDE
    index = b"".join(
        layout.pack(*sizes, records, short | algorithm if algorithm else count, pointers, ttl)
        for algorithm, *sizes, records, count, pointers, ttl in entries
    )
    return HEADER.pack(flags, labels, len(rrsets)) + types + index + body


def _algorithm(one: RRset, labels: int, apex: Name) -> int:
    """Return the algorithm of the one RRSIG that can be kept in short; 0: all are kept as they are.

    That is one of the zone's own keys (RFC 4034 §3.1.7), over all of the owner's labels and the TTL that the
    RRset has.
    """
    if len(one.signatures) != 1 or len(one.signatures[0]) < SIGNER_AT:
        return 0
    signature = one.signatures[0]
    algorithm = signature[2]
    known = COVERS.pack(one.rdtype, algorithm, labels, one.ttl)
    is_plain = algorithm < SHORT and signature.startswith(known) and signature.startswith(apex, SIGNER_AT)
    return algorithm if is_plain else 0


def fragment_at(owner: Name) -> int:
    """Return the offset in the message at which pointers take a fragment of `owner` to stand."""
    return QUESTION_AT + len(owner) + 4


def _suffixes(owner: Name) -> dict[bytes, int]:
    """Map each suffix of `owner` but the root to its offset. A wildcard is not in the question: left out."""
    found = {}
    position = 2 if owner[:2] == b"\x01*" else 0
    while owner[position]:
        found[owner[position:]] = QUESTION_AT + position
        position += 1 + owner[position]
    return found


def _plain(code: int, one: RRset, owner: Name) -> tuple[bytes, list[int]]:
    """Return what is kept of a fragment without its RRSIGs, and the places of pointers in all of it."""
    names = _NAMES.get(code)
    written, pointers = _compressed(one, names, owner) if names is not None else (one.rdatas, [])
    if pointers and pointers[-1] > _MAX_POINTER_PLACE:  # an RRset no message can hold: transfers only
        written, pointers = one.rdatas, []
    return written[0] if len(written) == 1 else _records(one.rdtype, one.ttl, written), pointers


def _signatures(one: RRset, algorithm: int, apex: Name) -> bytes:
    """Return what is kept of the RRSIGs: of one in short, if `algorithm` says so, or of all."""
    if not algorithm:
        return _records(_RRSIG, one.ttl, one.signatures)
    signature = one.signatures[0]
    return signature[COVERS.size : SIGNER_AT] + signature[SIGNER_AT + len(apex) :]


def _records(rdtype: int, ttl: int, rdatas: Iterable[bytes]) -> bytes:
    return b"".join([RECORD.pack(0xC00C, rdtype, CLASS_IN, ttl, len(rdata)) + rdata for rdata in rdatas])


def _compressed(one: RRset, names: tuple[int, int], owner: Name) -> tuple[tuple[bytes, ...], list[int]]:
    """Return the rdatas with the names in them compressed, and where in the fragment pointers stand."""
    found: list[bytes] = []
    pointers: list[int] = []
    at, start = 0, fragment_at(owner)
    known = _suffixes(owner)
    reach = MAX_OFFSET if len(one.rdatas) * names[1] > 1 else 0  # after the only name comes none
    for rdata in one.rdatas:
        at += RECORD_HEAD
        written, places = _compress(rdata, names, known, start + at, reach)
        pointers += [at + place for place in places]
        found.append(written)
        at += len(written)
    return tuple(found), pointers


def _compress(
    rdata: bytes, names: tuple[int, int], known: dict[bytes, int], position: int, reach: int
) -> tuple[bytes, list[int]]:
    """Return rdata as written at `position` of the message, and where in it pointers stand.

    `known`: suffix -> its offset, above that how many pointers follow from there. Grows by what is written
    at offsets up to `reach`.
    """
    at, count = names
    out = rdata[:at]
    places = []
    for _ in range(count):
        begin, end, here = at, name_end(rdata, at), position + len(out)
        found = None
        while rdata[at] and (found := known.get(rdata[at:end])) is None:
            at += 1 + rdata[at]
        if found is None:
            out += rdata[begin:end]
            hops = 0
        else:
            places.append(len(out) + at - begin)
            out += rdata[begin:at] + (0xC000 | found & MAX_OFFSET).to_bytes(2, "big")
            hops = (found >> OFFSET_BITS) + 1
        fresh, at = at, begin
        while at < fresh and hops < MAX_HOPS and here + at - begin <= reach:
            known[rdata[at:end]] = here + at - begin | hops << OFFSET_BITS
            at += 1 + rdata[at]
        at = end
    return out + rdata[at:], places


def node_types(value: bytes) -> list[int]:
    """Return the type codes of a node, ascending."""
    count = value[2] << 8 | value[3]
    return list(struct.unpack_from(f"!{count}H", value, TYPES_AT))


def shape_of(value: bytes, code: int, apex: Name) -> Shape | None:
    """Return how the RRset filed under `code` stands in a node of the zone `apex`, or None."""
    found = _shape(value, code, apex)
    return None if found is None else Shape(*found)


def _shape(value: bytes, code: int, apex: Name) -> _Bare | None:
    """Return the fields of a `Shape`."""
    count = value[2] << 8 | value[3]
    wanted = code.to_bytes(2, "big")
    end = TYPES_AT + 2 * count
    at = value.find(wanted, TYPES_AT, end)
    while at > 0 and at & 1:  # the second octet of one code and the first of the next
        at = value.find(wanted, at + 1, end)
    if at < 0:
        return None
    layout, short = (WIDE_ENTRY, WIDE_SHORT) if value[0] & WIDE else (ENTRY, SHORT)
    offset, plain, full, records, signatures, pointers, ttl = layout.unpack_from(
        value, end + layout.size * ((at - TYPES_AT) >> 1)
    )
    rdtype = _SOA if code == NEGATIVE_SOA else code
    start = end + layout.size * count + offset
    middle, stop = start + plain, start + full
    resume = stop
    before = RECORD.pack(0xC00C, rdtype, CLASS_IN, ttl, plain) if records == 1 else b""
    between = signer = b""
    if signatures & short:
        covers = COVERS.pack(rdtype, signatures & ~short, value[1], ttl)
        length = len(covers) + full - plain + len(apex)
        between = RECORD.pack(0xC00C, _RRSIG, CLASS_IN, ttl, length) + covers
        resume, signer, signatures = middle + _TIMES, apex, 1
    rdata, times, signature = slice(start, middle), slice(middle, resume), slice(resume, stop)
    return rdata, times, signature, before, between, signer, records, signatures, pointers


def find(value: bytes, code: int, apex: Name) -> Fragment | None:
    """Return the RRset filed under `code` of a node of the zone `apex`, or None."""
    shape = _shape(value, code, apex)
    if shape is None:
        return None
    rdata, times, signature, before, between, signer, records, signatures, pointers = shape
    plain = before + value[rdata]
    octets = b"".join((plain, between, value[times], signer, value[signature]))
    places = struct.unpack_from(f"!{pointers}H", value, signature.stop) if pointers else ()
    return Fragment(octets, len(plain), records, signatures, places)


def points_into_itself(found: Fragment, owner: Name) -> bool:
    """True where a pointer leads to another name of the same fragment."""
    octets, own = found.octets, fragment_at(owner)
    return any((octets[at] << 8 | octets[at + 1]) & MAX_OFFSET >= own for at in found.pointers)


def record_places(octets: bytes) -> list[int]:
    """Return the offsets of the records in a fragment, or in as much of it as goes along."""
    places = []
    at = 0
    while at < len(octets):
        places.append(at)
        at += RECORD_HEAD + (octets[at + RECORD_HEAD - 2] << 8 | octets[at + RECORD_HEAD - 1])
    return places


def decode(value: bytes, code: int, owner: Name, apex: Name) -> RRset:
    """Return the RRset filed under `code`, its rdata uncompressed. Raises ImageError where it has none."""
    found = find(value, code, apex)
    if found is None:
        raise ImageError(f"no RRset of type {code} in the node")
    rdtype, ttl, rdatas, signatures = code, 0, [], []
    for place, rdata in rdatas_of(found, owner):
        rdtype_here, ttl = struct.unpack_from("!HxxI", found.octets, place + 2)
        if place < found.plain:
            rdtype = rdtype_here
            rdatas.append(rdata)
        else:
            signatures.append(rdata)
    return RRset(owner, rdtype, ttl, tuple(rdatas), None, tuple(signatures))


def rdatas_of(found: Fragment, owner: Name) -> Iterator[tuple[int, bytes]]:
    """Yield (offset of the record in the fragment, uncompressed rdata), RRSIGs included.

    `owner` is the one it was compiled for. Raises ImageError where pointers lead astray.
    """
    octets = found.octets
    pointers = iter(found.pointers)
    place = next(pointers, len(octets))
    at = 0
    while at < len(octets):
        first = at + RECORD_HEAD
        end = first + (octets[first - 2] << 8 | octets[first - 1])
        rdata = b""
        while place < end:
            target = (octets[place] << 8 | octets[place + 1]) & MAX_OFFSET
            rdata += octets[first:place] + _pointed_at(octets, target, owner)
            first = place + 2
            place = next(pointers, len(octets))
        yield at, rdata + octets[first:end]
        at = end


def _pointed_at(octets: bytes, target: int, owner: Name) -> bytes:
    """Return the name that a pointer to `target` in the fragment `octets` stands for."""
    start = fragment_at(owner)
    name = b""
    while target >= start:
        first = at = target - start
        while 0 < octets[at] < 0xC0:
            at += 1 + octets[at]
        name += octets[first:at]
        if not octets[at]:
            return name + b"\0"
        further = (octets[at] << 8 | octets[at + 1]) & MAX_OFFSET
        if further >= target:
            raise ImageError("a pointer in a fragment does not lead backwards")
        target = further
    return name + owner[target - QUESTION_AT :]
