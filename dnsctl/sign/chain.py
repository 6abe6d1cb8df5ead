"""The denial chain of a signed zone, walked whole (RFC 4035 §2.3, RFC 5155 §7.1).

Every authoritative name, and with NSEC3 every empty non-terminal, must have its record, each record must
lead to the next, and each type bitmap must say what is there: a validator believes the record, not the zone.
Knows nothing of signatures: see `examine`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from dnsctl.model.name import Name, ancestors, canonical_key, to_text
from dnsctl.model.nsec3 import OPT_OUT, next_hash, nsec3_hash
from dnsctl.model.occlusion import Standing, denied_types, topmost, walk
from dnsctl.model.overlay import Holders, Overlay
from dnsctl.model.rrset import RRset, Type, type_text
from dnsctl.model.type_bitmap import bitmap_types, type_bitmap
from dnsctl.model.zone import Nodes, Nsec3Parameters
from dnsctl.sign.nsec import next_owner

_NSEC_TYPES = frozenset((Type.RRSIG, Type.NSEC))
_NONE: frozenset[int] = frozenset()


class Break(NamedTuple):
    """A fault in the chain, and the RRset where it shows. `harmless`: no validator minds."""

    at: RRset
    message: str
    harmless: bool = False


def breaks(
    origin: Name, nodes: Nodes, hashes: Mapping[bytes, RRset], parameters: Nsec3Parameters | None
) -> Iterator[Break]:
    """Yield all that is wrong with the chain that answers are made from: NSEC3 by `parameters`, else NSEC."""
    if parameters is None:
        yield from _nsec_breaks(origin, nodes)
    else:
        yield from _Nsec3Walk(origin, nodes, hashes, parameters).breaks()


# ── NSEC ──────────────────────────────────────────────────────────────────────────────────────────────────


def _nsec_breaks(origin: Name, nodes: Nodes) -> Iterator[Break]:
    first: Name | None = None
    before: _Link | None = None  # what must lead here
    for owner, node, standing, _ in walk(origin, nodes):
        if standing is Standing.OCCLUDED:
            continue
        if before is not None and not before.leads_to(owner):
            yield from _link_breaks(before, owner)
        for one in node:
            if one.rdtype == Type.NSEC:
                first = first or owner
                before = _Link(one, denied_types(node, standing))
                break
        else:
            before = None
            yield Break(node[0], f"{to_text(owner)} has no NSEC")
            continue
        if not before.types:
            message = f"the NSEC of {to_text(owner)} stands alone: the name exists, with nothing else"
            yield Break(before.rrset, message, harmless=True)
    if before is not None and first is not None and not before.leads_to(first):
        yield from _link_breaks(before, first)


class _Link(NamedTuple):
    """An NSEC RRset, and the types at its owner except those that come with it."""

    rrset: RRset
    types: tuple[int, ...]

    def leads_to(self, owner: Name) -> bool:
        """True where it is what signing here would make, octet for octet; another may be right too."""
        return self.rrset.rdatas == (owner + type_bitmap((*self.types, Type.RRSIG, Type.NSEC)),)


def _link_breaks(link: _Link, wanted: Name) -> Iterator[Break]:
    one = link.rrset
    where = to_text(one.owner)
    if len(one.rdatas) != 1:
        yield Break(one, f"{where} has {len(one.rdatas)} NSEC, where one is right")
    following, bitmap = next_owner(one.rdatas[0])
    if following != wanted:
        goes, expected = to_text(following), to_text(wanted)
        yield Break(one, f"the NSEC of {where} leads to {goes}, where {expected} follows")
    if fault := bitmap_fault(bitmap, frozenset(link.types) | _NSEC_TYPES):
        yield Break(one, f"the NSEC of {where} {fault}")


class Neighbours:
    """The authoritative owners of `nodes`, as the NSEC chain has them: the first one follows the last one."""

    def __init__(self, origin: Name, nodes: Overlay) -> None:
        self._origin = origin
        self._nodes = nodes
        self._cuts = Holders(nodes, Type.NS, but=origin)
        self._dnames = Holders(nodes, Type.DNAME)

    def standing(self, owner: Name) -> Standing:
        if topmost(owner, self._origin, self._cuts, self._dnames) is not None:
            return Standing.OCCLUDED
        return Standing.CUT if owner in self._cuts else Standing.DATA

    def after(self, owner: Name) -> Name:
        """Return the owner that follows; the apex, where none does."""
        found = self._nodes.after(owner)
        while found is not None and self.standing(found) is Standing.OCCLUDED:
            found = self._nodes.after(found)
        return self._origin if found is None else found

    def before(self, owner: Name) -> Name:
        """Return the owner before it, which is not the apex."""
        found = self._nodes.before(owner)
        while found is not None and self.standing(found) is Standing.OCCLUDED:
            found = self._nodes.before(found)
        return self._origin if found is None else found


def broken_links(origin: Name, nodes: Overlay, owners: Iterable[Name]) -> Iterator[Break]:
    """Yield what is wrong with the NSEC at `owners`, and with those before them that lead there."""
    neighbours = Neighbours(origin, nodes)
    links = {each for each in owners if each in nodes}
    links |= {neighbours.before(each) for each in owners if each != origin}
    for owner in sorted(links, key=canonical_key):
        node = nodes[owner]
        at = next((one for one in node if one.rdtype == Type.NSEC), None)
        if at is None:
            yield Break(node[0], f"{to_text(owner)} has no NSEC")
            continue
        link, following = _Link(at, denied_types(node, neighbours.standing(owner))), neighbours.after(owner)
        if not link.leads_to(following):
            yield from _link_breaks(link, following)


# ── NSEC3 ─────────────────────────────────────────────────────────────────────────────────────────────────


class _Nsec3Walk:
    """One walk over a chain of hashes; what the names of the zone account for is collected in `known`."""

    def __init__(
        self, origin: Name, nodes: Nodes, hashes: Mapping[bytes, RRset], parameters: Nsec3Parameters
    ) -> None:
        self._origin = origin
        self._nodes = nodes
        self._hashes = hashes
        self._parameters = parameters
        self._order = sorted(hashes)
        self._known: set[bytes] = set()

    def breaks(self) -> Iterator[Break]:
        yield from self._links()
        required: set[Name] = set()  # names that the chain must hold, empty non-terminals included
        empty: dict[Name, RRset] = {}  # with what stands below
        left_out: dict[Name, RRset] = {}
        for owner, node, standing, _ in walk(self._origin, self._nodes):
            if standing is Standing.OCCLUDED:
                continue
            insecure = standing is Standing.CUT and all(one.rdtype != Type.DS for one in node)
            found = self._found(owner)
            if found is None:
                if insecure and self._is_opted_out(owner):
                    left_out[owner] = node[0]
                    continue
                yield Break(node[0], f"{to_text(owner)} has no NSEC3")
            else:
                yield from self._bitmap(found, owner, node, standing, insecure=insecure)
            required.add(owner)
            for above in ancestors(owner, self._origin)[:-1]:
                if above in required:
                    break
                required.add(above)
                empty[above] = node[0]
        yield from self._empty(empty)
        yield from self._above_left_out(left_out, required)
        for digest in self._order:
            if digest not in self._known:
                one = self._hashes[digest]
                yield Break(one, f"{to_text(one.owner)} NSEC3 belongs to no name of the zone")

    def _links(self) -> Iterator[Break]:
        for place, digest in enumerate(self._order):
            one = self._hashes[digest]
            if len(one.rdatas) != 1:
                yield Break(one, f"{to_text(one.owner)} has {len(one.rdatas)} NSEC3, where one is right")
            if one.rdatas[0][1] & ~OPT_OUT:
                yield Break(one, f"{to_text(one.owner)} NSEC3 has unknown flags (RFC 5155 §8.2)")
            following, _ = next_hash(one.rdatas[0])
            if following != self._order[(place + 1) % len(self._order)]:
                yield Break(one, f"{to_text(one.owner)} NSEC3 does not lead to the next")

    def _hash(self, name: Name) -> bytes:
        return nsec3_hash(name, self._parameters.salt, self._parameters.iterations)

    def _found(self, name: Name) -> RRset | None:
        digest = self._hash(name)
        found = self._hashes.get(digest)
        if found is not None:
            self._known.add(digest)
        return found

    def _is_opted_out(self, name: Name) -> bool:
        """True where the NSEC3 that covers `name` has the Opt-Out flag (RFC 5155 §6)."""
        place = bisect_right(self._order, self._hash(name)) - 1
        return bool(self._order and self._hashes[self._order[place]].rdatas[0][1] & OPT_OUT)

    def _bitmap(
        self, found: RRset, owner: Name, node: tuple[RRset, ...], standing: Standing, *, insecure: bool
    ) -> Iterator[Break]:
        types = frozenset(denied_types(node, standing))
        # Between NSEC and NSEC3, some signers list what belongs to the other chain, and some do not.
        other = _NSEC_TYPES if any(one.rdtype == Type.NSEC for one in node) else _NONE
        _, bitmap = next_hash(found.rdatas[0])
        if not types and other:
            types = _NONE  # a name with an NSEC alone
        elif not insecure:
            types |= {Type.RRSIG}
        if fault := bitmap_fault(bitmap, types, other - types):
            yield Break(found, f"the NSEC3 of {to_text(owner)} {fault}")

    def _empty(self, names: Mapping[Name, RRset]) -> Iterator[Break]:
        for name, below in names.items():
            found = self._found(name)
            if found is None:
                yield Break(below, f"the empty non-terminal {to_text(name)} has no NSEC3 (RFC 5155 §7.1)")
            else:
                yield from self._says_empty(found, name)

    def _above_left_out(self, names: Mapping[Name, RRset], required: set[Name]) -> Iterator[Break]:
        """Empty non-terminals above unsigned delegations only may be left out with these (RFC 5155 §7.1)."""
        seen: set[Name] = set(required)
        for owner, below in names.items():
            for name in ancestors(owner, self._origin)[:-1]:
                if name in seen:
                    break
                seen.add(name)
                found = self._found(name)
                if found is not None:
                    yield from self._says_empty(found, name)
                elif not self._is_opted_out(name):
                    message = f"the empty non-terminal {to_text(name)} has no NSEC3, nor is it opted out"
                    yield Break(below, f"{message} (RFC 5155 §7.1)")

    def _says_empty(self, found: RRset, name: Name) -> Iterator[Break]:
        _, bitmap = next_hash(found.rdatas[0])
        if fault := bitmap_fault(bitmap, _NONE):
            yield Break(found, f"the NSEC3 of the empty non-terminal {to_text(name)} {fault}")


def bitmap_fault(bitmap: bytes, wanted: frozenset[int], optional: frozenset[int] = _NONE) -> str:
    """Return what is wrong with a type bitmap, or the empty string. `optional` types may be listed or not."""
    if bitmap == type_bitmap(tuple(sorted(wanted))):  # nearly always
        return ""
    try:
        listed = bitmap_types(bitmap)
    except ValueError as error:
        return f"has a {error}"
    lacking, foreign = wanted - listed, listed - wanted - optional
    parts = []
    if lacking:
        parts.append(f"{_types(lacking)}, not listed though there")
    if foreign:
        parts.append(f"{_types(foreign)}, listed and not there")
    if parts:
        return f"is wrong about {'; and about '.join(parts)}"
    if bitmap != type_bitmap(tuple(sorted(listed))):
        return "has a type bitmap that is not written as it must be (RFC 4034 §4.1.2)"
    return ""


def _types(types: frozenset[int]) -> str:
    return ", ".join(type_text(one) for one in sorted(types))
