"""Nodes of a zone as octets: a third of the memory that RRsets take, which are made anew when asked for.

Frozen mappings for `SignedZone`: where millions of RRsets are held, objects cost more than what is in them.
An RRset is type, TTL, numbers of rdatas and signatures (`_HEAD`), length of each (2 octets), their octets.
Owners are the keys. Positions are not kept: a signed zone is not what a person wrote.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TypeVar

from dnsctl.model.name import Name
from dnsctl.model.nsec3 import nsec3_owner
from dnsctl.model.rrset import RRset

_Key = TypeVar("_Key", bound=bytes)
_Value = TypeVar("_Value")
_HEAD = struct.Struct("!HIHH")
_PAIR = struct.Struct("!HH")  # lengths of one rdata and one signature


def pack(node: Iterable[RRset]) -> bytes:
    """Return the octets of the RRsets of one owner."""
    parts: list[bytes] = []
    for _, rdtype, ttl, rdatas, _, signatures in node:
        if len(rdatas) == len(signatures) == 1:  # nearly always
            one, other = rdatas[0], signatures[0]
            parts += (_HEAD.pack(rdtype, ttl, 1, 1), _PAIR.pack(len(one), len(other)), one, other)
            continue
        octets = (*rdatas, *signatures)
        parts.append(_HEAD.pack(rdtype, ttl, len(rdatas), len(signatures)))
        parts.append(struct.pack(f"!{len(octets)}H", *map(len, octets)))
        parts += octets
    return b"".join(parts)


def unpack(owner: Name, octets: bytes) -> tuple[RRset, ...]:
    """Return the RRsets of `owner` that `pack` made octets of."""
    node, at, size = [], 0, len(octets)
    while at < size:
        rdtype, ttl, count, signed = _HEAD.unpack_from(octets, at)
        at += _HEAD.size
        if count == signed == 1:
            first, second = _PAIR.unpack_from(octets, at)
            at += _PAIR.size
            middle, end = at + first, at + first + second
            node.append(RRset(owner, rdtype, ttl, (octets[at:middle],), None, (octets[middle:end],)))
            at = end
            continue
        lengths = struct.unpack_from(f"!{count + signed}H", octets, at)
        at += 2 * len(lengths)
        found = []
        for length in lengths:
            found.append(octets[at : at + length])
            at += length
        node.append(RRset(owner, rdtype, ttl, tuple(found[:count]), None, tuple(found[count:])))
    return tuple(node)


def nsec3_unpacker(origin: Name) -> Callable[[bytes, bytes], RRset]:
    """Return what makes the NSEC3 RRset of a hash of the zone `origin` of the octets of its node."""

    return partial(_nsec3_of, origin)


def _nsec3_of(origin: Name, digest: bytes, octets: bytes) -> RRset:
    (one,) = unpack(nsec3_owner(digest, origin), octets)
    return one


class Packed(Mapping[_Key, _Value]):
    """Values made by `unpack` of key and octets when asked for. Nobody may change `octets` any more."""

    __slots__ = ("_unpack", "octets")

    def __init__(self, octets: Mapping[_Key, bytes], unpack: Callable[[_Key, bytes], _Value]) -> None:
        self.octets = octets
        self._unpack = unpack

    def __getitem__(self, key: _Key) -> _Value:
        return self._unpack(key, self.octets[key])

    def __contains__(self, key: object) -> bool:
        return key in self.octets

    def __iter__(self) -> Iterator[_Key]:
        return iter(self.octets)

    def __len__(self) -> int:
        return len(self.octets)
