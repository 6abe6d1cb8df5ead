"""What was found of each zone file, kept from one command to the next: an equal file is not read again.

A row a zone: the files that it was read from, by their objects in git; what readers and rules found; what
rules asked of other zones, with a digest of each answer; and how the zone was when it was last found at rest:
served as its file and its keys ask. All rows are of one state of the repo, of one dnsctl.yaml and of one
version of this code: with others, or where the file cannot be read, there are none.

Beside them stands for which keys and which release all was written down that `control.settling` does.
Nothing depends on any of it: losing it only costs time. So no failure here ends a command.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import dns.version
import yaml

from dnsctl.load.zone_files import ZoneFiles
from dnsctl.model.finding import Finding, Position, Severity
from dnsctl.model.name import Name, canonical_key, from_canonical_key
from dnsctl.validate.landscape import Answer, Question

if TYPE_CHECKING:
    import sqlite3

_FORMAT = 1  # of the tables and of what is in them
_BUSY = 2.0  # seconds to wait for another process
_PACKAGES = ("load", "model", "publish", "sign", "validate")  # whose code decides what is found

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS zones (
    zone BLOB PRIMARY KEY, files TEXT NOT NULL, read TEXT NOT NULL, day TEXT NOT NULL, faults TEXT NOT NULL,
    findings TEXT NOT NULL, rest TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS asked (
    asker BLOB NOT NULL, kind TEXT NOT NULL, name BLOB NOT NULL, zone BLOB NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (asker, kind, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS asked_zone ON asked (zone) WHERE zone != x'';
CREATE INDEX IF NOT EXISTS asked_name ON asked (name);
"""

Asked = Mapping[Question, Answer]
_ZoneRow = tuple[bytes, str, str, str, str, str, str]
_AskedRow = tuple[bytes, str, bytes, bytes, str]
_PlainFinding = tuple[str, int, tuple[str, int, int], str, str, str | None]  # as JSON has it


class Rest(NamedTuple):
    """A zone at rest: see `resting`. `source`: of its entry in the image; `stamp`: of its directory of keys.

    `refresh` and `lifetime`: of its signatures, in seconds, as `validity.due` takes them; -1 where it is not
    signed here.
    """

    source: str
    refresh: int
    lifetime: int
    stamp: str


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a zone. `read`: objects of all files that it was read from; `day`: of which it holds,
    where dates may be in the files; `faults`: what readers found, `findings`: what rules did."""

    files: ZoneFiles
    read: Mapping[str, str]
    day: str
    faults: tuple[Finding, ...] = ()
    findings: tuple[Finding, ...] = ()
    rest: Rest | None = None


@dataclass(frozen=True)
class Remembered:
    """All of it. `about`: findings that are of no zone, where the files have the names of `names`."""

    number: int = 0  # of the writes before it was read
    zones: Mapping[Name, Known] = field(default_factory=dict, repr=False)
    names: str = ""
    about: tuple[Finding, ...] = ()


NEVER = "never"  # in the place of a day: what is read again each time
NOTHING_KEPT = Remembered(-1)  # of no state of the memory: nothing is added to it


class Memory:
    """The database at `path`. `settings`: octets of the dnsctl.yaml that zones are judged by."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key = ""

    def recall(self, settings: bytes) -> Remembered:
        """Return what is known under `settings`."""
        self._key = hashlib.sha256(_code().encode() + settings).hexdigest()
        with self._open() as database:
            if database is None:
                return Remembered()
            database.execute("BEGIN")  # all of one state
            about = dict(database.execute("SELECT key, value FROM about"))
            number = _number(database)
            if about.get("key") != self._key:
                return Remembered(number)
            try:
                zones = {Name(row[0]): _known(row) for row in database.execute("SELECT * FROM zones")}
                found = tuple(_finding(each) for each in json.loads(about["about"]))
            except (ValueError, TypeError, KeyError, IndexError):
                return Remembered(number)
            return Remembered(number, zones, about["names"], found)
        return Remembered()

    def asked(
        self, before: Remembered, zones: Iterable[Name], apexes: Iterable[Name]
    ) -> dict[Name, dict[Question, Answer]] | None:
        """Return what was answered from `zones`, or asked for names at or below `apexes`, by who asked.

        None where it cannot be read, or is not of the state that `before` is of.
        """
        with self._open() as database:
            if database is not None:
                database.execute("BEGIN")
                if _number(database) != before.number:
                    return None
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
        with self._open() as database:
            if database is None:
                return after
            database.execute("BEGIN IMMEDIATE")
            about = dict(database.execute("SELECT key, value FROM about"))
            if _number(database) != before.number:
                return replace(after, number=NOTHING_KEPT.number)
            if about.get("key") != self._key:
                database.execute("DELETE FROM zones")
                database.execute("DELETE FROM asked")
                before = Remembered(before.number)
            gone = [(bytes(zone),) for zone in before.zones.keys() - after.zones.keys()]
            database.executemany("DELETE FROM zones WHERE zone = ?", gone)
            database.executemany("DELETE FROM asked WHERE asker = ?", gone)
            new = ((zone, each) for zone, each in after.zones.items() if before.zones.get(zone) is not each)
            database.executemany("INSERT OR REPLACE INTO zones VALUES (?, ?, ?, ?, ?, ?, ?)", map(_row, new))
            database.executemany("DELETE FROM asked WHERE asker = ?", [(bytes(zone),) for zone in asked])
            database.executemany("INSERT INTO asked VALUES (?, ?, ?, ?, ?)", _rows(asked))
            made = replace(after, number=before.number + 1)
            told = {"number": str(made.number), "key": self._key, "names": made.names}
            told["about"] = json.dumps([_plain(each) for each in made.about])
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
                return token if code == _digest_of_code() else ""
        return ""

    def settle(self, token: str) -> None:
        """Keep that the keys in the state that `token` names need nothing."""
        with self._open() as database:
            if database is not None:
                told = ("settled", f"{_digest_of_code()} {token}")
                database.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", told)

    def rest(self, before: Remembered, resting: Mapping[Name, Rest]) -> None:
        """Keep which zones are at rest; nothing where `before` is not what is kept."""
        known = before.zones
        rows = [
            (json.dumps(each), zone)
            for zone, each in resting.items()
            if zone in known and known[zone].rest != each
        ]
        if not rows:
            return
        with self._open() as database:
            if database is not None:
                database.execute("BEGIN IMMEDIATE")
                if _number(database) == before.number:
                    database.executemany("UPDATE zones SET rest = ? WHERE zone = ?", rows)
                    database.execute("COMMIT")

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
            with contextlib.suppress(OSError):
                self._path.unlink()

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


def _digest_of_code() -> str:
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


def _row(known: tuple[Name, Known]) -> _ZoneRow:
    zone, told = known
    return (
        bytes(zone),
        json.dumps(told.files),
        json.dumps(told.read),
        told.day,
        _texts(told.faults),
        _texts(told.findings),
        json.dumps(told.rest) if told.rest is not None else "",
    )


def _rows(asked: Mapping[Name, Asked]) -> Iterator[_AskedRow]:
    for asker, told in asked.items():
        for question, answer in told.items():
            zone = bytes(answer.zone) if answer.zone is not None else b""
            yield bytes(asker), question.kind, canonical_key(question.name), zone, answer.digest


def _texts(found: tuple[Finding, ...]) -> str:
    return json.dumps([_plain(each) for each in found]) if found else ""


def _known(row: _ZoneRow) -> Known:
    _, files, read, day, faults, findings, rest = row
    path, parts = json.loads(files)
    return Known(
        ZoneFiles(path, tuple(parts)),
        json.loads(read),
        day,
        tuple(map(_finding, json.loads(faults))) if faults else (),
        tuple(map(_finding, json.loads(findings))) if findings else (),
        Rest(*json.loads(rest)) if rest else None,
    )


def _plain(found: Finding) -> list[object]:
    zone = found.zone.hex() if found.zone is not None else None
    return [found.rule, int(found.severity), list(found.position), found.message, found.advice, zone]


def _finding(told: _PlainFinding) -> Finding:
    rule, severity, position, message, advice, zone = told
    apex = Name(bytes.fromhex(zone)) if zone is not None else None
    return Finding(rule, Severity(severity), Position(*position), message, advice, apex)
