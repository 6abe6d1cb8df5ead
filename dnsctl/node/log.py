"""The log of a node's processes: plain lines to standard error, a few a second at most.

Anybody can cause log lines as fast as the network carries packets. So each kind of line, ours or a library's,
has an allowance that grows back slowly, and all lines together have one, too. The next line of a kind says
how many were left out.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_KIND: Final = (10.0, 0.5)  # lines at once, and how many more each second, of one kind
_ALL: Final = (100.0, 5.0)
_TRACEBACK: Final = 5.0  # lines that one with a traceback counts for
_KINDS: Final = 256  # remembered


@dataclass
class _Allowance:
    """Lines that may still be logged. `lines` at most; `rate` more each second."""

    lines: float
    rate: float
    now: float
    left: float = field(init=False)
    omitted: int = 0

    def __post_init__(self) -> None:
        self.left = self.lines

    def grow(self, now: float) -> float:
        self.left = min(self.lines, self.left + (now - self.now) * self.rate)
        self.now = now
        return self.left


class Paced(logging.Filter):
    """Lets a few records a second pass. Put it on a handler: on a logger it would not see its children's."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._all = _Allowance(*_ALL, clock())
        self._kinds: dict[tuple[str, int, str], _Allowance] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """True where `record` may be logged; it then says how many like it were left out."""
        now = self._clock()
        key = (record.name, record.levelno, str(record.msg))
        if key not in self._kinds and len(self._kinds) >= _KINDS:
            self._kinds.pop(next(iter(self._kinds)))
        kind = self._kinds.setdefault(key, _Allowance(*_KIND, now))
        cost = _TRACEBACK if record.exc_info else 1.0
        if min(kind.grow(now), self._all.grow(now)) < cost:
            kind.omitted += 1
            return False
        kind.left -= cost
        self._all.left -= cost
        if kind.omitted:
            record.msg = f"{record.getMessage()} (and {kind.omitted} more like this)"
            record.args = None
            kind.omitted = 0
        return True


def begin_logging() -> None:
    """Log to standard error from now on: our own lines from INFO, libraries' from WARNING."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Paced())
    logging.basicConfig(handlers=[handler], format="dnsctl: %(message)s", level=logging.WARNING)
    logging.getLogger("dnsctl").setLevel(logging.INFO)
