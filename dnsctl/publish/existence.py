"""Which names exist in a zone (RFC 4592 §2.2), and what a change does to answers.

By plain rules, for people and for probes, without the code that answers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from dnsctl.model import duration
from dnsctl.model.authority import answering_zone
from dnsctl.model.name import Name, canonical_key, is_subdomain, is_wildcard, to_text
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.soa import negative_ttl
from dnsctl.model.wildcards import covering_wildcard
from dnsctl.model.zone import Nodes
from dnsctl.publish.changes import RecordChange


class Whole(Protocol):
    """A zone in any state, with the data below its cuts kept apart."""

    @property
    def origin(self) -> Name: ...
    @property
    def nodes(self) -> Nodes: ...
    @property
    def cuts(self) -> frozenset[Name]: ...
    def occluder(self, owner: Name) -> Name | None: ...
    def get(self, owner: Name, rdtype: int) -> RRset | None: ...


class Existence:
    """The names of one zone."""

    def __init__(self, zone: Whole) -> None:
        self._zone = zone
        self._owners = list(zone.nodes)

    def exists(self, name: Name) -> bool:
        """True for owners and empty non-terminals (RFC 4592 §2.2.2)."""
        if name in self._zone.nodes:
            return True
        after = bisect_left(self._owners, canonical_key(name), key=canonical_key)
        return after < len(self._owners) and is_subdomain(self._owners[after], name)

    def covering_wildcard(self, name: Name) -> Name | None:
        """Return the wildcard that answers for `name`, which does not exist; None where there is none."""
        return covering_wildcard(name, self._zone.origin, self.exists)


class Effect(NamedTuple):
    """What clients will notice. `name` is a kebab-case id."""

    name: str
    owner: Name
    message: str


class Apexes(NamedTuple):
    """Which names are apexes of zones of ours, before and after."""

    before: Callable[[Name], bool]
    after: Callable[[Name], bool]


def effects(
    before: Whole | None, after: Whole, changes: tuple[RecordChange, ...], apexes: Apexes
) -> Iterator[Effect]:
    """Yield what clients of a changed zone will notice beyond the records.

    Of a new zone, only what answered for its names before.
    """
    if before is None:
        yield from _taken_over(after.origin, apexes)
        return
    if not changes:
        return
    was, will = Existence(before), Existence(after)
    for owner, types in _types_by_owner(changes).items():
        zone = answering_zone(owner, Type.A, apexes.after)
        if zone is not None and zone != after.origin:
            yield from _answered_elsewhere(owner, types, zone, before.cuts | after.cuts)
        elif owner != after.origin and not is_wildcard(owner):
            yield from _effects_on(owner, before, after, was, will)
    yield from _in_caches(before, changes, was)


def _types_by_owner(changes: tuple[RecordChange, ...]) -> dict[Name, set[int]]:
    found: dict[Name, set[int]] = {}
    for change in changes:
        found.setdefault(change.owner, set()).add(change.rdtype)
    return found


def _answered_elsewhere(owner: Name, types: set[int], zone: Name, cuts: frozenset[Name]) -> Iterator[Effect]:
    """Report data that another of our zones, below this one, hides, except the delegation to it."""
    delegating = {Type.NS, Type.DS} if owner == zone else set()
    glue = {Type.A, Type.AAAA} if zone in cuts else set()
    if not types <= delegating | glue:
        shown = f"{to_text(owner)} is answered by our zone {to_text(zone)}, whatever is here"
        yield Effect("answered-elsewhere", owner, shown)


def _taken_over(origin: Name, apexes: Apexes) -> Iterator[Effect]:
    above = answering_zone(origin, Type.A, apexes.before)
    if above is not None and above != origin:
        shown = f"{to_text(origin)} and all below it are no longer answered by {to_text(above)}"
        yield Effect("taken-over", origin, shown)


def removal_effects(origin: Name, apexes: Apexes) -> Iterator[Effect]:
    """Yield what clients will notice where a zone is no longer served, and one above it is."""
    above = answering_zone(origin, Type.A, apexes.after)
    if above is not None and above != origin:
        shown = f"{to_text(origin)} and all below it are answered by {to_text(above)} instead"
        yield Effect("left-to-parent", origin, shown)


def _effects_on(
    owner: Name, before: Whole, after: Whole, was: Existence, will: Existence
) -> Iterator[Effect]:
    existed, exists = was.exists(owner), will.exists(owner)
    shown = to_text(owner)
    if owner in after.cuts and owner not in before.cuts:
        yield Effect("delegated", owner, f"{shown} and all below it are referred to its name servers")
    elif owner in before.cuts and owner not in after.cuts:
        yield Effect("undelegated", owner, f"{shown} and all below it are no longer referred")
    elif after.occluder(owner) is not None:
        yield Effect("occluded", owner, f"{shown} is below a cut or DNAME, where it is not answered")
    elif existed and not exists:
        source = will.covering_wildcard(owner)
        if source is not None:
            yield Effect("from-wildcard", owner, f"{shown} is answered from {to_text(source)} instead")
        else:
            yield Effect("gone", owner, f"{shown} no longer exists: NXDOMAIN")
    elif exists and not existed and (source := was.covering_wildcard(owner)) is not None:
        yield Effect("own-records", owner, f"{shown} is no longer answered from {to_text(source)}")


def _in_caches(before: Whole, changes: tuple[RecordChange, ...], was: Existence) -> Iterator[Effect]:
    """Report how long caches may keep what was there: RRsets by their TTL, absence by RFC 2308 §5."""
    stale = [
        change.before.ttl for change in changes if change.before is not None and change.rdtype != Type.SOA
    ]
    if stale:
        yield Effect(
            "cached", before.origin, f"caches may hold replaced records for {duration.to_text(max(stale))}"
        )
    soa = before.get(before.origin, Type.SOA)
    if soa is not None and any(change.kind == "add" and not was.exists(change.owner) for change in changes):
        yield Effect(
            "negatively-cached",
            before.origin,
            f"caches may go on denying new names for {duration.to_text(negative_ttl(soa))}",
        )
