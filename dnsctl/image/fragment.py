"""Fragments: an RRset with its RRSIGs as the bytes of an answer to a question for its owner, and back.

Every record's owner is the pointer 0xC00C, as the question stands at offset 12. Names inside the rdata of
the types of RFC 1035 §3.3 (the only ones that may be compressed, RFC 3597 §4) end in a pointer to the
longest suffix they share with the owner, written as if the owner stood at offset 12. Where each such pointer
stands is listed behind the fragment, 2 octets each relative to its start, so that an answer whose owner
stands elsewhere can move them. RRSIGs follow the records, so that with and without DO are two slices.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from dnsctl.errors import ImageError
from dnsctl.image.layout import ENTRY, HEADER, NEGATIVE_SOA, TYPES_AT, WIDE, WIDE_ENTRY
from dnsctl.model.name import Name
from dnsctl.model.rrset import RRset, Type

QUESTION_AT = 12  # octets of the message header, RFC 1035 §4.1.1
OWNER_POINTER = b"\xc0\x0c"
RECORD = struct.Struct("!HHHIH")  # owner pointer, type, class, TTL, length of rdata
RECORD_HEAD = RECORD.size
_CLASS_IN = 1
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
    suffixes = _suffixes(owner)
    entries: list[tuple[int, int, int, int, int, int]] = []
    body, types = bytearray(), b""
    for code, one in rrsets:
        fragment, plain, pointers = _encode(code, one, suffixes)
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


def _suffixes(owner: Name) -> dict[bytes, int]:
    """Map each suffix of `owner` but the root to its offset. A wildcard is not in the question: left out."""
    found = {}
    position = 2 if owner[:2] == b"\x01*" else 0
    while owner[position]:
        found[owner[position:]] = position
        position += 1 + owner[position]
    return found


def _encode(code: int, one: RRset, suffixes: dict[bytes, int]) -> tuple[bytes, int, list[int]]:
    parts: list[bytes] = []
    pointers: list[int] = []
    at = 0
    names = COMPRESSIBLE.get(code)
    for rdata in one.rdatas:
        written = rdata
        if names is not None:
            written, places = _compress(rdata, *names, suffixes)
            pointers += [at + RECORD_HEAD + place for place in places]
        parts.append(RECORD.pack(0xC00C, one.rdtype, _CLASS_IN, one.ttl, len(written)) + written)
        at += RECORD_HEAD + len(written)
    plain = at
    for signature in one.signatures:
        parts.append(RECORD.pack(0xC00C, Type.RRSIG, _CLASS_IN, one.ttl, len(signature)) + signature)
    if pointers and pointers[-1] > _MAX_POINTER_PLACE:  # an RRset no message can hold: transfers only
        return _encode(code, one, {})
    return b"".join(parts), plain, pointers


def _compress(rdata: bytes, before: int, names: int, suffixes: dict[bytes, int]) -> tuple[bytes, list[int]]:
    """Return rdata with its names compressed towards the owner, and where the pointers stand in it."""
    out = bytearray(rdata[:before])
    places = []
    at = before
    for _ in range(names):
        end = name_end(rdata, at)
        while True:
            offset = suffixes.get(rdata[at:end])
            if offset is not None:
                places.append(len(out))
                out += (0xC000 | QUESTION_AT + offset).to_bytes(2, "big")
                break
            step = 1 + rdata[at]
            out += rdata[at : at + step]
            at += step
            if step == 1:
                break
        at = end
    out += rdata[at:]
    return bytes(out), places


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


def slice_of(value: bytes, code: bytes, signed: bool) -> tuple[int, bytes] | None:
    """Return (number of records, octets) of the RRset under `code` (2 octets), or None; not of WIDE nodes."""
    count = value[2] << 8 | value[3]
    end = TYPES_AT + 2 * count
    at = value.find(code, TYPES_AT, end)
    while at & 1:  # not found, or the second octet of one code and the first of the next
        if at < 0:
            return None
        at = value.find(code, at + 1, end)
    offset, plain, full, records, signatures, _ = ENTRY.unpack_from(
        value, end + ENTRY.size * ((at - TYPES_AT) >> 1)
    )
    start = end + ENTRY.size * count + offset
    if signed:
        return records + signatures, value[start : start + full]
    return records, value[start : start + plain]


def pointer_places(value: bytes, entry: Entry) -> tuple[int, ...]:
    """Return where compressed names end in pointers, relative to the fragment's start."""
    return struct.unpack_from(f"!{entry.pointers}H", value, entry.start + entry.full)


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
    """Yield (offset of the record in the fragment, uncompressed rdata), RRSIGs included."""
    pointers = pointer_places(value, entry) if entry.pointers else ()
    at = 0
    while at < entry.full:
        here = entry.start + at + RECORD_HEAD - 2
        length = value[here] << 8 | value[here + 1]
        first, end = at + RECORD_HEAD, at + RECORD_HEAD + length
        yield at, _expand(value, entry.start, first, end, [p for p in pointers if first <= p < end], owner)
        at = end


def _expand(value: bytes, start: int, first: int, end: int, pointers: list[int], owner: Name) -> bytes:
    out = b""
    for place in pointers:
        target = (value[start + place] << 8 | value[start + place + 1]) & 0x3FFF
        out += value[start + first : start + place] + owner[target - QUESTION_AT :]
        first = place + 2
    return out + value[start + first : start + end]
