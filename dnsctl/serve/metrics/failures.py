"""Log failures that queries cause, once a minute with their number: no flood fills a disk."""

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
        if self._is_due():
            shown = message[:_SHOWN].hex()
            self._log.exception("%s (%d failures so far); query: %s", what, self.count, shown)

    def tell(self, what: str) -> None:
        """Count a failure whose reason is in `what`. The line has no traceback."""
        if self._is_due():
            self._log.warning("%s (%d failures so far)", what, self.count)

    def _is_due(self) -> bool:
        self.count += 1
        now = self._clock()
        if now < self._due:
            return False
        self._due = now + INTERVAL
        return True
