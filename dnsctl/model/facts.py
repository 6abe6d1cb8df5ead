"""What a zone as a whole says of its publication: few numbers, which a change of one owner changes a little.

`Facts` of a zone after a change are those before it, less the RRsets that go, and those that come: the zone
need not be walked. `content` is a sum of digests of RRsets, modulo 2^512, so that order does not matter. It
tells changes; it is not a seal: whoever can write the zone gains nothing from two zones of one sum.
"""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from dnsctl.model.name import Name, is_wildcard
from dnsctl.model.rrset import RRset, Type

_Key = TypeVar("_Key", bound=bytes | int)
_MODULUS = 1 << 512
_HEAD = struct.Struct("!BHIH")  # length of the owner, type, TTL, number of rdatas


@dataclass(frozen=True, slots=True)
class Facts:
    """Of RRsets without their signatures: how many there are of each of the `ttls` (seconds) and `types`, and
    at each of the `wildcards`; `content`: their sum. SOA is not in the sum: a release changes its serial.
    """

    ttls: Mapping[int, int]
    types: Mapping[int, int]
    wildcards: Mapping[Name, int]
    content: int

    @property
    def rrsets(self) -> int:
        return sum(self.types.values())

    @property
    def largest_ttl(self) -> int:
        """Return the largest TTL, in seconds; 0 without RRsets."""
        return max(self.ttls, default=0)

    def changed(self, gone: Iterable[RRset], came: Iterable[RRset]) -> Facts:
        """Return the facts without `gone`, which were counted, and with `came`."""
        less, more = facts_of(gone), facts_of(came)
        return Facts(
            _counted(self.ttls, less.ttls, more.ttls),
            _counted(self.types, less.types, more.types),
            _counted(self.wildcards, less.wildcards, more.wildcards),
            (self.content - less.content + more.content) % _MODULUS,
        )


def facts_of(rrsets: Iterable[RRset]) -> Facts:
    """Count `rrsets`, once."""
    ttls: Counter[int] = Counter()
    types: Counter[int] = Counter()
    wildcards: Counter[Name] = Counter()
    content = 0
    soa = int(Type.SOA)
    for owner, rdtype, ttl, rdatas, _, _ in rrsets:
        ttls[ttl] += 1
        types[rdtype] += 1
        if is_wildcard(owner):
            wildcards[owner] += 1
        if rdtype == soa:
            continue
        parts = [_HEAD.pack(len(owner), rdtype, ttl, len(rdatas)), owner]
        for each in rdatas:
            parts += (len(each).to_bytes(2, "big"), each)
        content += int.from_bytes(hashlib.blake2b(b"".join(parts)).digest(), "big")
    return Facts(ttls, types, wildcards, content % _MODULUS)


def _counted(
    known: Mapping[_Key, int], less: Mapping[_Key, int], more: Mapping[_Key, int]
) -> dict[_Key, int]:
    counts = Counter(known)
    counts.subtract(less)
    counts.update(more)
    return {key: count for key, count in counts.items() if count}
