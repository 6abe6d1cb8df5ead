"""What was seen of zones is kept, and never undone by another process that looks at the same time."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dnsctl.control.observations import Asked, Observed, amend, recall, remember
from dnsctl.model.name import from_text
from dnsctl.model.observation import DsMemory, ParentView
from dnsctl.model.repo import HostFiles
from dnsctl.parent.view import DelegationView

ZONE, NOW = from_text("child.example."), datetime(2026, 11, 29, 1, 2, 3, tzinfo=UTC)
SEEN = Observed(
    ds=DsMemory().after([ParentView("ns1", "dc1", NOW, (b"\1\2\3\4five",), 60)], NOW),
    delegation=(DelegationView("ns1", ("a.example.",), 60, {"a.example.": ("192.0.2.1",)}, 30, ""),),
    fault="",
    asked=Asked(NOW, (b"\1\2\3\4five",), "hook", "later", "exit code 75"),
)


def test_what_is_remembered_is_recalled(tmp_path: Path) -> None:
    state = HostFiles(tmp_path)
    remember(state, ZONE, SEEN)
    assert recall(state, ZONE) == SEEN
    assert recall(state, from_text("other.example.")) == Observed()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b'{"ds": 1}',
        b'{"ds": {"version": 9}, "served": 0}',
        b"\xff",
        b"[" * 100_000,
        b"9" * 5000,
    ],
)
def test_damaged_file_is_as_none(tmp_path: Path, damage: bytes) -> None:
    state = HostFiles(tmp_path)
    remember(state, ZONE, SEEN)
    state.observation("child.example").write_bytes(damage)
    assert recall(state, ZONE) == Observed()


@pytest.mark.parametrize(
    ("sound", "damage"),
    [
        ('"began": "2026-11-29T01:02:03+00:00"', '"began": "0001-01-01T00:00:00+23:59"'),
        ('"began": "2026-11-29T01:02:03+00:00"', '"began": "9999-12-31T23:59:59+00:00"'),
        ('"began": "2026-11-29T01:02:03+00:00"', '"began": "2026-11-29T01:02:03"'),
        ('"ttls": [60]', '"ttls": []'),
        ('"ttls": [60]', '"ttls": [60, 60]'),
        ('"ttls": [60]', '"ttls": [1000000000000]'),
        ('"ttls": [60]', '"ttls": [-1]'),
        ('"ttls": [60]', '"ttls": [true]'),
        ('"ttls": [60]', '"ttls": ["60"]'),
        ('"ds": ["0102030466697665"]', '"ds": ["01"]'),
    ],
)
def test_value_that_no_look_leaves_behind_costs_the_memory_of_ds_alone(
    tmp_path: Path, sound: str, damage: str
) -> None:
    state = HostFiles(tmp_path)
    remember(state, ZONE, SEEN)
    path = state.observation("child.example")
    whole = path.read_text()
    assert sound in whole
    path.write_text(whole.replace(sound, damage))
    found = recall(state, ZONE)
    assert found.ds == DsMemory()
    assert found.delegation == SEEN.delegation


def test_two_that_write_at_once_undo_nothing(tmp_path: Path) -> None:
    state = HostFiles(tmp_path)

    def one(number: int) -> None:
        amend(state, ZONE, lambda known: replace(known, fault=f"{known.fault}{number},"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(50)))
    told = recall(state, ZONE).fault.strip(",").split(",")
    assert sorted(map(int, told)) == list(range(50))
