"""A rule: a pure function from a scope (one zone among all of ours) to faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar, cast

from dnsctl.model.finding import Position, Severity
from dnsctl.model.name import ROOT, Name, name_end, to_text
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import RRset, Type, type_text
from dnsctl.model.zone import Zone
from dnsctl.validate.index import Index
from dnsctl.validate.landscape import OUTSIDE, Landscape, Place, Standing

_T = TypeVar("_T")
Certificates = Mapping[Name, tuple[str, ...]]  # owner to domains of certificate authorities


class Fault(NamedTuple):
    """What is wrong, where, and what to write instead."""

    position: Position
    message: str
    advice: str


class Reference(NamedTuple):
    """A name in the rdata of `rrset`, and what stands there among our zones."""

    rrset: RRset
    target: Name
    place: Place


@dataclass(frozen=True, slots=True)
class Scope:
    """One zone under validation. `policy`: how it will be signed here; None where it will not be.

    `certificates`: who issues certificates for names of the zone, as dnsctl.yaml says.
    """

    zone: Zone
    index: Index
    landscape: Landscape
    policy: Policy | None
    certificates: Certificates = field(default_factory=dict)
    _references: dict[int, tuple[Reference, ...]] = field(default_factory=dict, repr=False)
    _kept: dict[object, object] = field(default_factory=dict, repr=False)

    @property
    def origin(self) -> Name:
        return self.zone.origin

    @property
    def signed(self) -> bool:
        """True where the zone will be signed here, so that DNSSEC data is not the user's."""
        return self.policy is not None

    def once(self, find: Callable[[Scope], _T]) -> _T:
        """Return what `find` finds in this zone: several rules ask, and it is found once."""
        if find not in self._kept:
            self._kept[find] = find(self)
        return cast("_T", self._kept[find])

    def at(self, rrset: RRset | None = None) -> Position:
        """Return where `rrset` stands in its file, or the file."""
        if rrset is not None and rrset.position is not None:
            return rrset.position
        return Position(self.zone.file)

    def at_owner(self, owner: Name) -> Position:
        node = self.zone.nodes.get(owner)
        return self.at(node[0] if node else None)

    def references(self, rdtype: int) -> tuple[Reference, ...]:
        """Return the names that authoritative data of `rdtype` (and NS at cuts) leads to in our zones.

        Targets outside our zones and the root (a target that says "none") are left out.
        """
        if rdtype not in self._references:
            self._references[rdtype] = tuple(self._refer(rdtype))
        return self._references[rdtype]

    def _refer(self, rdtype: int) -> Iterator[Reference]:
        offset = NAME_AT[rdtype]
        last, place = ROOT, OUTSIDE  # neighbours often lead to the same name
        for one in self.index.authoritative(rdtype):
            for rdata in one.rdatas:
                target = name_in(rdata, offset)
                if target == ROOT:
                    continue
                if target != last:
                    last, place = target, self.landscape.find(target)
                if place.standing is not Standing.OUTSIDE:
                    yield Reference(one, target, place)


# Where the target's name starts in rdata (RFC 1035 §3.3, RFC 2782, RFC 6672, RFC 9460 §2.2).
NAME_AT: dict[int, int] = {
    Type.NS: 0,
    Type.CNAME: 0,
    Type.PTR: 0,
    Type.DNAME: 0,
    Type.SOA: 0,
    Type.MX: 2,
    Type.SRV: 6,
    Type.SVCB: 2,
    Type.HTTPS: 2,
}


def name_in(rdata: bytes, offset: int) -> Name:
    """Return the uncompressed name at `offset`, lower-cased; other fields may follow it."""
    return Name(rdata[offset : name_end(rdata, offset)].lower())


def named(one: RRset) -> str:
    """Return `owner TYPE`, as messages name an RRset."""
    return f"{to_text(one.owner)} {type_text(one.rdtype)}"


Check = Callable[[Scope], Iterator[Fault]]


class Rule(NamedTuple):
    """A row of the table. `fixed`: later stages rely on it, so dnsctl.yaml cannot lower it. `whole`: it tells
    of what is missing, which only a zone that was read completely shows. `types`: it has nothing to say of a
    zone without records of one of these types. `severity`: None is off, until `checks` gives it one."""

    name: str
    severity: Severity | None
    check: Check
    meaning: str
    fixed: bool = False
    whole: bool = False
    types: frozenset[int] = frozenset()
