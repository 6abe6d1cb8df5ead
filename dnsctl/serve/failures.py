"""Failures that queries bring about, told once a minute with their number: no flood fills a disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

INTERVAL: Final = 60.0  # seconds between two lines, however many failures there are
_SHOWN: Final = 512  # octets of a query


class FailureLog:
    """Counts failures in `count`, and logs the first of each interval to `log`."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self.count = 0
        self._log = log
        self._clock = clock
        self._due = float("-inf")

    def note(self, what: str, message: bytes) -> None:
        """Count the exception being handled, raised by `message`. The line has its traceback."""
        self.count += 1
        now = self._clock()
        if now >= self._due:
            self._due = now + INTERVAL
            shown = message[:_SHOWN].hex()
            self._log.exception("%s (%d failures so far); query: %s", what, self.count, shown)
