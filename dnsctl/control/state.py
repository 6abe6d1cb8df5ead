"""What the control host remembers, in SQLite: releases, and the audit log.

None of it is needed to serve, and any node has all of it except the audit log: a damaged database is put
aside unchanged, and a new one begun. Every write is one transaction in WAL mode, synced before it returns.
The clock is an argument: times are aware datetimes, kept as unix seconds. An object belongs to one thread, in
the process that holds the control host's lock. The audit log is written here, and read by `audit_log`.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from dnsctl.errors import DnsctlError, RefusalRule, SystemRefusalError, advice_for, is_shortage
from dnsctl.files.durable import TEMPORARY_PREFIX, make_directory, reserve
from dnsctl.model.json_value import Json
from dnsctl.release.manifest import Manifest

SCHEMA_VERSION = 2
_FORMER = 1  # with tables that nothing read: who served what since when stands in the audit log
_APPLICATION_ID = 0x444E5343  # "DNSC", so that `file` and we know our own
_JOURNAL = 65536  # octets that SQLite wants beside the database, about
_BUSY = 10.0  # seconds to wait for another process's write

_SCHEMA = """
CREATE TABLE releases (
    generation INTEGER PRIMARY KEY,
    manifest TEXT NOT NULL,
    parent TEXT,
    commit_id TEXT,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    removed INTEGER NOT NULL
) STRICT;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    reason TEXT NOT NULL,
    details TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_is_not_rewritten BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
"""


class StateError(DnsctlError):
    """The control host's state cannot be opened or written, or is of another version."""

    rule = RefusalRule.STATE


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """A release that was activated. `manifest` is its digest (hex), `changed` and `removed` count zones."""

    generation: int
    manifest: str
    parent: str | None
    commit: str | None
    created: datetime
    changed: int
    removed: int


# Of table releases, in the order of `ReleaseRecord`, with the time in seconds
_Row = tuple[int, str, str | None, str | None, int, int, int]


class ControlState:
    """The open database. A context manager; closing it leaves one file."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self.note = ""  # what a person should know about it

    @classmethod
    def open(cls, path: Path) -> ControlState:
        """Open `path` (`state/control.db`), made if missing or damaged (see `note`). Raises StateError."""
        try:
            return cls._open(path)
        except sqlite3.DatabaseError as error:
            if _is_refusal(error) and not path.is_dir():
                raise _refused(path, error) from None
            reason = "a directory stands there" if path.is_dir() else str(error)
        except (ValueError, OverflowError, TypeError) as error:  # text that is not UTF-8, years beyond ours
            reason = f"{type(error).__name__}: {error}"
        aside = _put_aside(path)
        try:
            state = cls._open(path)
        except sqlite3.DatabaseError as error:
            raise _refused(path, error) from None
        state.note = (
            f"{path}: was damaged ({reason}); it is kept as {aside.name}, and another is begun: only the log"
            " of who pushed and why is missing there"
        )
        return state

    @classmethod
    def _open(cls, path: Path) -> ControlState:
        """Open `path`. Raises sqlite3.DatabaseError, StateError."""
        try:
            make_directory(path.parent)
        except OSError as error:
            raise SystemRefusalError.of(error, path.parent) from None
        connection = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
        try:
            state = cls(connection, path)
            state._prepare()
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise sqlite3.DatabaseError(" ".join(found.split()))
            state.last_release()  # what is read of it can be read
        except BaseException:
            connection.close()
            raise
        return state

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        with self._begun():
            version, application = (
                self._connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("user_version", "application_id")
            )
            ours = application == _APPLICATION_ID
            if ours and version == SCHEMA_VERSION:
                return
            if ours and version == _FORMER:
                for table in ("activations", "observations"):
                    self._connection.execute(f"DROP TABLE IF EXISTS {table}")
                self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                return
            if version or application or self._connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                raise StateError(
                    f"is of schema version {version}, this dnsctl reads {SCHEMA_VERSION}",
                    where=str(self._path),
                    advice=_ADVICE,
                )
            for statement in _statements(_SCHEMA):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def record_release(self, manifest: Manifest) -> None:
        """Remember a release; again is harmless. Raises StateError for another of the same generation."""
        row = (
            manifest.generation,
            manifest.digest,
            manifest.parent,
            manifest.commit,
            manifest.created,
            len(manifest.zones),
            len(manifest.removed),
        )
        with self._transaction():
            found = self._connection.execute(
                "SELECT manifest FROM releases WHERE generation = ?", row[:1]
            ).fetchone()
            if found is None:
                self._connection.execute("INSERT INTO releases VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            elif found[0] != manifest.digest:
                raise StateError(
                    f"generation {manifest.generation} is already another release",
                    where=str(self._path),
                    rule=RefusalRule.ANOTHER_RELEASE,
                )

    def release(self, generation: int) -> ReleaseRecord | None:
        """Return the record of one release."""
        return self._release("WHERE generation = ?", generation)

    def last_release(self) -> ReleaseRecord | None:
        """Return the release with the highest generation; None before the first."""
        return self._release("ORDER BY generation DESC LIMIT 1")

    def audit(
        self,
        actor: str,
        action: str,
        reason: str = "",
        details: Mapping[str, Json] | None = None,
        *,
        when: datetime,
    ) -> None:
        """Add to the audit log, which is never rewritten. `details` must be JSON. Durable on return."""
        text = json.dumps(dict(details or {}), sort_keys=True)
        with self._transaction():
            self._connection.execute(
                "INSERT INTO audit (at, actor, action, reason, details) VALUES (?, ?, ?, ?, ?)",
                (_seconds(when), actor, action, reason, text),
            )

    def _release(self, condition: str, *values: str | int) -> ReleaseRecord | None:
        rows = self._rows(
            "SELECT generation, manifest, parent, commit_id, created, changed, removed FROM releases "  # noqa: S608
            + condition,  # a constant of this module
            *values,
        )
        for generation, manifest, parent, commit, created, changed, removed in rows:
            return ReleaseRecord(generation, manifest, parent, commit, _time(created), changed, removed)
        return None

    def _rows(self, query: str, *values: str | int) -> list[_Row]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise _refused(self._path, error) from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._begun():
                yield
        except sqlite3.Error as error:
            raise _refused(self._path, error) from None

    @contextmanager
    def _begun(self) -> Iterator[None]:
        """Commit what is done inside; roll all of it back where that raises."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk has rolled it back by itself
                self._connection.execute("ROLLBACK")
            raise


_ADVICE = (
    "move it away: no zone is lost, and releases are recorded again; only the log of who pushed is in it"
)
_REFUSALS = {  # by what the system refused, SQLite cannot be asked why: primary result code -> advice
    sqlite3.SQLITE_FULL: advice_for(errno.ENOSPC),
    sqlite3.SQLITE_IOERR: "free space on that disk, or check whether it is failing",
    sqlite3.SQLITE_CANTOPEN: _ADVICE,
    sqlite3.SQLITE_READONLY: "make it writable, its directory as well",
    sqlite3.SQLITE_BUSY: "another process writes it: end that, then try again",
    sqlite3.SQLITE_NOMEM: advice_for(errno.ENOMEM),
    sqlite3.SQLITE_PERM: advice_for(errno.EACCES),
}


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF  # without what is extended


def _is_refusal(error: sqlite3.Error) -> bool:
    """True where the system refuses; else the file holds what SQLite did not write."""
    return _code(error) in _REFUSALS


def _refused(path: Path, error: sqlite3.Error) -> DnsctlError:
    """Return the one line of `error`, with the reason, if it is known, that SQLite leaves out."""
    code = _code(error)
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY):
        try:
            _probe(path)
        except OSError as reason:
            told = SystemRefusalError.of(reason, path if is_shortage(reason) else "")
            if not is_shortage(reason):
                told.advice += f", or {_ADVICE}"
            return told
    return StateError(str(error), where=str(path), advice=_REFUSALS.get(code, _ADVICE))


def _probe(path: Path) -> None:
    """Do what SQLite does with a database: open its files, take disk space beside it. Raises OSError."""
    opened: list[int] = []
    try:
        for one in (path, *_beside(path)):
            if one.exists():
                opened.append(os.open(one, os.O_RDWR | os.O_CLOEXEC))
        opened += [os.dup(each) for each in opened]
        aside = path.with_name(f"{TEMPORARY_PREFIX}probe")
        reserve(aside, _JOURNAL)
        aside.unlink()
    finally:
        for each in opened:
            os.close(each)


def _beside(path: Path) -> tuple[Path, ...]:
    """Return the files that SQLite keeps beside a database."""
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def _put_aside(path: Path) -> Path:
    """Rename a damaged database, with what belongs to it. Raises SystemRefusalError."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    try:
        for one, other in zip((*_beside(path), path), (*_beside(aside), aside), strict=True):
            if one.exists():
                one.rename(other)
    except OSError as error:
        raise SystemRefusalError.of(error, path) from None
    return aside


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of `script` (`executescript` would commit the transaction they belong in)."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _seconds(when: datetime) -> int:
    if when.tzinfo is None:
        raise ValueError("a time without a time zone")
    return int(when.timestamp())


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
