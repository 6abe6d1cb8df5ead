"""How many queries each zone got in the last day, by the hour: `state/queries.db`.

Nodes count from their start. The daemon's job `count` reads these counts each hour; this file has what came
between two looks, for all nodes together. If it is lost, counting begins anew, and nothing else is lost.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dnsctl.model.name import Name
from dnsctl.publish.changeset import Fate, ZoneChangeset

if TYPE_CHECKING:
    import sqlite3

_HOUR = 3600  # seconds
_HOURS = 24
_LONGEST = 26 * _HOUR  # between two looks; there is one each night at least
_BUSY = 5.0  # seconds to wait for another process
_ALL = b""  # in the place of a zone: all queries of a node
_SCHEMA = """
CREATE TABLE IF NOT EXISTS last (
    node TEXT NOT NULL, zone BLOB NOT NULL, at INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (node, zone)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS looks (
    hour INTEGER NOT NULL, node TEXT NOT NULL, begun INTEGER NOT NULL, PRIMARY KEY (hour, node)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hours (
    zone BLOB NOT NULL, hour INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (zone, hour)
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True)
class NodeCounts:
    """What a node has counted since it started."""

    queries: int
    zones: Mapping[Name, int] = field(repr=False)


@dataclass(frozen=True)
class LastDay:
    """Queries of the last day, or of a part of it, from `since`. `zones`: those asked about that got any."""

    since: datetime
    nodes: tuple[str, ...]
    queries: int
    zones: Mapping[Name, int]

    @property
    def touched(self) -> int:
        """Queries that the zones got together."""
        return sum(self.zones.values())


def keep_counts(path: Path, found: Mapping[str, NodeCounts], now: datetime) -> None:
    """Add what nodes have counted since the last look. Raises OSError where it cannot be written."""
    import sqlite3  # noqa: PLC0415 - most commands need none of it

    try:
        with _opened(path) as database:
            database.executescript(_SCHEMA)
            database.execute("BEGIN IMMEDIATE")
            for node, counts in found.items():
                _keep(database, node, counts, int(now.timestamp()))
            _forget(database, int(now.timestamp()))
            database.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise OSError(f"{path}: {error}") from None
    except sqlite3.DatabaseError:
        path.unlink(missing_ok=True)  # damaged: counting begins anew with the next look


def _forget(database: sqlite3.Connection, at: int) -> None:
    within = (_first(at), at // _HOUR)  # a clock that went back leaves hours of the future
    for table in ("hours", "looks"):
        database.execute(f"DELETE FROM {table} WHERE hour NOT BETWEEN ? AND ?", within)  # noqa: S608 - ours


def _keep(database: sqlite3.Connection, node: str, counts: NodeCounts, at: int) -> None:
    rows = database.execute("SELECT zone, at, count FROM last WHERE node = ?", (node,)).fetchall()
    known = {zone: count for zone, _, count in rows}
    begun = max((when for _, when, _ in rows), default=at)
    now = {_ALL: counts.queries, **{bytes(zone): count for zone, count in counts.zones.items()}}
    if _ALL in known and at - _LONGEST < begun < at:
        if now[_ALL] < known[_ALL]:
            known = {}  # it started anew, and counts from nothing
        came = ((zone, at // _HOUR, count - known.get(zone, 0)) for zone, count in now.items())
        database.executemany(
            "INSERT INTO hours VALUES (?, ?, ?)"
            " ON CONFLICT (zone, hour) DO UPDATE SET count = count + excluded.count",
            (each for each in came if each[2] > 0),
        )
        database.execute(
            "INSERT INTO looks VALUES (?, ?, ?) ON CONFLICT (hour, node) DO NOTHING",
            (at // _HOUR, node, begun),
        )
    database.execute("DELETE FROM last WHERE node = ?", (node,))
    rows_now = ((node, zone, at, count) for zone, count in now.items())
    database.executemany("INSERT INTO last VALUES (?, ?, ?, ?)", rows_now)


def queries_touched(path: Path, changed: Iterable[ZoneChangeset], now: datetime) -> LastDay | None:
    """Return what `last_day` does for zones whose records change; None also where none do."""
    zones = [each.origin for each in changed if each.fate in (Fate.CHANGED, Fate.REMOVED)]
    return last_day(path, zones, now) if zones else None


def last_day(path: Path, zones: Iterable[Name], now: datetime) -> LastDay | None:
    """Return what `zones` got in the last day; None where nobody has counted. Writes nothing."""
    import sqlite3  # noqa: PLC0415 - most commands need none of it

    if not path.exists():
        return None
    at = int(now.timestamp())
    with contextlib.suppress(sqlite3.Error, OSError), _opened(path) as database:
        within = (_first(at), at // _HOUR)
        looks = database.execute(
            "SELECT node, begun FROM looks WHERE hour BETWEEN ? AND ?", within
        ).fetchall()
        total = _sum(database, _ALL, within)
        if not looks or not total:
            return None
        counted = {zone: _sum(database, bytes(zone), within) for zone in zones}
        since = datetime.fromtimestamp(min(begun for _, begun in looks), UTC)
        nodes = tuple(sorted({node for node, _ in looks}))
        return LastDay(since, nodes, total, {zone: count for zone, count in counted.items() if count})
    return None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    import sqlite3  # noqa: PLC0415 - as above

    database = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
    try:
        database.execute("PRAGMA synchronous = OFF")  # after a power cut it may be begun anew
        yield database
    finally:
        database.close()


def _first(at: int) -> int:
    return at // _HOUR - _HOURS + 1


def _sum(database: sqlite3.Connection, zone: bytes, within: tuple[int, int]) -> int:
    query = "SELECT sum(count) FROM hours WHERE zone = ? AND hour BETWEEN ? AND ?"
    return int(database.execute(query, (zone, *within)).fetchone()[0] or 0)
