"""Denial of existence with NSEC (RFC 4034 §4), and the type bitmaps that NSEC3 shares.

Invariant: the chain holds each authoritative owner once, in canonical order, and the last one names the
first. Does not sign: see `rrsig`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from dnsctl.model.name import Name
from dnsctl.model.rrset import RRset, Type


@lru_cache(maxsize=4096)  # a zone has few distinct sets of types, and many owners
def type_bitmap(types: tuple[int, ...]) -> bytes:
    """Return the window blocks of `types` (RFC 4034 §4.1.2); empty for none, as an empty non-terminal has."""
    windows: dict[int, bytearray] = {}
    for rdtype in sorted(types):
        bits = windows.setdefault(rdtype >> 8, bytearray())
        octet = (rdtype & 0xFF) >> 3
        bits.extend(bytes(octet + 1 - len(bits)))
        bits[octet] |= 0x80 >> (rdtype & 7)
    return b"".join(bytes((window, len(bits))) + bits for window, bits in windows.items())


def bitmap_types(bitmap: bytes) -> frozenset[int]:
    """Return the types in window blocks. Raises ValueError where they are malformed."""
    types: set[int] = set()
    position = 0
    while position < len(bitmap):
        if position + 2 > len(bitmap):
            raise ValueError("truncated type bitmap")
        window, length = bitmap[position], bitmap[position + 1]
        bits = bitmap[position + 2 : position + 2 + length]
        if not 1 <= length <= 32 or len(bits) != length:
            raise ValueError("malformed type bitmap")
        types.update(
            window << 8 | octet << 3 | bit
            for octet, value in enumerate(bits)
            for bit in range(8)
            if value & 0x80 >> bit
        )
        position += 2 + length
    return frozenset(types)


def chain(owned: Iterable[tuple[Name, tuple[int, ...]]], ttl: int) -> Iterator[RRset]:
    """Yield an NSEC RRset for each of `owned`: authoritative owners in canonical order with their types.

    `types` come without RRSIG and NSEC, which every owner of an NSEC has (RFC 4035 §2.3).
    """
    first: Name | None = None
    owner: Name | None = None
    types: tuple[int, ...] = ()
    for following, its_types in owned:
        if owner is None:
            first = following
        else:
            yield _record(owner, following, types, ttl)
        owner, types = following, its_types
    if owner is not None and first is not None:
        yield _record(owner, first, types, ttl)


def _record(owner: Name, following: Name, types: tuple[int, ...], ttl: int) -> RRset:
    rdata = following + type_bitmap((*types, Type.RRSIG, Type.NSEC))
    return RRset(owner, Type.NSEC, ttl, (rdata,))


def next_owner(rdata: bytes) -> tuple[Name, bytes]:
    """Split NSEC rdata into the next owner name and the type bitmap."""
    end = 0
    while rdata[end]:
        end += 1 + rdata[end]
    return Name(rdata[: end + 1].lower()), rdata[end + 1 :]
