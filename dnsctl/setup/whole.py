"""A directory that is made whole or not at all, by one process at a time.

A new directory is made beside its place, as `.NAME.making-…`, and renamed once everything is in it. In an
existing one, each file is whole or missing, so that a second run adds what a killed one left out. Two runs
wait for each other: the lock (flock) is on the directory that they write in.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from dnsctl.errors import ConfigError
from dnsctl.files import durable
from dnsctl.files.lock import lock_directory, take

_PATIENCE = 60.0  # seconds; making keys and certificates takes one
_MARK = ".making-"


@contextlib.contextmanager
def whole_directory(target: Path) -> Iterator[Path]:
    """Yield the directory to write in; what is in it is at `target` once the block ends well.

    Raises ConfigError where `target` cannot be made, or another process keeps writing there.
    """
    target = Path(os.path.normpath(target.absolute()))
    if target.exists():
        with _locked(target):
            yield target
        return
    _make(target.parent)
    with _locked(target.parent) as parent:
        if target.exists():  # another run was faster
            with _locked(target):
                yield target
            return
        for left in parent.glob(f".{target.name}{_MARK}*"):  # by a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        aside = parent / f".{target.name}{_MARK}{secrets.token_hex(4)}"
        _make(aside)
        try:
            yield aside
            durable.move(aside, target)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot be made: {error.strerror}", where=str(directory), advice="choose another place"
        ) from None


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[Path]:
    try:
        descriptor = lock_directory(directory)
    except OSError as error:
        raise ConfigError(
            f"is not a directory to write in: {error.strerror}",
            where=str(directory),
            advice="choose another place",
        ) from None
    try:
        if not take(descriptor, _PATIENCE):
            raise ConfigError(
                "another process has been writing here for too long",
                where=str(directory),
                advice="end it, then try again",
            )
        yield directory
    finally:
        os.close(descriptor)  # releases the lock
