"""Files that go to zones/ together: all are there, or all is as it was."""

import itertools
import os
import shutil
from pathlib import Path

import pytest

from dnsctl.errors import HostBusyError, RefusalRule
from dnsctl.files.lock import lock_directory, take
from dnsctl.interchange import placing
from dnsctl.interchange.incoming import Written
from dnsctl.load.revision import WorkTree
from dnsctl.load.zone_files import zone_files
from dnsctl.model.name import from_text
from tests.cli.kills import killed_at
from tests.refusals import refused_by


def a_zone(zone: str, **files: str) -> Written:
    return Written(from_text(zone), "a test", {name: text.encode() for name, text in files.items()}, {}, 0, 0)


def tree(root: Path) -> dict[str, str]:
    return {str(each.relative_to(root)): each.read_text() for each in root.rglob("*") if each.is_file()}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no disk: processes are killed here, and not the host."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    split = tmp_path / "ops" / "zones" / "example.net."
    split.mkdir(parents=True)
    (split.parent / "example.com.yaml").write_text("old")
    (split / "www.yaml").write_text("old")
    return tmp_path / "ops"


ZONES = [
    a_zone("example.com.", **{"example.com.zone": "new"}),
    a_zone("example.net.", **{"example.net./www.yaml": "new", "example.net./x.yaml": "x"}),
    a_zone("example.org.", **{"example.org.yaml": "new"}),
]


def test_files_and_directories_take_the_place_of_others(root: Path) -> None:
    old = placing.replaced(WorkTree(root), ("zones",), ZONES, overwrite=True)
    placing.place(root, "zones", ZONES, old)
    assert tree(root) == {
        "zones/example.com.zone": "new",
        "zones/example.net./www.yaml": "new",
        "zones/example.net./x.yaml": "x",
        "zones/example.org.yaml": "new",
    }


def test_a_zone_in_another_directory_moves_to_the_first(root: Path) -> None:
    (root / "dns").mkdir()
    (root / "dns" / "example.edu.yaml").write_text("old")
    directories, zones = ("zones", "dns"), [a_zone("example.edu.", **{"example.edu.yaml": "new"})]
    placing.place(root, "zones", zones, placing.replaced(WorkTree(root), directories, zones, overwrite=True))
    assert tree(root)["zones/example.edu.yaml"] == "new"
    assert not list((root / "dns").iterdir())


def test_where_one_cannot_be_placed_all_is_as_it_was(root: Path) -> None:
    (root / "zones" / "example.org.yaml").mkdir()  # which no rename replaces
    before = tree(root)
    with pytest.raises(FileExistsError):
        placing.place(
            root, "zones", ZONES, placing.replaced(WorkTree(root), ("zones",), ZONES[:2], overwrite=True)
        )
    assert tree(root) == before
    assert not list((root / "zones").glob(".*"))


def copied(root: Path, name: str) -> Path:
    copy = root.parent / name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(root, copy)
    return copy


def take_back(directory: Path) -> list[str]:
    """Return what is told of a killed import by whoever writes next."""
    told: list[str] = []
    with placing.writing(directory, told.append):
        return told


def killed(root: Path, event: int) -> bool:
    old = placing.replaced(WorkTree(root), ("zones",), ZONES, overwrite=True)
    return killed_at(lambda: placing.place(root, "zones", ZONES, old), event, root)


def last_move(root: Path) -> int:
    """Return at which event all files are in their places, and the plan is still there."""
    done = 0
    for event in itertools.count(1):
        copy = copied(root, "trial")
        if not killed(copy, event):
            return done
        if list(copy.glob("zones/.*/plan.json")):
            done = event
    raise AssertionError("never ends")


def test_killed_at_any_moment_all_is_there_or_comes_back(root: Path) -> None:
    before, ends, told = tree(root), [], []
    for event in itertools.count(1):
        copy = copied(root, "copy")
        ended = not killed(copy, event)
        told += take_back(copy / "zones")
        assert not list((copy / "zones").glob(".*"))
        ends.append(tree(copy))
        if ended:
            break
    after = ends[-1]
    assert after["zones/example.org.yaml"] == "new"
    assert all(each in (before, after) for each in ends)
    assert len([each for each in told if "taken back" in each]) > 3


def test_taking_back_may_be_killed_as_well(root: Path) -> None:
    late = last_move(root)
    for event in itertools.count(1):
        copy = copied(root, "copy")
        assert killed(copy, late)
        ended = not killed_at(lambda: take_back(copy / "zones"), event, copy)  # noqa: B023
        take_back(copy / "zones")
        assert tree(copy) == tree(root)
        if ended:
            break
    assert event > 3


def test_what_was_changed_since_is_left_and_named(root: Path) -> None:
    late = last_move(root)
    copy = copied(root, "copy")
    assert killed(copy, late)
    [warned] = [each.finding() for each in zone_files(WorkTree(copy)).unread]
    assert "an import was killed" in warned.message
    (copy / "zones/example.com.zone").write_text("mine")
    told = take_back(copy / "zones")
    assert any("example.com.zone: changed since" in each for each in told)
    assert tree(copy) == {**tree(root), "zones/example.com.zone": "mine"}
    assert take_back(copy / "zones") == []


def test_zones_that_are_there_are_refused(root: Path) -> None:
    with refused_by(RefusalRule.ZONE_EXISTS, "zones/example.com.yaml"):
        placing.replaced(WorkTree(root), ("zones",), ZONES, overwrite=False)


def test_many_files_are_placed_as_well(root: Path) -> None:
    many = [a_zone(f"z{count}.example.", **{f"z{count}.example.yaml": "x"}) for count in range(80)]
    placing.place(root, "zones", many, [])
    assert len(tree(root)) == 82


def test_one_process_writes_at_a_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "PATIENCE", 0.05)
    held = lock_directory(root / "zones")
    try:
        assert take(held)
        with pytest.raises(HostBusyError), placing.writing(root / "zones", print):
            pass
    finally:
        os.close(held)
