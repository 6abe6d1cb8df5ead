"""A zone in each of its states, one frozen type a state: `Zone -> ValidatedZone -> SignedZone`.

A `Zone` cannot be signed and a `ValidatedZone` cannot be edited. All three hold `nodes`: owner name to its
RRsets (sorted by type code), in DNSSEC canonical order of owners (RFC 4034 §6.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property

from dnsctl.model.alias import Alias
from dnsctl.model.facts import Facts, facts_of
from dnsctl.model.finding import Position
from dnsctl.model.name import Name, canonical_key
from dnsctl.model.occlusion import cut_owners, dname_owners, topmost
from dnsctl.model.overlay import Holders, Overlay
from dnsctl.model.rrset import RRset, Type

Nodes = Mapping[Name, tuple[RRset, ...]]


def nodes_of(rrsets: Iterable[RRset]) -> dict[Name, tuple[RRset, ...]]:
    """Group RRsets (at most one a type and owner) by owner, owners in canonical order, types ascending."""
    grouped: dict[Name, list[RRset]] = {}
    for one in rrsets:
        grouped.setdefault(one.owner, []).append(one)
    return {
        owner: tuple(sorted(grouped[owner], key=lambda each: each.rdtype))
        for owner in sorted(grouped, key=canonical_key)
    }


@dataclass(frozen=True)
class _Nodes:
    origin: Name
    nodes: Nodes = field(repr=False)

    def rrsets(self) -> Iterator[RRset]:
        for node in self.nodes.values():
            yield from node

    @cached_property
    def facts(self) -> Facts:
        """Facts about its RRsets; about those that are written, where it is an `Overlay`."""
        return self.nodes.facts if isinstance(self.nodes, Overlay) else facts_of(self.rrsets())

    def get(self, owner: Name, rdtype: int) -> RRset | None:
        for one in self.nodes.get(owner, ()):
            if one.rdtype == rdtype:
                return one
        return None

    @cached_property
    def cuts(self) -> Set[Name]:
        """Owners below the apex that hold NS, whether or not another cut or a DNAME stands above them."""
        if isinstance(self.nodes, Overlay):
            return Holders(self.nodes, Type.NS, but=self.origin)
        return cut_owners(self.origin, self.rrsets())

    @cached_property
    def dnames(self) -> Set[Name]:
        if isinstance(self.nodes, Overlay):
            return Holders(self.nodes, Type.DNAME)
        return dname_owners(self.rrsets())

    def occluder(self, owner: Name) -> Name | None:
        """Return the topmost zone cut or DNAME strictly above `owner`, or None where there is none."""
        return topmost(owner, self.origin, self.cuts, self.dnames)


@dataclass(frozen=True)
class Zone(_Nodes):
    """As loaded: nothing is promised but that each RRset parses. `file` is relative to the repo.

    `emptied`: names that the file has with an empty list of records. `aliases`: what is to become addresses
    (see `alias`), in the order of the file. `lenient`: places of records that octoDNS publishes whatever its
    checks say.
    """

    file: str = ""
    emptied: frozenset[Name] = frozenset()
    aliases: tuple[Alias, ...] = ()
    lenient: frozenset[Position] = frozenset()


@dataclass(frozen=True)
class ValidatedZone(_Nodes):
    """Fit to be served. Made by `dnsctl.validate.run` only."""

    file: str = ""
    emptied: frozenset[Name] = frozenset()


@dataclass(frozen=True)
class Nsec3Parameters:
    """NSEC3PARAM of a signed zone (RFC 5155 §4); iterations are 0 and salt empty in zones signed here."""

    iterations: int = 0
    salt: bytes = b""
    opt_out: bool = False


@dataclass(frozen=True)
class SignedZone(_Nodes):
    """Ready to be compiled: serial set; if `signed`, with DNSKEY, denial chain and RRSIGs in place.

    NSEC RRsets stand in `nodes`; NSEC3 RRsets, whose owners are hashes and not names of the zone, in
    `nsec3_nodes`: hash (20 octets) to RRset, ascending. An unsigned zone has neither. Both may make
    RRsets when asked (see `packed`): go over them again rather than keep all of a large zone.
    """

    serial: int = 0
    signed: bool = False
    nsec3: Nsec3Parameters | None = None
    nsec3_nodes: Mapping[bytes, RRset] = field(default_factory=dict, repr=False)


def is_presigned(zone: Zone | ValidatedZone) -> bool:
    """True for a zone that somebody else has signed: its apex holds signatures."""
    return any(one.signatures for one in zone.nodes.get(zone.origin, ()))
