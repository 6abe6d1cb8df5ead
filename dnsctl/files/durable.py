"""Files that are wholly there or not at all, after a crash too: written aside, fsynced, renamed, and the
directory fsynced. Nothing here reads what it replaces. An OSError from here always names the file.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

TEMPORARY_PREFIX = ".writing-"  # what a killed writer may leave behind; readers skip it
_FEW = 12  # files; to sync more one by one takes longer than to sync their whole file system
_LIBC = ctypes.CDLL(None, use_errno=True)


class File(NamedTuple):
    """A file to be written."""

    path: Path
    data: bytes
    mode: int


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Make an OSError without a file name `path`: write(2) and fsync(2) know no file name."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def make_directory(path: Path, mode: int = 0o755) -> None:
    """Make `path` and its parents, each one's entry in its parent fsynced. Raises OSError."""
    make_directories([path], mode)


def make_directories(paths: Iterable[Path], mode: int = 0o755) -> None:
    """Make `paths` and their parents; each directory that gets entries is fsynced once. Raises OSError."""
    changed: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            continue
        make_directory(path.parent)
        try:
            path.mkdir(mode=mode)
        except FileExistsError:
            if not path.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from None
        changed[path.parent] = None
    for parent in changed:
        sync_directory(parent)


def reserve(path: Path, octets: int) -> None:
    """Make a file at `path` that holds disk space, to be written to or removed later. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with naming(path):
            os.posix_fallocate(descriptor, 0, octets)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def write(path: Path, data: bytes, mode: int = 0o644, reserved: Path | None = None) -> None:
    """Put `data` at `path`, replacing what is there. Raises OSError.

    `reserved`: a file that `reserve` made in the same directory, whose space is used; it is gone then.
    """
    temporary = _write_aside(path, data, mode, reserved)
    try:
        move(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def write_in_stages(*stages: Sequence[File]) -> None:
    """Put files where they belong: those of a stage are durable before one of the next is there.

    All belong on one file system, in directories that exist. Raises OSError: files of earlier stages, and
    some of the stage, may then be there, each of them whole.
    """
    files = [one for stage in stages for one in stage]
    if len(files) <= _FEW:
        for one in files:
            write(one.path, one.data, one.mode)
        return
    token = secrets.token_hex(8)
    aside: dict[Path, Path] = {}
    try:
        for number, one in enumerate(files):
            aside[one.path] = one.path.parent / f"{TEMPORARY_PREFIX}{token}-{number}"
            _write_unsynced(aside[one.path], one)
        _sync_file_system(files[0].path.parent)
        for stage in stages:
            for one in stage:
                aside[one.path].replace(one.path)
                del aside[one.path]
            _sync_file_system(files[0].path.parent)
    finally:
        for left in aside.values():
            left.unlink(missing_ok=True)


def _write_unsynced(temporary: Path, file: File) -> None:
    """Write what is to be at the path of `file` beside it. Raises OSError, which names that path."""
    with naming(file.path):
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            error.filename = str(file.path)
            raise
        try:
            os.fchmod(descriptor, file.mode)
            unwritten = memoryview(file.data)
            while unwritten:
                unwritten = unwritten[os.write(descriptor, unwritten) :]
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def writing(path: Path, mode: int) -> Iterator[BinaryIO]:
    """Yield a file whose octets are at `path` once the block ends well; nothing has changed else.

    For what is not to be held in memory as a whole. Raises OSError.
    """
    descriptor, temporary = _aside(path)
    try:
        with naming(path), os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        move(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def move(written: Path, path: Path) -> None:
    """Move what is at `written`, and fsynced, to `path`, in the same file system. Raises OSError."""
    written.replace(path)
    sync_directory(path.parent)


def create(path: Path, data: bytes, mode: int = 0o644) -> bool:
    """Put `data` at `path` unless something is there: then return False. Raises OSError."""
    temporary = _write_aside(path, data, mode)
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)
    return True


def umask() -> int:
    """Return which bits this process takes from the mode of a file for everybody."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def sync_directory(path: Path) -> None:
    """Make the names in `path` durable, not only what they name."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with naming(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file_system(path: Path) -> None:
    """Make all that was written to the file system of `path` durable, names as well (syncfs(2))."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _LIBC.syncfs(descriptor):
            fault = ctypes.get_errno()
            raise OSError(fault, os.strerror(fault), str(path))
    finally:
        os.close(descriptor)


def remove_unfinished(directory: Path) -> None:
    """Remove what killed writers left behind in `directory`, where nobody writes now."""
    for left in directory.glob(TEMPORARY_PREFIX + "*"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
            continue
        with contextlib.suppress(OSError):
            left.unlink()


def _aside(path: Path) -> tuple[int, Path]:
    """Make a file beside `path` for its owner alone; return a descriptor and where it is."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
    except OSError as error:
        error.filename = str(path)
        raise
    return descriptor, Path(name)


def _write_aside(path: Path, data: bytes, mode: int, reserved: Path | None = None) -> Path:
    if reserved is not None and reserved.is_file():
        descriptor, temporary = os.open(reserved, os.O_WRONLY | os.O_CLOEXEC), reserved
    else:
        descriptor, temporary = _aside(path)
    try:
        with naming(path), os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.ftruncate(file.fileno(), len(data))
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary
