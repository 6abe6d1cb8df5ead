"""Who may read a file that holds a secret: its owner, and on nodes a group; and files of keys, read.

A private key or a passphrase that every user of the host may read is not a secret. On the operator's host, as
with ssh, a group may not read it either, unless the file belongs to another user, who gave it to us that way.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MAX_KEY_FILE = 64 * 1024  # octets that are read of a file with a key
_OTHERS = stat.S_IRWXO
_GROUP = stat.S_IRWXG
_GROUP_WRITES = stat.S_IWGRP


def shared_with(status: os.stat_result, *, group: bool = False) -> str:
    """Return who, besides its owner, can read or change a file; empty where nobody can.

    `group`: its group may read it, since a service that is not its owner does. Anything that is not a regular
    file (a pipe, a device) has no readers in this sense.
    """
    if not stat.S_ISREG(status.st_mode):
        return ""
    if status.st_mode & _OTHERS:
        return "every user of this host"
    refused = _GROUP_WRITES if group else _GROUP
    return "its group" if status.st_mode & refused and status.st_uid == os.geteuid() else ""


def fault(status: os.stat_result, *, group: bool = False) -> str:
    """Return what is wrong with the mode of a file that holds a secret; empty where nothing is."""
    whom = shared_with(status, group=group)
    mode = stat.S_IMODE(status.st_mode)
    return f"holds a secret, and its mode {mode:04o} opens it to {whom}" if whom else ""


def read_key(path: Path) -> bytes:
    """Return the octets of a key file, as many as one may have.

    Raises OSError, at once also for a pipe that nobody writes to, or a device.
    """
    with open(path, "rb", opener=_unwaiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return file.read(MAX_KEY_FILE)


def _unwaiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
