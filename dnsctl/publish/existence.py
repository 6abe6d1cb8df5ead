"""Which names exist in a zone (RFC 4592 §2.2), by plain rules, without the code that answers.

For people and for probes; what a change does to answers is in `effects`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Set
from functools import cached_property
from typing import Protocol

from dnsctl.model.name import Name, canonical_key, is_subdomain
from dnsctl.model.overlay import Overlay
from dnsctl.model.rrset import RRset
from dnsctl.model.wildcards import covering_wildcard
from dnsctl.model.zone import Nodes


class Whole(Protocol):
    """A zone in any state, with the data below its cuts kept apart."""

    @property
    def origin(self) -> Name: ...
    @property
    def nodes(self) -> Nodes: ...
    @property
    def cuts(self) -> Set[Name]: ...
    def occluder(self, owner: Name) -> Name | None: ...
    def get(self, owner: Name, rdtype: int) -> RRset | None: ...


class Existence:
    """The names of one zone."""

    def __init__(self, zone: Whole) -> None:
        self._zone = zone

    @cached_property
    def _owners(self) -> list[Name]:
        return list(self._zone.nodes)

    def exists(self, name: Name) -> bool:
        """True for owners and empty non-terminals (RFC 4592 §2.2.2)."""
        nodes = self._zone.nodes
        if name in nodes:
            return True
        if isinstance(nodes, Overlay):
            return nodes.stands_above(name)
        after = bisect_left(self._owners, canonical_key(name), key=canonical_key)
        return after < len(self._owners) and is_subdomain(self._owners[after], name)

    def covering_wildcard(self, name: Name) -> Name | None:
        """Return the wildcard that answers for `name`, which does not exist; None where there is none."""
        return covering_wildcard(name, self._zone.origin, self.exists)
