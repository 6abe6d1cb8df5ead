import os
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dnsctl.control.state import ControlState
from dnsctl.errors import RefusalRule
from tests.control.audit import entries
from tests.refusals import refused_by
from tests.release.releases import manifest

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_new_state_has_no_release(tmp_path: Path) -> None:
    with ControlState.open(tmp_path / "state" / "control.db") as state:
        assert state.last_release() is None


def test_releases_are_remembered_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    with ControlState.open(path) as state:
        state.record_release(manifest(1))
        state.record_release(manifest(2, commit=None))
        state.record_release(manifest(2, commit=None))
    with ControlState.open(path) as state:
        last = state.last_release()
        assert last is not None
        assert (last.generation, last.manifest, last.commit) == (2, manifest(2, commit=None).digest, None)
        assert (last.changed, last.removed) == (1, 1)
        first = state.release(1)
        assert first is not None
        assert (first.parent, first.commit) == (None, "34" * 20)
        assert state.release(3) is None


def test_second_release_of_a_generation_is_refused(tmp_path: Path) -> None:
    with ControlState.open(tmp_path / "control.db") as state:
        state.record_release(manifest(1))
        with refused_by(RefusalRule.ANOTHER_RELEASE):
            state.record_release(manifest(1, created=5))
        last = state.last_release()
        assert last is not None
        assert last.manifest == manifest(1).digest


def test_audit_log_tells_who_and_why_and_cannot_be_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    with ControlState.open(path) as state:
        state.audit("alex", "push", "moving the mail", {"allow": ["deletes"]}, when=NOW)
        state.audit("alex", "push", when=NOW + timedelta(seconds=1))
    newest, oldest = entries(path)
    assert newest.reason == ""
    assert (oldest.at, oldest.actor, oldest.details) == (NOW.timestamp(), "alex", {"allow": ["deletes"]})
    with sqlite3.connect(path) as raw:
        for statement in ("DELETE FROM audit", "UPDATE audit SET actor = 'x'"):
            with pytest.raises(sqlite3.IntegrityError, match="only added to"):
                raw.execute(statement)


def test_time_without_zone_is_refused(tmp_path: Path) -> None:
    with ControlState.open(tmp_path / "control.db") as state, pytest.raises(ValueError, match="time zone"):
        state.audit("alex", "push", when=datetime(2026, 11, 21))


def test_file_that_is_no_state_is_kept_aside_and_another_begun(tmp_path: Path) -> None:
    path, octets = tmp_path / "control.db", b"no database, however long it may be " * 100
    path.write_bytes(octets)
    with ControlState.open(path) as state:
        assert state.last_release() is None
        assert "is kept as control.db.damaged-1" in state.note
    assert path.with_name("control.db.damaged-1").read_bytes() == octets


def test_state_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    ControlState.open(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 3")
    with refused_by(RefusalRule.STATE, "schema version 3"):
        ControlState.open(path)


def test_state_of_the_version_before_keeps_its_releases_and_its_log(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    with ControlState.open(path) as state:
        state.record_release(manifest(1))
        state.audit("alex", "push", "moving the mail", when=NOW)
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE activations (node TEXT, generation INTEGER, at INTEGER)")
        raw.execute("CREATE TABLE observations (id INTEGER PRIMARY KEY, subject TEXT)")
        raw.execute("CREATE INDEX observations_by_subject ON observations (subject)")
        raw.execute("PRAGMA user_version = 1")
    for _ in range(2):
        with ControlState.open(path) as state:
            last = state.last_release()
            assert last is not None and last.manifest == manifest(1).digest
            assert not state.note
    assert [each.reason for each in entries(path)] == ["moving the mail"]
    with sqlite3.connect(path) as raw:
        tables = {name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == {"releases", "audit"}


def test_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE theirs (x)")
    with refused_by(RefusalRule.STATE, "schema version 0"):
        ControlState.open(path)


WRITER = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from dnsctl.control.state import ControlState
with ControlState.open(Path(sys.argv[1])) as state:
    for number in range(10**6):
        state.audit("writer", "count", details={"number": number}, when=datetime(2026, 11, 21, tzinfo=UTC))
        print(number, flush=True)
"""


def test_what_was_written_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"0\n"
        time.sleep(0.05)  # somewhere in the middle
        os.kill(writer.pid, signal.SIGKILL)
        told = writer.stdout.read().split()
    ControlState.open(path).close()
    numbers = [entry.details["number"] for entry in entries(path)]
    assert numbers == list(range(len(numbers)))[::-1]
    assert len(numbers) >= len(told) + 1
