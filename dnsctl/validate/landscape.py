"""Look a name up among all our zones, as an answer for it would (RFC 1034 §4.3.2, RFC 4592).

Names outside every zone at hand are OUTSIDE: nothing is known of them, so rules pass them over.
Indexes of other zones are made when a name first leads there. `seen_from` one zone, a landscape remembers
what it is asked of the others, with a digest of each answer: as long as these are the same, and the zone
itself is, so is all that rules find in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final, NamedTuple

from dnsctl.model.name import MAX_NAME, ROOT, Name
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.wildcards import covering_wildcard
from dnsctl.model.zone import Zone
from dnsctl.validate.index import Index, index_of


class Standing(Enum):
    """What is found at a name."""

    OUTSIDE = "in no zone of ours"
    DELEGATED = "below a zone cut, in a zone that is not ours"
    REDIRECTED = "below a DNAME"
    PRESENT = "with data, its own or a wildcard's"
    EMPTY = "an empty non-terminal"
    MISSING = "does not exist"


class Place(NamedTuple):
    """`node` holds the RRsets an answer would be made of, for PRESENT; the DNAME, for REDIRECTED."""

    standing: Standing
    node: tuple[RRset, ...] = ()
    zone: Zone | None = None

    def get(self, rdtype: int) -> RRset | None:
        for each in self.node:
            if each.rdtype == rdtype:
                return each
        return None

    @property
    def has_address(self) -> bool:
        return self.get(Type.A) is not None or self.get(Type.AAAA) is not None


OUTSIDE = Place(Standing.OUTSIDE)


FIND: Final = "find"
AT: Final = "at or above"
ABOVE: Final = "above"
WHOLE: Final = "whole"


class Question(NamedTuple):
    """What a rule asks of zones other than the one it judges. `kind`: one of those above."""

    kind: str
    name: Name


class Answer(NamedTuple):
    """A digest of all that a rule may have seen, and the zone that it saw; None: there is none."""

    zone: Name | None
    digest: str


class Neighbour(NamedTuple):
    """The zone of ours at or above a name: what stands at that name in it, and at its apex.

    `partial`: something, or all, of the zone could not be read; `hidden`: the name is below a cut or DNAME.
    """

    origin: Name
    file: str
    here: tuple[RRset, ...]
    apex: tuple[RRset, ...]
    partial: bool
    hidden: bool


class Landscape:
    """All zones at hand, seen as resolvers see them. `home`: the zone that is judged.

    A part of `partial` zones could not be read. Such a zone tells nothing to others; `home` itself counts by
    what it has, and what it lacks proves nothing.
    """

    def __init__(
        self,
        zones: Mapping[Name, Zone],
        partial: frozenset[Name] = frozenset(),
        home: Name | None = None,
        indexes: dict[Name, Index] | None = None,
    ) -> None:
        self._zones = zones
        self._partial = partial
        self._home = home
        self._indexes: dict[Name, Index] = {} if indexes is None else indexes
        self.asked: dict[Question, Answer] = {}

    def seen_from(self, home: Name, index: Index | None = None) -> Landscape:
        """Return the same landscape; it remembers in `asked` what it is asked of zones other than `home`.

        `index`: of `home`, where it is not that of the whole zone.
        """
        indexes = self._indexes if index is None else {**self._indexes, home: index}
        return Landscape(self._zones, self._partial, home, indexes)

    def index(self, origin: Name) -> Index:
        found = self._index(origin)
        if self._home is not None and origin != self._home:
            self.asked[Question(WHOLE, origin)] = _whole(found.zone)
        return found

    def neighbour(self, name: Name, *, strictly: bool = False) -> Neighbour | None:
        """Return our zone with the longest origin that is `name` or above it."""
        zone = self._zone_above(name, strictly=strictly)
        found = None
        if zone is not None:
            index = self._index(zone.origin)
            here, apex = zone.nodes.get(name, ()), zone.nodes.get(zone.origin, ())
            partial, hidden = zone.origin in self._partial, name in index.occluded
            found = Neighbour(zone.origin, zone.file, here, apex, partial, hidden)
        if self._home is not None and (found is None or found.origin != self._home):
            self.asked[Question(ABOVE if strictly else AT, name)] = _of_neighbour(found)
        return found

    def find(self, name: Name) -> Place:
        place = self._find(name)
        if self._home is not None and (place.zone is None or place.zone.origin != self._home):
            self.asked[Question(FIND, name)] = self._of_place(name, place)
        return place

    def answer(self, question: Question) -> Answer:
        """Return what a rule would see now that asks `question`."""
        kind, name = question
        if kind == FIND:
            return self._of_place(name, self._find(name))
        if kind == WHOLE:
            return _whole(self._zones[name]) if name in self._zones else NOTHING
        return _of_neighbour(self.neighbour(name, strictly=kind == ABOVE))

    def zone_above(self, name: Name, *, strictly: bool = False) -> Zone | None:
        """Return all of our zone with the longest origin that is `name` or above it: see `neighbour`."""
        found = self.neighbour(name, strictly=strictly)
        if found is None:
            return None
        self.index(found.origin)
        return self._zones[found.origin]

    def is_partial(self, origin: Name) -> bool:
        """True for a zone, of a place that was found, of which something, or all, could not be read."""
        return origin in self._partial

    def _of_place(self, name: Name, place: Place) -> Answer:
        zone = place.zone or self._zone_above(name)  # what a zone lacks that is not whole is OUTSIDE
        if zone is None:
            return NOTHING
        told = (place.standing.name, zone.origin, zone.file, self.is_partial(zone.origin))
        return Answer(zone.origin, _digest(told, place.node))

    def _index(self, origin: Name) -> Index:
        found = self._indexes.get(origin)
        if found is None:
            found = self._indexes[origin] = index_of(self._zones[origin])
        return found

    def _zone_above(self, name: Name, *, strictly: bool = False) -> Zone | None:
        while True:
            if not strictly and name in self._zones:
                return self._zones[name]
            if name == ROOT:
                return None
            strictly = False
            name = Name(name[1 + name[0] :])

    def _find(self, name: Name) -> Place:
        zone = self._zone_above(name)
        if zone is None:
            return OUTSIDE
        if zone.origin in self._partial and zone.origin != self._home:
            return OUTSIDE  # a cut or a record that could not be read may take the place of what is there
        place = _place(self._index(zone.origin), name)
        if zone.origin in self._partial and place.standing is not Standing.REDIRECTED:
            is_own = any(each.owner == name for each in place.node)  # not a wildcard's: it may have its own
            told = place.has_address or place.get(Type.CNAME) is not None
            return place if is_own and told else OUTSIDE
        return place


NOTHING = Answer(None, "")


def _of_neighbour(found: Neighbour | None) -> Answer:
    if found is None:
        return NOTHING
    told = (found.origin, found.file, len(found.here), found.partial, found.hidden)
    return Answer(found.origin, _digest(told, (*found.here, *found.apex)))


def _whole(zone: Zone) -> Answer:
    return Answer(zone.origin, _digest((zone.origin, zone.file), zone.rrsets()))


def _digest(told: tuple[object, ...], rrsets: Iterable[RRset]) -> str:
    state = hashlib.blake2b(repr(told).encode(), digest_size=12)
    for one in rrsets:
        state.update(repr((one.owner, one.rdtype, one.ttl, one.rdatas)).encode())
    return state.hexdigest()


def _place(here: Index, name: Name) -> Place:
    zone = here.zone
    occluder = here.occluded.get(name)
    node = zone.nodes.get(name)
    if occluder is None and node is not None:
        return Place(Standing.DELEGATED if name in here.cuts else Standing.PRESENT, node, zone)
    if above := here.occluder(name):
        if above in here.cuts:
            return Place(Standing.DELEGATED, (), zone)
        dname = tuple(one for one in zone.nodes[above] if one.rdtype == Type.DNAME)
        return Place(Standing.REDIRECTED, dname, zone)
    if name in here.empty_non_terminals:
        return Place(Standing.EMPTY, (), zone)
    return _wildcard(here, name)


def _wildcard(here: Index, name: Name) -> Place:
    source = covering_wildcard(name, here.zone.origin, here.names_exist)
    node = here.zone.nodes.get(source) if source is not None else None
    if node is None:
        return Place(Standing.MISSING, (), here.zone)
    return Place(Standing.PRESENT, node, here.zone)


class Alias(NamedTuple):
    """Where following aliases from a name led: the names passed, in order, and the place of the last."""

    path: tuple[Name, ...]
    end: Place
    looped: bool


MAX_FOLLOWED = 32  # aliases; every resolver in use gives up earlier (Unbound 11, BIND 16, Knot Resolver 12)


def follow(landscape: Landscape, name: Name) -> Alias:
    """Follow CNAMEs and DNAMEs from `name` through our zones, until data, an end, a loop or the limit."""
    path: list[Name] = [name]
    seen = {name}
    while True:
        place = landscape.find(path[-1])
        found = redirection(place, path[-1])
        if found is None:
            return Alias(tuple(path), place, looped=False)
        target = found[1]
        if target in seen:
            return Alias((*path, target), place, looped=True)
        path.append(target)
        seen.add(target)
        if len(path) > MAX_FOLLOWED:
            return Alias(tuple(path), place, looped=False)


def answered(landscape: Landscape, name: Name) -> Place | None:
    """Return what our zones answer for `name`, None where an answer comes from elsewhere, or may."""
    place = landscape.find(name)
    if place.standing is Standing.REDIRECTED or place.get(Type.CNAME) is not None:
        place = follow(landscape, name).end
    if place.standing not in (Standing.PRESENT, Standing.EMPTY, Standing.MISSING) or place.zone is None:
        return None
    return None if landscape.is_partial(place.zone.origin) or place.get(Type.CNAME) is not None else place


def redirection(place: Place, name: Name) -> tuple[RRset, Name] | None:
    """Return the CNAME or DNAME at `place` and where it leads from `name`; None where there is none."""
    if place.standing is Standing.PRESENT:
        cname = place.get(Type.CNAME)
        if cname is not None:
            return cname, Name(cname.rdatas[0])
    elif place.standing is Standing.REDIRECTED:
        dname = place.get(Type.DNAME)
        if dname is not None:
            substituted = Name(name[: len(name) - len(dname.owner)] + dname.rdatas[0])
            if len(substituted) <= MAX_NAME:  # else YXDOMAIN (RFC 6672 §2.2)
                return dname, substituted
    return None
