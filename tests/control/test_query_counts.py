"""Queries of the last day: from what nodes count since they started, read now and then."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dnsctl.control.query_counts import LastDay, NodeCounts, keep_counts, last_day
from dnsctl.model.name import from_text

NOW = datetime(2028, 2, 29, 12, 30, tzinfo=UTC)
COM, ORG = from_text("example.com."), from_text("example.org.")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queries.db"


def look(path: Path, hours: float, queries: int, com: int = 0, *, node: str = "ns1") -> None:
    counts = NodeCounts(queries, {COM: com} if com else {})
    keep_counts(path, {node: counts}, NOW + timedelta(hours=hours))


def told(path: Path, hours: float = 0) -> LastDay | None:
    return last_day(path, [COM, ORG], NOW + timedelta(hours=hours))


def test_only_what_came_between_two_looks_counts(path: Path) -> None:
    assert told(path) is None
    look(path, -2, 1000, 900)
    assert told(path) is None, "nobody knows since when"
    look(path, -1, 1100, 910)
    look(path, 0, 1150, 950)
    since = NOW - timedelta(hours=2)
    assert told(path) == LastDay(since, ("ns1",), 150, {COM: 50})


def test_nodes_are_added_up_and_one_that_started_anew_counts_from_nothing(path: Path) -> None:
    for node in ("ns1", "ns2"):
        look(path, -1, 100, 50, node=node)
    look(path, 0, 40, 20, node="ns1")
    look(path, 0, 160, 80, node="ns2")
    found = told(path)
    assert found is not None
    assert (found.nodes, found.queries, found.zones) == (("ns1", "ns2"), 100, {COM: 50})


def test_what_is_older_than_a_day_is_forgotten(path: Path) -> None:
    for hour in range(40):
        look(path, hour - 39, 100 * hour, 10 * hour)
    found = told(path)
    assert found is not None
    assert (found.queries, found.zones, found.touched) == (2400, {COM: 240}, 240)
    assert timedelta(hours=23) < NOW - found.since <= timedelta(hours=25)
    assert told(path, 48) is None


@pytest.mark.parametrize("hours", [-30, 30])
def test_clock_that_jumps_begins_the_day_anew(path: Path, hours: float) -> None:
    look(path, -1, 100, 50)
    look(path, 0, 200, 100)
    look(path, hours, 300, 150)
    assert told(path, hours) is None
    look(path, hours + 1, 350, 160)
    found = told(path, hours + 1)
    assert found is not None
    assert (found.queries, found.zones) == (50, {COM: 10})


def test_damaged_file_is_begun_anew_and_nothing_fails(path: Path) -> None:
    path.write_bytes(b"x" * 5000)
    assert told(path) is None
    look(path, -1, 100)
    assert not path.exists()
    look(path, -1, 100)
    look(path, 0, 150, 5)
    found = told(path)
    assert found is not None
    assert found.queries == 50
