"""Files that are wholly there or not at all, after a crash too: written aside, fsynced, renamed, and the
directory fsynced. Nothing here reads what it replaces. An OSError from here always names the file.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

TEMPORARY_PREFIX = ".writing-"  # what a killed writer may leave behind; readers skip it


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have an OSError that names no file name `path`: write(2) and fsync(2) are given none."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def make_directory(path: Path, mode: int = 0o755) -> None:
    """Make `path` and its parents, each one's entry in its parent fsynced."""
    if path.is_dir():
        return
    make_directory(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=mode)
    sync_directory(path.parent)


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
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def create(path: Path, data: bytes, mode: int = 0o644) -> bool:
    """Put `data` at `path` unless something is there: False then, whoever came first. Raises OSError."""
    temporary = _write_aside(path, data, mode)
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)
    return True


def sync_directory(path: Path) -> None:
    """Make the names in `path` durable, not only what they name."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with naming(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_aside(path: Path, data: bytes, mode: int, reserved: Path | None = None) -> Path:
    if reserved is not None and reserved.is_file():
        descriptor, name = os.open(reserved, os.O_WRONLY | os.O_CLOEXEC), str(reserved)
    else:
        descriptor, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
    temporary = Path(name)
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
