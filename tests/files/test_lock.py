"""Locks between processes: held while the holder lives, and by nobody after that."""

import os
import subprocess
import sys
import time
from pathlib import Path

from dnsctl.files.lock import lock_directory, lock_file, take

HOLDER = """
import sys, time
from pathlib import Path
from dnsctl.files.lock import lock_file, take
assert take(lock_file(Path(sys.argv[1])))
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


def holder(path: Path, seconds: float) -> subprocess.Popen[str]:
    started = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path, str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "held\n"
    return started


def test_what_another_process_holds_is_taken_once_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path, 60) as other:
        descriptor = lock_file(path)
        try:
            assert not take(descriptor)
            started = time.monotonic()
            assert not take(descriptor, 0.2)
            assert time.monotonic() - started >= 0.2
            other.kill()
            other.wait()
            assert take(descriptor)
        finally:
            os.close(descriptor)


def test_who_is_patient_gets_the_lock_when_the_other_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path, 0.3):
        descriptor = lock_file(path)
        try:
            assert take(descriptor, 30)
        finally:
            os.close(descriptor)


def test_the_file_is_for_its_owner_and_what_is_in_it_stays(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    os.close(lock_file(path))
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("1234\n")
    os.close(lock_file(path))
    assert path.read_text() == "1234\n"


def test_a_directory_is_a_lock_too(tmp_path: Path) -> None:
    first, second = lock_directory(tmp_path), lock_directory(tmp_path)
    try:
        assert take(first)
        assert not take(second)
        os.close(first)
        assert take(second)
    finally:
        os.close(second)
