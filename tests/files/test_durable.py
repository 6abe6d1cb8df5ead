"""Durable files: whole or not at all, with their mode, also where the writer is killed."""

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dnsctl.files import durable

KILLED = """
import os, signal, sys
from pathlib import Path
from dnsctl.files import durable
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
durable.write(Path(sys.argv[1]), b"new" * 1000)
"""


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.iterdir())


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_what_is_written_replaces_what_was_there_and_has_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a longer text from before")
    durable.write(path, b"new", mode)
    assert (path.read_bytes(), mode_of(path)) == (b"new", mode)
    assert names_in(tmp_path) == ["file"]


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"theirs")
    path = tmp_path / "file"
    path.symlink_to(other)
    durable.write(path, b"ours", 0o600)
    assert (other.read_bytes(), path.read_bytes(), path.is_symlink()) == (b"theirs", b"ours", False)


def test_of_two_who_create_the_first_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert durable.create(path, b"first", 0o600)
    assert not durable.create(path, b"second", 0o600)
    assert (path.read_bytes(), names_in(tmp_path)) == (b"first", ["file"])


def test_a_writer_that_is_killed_leaves_the_old_file_and_a_removable_rest(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(names_in(tmp_path)) == 2
    durable.remove_unfinished(tmp_path)
    assert names_in(tmp_path) == ["file"]


def test_a_file_that_may_not_grow_is_told_by_name_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as told:
            durable.write(path, bytes(10_000))
        with pytest.raises(OSError, match="File too large"), durable.writing(path, 0o644) as file:
            file.write(bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert (told.value.errno, told.value.filename) == (errno.EFBIG, str(path))
    assert (path.read_bytes(), names_in(tmp_path)) == (b"old", ["file"])


def test_a_directory_that_is_not_there_is_told_by_the_name_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "file"
    with pytest.raises(FileNotFoundError) as told:
        durable.write(path, b"x")
    assert told.value.filename == str(path)


def test_a_stream_is_there_once_it_has_ended_and_not_at_all_where_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with durable.writing(path, 0o640) as file:
        file.write(b"first")
        assert not path.exists()
    assert (path.read_bytes(), mode_of(path)) == (b"first", 0o640)
    with pytest.raises(RuntimeError), durable.writing(path, 0o640) as file:
        file.write(b"second")
        raise RuntimeError
    assert (path.read_bytes(), names_in(tmp_path)) == (b"first", ["file"])


def test_directories_are_made_with_their_parents_and_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    made = tmp_path / "a" / "b"
    durable.make_directory(made, 0o700)
    durable.make_directory(made, 0o700)
    assert mode_of(made) == 0o700
    (made / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        durable.make_directory(made / "file" / "c")
    with pytest.raises(NotADirectoryError):
        durable.make_directory(made / "file")


def test_space_that_is_held_is_used_by_the_file_that_it_was_held_for(tmp_path: Path) -> None:
    held = tmp_path / f"{durable.TEMPORARY_PREFIX}held"
    durable.reserve(held, 65536)
    assert held.stat().st_blocks * 512 >= 65536
    number = held.stat().st_ino
    durable.write(tmp_path / "file", b"small", 0o600, reserved=held)
    assert names_in(tmp_path) == ["file"]
    assert (tmp_path / "file").stat().st_ino == number
    assert (tmp_path / "file").read_bytes() == b"small"


def test_the_mask_is_read_and_stays() -> None:
    before = os.umask(0o027)
    try:
        assert durable.umask() == 0o027
        assert durable.umask() == 0o027
    finally:
        os.umask(before)
