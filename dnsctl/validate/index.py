"""An index of one zone, made in one pass: all rules use it, so that validation is linear in the zone's size.

It knows each RRset by its type, the empty non-terminals (RFC 4592 §2.2.2), and which owners are below a zone
cut or a DNAME. Rules ask for the types they are about and never walk the whole zone again.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property

from dnsctl.model.name import ROOT, Name, is_subdomain
from dnsctl.model.occlusion import Standing, cut_owners, dname_owners, is_authoritative, topmost, walk
from dnsctl.model.overlay import Overlay
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.zone import Zone


@dataclass(frozen=True, slots=True)
class Index:
    """`by_type`: type code to RRsets in canonical order; `occluded`: owner to the topmost cut or DNAME
    strictly above it; `strangers`: owners that are not in the zone at all; `cuts`: owners of NS below
    the apex; `dnames`: owners of DNAME."""

    zone: Zone
    by_type: Mapping[int, list[RRset]]
    empty_non_terminals: Container[Name]
    occluded: Mapping[Name, Name]
    strangers: tuple[Name, ...]
    cuts: Set[Name]
    dnames: Set[Name]

    def of(self, rdtype: int) -> list[RRset]:
        return self.by_type.get(rdtype, [])

    def authoritative(self, rdtype: int) -> list[RRset]:
        """Return RRsets of `rdtype` that the zone answers with: neither glue nor occluded."""
        if not self.occluded:
            return self.of(rdtype)
        return [each for each in self.of(rdtype) if each.owner not in self.occluded]

    def is_authoritative(self, one: RRset) -> bool:
        """True where the zone answers for an RRset of its own, and signs it."""
        if one.owner in self.occluded:
            return False
        return is_authoritative(one.rdtype, Standing.CUT if one.owner in self.cuts else Standing.DATA)

    def occluder(self, name: Name) -> Name | None:
        """Return the topmost cut or DNAME strictly above `name`, which need not exist."""
        return topmost(name, self.zone.origin, self.cuts, self.dnames)

    def names_exist(self, name: Name) -> bool:
        """True where `name` owns data or stands above an owner that does."""
        return name in self.zone.nodes or name in self.empty_non_terminals


def index_of(zone: Zone) -> Index:
    """Walk `zone` once; where it is an `Overlay`, look up what is asked for."""
    if isinstance(zone.nodes, Overlay):
        names = EmptyNonTerminals(zone.origin, zone.nodes)
        return Index(zone, ByType(zone), names, Occluded(zone), (), zone.cuts, zone.dnames)
    by_type: dict[int, list[RRset]] = {}
    empty: set[Name] = set()
    occluded: dict[Name, Name] = {}
    strangers: list[Name] = []
    origin, nodes = zone.origin, zone.nodes
    for owner, node, _, occluder in walk(origin, nodes):
        for one in node:
            rdtype = one.rdtype
            if rdtype in by_type:
                by_type[rdtype].append(one)
            else:
                by_type[rdtype] = [one]
        if owner == origin:
            continue
        if not owner.endswith(origin) or not is_subdomain(owner, origin):
            strangers.append(owner)
            continue
        above = owner[1 + owner[0] :]
        while above not in nodes and above not in empty and above not in (origin, ROOT):
            empty.add(Name(above))
            above = above[1 + above[0] :]
        if occluder is not None:
            occluded[owner] = occluder
    cuts = cut_owners(origin, by_type.get(Type.NS, ()))
    dnames = dname_owners(by_type.get(Type.DNAME, ()))
    return Index(zone, by_type, frozenset(empty), occluded, tuple(strangers), cuts, dnames)


class Focused(Overlay):
    """The same nodes; going over them yields the `changed` owners alone."""

    def __iter__(self) -> Iterator[Name]:
        return iter(self._came)

    def __len__(self) -> int:
        return len(self._came)


class EmptyNonTerminals(Container[Name]):
    """The empty non-terminals of a zone, found when asked for."""

    def __init__(self, origin: Name, nodes: Overlay) -> None:
        self._origin = origin
        self._nodes = nodes

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, bytes) or name == self._origin or not name.endswith(self._origin):
            return False
        return Name(name) not in self._nodes and self._nodes.stands_above(Name(name))


class Occluded(Mapping[Name, Name]):
    """The topmost cut or DNAME above each owner that has one."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def __getitem__(self, owner: Name) -> Name:
        above = self._zone.occluder(owner)
        if above is None or owner not in self._zone.nodes:
            raise KeyError(owner)
        return above

    def __iter__(self) -> Iterator[Name]:
        return (owner for owner in self._zone.nodes if owner in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return bool(self._zone.cuts or self._zone.dnames)


class ByType(Mapping[int, list[RRset]]):
    """The RRsets that going over a zone yields, by type; grouped when the first type is asked for."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    @cached_property
    def _found(self) -> dict[int, list[RRset]]:
        found: dict[int, list[RRset]] = {}
        for one in self._zone.rrsets():
            found.setdefault(one.rdtype, []).append(one)
        return found

    def __getitem__(self, rdtype: int) -> list[RRset]:
        return self._found[rdtype]

    def __iter__(self) -> Iterator[int]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)
