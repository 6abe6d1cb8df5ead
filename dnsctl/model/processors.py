"""How many processors there are for us: work that is shared out among processes needs as many."""

from __future__ import annotations

import os


def usable_processors() -> int:
    """Return how many processors this process may run on (sched_getaffinity(2))."""
    return len(os.sched_getaffinity(0))
