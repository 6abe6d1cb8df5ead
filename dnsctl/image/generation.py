"""The counter that shows a node's processes a new generation: 8 octets in a shared memory map.

Written by the one process that commits to the image, after the commit; read by all others at the price of a
memory access, once a batch. It counts activations, not generations: a difference means "renew your reader".
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

_SIZE = 8  # octets


class GenerationCounter:
    """A counter at `path`, made where it does not exist. One writer, any number of readers."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size < _SIZE:
                os.posix_fallocate(descriptor, 0, _SIZE)  # a hole on a full disk would end who writes there
            self._map = mmap.mmap(descriptor, _SIZE)
        finally:
            os.close(descriptor)
        self._cell = memoryview(self._map).cast("Q")  # aligned 8-octet loads and stores are atomic

    @property
    def value(self) -> int:
        return self._cell[0]

    def advance(self) -> None:
        self._cell[0] = (self._cell[0] + 1) & 0xFFFFFFFFFFFFFFFF

    def close(self) -> None:
        self._cell.release()
        self._map.close()
