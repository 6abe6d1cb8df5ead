"""Files of keys, read and written, with errors that name the file and say what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dnsctl.errors import KeystoreError
from dnsctl.files import durable, secrecy


def entries(directory: Path) -> tuple[Path, ...]:
    """Return what is in a directory, in no order; nothing, where it is not there. Raises KeystoreError."""
    try:
        return tuple(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise KeystoreError(
            error.strerror or str(error), where=str(directory), advice="check its owner and mode"
        ) from None


def read(path: Path) -> bytes:
    """Return the octets of a file. Raises KeystoreError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise KeystoreError("missing", where=str(path), advice="restore it from a backup") from None
    except OSError as error:
        raise KeystoreError(
            error.strerror or str(error), where=str(path), advice="check its owner and mode"
        ) from None


def read_private(path: Path) -> bytes:
    """Read a private half. Raises KeystoreError also where others than its owner may."""
    pem = read(path)
    if shared := secrecy.fault(path.stat()):
        raise KeystoreError(shared, where=str(path), advice=f"chmod 600 {path}")
    return pem


def write(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole, or leave what was there. Raises KeystoreError."""
    try:
        durable.write(path, content, mode)
    except OSError as error:
        raise unwritable(path, error) from None


def write_in_stages(*stages: Sequence[durable.File]) -> None:
    """Write files, those of a stage durably before those of the next. Raises KeystoreError."""
    try:
        durable.write_in_stages(*stages)
    except OSError as error:
        raise unwritable(Path(error.filename), error) from None


def make_directory(directory: Path) -> None:
    """Make a directory that only its owner enters, if it is not there. Raises KeystoreError."""
    make_directories([directory])


def make_directories(directories: Sequence[Path]) -> None:
    """Make directories that only their owner enters, where they are not there. Raises KeystoreError."""
    try:
        durable.make_directories(directories, 0o700)
    except OSError as error:
        raise unwritable(Path(error.filename), error) from None


def unwritable(path: Path, error: OSError) -> KeystoreError:
    """Return the error for a file that could not be changed."""
    return KeystoreError(
        f"cannot be written: {error.strerror or error}",
        where=str(path),
        advice="check the disk, and owner and mode of the directory",
    )
