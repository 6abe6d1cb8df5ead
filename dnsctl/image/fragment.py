"""Fragments: an RRset with its RRSIGs as the bytes of an answer to a question for its owner, and back.

Every record's owner is the pointer 0xC00C, as the question stands at offset 12. Names inside the rdata of
the types of RFC 1035 §3.3 (the only ones that may be compressed, RFC 3597 §4) end in a pointer to the
longest suffix that stands before them, in the owner or in an earlier name of the same RRset. Pointers are
those of a message in which the fragment stands right behind a question for its owner: below `fragment_at`
they lead to the owner, else into the fragment. Where each one stands is listed behind the fragment, 2 octets
each relative to its start, so that an answer whose owner or fragment stands elsewhere can move them. RRSIGs
follow the records, so that with and without DO are two slices.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dnsctl.errors import ImageError
from dnsctl.image.layout import ENTRY, HEADER, NEGATIVE_SOA, TYPES_AT, WIDE, WIDE_ENTRY
from dnsctl.model.name import Name
from dnsctl.model.rrset import RRset, Type

QUESTION_AT = 12  # octets of the message header, RFC 1035 §4.1.1
OWNER_POINTER = b"\xc0\x0c"
RECORD = struct.Struct("!HHHIH")  # owner pointer, type, class, TTL, length of rdata
RECORD_HEAD = RECORD.size
MAX_OFFSET = 0x3FFF  # a pointer has 14 bits
OFFSET_BITS = 14
MAX_HOPS = 8  # pointers that lead to pointers: decoders follow some 16
_CLASS_IN = 1
_RRSIG = int(Type.RRSIG)
_MAX_POINTER_PLACE = 0xFFFF
_NARROW_OCTETS = 0xFFFF  # what `ENTRY` can say of a node's body
_NARROW_COUNT = 0xFF  # and of the number of records, RRSIGs, names

# Octets before the names, and how many names follow, in rdata that may be compressed (RFC 3597 §4)
COMPRESSIBLE = {
    int(Type.NS): (0, 1),
    int(Type.CNAME): (0, 1),
    int(Type.SOA): (0, 2),
    int(Type.PTR): (0, 1),
    int(Type.MX): (2, 1),
    NEGATIVE_SOA: (0, 2),
}


class Entry(NamedTuple):
    """Where one RRset of a node stands. `start` is absolute in the node's value."""

    start: int
    plain: int
    full: int
    records: int
    signatures: int
    pointers: int


def encode_node(flags: int, depth: int, rrsets: list[tuple[int, RRset]], owner: Name) -> bytes:
    """Return the value of an owner. `rrsets`: (type code to file it under, RRset), ascending by code."""
    entries: list[tuple[int, int, int, int, int, int]] = []
    body, types = bytearray(), b""
    for code, one in rrsets:
        fragment, plain, pointers = _encode(code, one, owner)
        entries.append((len(body), plain, len(fragment), len(one.rdatas), len(one.signatures), len(pointers)))
        types += code.to_bytes(2, "big")
        body += fragment
        if pointers:
            body += struct.pack(f"!{len(pointers)}H", *pointers)
    layout = ENTRY
    if len(body) > _NARROW_OCTETS or any(max(entry[3:]) > _NARROW_COUNT for entry in entries):
        layout, flags = WIDE_ENTRY, flags | WIDE
    index = b"".join(layout.pack(*entry) for entry in entries)
    return HEADER.pack(flags, depth, len(rrsets)) + types + index + body


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


def _encode(code: int, one: RRset, owner: Name) -> tuple[bytes, int, list[int]]:
    """Return (fragment, octets of it without RRSIGs, places of pointers)."""
    names = COMPRESSIBLE.get(code)
    written, pointers = _compressed(one, names, owner) if names is not None else (one.rdatas, [])
    if pointers and pointers[-1] > _MAX_POINTER_PLACE:  # an RRset no message can hold: transfers only
        written, pointers = one.rdatas, []
    plain = _records(one.rdtype, one.ttl, written)
    return plain + _records(_RRSIG, one.ttl, one.signatures), len(plain), pointers


def _records(rdtype: int, ttl: int, rdatas: Iterable[bytes]) -> bytes:
    return b"".join([RECORD.pack(0xC00C, rdtype, _CLASS_IN, ttl, len(rdata)) + rdata for rdata in rdatas])


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


def name_end(rdata: bytes, at: int) -> int:
    """Return where the uncompressed name at `at` ends."""
    while rdata[at]:
        at += 1 + rdata[at]
    return at + 1


def node_types(value: bytes) -> list[int]:
    """Return the type codes of a node, ascending."""
    count = value[2] << 8 | value[3]
    return list(struct.unpack_from(f"!{count}H", value, TYPES_AT))


def find(value: bytes, code: int) -> Entry | None:
    """Return where the RRset filed under `code` stands in a node, or None."""
    count = value[2] << 8 | value[3]
    wanted = code.to_bytes(2, "big")
    end = TYPES_AT + 2 * count
    at = value.find(wanted, TYPES_AT, end)
    while at > 0 and at & 1:  # the second octet of one code and the first of the next
        at = value.find(wanted, at + 1, end)
    if at < 0:
        return None
    layout = WIDE_ENTRY if value[0] & WIDE else ENTRY
    offset, plain, full, records, signatures, pointers = layout.unpack_from(
        value, end + layout.size * ((at - TYPES_AT) >> 1)
    )
    return Entry(end + layout.size * count + offset, plain, full, records, signatures, pointers)


def pointer_places(value: bytes, entry: Entry) -> tuple[int, ...]:
    """Return where compressed names end in pointers, relative to the fragment's start."""
    return struct.unpack_from(f"!{entry.pointers}H", value, entry.start + entry.full)


def points_into_itself(value: bytes, entry: Entry, owner: Name) -> bool:
    """True where a pointer leads to another name of the same fragment."""
    return any(
        (value[entry.start + place] << 8 | value[entry.start + place + 1]) & MAX_OFFSET >= fragment_at(owner)
        for place in pointer_places(value, entry)
    )


def record_places(value: bytes, entry: Entry, end: int) -> list[int]:
    """Return the offsets of the records in the first `end` octets of the fragment."""
    places = []
    at = 0
    while at < end:
        places.append(at)
        here = entry.start + at + RECORD_HEAD - 2
        at += RECORD_HEAD + (value[here] << 8 | value[here + 1])
    return places


def decode(value: bytes, code: int, owner: Name) -> RRset:
    """Return the RRset filed under `code`, its rdata uncompressed. Raises ImageError where it has none."""
    entry = find(value, code)
    if entry is None:
        raise ImageError(f"no RRset of type {code} in the node")
    rdtype, ttl, rdatas, signatures = code, 0, [], []
    for place, rdata in rdatas_of(value, entry, owner):
        rdtype_here, ttl = struct.unpack_from("!HxxI", value, entry.start + place + 2)
        if place < entry.plain:
            rdtype = rdtype_here
            rdatas.append(rdata)
        else:
            signatures.append(rdata)
    return RRset(owner, rdtype, ttl, tuple(rdatas), None, tuple(signatures))


def rdatas_of(value: bytes, entry: Entry, owner: Name) -> Iterator[tuple[int, bytes]]:
    """Yield (offset of the record in the fragment, uncompressed rdata), RRSIGs included.

    `owner` is the one it was compiled for. Raises ImageError where pointers lead astray.
    """
    pointers = iter(pointer_places(value, entry) if entry.pointers else ())
    place = next(pointers, entry.full)
    start, at = entry.start, 0
    while at < entry.full:
        first = at + RECORD_HEAD
        end = first + (value[start + first - 2] << 8 | value[start + first - 1])
        rdata = b""
        while place < end:
            target = (value[start + place] << 8 | value[start + place + 1]) & MAX_OFFSET
            rdata += value[start + first : start + place] + _pointed_at(value, start, target, owner)
            first = place + 2
            place = next(pointers, entry.full)
        yield at, rdata + value[start + first : start + end]
        at = end


def _pointed_at(value: bytes, start: int, target: int, owner: Name) -> bytes:
    """Return the name that a pointer to `target` stands for; the fragment begins at `start` of `value`."""
    shift = start - fragment_at(owner)
    name = b""
    while target + shift >= start:
        at = target + shift
        while 0 < value[at] < 0xC0:
            at += 1 + value[at]
        name += value[target + shift : at]
        if not value[at]:
            return name + b"\0"
        further = (value[at] << 8 | value[at + 1]) & MAX_OFFSET
        if further >= target:
            raise ImageError("a pointer in a fragment does not lead backwards")
        target = further
    return name + owner[target - QUESTION_AT :]
