"""What was found of each zone file, kept from one command to the next: an equal file is not read again.

A row a zone: the files that it was read from, by their objects in git; what readers and rules found; what
rules asked of other zones, with a digest of each answer; and how the zone was when it was last found at rest:
served as its file and its keys ask. All rows are of one tree of files in git, and of one version of this
code: with another, or where the file cannot be read, there are none.

Beside them stands for which keys and which release all was written down that `control.settling` does.
Nothing depends on any of it: losing it only costs time. So no failure here ends a command.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import dns.version
import yaml

from dnsctl.model.name import Name, canonical_key, from_canonical_key
from dnsctl.publish.known import (
    COLUMNS,
    NOTHING_KEPT,
    Known,
    KnownZones,
    Remembered,
    Rest,
    Seen,
    findings_of,
    findings_text,
    rest_text,
    row_of,
)
from dnsctl.validate.landscape import Answer, Question

if TYPE_CHECKING:
    import sqlite3

_FORMAT = 2  # of the tables and of what is in them
_BUSY = 2.0  # seconds to wait for another process
_PACKAGES = ("load", "model", "publish", "sign", "validate")  # whose code decides what is found

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS zones (
    zone BLOB PRIMARY KEY, place BLOB NOT NULL, files TEXT NOT NULL, read TEXT NOT NULL,
    settings TEXT NOT NULL, day TEXT NOT NULL, faults TEXT NOT NULL, findings TEXT NOT NULL,
    rest TEXT NOT NULL, due REAL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sources (
    path TEXT NOT NULL, zone BLOB NOT NULL, PRIMARY KEY (path, zone)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sources_zone ON sources (zone);
CREATE TABLE IF NOT EXISTS asked (
    asker BLOB NOT NULL, kind TEXT NOT NULL, name BLOB NOT NULL, zone BLOB NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (asker, kind, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS asked_zone ON asked (zone) WHERE zone != x'';
CREATE INDEX IF NOT EXISTS asked_name ON asked (name);
"""

Asked = Mapping[Question, Answer]
_AskedRow = tuple[bytes, str, bytes, bytes, str]


class Memory:
    """The database at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def recall(self) -> Remembered:
        """Return what is known."""
        with self._open() as database:
            if database is None:
                return Remembered()
            database.execute("BEGIN")  # all of one state
            about = dict(database.execute("SELECT key, value FROM about"))
            number = _number(database)
            if about.get("key") != digest_of_code():
                return Remembered(number)
            rows = database.execute(f"SELECT {COLUMNS} FROM zones ORDER BY place")  # noqa: S608 - constant
            zones = KnownZones({Name(row[0]): row for row in rows})
            [(due,)] = database.execute("SELECT min(due) FROM zones")
            try:
                return replace(
                    _about(about), number=number, zones=zones, due=math.inf if due is None else due
                )
            except (ValueError, TypeError, KeyError, IndexError):
                return Remembered(number)
        return Remembered()

    def readers(self, before: Remembered, paths: Iterable[str]) -> set[Name] | None:
        """Return the zones that were read from one of `paths`; None as of `asked`."""
        with self._open() as database:
            if database is not None and _is_at(database, before):
                query = "SELECT zone FROM sources WHERE path = ?"
                return {Name(zone) for path in paths for (zone,) in database.execute(query, (_text(path),))}
        return None

    def asked(
        self, before: Remembered, zones: Iterable[Name], apexes: Iterable[Name]
    ) -> dict[Name, dict[Question, Answer]] | None:
        """Return what was answered from `zones`, or asked for names at or below `apexes`, by who asked.

        None where it cannot be read, or is not of the state that `before` is of.
        """
        with self._open() as database:
            if database is not None and _is_at(database, before):
                found: dict[Name, dict[Question, Answer]] = {}
                rows = [*_answered_from(database, zones), *_asked_below(database, apexes)]
                for asker, kind, name, zone, digest in rows:
                    question = Question(kind, from_canonical_key(name))
                    answer = Answer(Name(zone) if zone else None, digest)
                    found.setdefault(Name(asker), {})[question] = answer
                return found
        return None

    def keep(self, before: Remembered, after: Remembered, asked: Mapping[Name, Asked]) -> Remembered:
        """Keep `after` in place of `before`, unless another process has written since; return what is known.

        `asked`: of the zones whose findings are new.
        """
        changed = [*after.zones.new(before.zones)]
        gone = before.zones.keys() - after.zones.keys()
        if not changed and not gone and _told(before) == _told(after):
            return before
        with self._open() as database:
            if database is None:
                return after
            if not _is_at(database, before, write=True):
                return replace(after, number=NOTHING_KEPT.number)
            if not before.zones:
                _empty(database)
            _put_zones(database, changed, gone)
            replaced = {*asked, *gone}
            database.executemany("DELETE FROM asked WHERE asker = ?", [(bytes(zone),) for zone in replaced])
            database.executemany("INSERT INTO asked VALUES (?, ?, ?, ?, ?)", _rows(asked))
            made = replace(after, number=before.number + 1)
            told = {"number": str(made.number), "key": digest_of_code(), **_told(made)}
            database.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", told.items())
            database.execute("COMMIT")
            return made
        return after

    def settled(self) -> str:
        """Return what `settle` was told last; empty where that is not known to this code."""
        with self._open() as database:
            if database is not None:
                found = database.execute("SELECT value FROM about WHERE key = 'settled'").fetchone()
                code, _, token = found[0].partition(" ") if found else ("", "", "")
                return token if code == digest_of_code() else ""
        return ""

    def settle(self, token: str) -> None:
        """Keep that the keys in the state that `token` names need nothing."""
        with self._open() as database:
            if database is not None:
                told = ("settled", f"{digest_of_code()} {token}")
                database.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", told)

    def rest(
        self, before: Remembered, compared: Collection[Name], resting: Mapping[Name, Rest], seen: Seen | None
    ) -> None:
        """Keep which of the `compared` zones are at rest, found by `seen`, and that all others are as before.

        Nothing is kept where `before` is not what is kept.
        """
        rows = [
            (rest_text(rest), _due(rest), bytes(zone))
            for zone in compared
            if zone in before.zones
            for rest in (resting.get(zone),)
            if rest is not None or before.zones[zone].rest is not None
        ]
        if not rows and _is_alike(before.seen, seen):
            return
        with self._open() as database:
            if database is not None and _is_at(database, before, write=True):
                database.executemany("UPDATE zones SET rest = ?, due = ? WHERE zone = ?", rows)
                text = json.dumps([seen.manifest, seen.stamps, seen.at]) if seen is not None else ""
                database.execute("INSERT OR REPLACE INTO about VALUES ('seen', ?)", (text,))
                database.execute("COMMIT")

    def forget(self) -> None:
        """Remove the file, which holds what this code did not write: it is begun anew."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection | None]:
        """Yield the open database, or None. What fails in the block ends it, and is not raised."""
        if not self._path.parent.is_dir():
            yield None
            return
        import sqlite3  # noqa: PLC0415 - only what has a memory needs it

        database = None
        with contextlib.suppress(sqlite3.Error, OSError):
            database = self._connected()
        damaged = False
        try:
            yield database
        except sqlite3.Error as error:
            damaged = isinstance(error, sqlite3.DatabaseError) and not _is_outside(error)
        finally:
            if database is not None:
                database.close()
        if damaged:  # begun anew by the next who opens it
            self.forget()

    def _connected(self) -> sqlite3.Connection:
        """Open the database, and begin another where it is damaged, or of another format."""
        import sqlite3  # noqa: PLC0415 - as above

        for attempt in range(2):
            database = sqlite3.connect(self._path, timeout=_BUSY, isolation_level=None)
            try:
                [(version,)] = database.execute("PRAGMA user_version")
                if version not in (0, _FORMAT):
                    raise sqlite3.DatabaseError("another format")
                database.execute("PRAGMA synchronous = OFF")  # after a power cut it may be begun anew
                database.executescript(f"{_SCHEMA} PRAGMA user_version = {_FORMAT};")
            except sqlite3.DatabaseError as error:
                database.close()
                if attempt or _is_outside(error):
                    raise
                self._path.unlink()
            else:
                return database
        raise sqlite3.DatabaseError("cannot be opened")


def _is_outside(error: sqlite3.Error) -> bool:
    """True where the file is not what is wrong: it is busy, the disk is full, nothing may be written."""
    import sqlite3  # noqa: PLC0415 - as above

    return isinstance(error, sqlite3.OperationalError)


def _number(database: sqlite3.Connection) -> int:
    found = database.execute("SELECT value FROM about WHERE key = 'number'").fetchone()
    return int(found[0]) if found else 0


def _is_at(database: sqlite3.Connection, before: Remembered, *, write: bool = False) -> bool:
    """Begin a transaction; return whether it sees the state that `before` is of."""
    database.execute("BEGIN IMMEDIATE" if write else "BEGIN")
    return _number(database) == before.number


def _is_alike(one: Seen | None, other: Seen | None) -> bool:
    """True where both were seen alike, at whatever time."""
    if one is None or other is None:
        return one is other
    return (one.manifest, one.stamps) == (other.manifest, other.stamps)


def digest_of_code() -> str:
    """Return what changes with the code that decides what is found."""
    return hashlib.sha256(_code().encode()).hexdigest()


@functools.cache  # the code that runs is what was loaded
def _code() -> str:
    """Return what names this version of the code: not by its number alone, for those who change it."""
    here = Path(__file__).parents[1]
    files = sorted(path for package in _PACKAGES for path in (here / package).rglob("*.py"))
    stamps = [(path.name, (status := path.stat()).st_size, status.st_mtime_ns) for path in files]
    return repr((_FORMAT, str(here), sys.version, yaml.__version__, dns.version.version, stamps))


def _answered_from(database: sqlite3.Connection, zones: Iterable[Name]) -> Iterator[_AskedRow]:
    for zone in zones:
        yield from database.execute("SELECT * FROM asked WHERE zone = ? AND zone != x''", (bytes(zone),))


def _asked_below(database: sqlite3.Connection, apexes: Iterable[Name]) -> Iterator[_AskedRow]:
    """Keys of names at or below an apex begin with its own, whose last octet is 0."""
    for apex in apexes:
        key = canonical_key(apex)
        end = key[:-1] + b"\x01" if key else b"\xff"
        yield from database.execute("SELECT * FROM asked WHERE name >= ? AND name < ?", (key, end))


def _rows(asked: Mapping[Name, Asked]) -> Iterator[_AskedRow]:
    for asker, told in asked.items():
        for question, answer in told.items():
            zone = bytes(answer.zone) if answer.zone is not None else b""
            yield bytes(asker), question.kind, canonical_key(question.name), zone, answer.digest


def _empty(database: sqlite3.Connection) -> None:
    for table in ("zones", "sources", "asked"):
        database.execute(f"DELETE FROM {table}")  # noqa: S608 - one of these three
    database.execute("DELETE FROM about WHERE key = 'seen'")


def _put_zones(
    database: sqlite3.Connection, changed: Iterable[tuple[Name, Known]], gone: Iterable[Name]
) -> None:
    """Write the rows of zones that changed, and remove those that are gone."""
    left = [(bytes(zone),) for zone in gone]
    database.executemany("DELETE FROM zones WHERE zone = ?", left)
    database.executemany("DELETE FROM sources WHERE zone = ?", left)
    for zone, known in changed:
        row = row_of(zone, known)
        database.execute(
            "INSERT OR REPLACE INTO zones VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, _due(known.rest))
        )
        database.execute("DELETE FROM sources WHERE zone = ?", row[:1])
        sources = ((_text(path), row[0]) for path in known.read)
        database.executemany("INSERT OR IGNORE INTO sources VALUES (?, ?)", sources)


def _due(rest: Rest | None) -> float | None:
    """Return when a zone is looked at again, as it is kept: None for never."""
    return None if rest is None or rest.due == math.inf else rest.due


def _text(path: str) -> str:
    """Return a path as a text that SQLite can hold: a file's name may be any octets."""
    return json.dumps(path)


def _told(made: Remembered) -> dict[str, str]:
    """Return what is known of all zones together, as it is kept."""
    return {
        "tree": made.tree,
        "names": made.names,
        "config": made.config,
        "about": findings_text(made.about),
        "checks": findings_text(made.checks),
        "included": json.dumps(sorted(made.included)),
    }


def _about(told: Mapping[str, str]) -> Remembered:
    seen = json.loads(told["seen"]) if told.get("seen") else None
    return Remembered(
        tree=told["tree"],
        names=told["names"],
        config=told["config"],
        about=findings_of(told["about"]),
        checks=findings_of(told["checks"]),
        included=frozenset(json.loads(told["included"])),
        seen=Seen(*seen) if seen is not None else None,
    )
