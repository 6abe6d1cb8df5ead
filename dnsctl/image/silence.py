"""The silence of a new node: a file beside the image, until the node has what its fleet serves.

A node that begins with an empty image must not answer from the first state that it gets, however often it is
restarted meanwhile: others serve a newer one. So the file is made before anything is committed, and removed
once what is committed is known to be current; after a crash in between, the node is silent.
"""

from __future__ import annotations

import os
from pathlib import Path

from dnsctl.files import durable


class Silence:
    """The file at `path`. One process begins and ends it; any number look."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def holds(self) -> bool:
        """True while no query may be answered."""
        return self._path.exists()

    def begin(self) -> None:
        """Keep silent from here on, also after a loss of power. Raises OSError."""
        os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        durable.sync_directory(self._path.parent)

    def end(self) -> bool:
        """Let queries be answered; False where they were already."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True
