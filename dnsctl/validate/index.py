"""An index of one zone, made in one pass: all rules use it, so that validation is linear in the zone's size.

It knows each RRset by its type, the empty non-terminals (RFC 4592 §2.2.2), and which owners are below a zone
cut or a DNAME. Rules ask for the types they are about and never walk the whole zone again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dnsctl.model.name import ROOT, Name, is_subdomain
from dnsctl.model.occlusion import Standing, cut_owners, dname_owners, is_authoritative, topmost, walk
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.zone import Zone


@dataclass(frozen=True, slots=True)
class Index:
    """`by_type`: type code to RRsets in canonical order; `occluded`: owner to the topmost cut or DNAME
    strictly above it; `strangers`: owners that are not in the zone at all; `cuts`: owners of NS below
    the apex; `dnames`: owners of DNAME."""

    zone: Zone
    by_type: Mapping[int, list[RRset]]
    empty_non_terminals: frozenset[Name]
    occluded: Mapping[Name, Name]
    strangers: tuple[Name, ...]
    cuts: frozenset[Name]
    dnames: frozenset[Name]

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
    """Walk `zone` once."""
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
