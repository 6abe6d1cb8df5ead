"""`dnsctl demo`: it ends well, in time, and leaves nothing behind, also when it is interrupted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.peers import need

LIMIT = 75.0  # seconds; under 20 on an idle machine, but tests share theirs


@pytest.fixture
def playing(tmp_path):
    """Start a demo whose temporary files go to a directory of the test; end it, whatever happens."""
    started: list[subprocess.Popen[str]] = []

    def play(*options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            (sys.executable, "-u", "-m", "dnsctl", "demo", *options),
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield play
    for process in started:
        process.kill()
        process.wait()


def left_behind(directory: Path) -> list[str]:
    """Return what is in `directory`, and processes that work in it or were started for it."""
    found = [str(path) for path in directory.iterdir()]
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            told = (entry / "environ").read_bytes() + os.fsencode((entry / "cwd").readlink())
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if os.fsencode(directory) in told and state != "Z":
            found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


@pytest.mark.peer
def test_demo_tells_the_whole_story_serves_until_interrupted_and_leaves_nothing_behind(playing, tmp_path):
    need("dig")
    process = playing("--keep")
    assert process.stdout is not None
    told, digs = "", []
    ends = time.monotonic() + LIMIT
    for line in process.stdout:
        assert time.monotonic() < ends, told
        told += line
        if "$ dig @" in line:
            digs.append(line.split()[1:])
        if "$ dnsctl -C" in line:
            break
    for command in ("push", "verify --full", "plan", "push --without dc2", "rollback"):
        assert f"$ dnsctl {command}" in told, told
    assert "expected 192.0.2.20; got 203.0.113.66" in told and "Traceback" not in told
    assert len(digs) == 2, told
    for dig in digs:
        answer = subprocess.run(
            [*dig, "+short"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
        assert answer.startswith("192.0.2.10"), answer
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    "kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["Ctrl-C", "terminated", "terminal closed"]
)
def test_interrupted_demo_leaves_nothing_behind(playing, tmp_path, kind):
    process = playing()
    assert process.stdout is not None
    for line in process.stdout:
        if "$ dnsctl push" in line:
            break
    process.send_signal(kind)
    time.sleep(0.2)
    process.send_signal(kind)  # impatient
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert left_behind(tmp_path) == []


def test_directory_with_something_in_it_is_refused_and_untouched(playing, tmp_path):
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "mine").write_text("kept")
    process = playing("--dir", str(tmp_path / "repo"))
    told, _ = process.communicate(timeout=30)
    assert process.returncode == 1 and "is not empty" in told
    assert (tmp_path / "repo" / "mine").read_text() == "kept"
