"""Digests of zones, from digests of buckets of neighbouring nodes.

A bucket begins at each key whose CRC-32 ends in six zero bits (one in 64 on average) and reaches up to the
next such key; nodes before the first one of a zone belong to a bucket named by the zone's prefix. Where
buckets begin depends on the keys alone, so an image built at once and one changed step by step have the same
digests, a change re-hashes its own bucket only, and two nodes can be compared bucket by bucket.

A bucket's digest is SHA-256 over (key length, key, value length, value) of its nodes; a zone's is SHA-256
over (table, key length, bucket key, bucket digest) of its buckets.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping
from zlib import crc32

from dnsctl.image.layout import Table

_LENGTHS = struct.Struct("!HI")
_MASK = 0x3F  # one boundary in 64 keys


def begins_bucket(key: bytes) -> bool:
    """True where a bucket begins at `key`."""
    return not crc32(key) & _MASK


def bucket_digest(nodes: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the digest of (key, value) pairs in key order."""
    state = hashlib.sha256()
    for key, value in nodes:
        state.update(_LENGTHS.pack(len(key), len(value)) + key + value)
    return state.digest()


def buckets_of(prefix: bytes, nodes: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return bucket key -> digest for the nodes of one table of one zone, which are in key order."""
    return {name: digest for name, digest, _ in buckets_in(prefix, nodes.items())}


def buckets_in(prefix: bytes, nodes: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield (bucket key, digest, count of its nodes) for the nodes of one table of one zone, in key order."""
    name, members = prefix, list[tuple[bytes, bytes]]()
    for key, value in nodes:
        if begins_bucket(key):
            if members:
                yield name, bucket_digest(members), len(members)
            name, members = key, []
        members.append((key, value))
    if members:
        yield name, bucket_digest(members), len(members)


def zone_digest(buckets: Iterable[tuple[Table, bytes, bytes]]) -> str:
    """Return the hex digest of a zone from (table, bucket key, digest), tables and keys ascending."""
    state = hashlib.sha256(b"dnsctl zone digest 1")
    for table, key, digest in buckets:
        state.update(bytes([table]) + len(key).to_bytes(2, "big") + key + digest)
    return state.hexdigest()
