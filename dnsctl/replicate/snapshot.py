"""A snapshot: a whole image as a delta from nothing, for nodes that are too far behind.

It has the format of any delta (see `dnsctl.release.delta`), and is read with the same bounds. The digest of
the table in its release's manifest vouches for it.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from dnsctl.errors import ReleaseError
from dnsctl.image.difference import Change
from dnsctl.image.layout import Table, zone_prefix
from dnsctl.image.reader import Reader
from dnsctl.release import delta

MAX_LENGTH = 2**38  # octets decompressed; the image itself is bounded by its map


def contents(reader: Reader) -> Iterator[Change]:
    """Yield all of an image as changes to an empty one; a zone's entry comes after its nodes."""
    for origin in reader.apexes():
        prefix = zone_prefix(origin)
        for table in (Table.OWNERS, Table.HASHES):
            for key, value in reader.nodes(table, prefix):
                yield Change(table, key, value)
        yield Change(Table.ZONES, prefix, reader.zone_bytes(prefix))


def encode(reader: Reader) -> Iterator[bytes]:
    """Yield the octets of a snapshot, a part at a time."""
    return delta.encode_parts(contents(reader))


def decode(path: Path) -> Iterator[Change]:
    """Yield the changes of the snapshot in the file at `path`. Raises ReleaseError where it is damaged."""
    try:
        with path.open("rb") as file:
            # A map is read like bytes, and a snapshot may be larger than what should be held in memory.
            octets = cast("bytes", mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:  # ValueError: the file is empty
        raise ReleaseError(f"snapshot cannot be read: {error}", where=str(path)) from None
    yield from delta.decode(octets, MAX_LENGTH)
