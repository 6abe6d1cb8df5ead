"""A child process that never outlives its parent, however that ends (Linux).

What a fork leaves behind keeps what it inherited: keys in memory, and the locks of its parent.
"""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(parent: int, number: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send `number` to this process when `parent` ends; end at once if it already has.

    To be called after a change of user: that clears the request (prctl(2)). Raises OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    nothing = [ctypes.c_ulong(0)] * 3
    if libc.prctl(ctypes.c_int(_PR_SET_PDEATHSIG), ctypes.c_ulong(number), *nothing):
        fault = ctypes.get_errno()
        raise OSError(fault, f"prctl({_PR_SET_PDEATHSIG}): {os.strerror(fault)}")
    if os.getppid() != parent:
        os._exit(1)
