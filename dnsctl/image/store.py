"""An image on disk: one LMDB environment, many readers, one writer.

Open it after a fork, and once a process. A writer's changes are seen by nobody until it commits; the commit
is atomic and synced. The map is sized generously: it is address space, not memory or disk.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import lmdb

from dnsctl.errors import (
    DamagedImageError,
    ImageError,
    ImageReplacedError,
    RefusalRule,
    advice_for,
    advice_of,
)
from dnsctl.image.cursor import Cursor
from dnsctl.image.difference import Change
from dnsctl.image.digest import begins_bucket, bucket_digest, zone_digest
from dnsctl.image.layout import FORMAT, Table, ZoneEntry, apex_of, prefix_of, zone_prefix
from dnsctl.image.reader import (
    APEXES,
    COMMIT,
    GENERATION,
    JOURNAL,
    JOURNAL_LENGTH,
    LEFT_OUT,
    MANIFEST,
    SEALED,
    SETTINGS,
    Reader,
    Tables,
    last_number,
)
from dnsctl.model.name import Name, to_text

MAP_SIZE = 1 << 36  # 64 GiB of address space
_PAGE = 4096  # octets; LMDB copies a page to change it
_PAGES_A_CHANGE = 8  # the way down the tree of a node, and that of its bucket's digest
_PAGES_A_COMMIT = 64
_LEAST = 2 * _PAGE  # what LMDB writes first
_META_PAGE = min(os.sysconf("SC_PAGE_SIZE"), 0x8000)  # octets, as LMDB chooses it
_LAST_PAGE_AT = 136  # where both of LMDB's first pages keep the number of the last page (MDB_meta.mm_last_pg)
_MOST_UNWRITTEN = (1 << 17) * _META_PAGE  # octets that a transaction took and freed again (MDB_IDL_UM_MAX)
_READERS = 512
_LOCK_SIZE = 192 + (_READERS - 1) * 64  # octets of lock.mdb: LMDB's MDB_txninfo, and MDB_reader for each more
_FORMAT_KEY = b"format"
_BEYOND = "it counts pages beyond its end"
_DAMAGE = (  # what LMDB says of pages that it did not write
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.VersionMismatchError,
    lmdb.PageNotFoundError,
    lmdb.PageFullError,
    lmdb.CursorFullError,
    lmdb.IncompatibleError,
    lmdb.BadDbiError,
    lmdb.BadTxnError,
    lmdb.BadValsizeError,
    lmdb.ProblemError,
    lmdb.NotFoundError,
)


class Image:
    """An environment. Use `Image.open`; `reader` and `writer` begin transactions."""

    def __init__(self, environment: lmdb.Environment, tables: Tables) -> None:
        self._environment = environment
        self._tables = tables
        self._file = -1  # descriptor of the file, where it is written: the image may be moved (see `damage`)
        self._replaceable: tuple[Path, tuple[int, int] | None] | None = (
            None  # who writes it replaces it, if anybody
        )

    @classmethod
    def open(cls, path: Path, *, readonly: bool = True) -> Image:
        """Open the image in directory `path`; where not `readonly`, make it if it is missing.

        Raises ImageError where there is none, or it is damaged or of another format.
        """
        opened = identity(path)  # before it is open: what takes its place meanwhile is noticed
        try:
            if not readonly:
                path.mkdir(parents=True, exist_ok=True, mode=0o700)
            _allocate_lock(path)
            if counts_beyond_its_end(path):  # LMDB would map as many pages
                raise DamagedImageError(f"cannot open the image: {_BEYOND}", where=str(path))
            environment = lmdb.open(
                str(path),
                map_size=MAP_SIZE,
                readonly=readonly,
                create=not readonly,
                max_dbs=8,
                max_readers=_READERS,
            )
            environment.reader_check()  # processes that were killed hold no pages any longer
        except OSError as error:
            what = f"cannot open the image: {error.strerror or error}"
            raise ImageError(what, where=str(path), advice=advice_for(error.errno)) from None
        except lmdb.Error as error:
            raise fault_of(error, path, "cannot open the image") from None
        try:
            tables = Tables(lambda name: environment.open_db(name, create=not readonly))
            image = cls(environment, tables)
            image._check_format(readonly)
        except lmdb.NotFoundError:
            environment.close()
            raise DamagedImageError("is not an image, or an unfinished one", where=str(path)) from None
        except lmdb.Error as error:
            environment.close()
            raise fault_of(error, path, "cannot open the image") from None
        except BaseException:
            environment.close()
            raise
        if readonly:
            image._replaceable = path, opened
            return image
        try:
            image._file = os.open(path / "data.mdb", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            environment.close()
            what = f"cannot open the image: {error.strerror}"
            raise ImageError(what, where=str(path), advice=advice_for(error.errno)) from None
        return image

    def _check_format(self, readonly: bool) -> None:
        with self._environment.begin(db=self._tables.meta, write=not readonly) as transaction:
            found = transaction.get(_FORMAT_KEY)
            if found is None and not readonly:
                transaction.put(_FORMAT_KEY, b"%d" % FORMAT)
            elif found is None or not found.isdigit():
                raise DamagedImageError("the image has no format", where=self._environment.path())
            elif found != b"%d" % FORMAT:
                raise ImageError(
                    f"image of format {found.decode('ascii')}, this is for {FORMAT}",
                    where=self._environment.path(),
                    advice='see "A new version of dnsctl" in docs/operations.md',
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it. Raises ImageError for what LMDB refused, if that was not raised yet."""
        path = Path(self._environment.path())
        self.close()
        if isinstance(error, lmdb.Error):
            raise fault_of(error, path, "the image cannot be read") from error

    def close(self) -> None:
        self._environment.close()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def reader(self) -> Reader:
        """Begin a read transaction. Raises ImageReplacedError, as `renew` does, where that has happened."""
        return Reader(
            partial(self._environment.begin, db=self._tables.owners), self._tables, self._require_current
        )

    def reserve(self, octets: int) -> None:
        """Reserve disk space for a commit that writes `octets`, in the file itself: nobody can take it away.

        LMDB writes nothing before the commit. For the one process that writes; `give_back` ends it. Raises
        OSError, which names the file, where there is not as much.
        """
        used = self._used()
        before = os.fstat(self._file).st_size
        try:
            os.posix_fallocate(self._file, 0, max(before, used + octets))
        except OSError as error:
            os.ftruncate(self._file, before)
            path = Path(self._environment.path()) / "data.mdb"
            raise OSError(error.errno, error.strerror, str(path)) from None

    def give_back(self) -> None:
        """Give back what `reserve` took and no commit used: pages after the last one were never written."""
        with suppress(OSError, DamagedImageError):
            used = self._used()
            if os.fstat(self._file).st_size > used:
                os.ftruncate(self._file, used)

    def _used(self) -> int:
        """Return the octets of the file up to the last page that was ever committed.

        Raises DamagedImageError where that is far beyond its end.
        """
        used = int((self._environment.info()["last_pgno"] + 1) * self._environment.stat()["psize"])
        if _is_beyond(used, os.fstat(self._file).st_size):
            raise DamagedImageError(f"the image cannot be written: {_BEYOND}", where=self._environment.path())
        return used

    def _require_current(self) -> None:
        if self._replaceable is None:
            return
        path, opened = self._replaceable
        found = identity(path)
        if found is not None and found != opened:  # None: taken away; what is open stays whole
            raise ImageReplacedError("another image took this one's place", where=str(path))

    def writer(self) -> Writer:
        """Begin the one write transaction. Raises ImageError where LMDB refuses."""
        path = Path(self._environment.path())
        try:
            return Writer(
                partial(self._environment.begin, db=self._tables.owners, write=True), self._tables, path
            )
        except lmdb.Error as error:
            raise fault_of(error, path, "the image cannot be written") from None

    @contextmanager
    def trial(self) -> Iterator[Writer]:
        """Yield a writer whose changes are dropped at the end. Raises ImageError where LMDB refuses."""
        writer = self.writer()
        try:
            yield writer
        finally:
            writer.abort()


class Writer(Reader):
    """The one write transaction. As a context manager it commits, or aborts where the block raised."""

    def __init__(self, begin: Callable[[], lmdb.Transaction[bytes]], tables: Tables, path: Path) -> None:
        self._path = path
        super().__init__(begin, tables)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()

    def commit(self) -> None:
        try:
            self._transaction.commit()
        except lmdb.Error as error:
            raise fault_of(error, self._path, "the image cannot be written") from None

    def abort(self) -> None:
        self._transaction.abort()

    def renew(self) -> None:
        """A write transaction always sees its own state: nothing to do."""

    def room(self, changes: int, length: int) -> int:
        """Return how many octets the commit writes at most, after `changes` that are `length` octets long."""
        return min(self._octets(), (changes * _PAGES_A_CHANGE + _PAGES_A_COMMIT) * _PAGE + length)

    def _octets(self) -> int:
        """Return the size of all pages in use, with what is not committed yet."""
        stats = [
            self._transaction.stat(getattr(self._tables, name))
            for name in ("meta", "zones", "owners", "hashes", "buckets")
        ]
        return sum(
            each["psize"] * (each["branch_pages"] + each["leaf_pages"] + each["overflow_pages"])
            for each in stats
        )

    def set_release(
        self, generation: int, manifest: str, commit: str | None = None, settings: bytes = b""
    ) -> None:
        """Note which release the image holds; nothing vouches for it before `set_sealed`."""
        for key in SEALED:
            self._transaction.delete(key, db=self._tables.meta)
        self._transaction.put(GENERATION, b"%d" % generation, db=self._tables.meta)
        self._transaction.put(MANIFEST, manifest.encode("ascii"), db=self._tables.meta)
        for key, value in ((COMMIT, (commit or "").encode("ascii")), (SETTINGS, settings)):
            self._transaction.put(key, value, db=self._tables.meta)

    def set_sealed(self, manifest: bytes, certificate: bytes) -> None:
        """Keep the seals of the release in the image, so that whoever has the image can show them to others.

        Raises ImageError.
        """
        try:
            for key, sealed in zip(SEALED, (manifest, certificate), strict=True):
                self._transaction.put(key, sealed, db=self._tables.meta)
        except lmdb.Error as error:
            raise fault_of(error, self._path, "the image cannot be written") from None

    def set_left_out(self, origins: Iterable[Name]) -> None:
        """Note which zones are to be served and cannot be. See `Reader.left_out`."""
        listed = json.dumps(sorted(zone_prefix(origin).hex() for origin in origins)).encode()
        if listed != (self._meta(LEFT_OUT) or b"[]"):
            self._transaction.put(LEFT_OUT, listed, db=self._tables.meta)
            self._transaction.put(APEXES, b"%d" % (self.apexes_version + 1), db=self._tables.meta)

    def apply(self, changes: Iterable[Change]) -> frozenset[Name]:
        """Make the changes, renew the digests of what they touch, and return the zones touched.

        Raises ImageError where a zone's nodes then do not match the digest in its entry, where nodes stand
        outside any zone's entry, or where LMDB refuses; the caller must then abort.
        """
        try:
            return self._apply(changes)
        except lmdb.Error as error:
            raise fault_of(error, self._path, "the image cannot be written") from None

    def _apply(self, changes: Iterable[Change]) -> frozenset[Name]:
        put, delete = self._transaction.put, self._transaction.delete
        touched: dict[bytes, dict[Table, list[bytes]]] = {}  # zone prefix -> table -> keys
        last = {table: self._last_key(table) for table in Table}
        came_or_went = False
        for table, key, value in changes:
            database = self._tables.of(table)
            if table is Table.ZONES:
                touched.setdefault(key, {})
                came_or_went |= value is None or self.zone_bytes(key) is None
                if value is None:
                    self._drop(key)
            else:
                touched.setdefault(prefix_of(key), {}).setdefault(table, []).append(key)
            if value is None:
                delete(key, db=database)
            elif key > last[table]:
                put(key, value, db=database, append=True)  # leaves no page half empty
                last[table] = key
            else:
                put(key, value, db=database)
        for prefix, tables in touched.items():
            self._redigest(prefix, tables)
        if came_or_went:
            put(APEXES, b"%d" % (self.apexes_version + 1), db=self._tables.meta)
        self._note_change(list(touched))
        self._take()
        return frozenset(apex_of(prefix) for prefix in touched)

    def digest_with(self, origin: Name, changes: Iterable[Change]) -> str:
        """Return the digest that the zone `origin` has with `changes` of its nodes; make these changes.

        For a trial: its entry stays as it is. Raises ImageError where LMDB refuses, DamagedImageError where
        nodes beside those that change are not what was released.
        """
        prefix, told = zone_prefix(origin), tuple(changes)
        keys: dict[Table, list[bytes]] = {}
        for table, key, _ in told:
            keys.setdefault(table, []).append(key)
        try:
            for table, changed in keys.items():
                self._require_whole(table, prefix, changed)
            for table, key, value in told:
                if value is None:
                    self._transaction.delete(key, db=self._tables.of(table))
                else:
                    self._transaction.put(key, value, db=self._tables.of(table))
            for table, changed in keys.items():
                self._rebucket(table, prefix, sorted(changed))
        except lmdb.Error as error:
            raise fault_of(error, self._path, "the image cannot be written") from None
        return zone_digest(self.buckets(prefix))

    def _note_change(self, prefixes: list[bytes]) -> None:
        """Write into the journal which zones were touched, so that readers forget those only."""
        listed = [prefix.hex() for prefix in prefixes] if len(prefixes) <= JOURNAL_LENGTH else None
        known = self._journal()
        journal = [*known, (last_number(known) + 1, listed)][-JOURNAL_LENGTH:]
        self._transaction.put(JOURNAL, json.dumps(journal).encode(), db=self._tables.meta)

    def _last_key(self, table: Table) -> bytes:
        with self._transaction.cursor(self._tables.of(table)) as cursor:
            return bytes(cursor.key()) if cursor.last() else b""

    def _drop(self, prefix: bytes) -> None:
        """Delete all nodes and buckets of a zone."""
        for database, start in (
            (self._tables.owners, prefix),
            (self._tables.hashes, prefix),
            (self._tables.buckets, bytes([Table.OWNERS]) + prefix),
            (self._tables.buckets, bytes([Table.HASHES]) + prefix),
        ):
            with self._transaction.cursor(database) as cursor:
                found = cursor.set_range(start)
                while found and cursor.key().startswith(start):
                    found = cursor.delete()

    def _redigest(self, prefix: bytes, tables: dict[Table, list[bytes]]) -> None:
        for table, keys in tables.items():
            self._rebucket(table, prefix, sorted(keys))
        found = self.zone_bytes(prefix)
        if found is None:
            if next(self.nodes(Table.OWNERS, prefix), None) or next(self.nodes(Table.HASHES, prefix), None):
                raise ImageError("nodes of a zone that has no entry")
            return
        entry = ZoneEntry.from_bytes(found)
        if zone_prefix(entry.origin) != prefix:
            raise ImageError("an entry stands under another zone's key", where=to_text(entry.origin))
        if zone_digest(self.buckets(prefix)) != entry.digest:
            raise ImageError(
                "the zone's records do not match its digest",
                where=to_text(entry.origin),
                rule=RefusalRule.ZONE_DIFFERS,
            )

    def _rebucket(self, table: Table, prefix: bytes, keys: list[bytes]) -> None:
        """Renew the digests of all buckets that `keys` (ascending; set or deleted) are or were in."""
        mark = bytes([table])
        with self._transaction.cursor(self._tables.of(table)) as cursor:
            done_up_to = b""
            for key in keys:
                boundary = begins_bucket(key)
                if boundary and cursor.set_key(key) is False:
                    self._transaction.delete(mark + key, db=self._tables.buckets)
                if key < done_up_to:
                    continue
                start = self._bucket_start(cursor, prefix, key)
                end = self._rehash(cursor, mark, prefix, start)
                while boundary and end <= key:  # the key was or is the first of its bucket: the next one too
                    end = self._rehash(cursor, mark, prefix, end)
                done_up_to = end

    @staticmethod
    def _bucket_start(cursor: Cursor, prefix: bytes, key: bytes) -> bytes:
        """Return the key of the bucket that a node `key` is in, or would be did none begin at `key`."""
        found = cursor.prev() if cursor.set_range(key) else cursor.last()
        while found and cursor.key().startswith(prefix):
            if begins_bucket(cursor.key()):
                return bytes(cursor.key())
            found = cursor.prev()
        return prefix

    @staticmethod
    def _bucket(cursor: Cursor, prefix: bytes, start: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Return the nodes of the bucket `start`, and the key of the next one, or the end of the zone."""
        nodes: list[tuple[bytes, bytes]] = []
        end = prefix[:-1] + b"\1"  # above all keys of the zone
        found = cursor.set_range(start)
        while found:
            key, value = cursor.item()
            if not key.startswith(prefix):
                break
            if begins_bucket(key) and key != start and (nodes or start == prefix):  # the apex may begin one
                end = bytes(key)
                break
            nodes.append((key, value))
            found = cursor.next()
        return nodes, end

    def _require_whole(self, table: Table, prefix: bytes, keys: Iterable[bytes]) -> None:
        """Raise DamagedImageError where the nodes beside `keys` do not match the digests of their buckets."""
        mark = bytes([table])
        with self._transaction.cursor(self._tables.of(table)) as cursor:
            for start in {self._bucket_start(cursor, prefix, key) for key in keys}:
                nodes, _ = self._bucket(cursor, prefix, start)
                known = self._transaction.get(mark + start, db=self._tables.buckets)
                if known != (bucket_digest(nodes) if nodes else None):
                    raise DamagedImageError("its records do not match their digest", where=str(self._path))

    def _rehash(self, cursor: Cursor, mark: bytes, prefix: bytes, start: bytes) -> bytes:
        """Renew the digest of the bucket `start`; return the key of the next one, or the end of the zone."""
        nodes, end = self._bucket(cursor, prefix, start)
        if nodes:
            self._transaction.put(mark + start, bucket_digest(nodes), db=self._tables.buckets)
        else:
            self._transaction.delete(mark + start, db=self._tables.buckets)
        return end


def _allocate_lock(path: Path) -> None:
    """Allocate the whole file of LMDB's locks. Raises OSError.

    It is mapped: on a full disk, a write into a hole in it ends the process by SIGBUS.
    """
    lock = path / "lock.mdb"
    try:
        found = lock.stat()
        if found.st_blocks * 512 >= found.st_size or not lock.is_file():
            return
    except FileNotFoundError:
        pass
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:  # no such directory, a file system that is read only: LMDB knows what to do
        return
    try:
        os.posix_fallocate(descriptor, 0, max(_LOCK_SIZE, os.fstat(descriptor).st_size))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(lock)) from None
    finally:
        os.close(descriptor)


def fault_of(error: lmdb.Error, path: Path, what: str) -> ImageError:
    """Return what LMDB says of the image at `path`: that it is damaged, or what the system refused."""
    reason = str(error)
    for part in (path / "data.mdb", path / "lock.mdb"):
        with suppress(PermissionError):
            if part.is_dir():
                return DamagedImageError(f"{what}: a directory stands there", where=str(part))
    if is_cut_short(path):
        return DamagedImageError(f"{what}: its file is cut short", where=str(path))
    if counts_beyond_its_end(path):
        return DamagedImageError(f"{what}: {_BEYOND}", where=str(path))
    if isinstance(error, _DAMAGE) or "data format" in reason:  # of a version that LMDB never had
        return DamagedImageError(f"{what}: {reason}", where=str(path))
    reason = reason.rpartition(": ")[2]
    return ImageError(f"{what}: {reason}", where=str(path), advice=advice_of(reason))


def is_cut_short(path: Path) -> bool:
    """True where the file of the image at `path` does not even hold LMDB's first two pages."""
    try:
        return (path / "data.mdb").stat().st_size < _LEAST
    except OSError:
        return False


def counts_beyond_its_end(path: Path) -> bool:
    """True where LMDB's first pages count more pages than the file of the image at `path` can have."""
    try:
        with (path / "data.mdb").open("rb") as file:
            octets = file.read(_META_PAGE + _LAST_PAGE_AT + 8)
            size = os.fstat(file.fileno()).st_size
    except OSError:
        return False
    if len(octets) < _META_PAGE + _LAST_PAGE_AT + 8:
        return False
    last = max(struct.unpack_from("=Q", octets, first + _LAST_PAGE_AT)[0] for first in (0, _META_PAGE))
    return _is_beyond((last + 1) * _META_PAGE, size)


def _is_beyond(octets: int, size: int) -> bool:
    """True where a file of `size` octets cannot hold as many as LMDB counts in it."""
    return octets > size + _MOST_UNWRITTEN


def identity(path: Path) -> tuple[int, int] | None:
    """Return what distinguishes the image at `path` from one that replaces it; None where there is none."""
    try:
        found = (path / "data.mdb").stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
