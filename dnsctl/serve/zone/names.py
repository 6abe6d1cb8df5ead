"""Find names in a zone of the image: keys, neighbours in canonical order, closest encloser (RFC 4592 §3.3.1).

An empty non-terminal has no node: it exists where a key of the zone begins with its key.
"""

from __future__ import annotations

from typing import NamedTuple

from dnsctl.errors import ImageError
from dnsctl.image.fragment import Fragment, find, points_into_itself, rdatas_of
from dnsctl.image.layout import (
    CUT,
    DNAME_HERE,
    NEGATIVE_SOA,
    OCCLUDED,
    ZoneEntry,
    owner_key,
    owner_of,
    zone_prefix,
)
from dnsctl.image.reader import Reader
from dnsctl.model.name import MAX_LABEL, MAX_NAME, Name, name_end, parent, to_text
from dnsctl.model.rrset import Type


class Neighbours(NamedTuple):
    """The nodes before and behind a key that has none; `successor` is empty at the end of the table."""

    predecessor: bytes
    predecessor_value: bytes
    successor: bytes
    successor_value: bytes


class ZoneView:
    """One zone of the image as answers need it, made once a generation."""

    __slots__ = (
        "apex",
        "entry",
        "has_zones_below",
        "negative_soa",
        "origin",
        "prefix",
        "soa_cache",
        "soa_is_placed",
        "soa_names",
    )

    def __init__(self, reader: Reader, origin: Name, *, has_zones_below: bool = False) -> None:
        self.origin = origin
        self.has_zones_below = has_zones_below  # right below: a name of one more label may be their apex
        self.prefix = zone_prefix(origin)
        found = reader.zone_bytes(self.prefix)
        apex = reader.owner(self.prefix)
        soa = find(apex, NEGATIVE_SOA, origin) if apex is not None else None
        if found is None or apex is None or soa is None:
            raise ImageError("the image holds the zone in part only", where=to_text(origin))
        self.entry = ZoneEntry.from_bytes(found)
        self.apex = apex
        self.negative_soa: Fragment = soa
        rdata = next(rdatas_of(soa, origin))[1]
        end = name_end(rdata, 0)
        self.soa_names = (Name(rdata[:end]), Name(rdata[end : name_end(rdata, end)]))  # MNAME, RNAME
        self.soa_is_placed = points_into_itself(soa, origin)  # its octets depend on where it stands
        self.soa_cache: dict[tuple[int, bool], bytes] = {}  # (length of question name, DO) -> SOA behind it

    def key(self, name: Name) -> bytes:
        """Return the key of a name in this zone."""
        below = name[: len(name) - len(self.origin)]
        if below and below[0] + 1 == len(below) and b"\0" not in below and b"\1" not in below:
            return self.prefix + below[1:] + b"\0"
        return owner_key(name, self.origin)

    def name(self, key: bytes) -> Name:
        """Return the name of a key of this zone."""
        below = key[len(self.prefix) :]
        if below.count(0) == 1 and 1 not in below:
            return Name(bytes([len(below) - 1]) + below[:-1] + self.origin)
        return owner_of(key, self.prefix)

    def depth(self, key: bytes) -> int:
        """Return how many labels below the apex a key is."""
        return key.count(0, len(self.prefix))

    def ancestor(self, key: bytes, depth: int) -> bytes:
        """Return the key of the ancestor `depth` labels below the apex."""
        at = len(self.prefix)
        for _ in range(depth):
            at = key.index(0, at) + 1
        return key[:at]


def parent_key(key: bytes) -> bytes:
    """Return the key one label up (for keys below the apex)."""
    return key[: key.rindex(0, 0, -1) + 1]


def neighbours(reader: Reader, key: bytes) -> Neighbours:
    """Return what stands around `key` in the owners table: at least the apex stands before it."""
    cursor = reader.owner_cursor
    if cursor.set_range(key):
        successor, successor_value = cursor.item()
        cursor.prev()
    else:
        successor = successor_value = b""
        cursor.last()
    predecessor, predecessor_value = cursor.item()
    return Neighbours(predecessor, predecessor_value, successor, successor_value)


def closest_encloser(key: bytes, around: Neighbours) -> bytes:
    """Return the key of the longest existing ancestor of a name that does not exist (RFC 4592 §3.3.1)."""
    encloser = parent_key(key)
    while not (around.predecessor.startswith(encloser) or around.successor.startswith(encloser)):
        encloser = parent_key(encloser)
    return encloser


def occluder_of(
    reader: Reader, view: ZoneView, encloser: bytes, around: Neighbours
) -> tuple[bytes, bytes] | None:
    """Return (key, node) of the cut or DNAME that stands at or above the closest encloser, or None."""
    value = reader.owner(encloser)
    if value is not None:
        flags = value[0]
        if flags & OCCLUDED:
            return occluder(reader, view, encloser, value)
        return (encloser, value) if flags & (CUT | DNAME_HERE) else None
    for key, below in (
        (around.predecessor, around.predecessor_value),
        (around.successor, around.successor_value),
    ):
        if key.startswith(encloser) and below[0] & OCCLUDED and below[1] <= view.depth(encloser):
            return occluder(reader, view, key, below)
    return None


def occluder(reader: Reader, view: ZoneView, key: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Return (key, node) of what hides an occluded node."""
    above = view.ancestor(key, value[1])
    node = reader.owner(above)
    if node is None:
        raise ImageError("a node names an occluder that is not there", where=to_text(view.origin))
    return above, node


class LeftOut(Exception):  # noqa: N818 - says what the zone is
    """The zone that would answer is configured, and was left out for its errors."""


class Zones:
    """The zones a reader sees. Forgets what it knows of those that changed when that is something new.

    Those that were left out for their errors are among them: no zone above answers for them.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.views: dict[Name, ZoneView] = {}  # of the zones asked for
        self._see_apexes()

    def __len__(self) -> int:
        return len(self._apexes)

    def __contains__(self, origin: Name) -> bool:
        return origin in self._apexes

    def is_above(self, name: Name) -> bool:
        """True where a zone has its apex one label below `name`."""
        return name in self._above

    def is_of(self, reader: Reader) -> bool:
        """True where these are the zones of `reader`, brought up to what it sees now."""
        if self._reader is not reader:
            return False
        if self._epoch != reader.epoch:
            self._refresh()
        return True

    def _see_apexes(self) -> None:
        reader = self._reader
        self._epoch, self._changes = reader.epoch, reader.changes
        self._version = reader.apexes_version
        self._left_out = reader.left_out()
        self._apexes = self._left_out.union(reader.apexes())
        self._above = frozenset(parent(apex) for apex in self._apexes if len(apex) > 1)
        self.views.clear()

    def _refresh(self) -> None:
        reader = self._reader
        changed = reader.changed_since(self._changes)
        if changed is None or self._version != reader.apexes_version:
            self._see_apexes()
            return
        self._epoch, self._changes = reader.epoch, reader.changes
        for origin in changed:
            self.views.pop(origin, None)

    def find(self, qname: Name, rdtype: int) -> ZoneView | None:
        """Return the zone that answers: the nearest at or above `qname`; for DS the parent's if it is here.

        RFC 1034 §4.3.2 step 2, RFC 4035 §3.1.4.1. Raises LeftOut.
        """
        apexes = self._apexes
        name = qname
        while name not in apexes:
            if len(name) == 1:
                return None
            name = parent(name)
        if rdtype == Type.DS and name == qname and len(name) > 1:
            above = self.find(parent(name), 0)
            if above is not None:
                return above
        view = self.views.get(name)
        if view is None:
            if name in self._left_out:
                raise LeftOut(to_text(name))
            view = ZoneView(self._reader, name, has_zones_below=name in self._above)
            self.views[name] = view
        return view

    def nearby(self, octets: Name) -> ZoneView | None:
        """Return the zone at or above `octets` if it was asked for before and these may be a name; else None.

        None for the root: its records are not copied as they stand (see `message.sections`). Label lengths
        are checked down to the apex, which is a name.
        """
        if not 1 < len(octets) <= MAX_NAME:
            return None
        name = octets
        while name not in self._apexes:
            if len(name) < 2 or name[0] > MAX_LABEL:
                return None
            name = Name(name[1 + name[0] :])
        return self.views.get(name)
