"""A zone as nodes must serve it, read from the control host's image owner by owner.

Nothing is decoded before it is asked for, so that looking at one owner of a million costs one look-up.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from dnsctl.errors import ImageError
from dnsctl.image import fragment
from dnsctl.image.layout import (
    CUT,
    DNAME_HERE,
    HEADER,
    OCCLUDED,
    Table,
    ZoneEntry,
    hash_key,
    owner_key,
    owner_of,
    zone_prefix,
)
from dnsctl.image.reader import Reader
from dnsctl.model.authority import answering_zone
from dnsctl.model.name import MAX_NAME, Name, ancestors, to_text, wildcard
from dnsctl.model.nsec3 import nsec3_owner
from dnsctl.model.rrset import RRset, Type
from dnsctl.verify.chain import Chain

_WALKED = 200  # owners that are walked past for each that is asked
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"


class Node(NamedTuple):
    """An owner and its RRsets. `cut`: a delegation; `occluded`: below a cut or DNAME; `dname`: holds one."""

    owner: Name
    cut: bool
    occluded: bool
    dname: bool
    rrsets: tuple[RRset, ...]

    def get(self, rdtype: int) -> RRset | None:
        """Return the RRset of this type, or None."""
        return next((one for one in self.rrsets if one.rdtype == rdtype), None)

    @property
    def types(self) -> frozenset[int]:
        return frozenset(one.rdtype for one in self.rrsets)


class ReleasedZone:
    """One zone of the release, for as long as `reader` is open. `chain` is None where it is not signed.

    `compared` collects the RRsets (owner, type) that were held against what is served.
    """

    def __init__(self, reader: Reader, entry: ZoneEntry, chain: Chain | None = None) -> None:
        self.entry = entry
        self.origin = entry.origin
        self.chain = chain
        self.compared: set[tuple[Name, int]] = set()
        self._reader = reader
        self._prefix = zone_prefix(entry.origin)

    @cached_property
    def soa(self) -> RRset:
        """Return the SOA RRset. Raises ImageError without one: such a zone cannot have been released."""
        found = self.rrset(self.origin, Type.SOA)
        if found is None:
            raise ImageError("the release has no SOA", where=to_text(self.origin))
        return found

    def node(self, owner: Name) -> Node | None:
        """Return the node of `owner`, or None where it has no records."""
        value = self._reader.owner(owner_key(owner, self.origin))
        return _node(owner, value, self.origin) if value is not None else None

    def holds(self, owner: Name) -> bool:
        """True where `owner` has records."""
        return self._reader.owner(owner_key(owner, self.origin)) is not None

    def rrset(self, owner: Name, rdtype: int) -> RRset | None:
        """Return the RRset of this owner and type, or None."""
        value = self._reader.owner(owner_key(owner, self.origin))
        if value is None or rdtype not in fragment.node_types(value):
            return None
        return fragment.decode(value, rdtype, owner, self.origin)

    def nsec3(self, digest: bytes) -> RRset | None:
        """Return the NSEC3 RRset of a hash (20 octets)."""
        value = self._reader.hashed(hash_key(digest, self.origin))
        if value is None:
            return None
        return fragment.decode(value, Type.NSEC3, nsec3_owner(digest, self.origin), self.origin)

    def answers(self, name: Name, rdtype: int) -> bool:
        """True where this zone answers a question, not another zone of the release."""
        return home(self._reader, name, rdtype) == self.origin

    def beside(self, name: Name, rdtype: int) -> ReleasedZone | None:
        """Return the zone of the release that answers a question, without its chain of trust."""
        origin = home(self._reader, name, rdtype)
        entry = self._reader.zone(origin) if origin is not None else None
        return ReleasedZone(self._reader, entry) if entry is not None else None

    def source_of(self, name: Name) -> Name | None:
        """Return the name whose data answer for `name`: itself where it exists, a wildcard, or None.

        RFC 4592 §3.3.1. Empty non-terminals stand for themselves, as wildcards too.
        """
        if self.exists(name):
            return name
        encloser = next(above for above in ancestors(name, self.origin) if self.exists(above))
        if len(encloser) + 2 > MAX_NAME:
            return None
        source = wildcard(encloser)
        return source if self.exists(source) else None

    def exists(self, name: Name) -> bool:
        """True where `name` or a name below it has data: empty non-terminals exist (RFC 4592 §2.2.2)."""
        return next(self._reader.nodes(Table.OWNERS, owner_key(name, self.origin)), None) is not None

    def nodes(self) -> Iterator[Node]:
        """Yield all owners in canonical order."""
        for key, value in self._reader.nodes(Table.OWNERS, self._prefix):
            yield _node(owner_of(key, self._prefix), value, self.origin)

    def sample(self, size: int, chance: random.Random) -> list[Node]:
        """Return at most `size` owners at random, in canonical order.

        Each is as likely as another, unless there are so many that walking past them would take longer than
        asking: then it is those that stand behind random names.
        """
        if self.entry.owners <= size:
            return list(self.nodes())
        if self.entry.owners > size * _WALKED:
            return self._behind_random_names(size, chance)
        wanted = sorted(chance.sample(range(self.entry.owners), size))
        found: list[Node] = []
        for number, (key, value) in enumerate(self._reader.nodes(Table.OWNERS, self._prefix)):
            if number == wanted[len(found)]:
                found.append(_node(owner_of(key, self._prefix), value, self.origin))
                if len(found) == size:
                    break
        return found

    def _behind_random_names(self, size: int, chance: random.Random) -> list[Node]:
        found: dict[bytes, Node] = {}
        for _ in range(size):
            cursor = self._reader.owner_cursor
            name = "".join(chance.choices(_LETTERS, k=4)).encode()
            if cursor.set_range(self._prefix + name) and cursor.key().startswith(self._prefix):
                key, value = cursor.item()
                found[key] = _node(owner_of(key, self._prefix), value, self.origin)
        return [found[key] for key in sorted(found)]


def home(reader: Reader, name: Name, rdtype: int) -> Name | None:
    """Return the apex of the zone of the release that answers a question; None where there is none."""
    return answering_zone(name, rdtype, lambda apex: reader.zone_bytes(zone_prefix(apex)) is not None)


def _node(owner: Name, value: bytes, apex: Name) -> Node:
    flags = HEADER.unpack_from(value)[0]
    rrsets = tuple(fragment.decode(value, code, owner, apex) for code in fragment.node_types(value) if code)
    return Node(owner, bool(flags & CUT), bool(flags & OCCLUDED), bool(flags & DNAME_HERE), rrsets)
