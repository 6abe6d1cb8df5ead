"""A bounded time for something that others can draw out, such as all questions to one parent."""

from __future__ import annotations

import time
from collections.abc import Callable


class Patience:
    """So many seconds from now on. `counted`: a clock that is never set, in seconds."""

    def __init__(self, seconds: float, counted: Callable[[], float] = time.monotonic) -> None:
        self._counted = counted
        self._end = counted() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, 0 at least."""
        return max(0.0, self._end - self._counted())

    @property
    def is_over(self) -> bool:
        return self._counted() >= self._end

    def within(self, seconds: float) -> Patience:
        """Return a patience of so many seconds that does not outlast this one."""
        return Patience(min(seconds, self.left), self._counted)
