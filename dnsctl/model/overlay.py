"""Nodes of a zone of which a few are other than in a zone that is kept elsewhere, and read owner by owner.

Code that knows of such nodes looks up the owners that it needs, and their neighbours. Other code may go over
all of them, as over any mapping in canonical order: that is right, and slow where the zone is large.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Set
from typing import Protocol

from dnsctl.model.facts import Facts
from dnsctl.model.name import Name, canonical_key, is_subdomain
from dnsctl.model.rrset import RRset

Node = tuple[RRset, ...]


class Kept(Protocol):
    """Nodes in canonical order that are found by owner, and by place."""

    def get_node(self, owner: Name) -> Node: ...  # empty where there is none
    def after(self, owner: Name) -> Name | None: ...  # strictly
    def before(self, owner: Name) -> Name | None: ...  # strictly
    def __iter__(self) -> Iterator[Name]: ...
    def __len__(self) -> int: ...


class Overlay(Mapping[Name, Node]):
    """`base` with the nodes of `changed` in place of its own; an empty one: the owner goes.

    `facts`: of what is written in the zone, so without what signing adds.
    """

    def __init__(self, base: Kept, changed: Mapping[Name, Node], facts: Facts) -> None:
        self.base = base
        self.changed = changed
        self.facts = facts
        self._came = sorted((each for each, node in changed.items() if node), key=canonical_key)

    def __getitem__(self, owner: Name) -> Node:
        found = self.changed.get(owner)
        if found is None:
            found = self.base.get_node(owner)
        if not found:
            raise KeyError(owner)
        return found

    def get_node(self, owner: Name) -> Node:
        return self.get(owner, ())

    def __iter__(self) -> Iterator[Name]:
        came = iter(self._came)
        coming = next(came, None)
        for owner in self.base:
            key = canonical_key(owner)
            while coming is not None and canonical_key(coming) < key:
                yield coming
                coming = next(came, None)
            if owner == coming or owner not in self.changed:
                yield owner
            if owner == coming:
                coming = next(came, None)
        while coming is not None:
            yield coming
            coming = next(came, None)

    def __len__(self) -> int:
        gone = sum(1 for owner in self.changed if self.base.get_node(owner))
        return len(self.base) - gone + len(self._came)

    def after(self, owner: Name) -> Name | None:
        """Return the next owner in canonical order, or None. `owner` need not exist."""
        place = bisect_right(self._came, canonical_key(owner), key=canonical_key)
        coming = self._came[place] if place < len(self._came) else None
        kept = self.base.after(owner)
        while kept is not None and kept in self.changed:
            kept = self.base.after(kept)
        return min((each for each in (coming, kept) if each is not None), key=canonical_key, default=None)

    def before(self, owner: Name) -> Name | None:
        """Return the owner before it in canonical order, or None. `owner` need not exist."""
        place = bisect_left(self._came, canonical_key(owner), key=canonical_key)
        coming = self._came[place - 1] if place else None
        kept = self.base.before(owner)
        while kept is not None and kept in self.changed:
            kept = self.base.before(kept)
        return max((each for each in (coming, kept) if each is not None), key=canonical_key, default=None)

    def stands_above(self, name: Name) -> bool:
        """True where an owner is below `name`."""
        following = self.after(name)
        return following is not None and is_subdomain(following, name)


class Holders(Set[Name]):
    """The owners of `nodes` with an RRset of one type; `but`: an owner that does not count."""

    def __init__(self, nodes: Overlay, rdtype: int, but: Name | None = None) -> None:
        self._nodes = nodes
        self._rdtype = rdtype
        self._but = but

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, bytes) or name == self._but:
            return False
        return any(one.rdtype == self._rdtype for one in self._nodes.get(Name(name), ()))

    def __iter__(self) -> Iterator[Name]:
        return (owner for owner in self._nodes if owner in self)

    def __len__(self) -> int:
        left_out = self._nodes.get(self._but, ()) if self._but is not None else ()
        count = self._nodes.facts.types.get(self._rdtype, 0)
        return count - any(one.rdtype == self._rdtype for one in left_out)
