"""Work in a process of its own that is killed at one of the things that it does to files."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

EVENTS = frozenset(
    ("open", "os.mkdir", "os.link", "os.rename", "os.remove", "os.rmdir", "ctypes.call_function", "os.chmod")
)


def killed_at(work: Callable[[], object], event: int, below: Path) -> bool:
    """Do `work` in a fork that kills itself at its `event`th event; True if that came.

    Counted is what concerns paths below `below`, and what has no path.
    """
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(name: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            if name in EVENTS and (name.startswith("ctypes") or str(below) in str(arguments)):
                seen += 1
                if seen == event:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
