"""What a process asks of the kernel for itself (prctl(2), Linux), such as to end with its parent.

What a fork leaves behind keeps what it inherited: keys in memory, and the locks of its parent.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal

LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_DUMPABLE = 4


def prctl(option: int, argument: int | bytes) -> None:
    """Call prctl(2). Raises OSError."""
    value = ctypes.c_char_p(argument) if isinstance(argument, bytes) else ctypes.c_ulong(argument)
    check(LIBC.prctl(ctypes.c_int(option), value, *[ctypes.c_ulong(0)] * 3), f"prctl({option})")


def check(result: int, call: str) -> None:
    """Raise OSError where a system call has failed."""
    if result:
        fault = ctypes.get_errno()
        raise OSError(fault, f"{call}: {os.strerror(fault)}")


def die_with_parent(parent: int, number: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send `number` to this process when `parent` ends; end at once if it already has.

    To be called after a change of user: that clears the request (prctl(2)). Raises OSError.
    """
    prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(1)


def forbid_core_dumps() -> None:
    """Have the kernel write this process, and whatever it forks, to no file and no pipe when it crashes.

    Its memory may hold keys and passphrases. Other processes of its user can no longer read it either
    (ptrace(2)). To be called again after a change of user or a new program (prctl(2)).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl(_PR_SET_DUMPABLE, 0)
