"""The nodes of a zone in an image, read when they are asked for: as they are served, or as they were written.

They can be read while the reader is open, and no longer.
"""

from __future__ import annotations

from collections.abc import Iterator

from dnsctl.image.layout import ZoneEntry
from dnsctl.image.reader import Reader
from dnsctl.model.finding import Position
from dnsctl.model.name import Name, is_subdomain
from dnsctl.model.overlay import Node
from dnsctl.model.rrset import MADE_AT_APEX, MADE_BY_SIGNING


class ImageNodes:
    """Nodes of the zone with `entry`. `file`: where they were written, to leave out what signing adds, also
    the apex's keys; empty: they are as they are served.
    """

    def __init__(self, reader: Reader, entry: ZoneEntry, file: str = "") -> None:
        self._reader = reader
        self._origin = entry.origin
        self._owners = entry.owners
        self.digest = entry.digest
        self._file = file

    def get_node(self, owner: Name) -> Node:
        found = self._reader.node(owner, self._origin)
        if not self._file:
            return found
        made = MADE_AT_APEX if owner == self._origin else MADE_BY_SIGNING
        position = Position(self._file)
        return tuple(
            one._replace(position=position, signatures=()) for one in found if one.rdtype not in made
        )

    def after(self, owner: Name) -> Name | None:
        return self._reader.neighbour(owner, self._origin, after=True) if self._is_within(owner) else None

    def before(self, owner: Name) -> Name | None:
        return self._reader.neighbour(owner, self._origin, after=False) if self._is_within(owner) else None

    def _is_within(self, owner: Name) -> bool:
        return is_subdomain(owner, self._origin)

    def __iter__(self) -> Iterator[Name]:
        return self._reader.owners(self._origin)

    def __len__(self) -> int:
        return self._owners
