"""The changes that turn one image into another: the content of a release's delta."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dnsctl.image.compiler import CompiledZone
from dnsctl.image.layout import Table, zone_prefix
from dnsctl.image.reader import Reader
from dnsctl.model.name import Name


class Change(NamedTuple):
    """Set `key` of `table` to `value`, or delete it where `value` is None.

    Deleting a key of `zones` removes the zone with all its nodes.
    """

    table: Table
    key: bytes
    value: bytes | None


def difference(
    reader: Reader, compiled: Iterable[CompiledZone], removed: Iterable[Name] = ()
) -> Iterator[Change]:
    """Yield the changes that turn what `reader` sees into the compiled zones, without the removed ones.

    Zones in neither stay as they are. Nodes that are equal yield nothing; a zone's entry comes last.
    """
    for origin in removed:
        yield Change(Table.ZONES, zone_prefix(origin), None)
    for zone in compiled:
        prefix = zone_prefix(zone.entry.origin)
        for table, wanted in ((Table.OWNERS, zone.owners), (Table.HASHES, zone.hashes)):
            yield from _merge(table, reader.nodes(table, prefix), wanted)
        entry = zone.entry.to_bytes()
        if reader.zone_bytes(prefix) != entry:
            yield Change(Table.ZONES, prefix, entry)


def _merge(
    table: Table, present: Iterator[tuple[bytes, bytes]], wanted: dict[bytes, bytes]
) -> Iterator[Change]:
    unseen = dict(wanted)
    for key, value in present:
        new = unseen.pop(key, None)
        if new != value:
            yield Change(table, key, new)
    for key, new in unseen.items():
        yield Change(table, key, new)
