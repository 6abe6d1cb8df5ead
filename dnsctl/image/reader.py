"""Read an image inside one LMDB transaction: entries of zones, nodes, neighbours, whole zones decoded.

A reader sees one generation, however long it lives; `renew` moves it to the newest. Keep it short or
renew it: a stale reader keeps replaced pages alive. A `Reader` on a write transaction sees what is not
yet committed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dnsctl.errors import ImageError
from dnsctl.image import fragment
from dnsctl.image.cursor import Cursor
from dnsctl.image.layout import Table, ZoneEntry, apex_of, owner_key, owner_of, zone_prefix
from dnsctl.model.name import Name, is_subdomain, to_text
from dnsctl.model.nsec3 import nsec3_owner
from dnsctl.model.packed import Packed, nsec3_unpacker, pack, unpack
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.zone import SignedZone

if TYPE_CHECKING:
    from lmdb import Transaction, _Database

GENERATION = b"generation"
MANIFEST = b"manifest"
SEALED = (b"sealed manifest", b"sealed certificate")  # of that release, as the release keys sealed them
SETTINGS = b"settings"  # of nodes, that came with the release
COMMIT = b"commit"  # that it was made from
APEXES = b"apexes"  # counts changes of the set of zones
LEFT_OUT = b"left out"  # zones that are to be served and cannot be: a JSON list of their prefixes
JOURNAL = b"journal"  # the last changes: number, then the prefixes of the zones touched, as JSON
JOURNAL_LENGTH = 64  # changes, and at most as many zones in each: beyond it a reader starts afresh

_EXPIRY = re.compile(rb'"expiry":([0-9]+)[,}]')  # of a `ZoneEntry`; before its name, which may be any text

Journal = list[tuple[int, list[str] | None]]


class Tables:
    """Handles of the named databases of one environment."""

    __slots__ = ("buckets", "hashes", "meta", "owners", "zones")

    def __init__(self, open_table: Callable[[bytes], _Database]) -> None:
        self.meta = open_table(b"meta")
        self.zones = open_table(b"zones")
        self.owners = open_table(b"owners")
        self.hashes = open_table(b"hashes")
        self.buckets = open_table(b"buckets")

    def of(self, table: Table) -> _Database:
        return (self.zones, self.owners, self.hashes)[table - 1]


class Reader:
    """One read transaction.

    `owner` and `hashed` return the node of an owner by `layout.owner_key`, of an NSEC3 by `layout.hash_key`,
    or None; `owner_cursor` and `hash_cursor` are for neighbour searches in those tables.
    """

    def __init__(
        self,
        begin: Callable[[], Transaction[bytes]],
        tables: Tables,
        require_current: Callable[[], None] = lambda: None,
    ) -> None:
        """`begin` begins transactions whose table is `owners` where none is named.

        `require_current` raises where another image is to be read.
        """
        self._begin = begin
        self._require_current = require_current
        require_current()
        self._transaction = begin()
        self._tables = tables
        self.epoch = 0  # changes whenever this reader may see something new
        self._take()

    def _take(self) -> None:
        self.epoch += 1
        self._entries: Journal | None = None
        self.owner_cursor: Cursor = self._transaction.cursor(self._tables.owners)
        self.hash_cursor: Cursor = self._transaction.cursor(self._tables.hashes)
        self._get = self._transaction.get
        # Without a method in between: these two are called for every question. The first without an argument
        # to be parsed: `owners` is the table that transactions begin with.
        self.owner: Callable[[bytes], bytes | None] = self._get
        self.hashed: Callable[[bytes], bytes | None] = partial(self._get, db=self._tables.hashes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._transaction.abort()

    def renew(self) -> None:
        """Move to the newest generation. Raises ImageReplacedError, and reads on in the old image then."""
        self._require_current()
        self._transaction.abort()
        self._transaction = self._begin()
        self._take()

    def _meta(self, key: bytes) -> bytes:
        value: bytes | None = self._get(key, db=self._tables.meta)
        return value or b""

    @property
    def generation(self) -> int:
        """Number of the release that is in the image; 0 before the first."""
        return int(self._meta(GENERATION) or b"0")

    @property
    def manifest(self) -> str:
        """Hex digest of the manifest of that release; empty before the first."""
        return self._meta(MANIFEST).decode("ascii")

    @property
    def sealed(self) -> tuple[bytes, bytes] | None:
        """The release's sealed manifest and certificate; None where the writer had none to keep."""
        manifest, certificate = (self._meta(key) for key in SEALED)
        return (bytes(manifest), bytes(certificate)) if manifest and certificate else None

    @property
    def released_commit(self) -> str | None:
        """The commit of that release; None where it has none, or an earlier version wrote the image."""
        return self._meta(COMMIT).decode("ascii") or None

    @property
    def settings(self) -> bytes:
        """The settings of nodes in the release, in canonical form; empty where it has none."""
        return bytes(self._meta(SETTINGS))

    @property
    def apexes_version(self) -> int:
        """Changes whenever a zone came or went."""
        return int(self._meta(APEXES) or b"0")

    def left_out(self) -> frozenset[Name]:
        """Return the zones that were to be in the image and had errors: they are answered SERVFAIL."""
        return frozenset(
            apex_of(bytes.fromhex(prefix)) for prefix in json.loads(self._meta(LEFT_OUT) or b"[]")
        )

    @property
    def changes(self) -> int:
        """Counts the changes ever made to the image."""
        return last_number(self._journal())

    def changed_since(self, changes: int) -> frozenset[Name] | None:
        """Return the zones touched since `changes` was that; None where it is not known any more."""
        touched: set[Name] = set()
        journal = self._journal()
        known = [prefixes for number, prefixes in journal if number > changes]
        if len(known) != last_number(journal) - changes:
            return None
        for prefixes in known:
            if prefixes is None:
                return None
            touched.update(apex_of(bytes.fromhex(prefix)) for prefix in prefixes)
        return frozenset(touched)

    def _journal(self) -> Journal:
        """Return the journal; it is read once for what this reader sees, and may be some 100 kB."""
        if self._entries is None:
            self._entries = [
                (number, prefixes) for number, prefixes in json.loads(self._meta(JOURNAL) or b"[]")
            ]
        return self._entries

    def apexes(self) -> Iterator[Name]:
        """Yield the apex of every zone, in canonical order."""
        with self._transaction.cursor(self._tables.zones) as cursor:
            for key in cursor.iternext(keys=True, values=False):
                yield apex_of(key)

    def zones(self) -> Iterator[ZoneEntry]:
        """Yield the entry of every zone, in canonical order."""
        with self._transaction.cursor(self._tables.zones) as cursor:
            for value in cursor.iternext(keys=False, values=True):
                yield ZoneEntry.from_bytes(value)

    def expiring(self, before: float) -> Iterator[ZoneEntry]:
        """Yield the entry of every zone with a signature that expires `before`, in unix seconds."""
        for _, value in self.zone_items():
            found = _EXPIRY.search(value)
            if found is not None and int(found[1]) < before:
                yield ZoneEntry.from_bytes(value)

    def zone_items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield (prefix, entry as stored) of every zone, in canonical order."""
        with self._transaction.cursor(self._tables.zones) as cursor:
            yield from cursor

    def count(self, table: Table) -> int:
        """Return how many keys `table` holds."""
        return int(self._transaction.stat(self._tables.of(table))["entries"])

    def zone(self, origin: Name) -> ZoneEntry | None:
        value = self.zone_bytes(zone_prefix(origin))
        return ZoneEntry.from_bytes(value) if value is not None else None

    def zone_bytes(self, prefix: bytes) -> bytes | None:
        """Return the entry of the zone with `prefix` as stored."""
        value: bytes | None = self._get(prefix, db=self._tables.zones)
        return value

    def table_digest(self) -> str:
        """Return the hex digest over the entries of all zones: two images with equal ones serve the same."""
        state = hashlib.sha256(b"dnsctl zone table 1")
        with self._transaction.cursor(self._tables.zones) as cursor:
            for key, value in cursor:
                state.update(len(key).to_bytes(2, "big") + key + len(value).to_bytes(4, "big") + value)
        return state.hexdigest()

    def nodes(self, table: Table, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) of one zone in key order. Do not change the table meanwhile."""
        with self._transaction.cursor(self._tables.of(table)) as cursor:
            if not cursor.set_range(prefix):
                return
            for key, value in cursor:
                if not key.startswith(prefix):
                    return
                yield key, value

    def buckets(self, prefix: bytes) -> Iterator[tuple[Table, bytes, bytes]]:
        """Yield (table, bucket key, digest) of a zone, ascending."""
        with self._transaction.cursor(self._tables.buckets) as cursor:
            for table in (Table.OWNERS, Table.HASHES):
                start = bytes([table]) + prefix
                found = cursor.set_range(start)
                while found and cursor.key().startswith(start):
                    yield table, cursor.key()[1:], cursor.value()
                    found = cursor.next()

    def node(self, owner: Name, origin: Name) -> tuple[RRset, ...]:
        """Return all RRsets of an owner of the zone `origin` decoded; nothing where it does not hold it."""
        value = self.owner(owner_key(owner, origin)) if is_subdomain(owner, origin) else None
        return () if value is None else _decoded(value, owner, origin)

    def owners(self, origin: Name) -> Iterator[Name]:
        """Yield the owners of a zone in canonical order."""
        prefix = zone_prefix(origin)
        for key, _ in self.nodes(Table.OWNERS, prefix):
            yield owner_of(key, prefix)

    def neighbour(self, owner: Name, origin: Name, *, after: bool) -> Name | None:
        """Return the owner of the zone next to `owner`, which is in the zone and need not exist, or None."""
        prefix, key = zone_prefix(origin), owner_key(owner, origin)
        with self._transaction.cursor(self._tables.owners) as cursor:
            found = cursor.set_range(key)
            if after and found and cursor.key() == key:
                found = cursor.next()
            elif not after:
                found = cursor.prev() if found else cursor.last()
            return owner_of(cursor.key(), prefix) if found and cursor.key().startswith(prefix) else None

    def get(self, owner: Name, rdtype: int, origin: Name) -> RRset | None:
        """Return one RRset of the zone `origin` decoded."""
        value = self.owner(owner_key(owner, origin))
        if value is None or rdtype not in fragment.node_types(value):
            return None
        return fragment.decode(value, rdtype, owner, origin)

    def rrsets(self, origin: Name) -> Iterator[RRset]:
        """Yield every RRset of a zone decoded, NSEC3 last; owners in canonical order."""
        prefix = zone_prefix(origin)
        for key, value in self.nodes(Table.OWNERS, prefix):
            yield from _decoded(value, owner_of(key, prefix), origin)
        for _, one in self.nsec3_rrsets(origin):
            yield one

    def nsec3_rrsets(self, origin: Name) -> Iterator[tuple[bytes, RRset]]:
        """Yield (hash, NSEC3 RRset) of a zone, ascending."""
        prefix = zone_prefix(origin)
        for key, value in self.nodes(Table.HASHES, prefix):
            digest = key[len(prefix) :]
            yield digest, fragment.decode(value, Type.NSEC3, nsec3_owner(digest, origin), origin)

    def signed_zone(self, origin: Name) -> SignedZone:
        """Return a whole zone decoded. Raises ImageError where the image does not hold it."""
        entry = self.zone(origin)
        if entry is None:
            raise ImageError("no such zone in the image", where=to_text(origin))
        prefix = zone_prefix(origin)
        nodes = {}
        for key, value in self.nodes(Table.OWNERS, prefix):
            owner = owner_of(key, prefix)
            nodes[owner] = pack(_decoded(value, owner, origin))
        hashes = {digest: pack((one,)) for digest, one in self.nsec3_rrsets(origin)}
        return SignedZone(
            origin=origin,
            nodes=Packed(nodes, unpack),
            serial=entry.serial,
            signed=entry.signed,
            nsec3=entry.nsec3,
            nsec3_nodes=Packed(hashes, nsec3_unpacker(origin)),
        )


def _decoded(value: bytes, owner: Name, origin: Name) -> tuple[RRset, ...]:
    """Return the RRsets of a node, without what it holds for negative answers."""
    return tuple(fragment.decode(value, code, owner, origin) for code in fragment.node_types(value) if code)


def last_number(journal: Journal) -> int:
    """Return the number of the newest change in `journal`; 0 before the first."""
    return journal[-1][0] if journal else 0
