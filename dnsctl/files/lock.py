"""One process at a time: advisory locks on files (flock(2)). The kernel lets go of one when its holder ends.

A lock belongs to an open file: who inherits the descriptor holds it too, and closing the last one ends it.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

_PAUSE = 0.02  # seconds between two tries


def lock_file(path: Path) -> int:
    """Return a descriptor of the file at `path`, made for its owner where there is none. Raises OSError."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def lock_directory(path: Path) -> int:
    """Return a descriptor of the directory at `path`, which serves as a lock as well. Raises OSError."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def take(descriptor: int, patience: float = 0.0) -> bool:
    """Lock what `descriptor` has open; False where another process holds it for `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)
        else:
            return True
