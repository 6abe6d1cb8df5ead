"""Read a whole image and compare it with its digests: of buckets, of zones, of the table of all zones.

Nothing of it is decoded but the entries of zones, and memory does not grow with the image. What LMDB keeps
besides (pages in use, free pages) shows where reading fails. A damaged page can also end the process that
reads it, by SIGSEGV or SIGBUS, or keep it forever: inspect in a process that may end so.
"""

from __future__ import annotations

from dnsctl.errors import DamagedImageError
from dnsctl.image.digest import buckets_in, zone_digest
from dnsctl.image.layout import Table, ZoneEntry, apex_of, zone_prefix
from dnsctl.image.reader import Reader
from dnsctl.model.name import to_text


def inspect(reader: Reader, manifest: str = "", table: str = "") -> None:
    """Read all that `reader` sees. Raises DamagedImageError for the first thing that is not as it should be.

    `manifest` and `table`: digests of the release that the image says it holds, where they are known.
    Other exceptions come out where damage is met on the way; all of them say the same.
    """
    if manifest and reader.manifest != manifest:
        raise DamagedImageError("the image names another manifest than its generation has")
    reader.left_out(), reader.changes, reader.apexes_version  # read and parsed
    counts = dict.fromkeys((Table.OWNERS, Table.HASHES), 0)
    for prefix, value in reader.zone_items():
        _inspect_zone(reader, prefix, ZoneEntry.from_bytes(value), counts)
    for each, count in counts.items():
        if reader.count(each) != count:
            raise DamagedImageError("nodes stand outside all zones")
    if table and reader.table_digest() != table:
        raise DamagedImageError("the table of all zones has not the digest that the manifest names")


def _inspect_zone(reader: Reader, prefix: bytes, entry: ZoneEntry, counts: dict[Table, int]) -> None:
    if zone_prefix(entry.origin) != prefix:
        raise DamagedImageError("an entry stands under another zone's key", where=to_text(apex_of(prefix)))
    found = []
    for table in counts:
        for name, digest, count in buckets_in(prefix, reader.nodes(table, prefix)):
            found.append((table, name, digest))
            counts[table] += count
    if found != list(reader.buckets(prefix)) or zone_digest(found) != entry.digest:
        raise DamagedImageError("the zone's records do not match its digest", where=to_text(entry.origin))
