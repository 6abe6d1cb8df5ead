"""Type bitmaps of NSEC, NSEC3 and CSYNC (RFC 4034 §4.1.2)."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=4096)  # a zone has few distinct sets of types, and many owners
def type_bitmap(types: tuple[int, ...]) -> bytes:
    """Return the window blocks of `types`; empty for none, as an empty non-terminal has."""
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
