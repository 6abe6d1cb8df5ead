"""Two directories change names in one step: renameat2(2) with RENAME_EXCHANGE (Linux 3.15).

So a directory is replaced as a whole: whoever looks, also after a crash, finds the old one or the new one.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from dnsctl.files.durable import sync_directory

_LIBC = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100  # fcntl.h
_RENAME_EXCHANGE = 2  # linux/fs.h


def exchange(one: Path, other: Path) -> None:
    """Have `one` and `other`, which both exist in one file system, change names; durable on return.

    Raises OSError naming `other`: EINVAL where the file system cannot, EXDEV or EBUSY for a mount point.
    """
    done = _LIBC.renameat2(
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(os.fsencode(one)),
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(os.fsencode(other)),
        ctypes.c_uint(_RENAME_EXCHANGE),
    )
    if done:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))
    for parent in {one.parent, other.parent}:
        sync_directory(parent)
