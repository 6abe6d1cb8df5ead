"""Read facts about a process from /proc (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NamedTuple

_TICK: Final = os.sysconf("SC_CLK_TCK")
RUNNABLE: Final = "R"  # has a core, or waits for one
STOPPED: Final = "T"  # by a signal
UNKNOWN: Final = "?"
_ENDED: Final = "ZX"  # and not buried yet


class Standing(NamedTuple):
    """`state`: one letter; `cpu`: seconds of CPU time that it has had."""

    state: str
    cpu: float


def standing(pid: int) -> Standing | None:
    """Return how the process stands, or None where it has ended.

    Where /proc hides processes that cannot be traced, it shows only that the process lives.
    """
    if not pid:
        return None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return Standing(UNKNOWN, 0.0) if _lives(pid) else None
    if fields[0] in _ENDED:
        return None
    return Standing(fields[0], (int(fields[11]) + int(fields[12])) / _TICK)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
