"""Findings about one pre-signed zone: a few of each rule, and how many more.

What there is to tell is in `dnsctl.model.presigned`.
"""

from __future__ import annotations

from collections import Counter

from dnsctl.model.finding import Finding, Position, Severity
from dnsctl.model.name import Name
from dnsctl.model.presigned import RULES
from dnsctl.model.rrset import RRset

_KEPT = 10  # of one rule in one zone
_BY_NAME = {name: (severity, advice) for name, severity, _, advice in RULES}


class ZoneFindings:
    """Collects findings of the zone `origin`, whose file is `file`."""

    def __init__(self, origin: Name, file: str) -> None:
        self._origin = origin
        self._file = file
        self._kept: list[Finding] = []
        self._counts: Counter[str] = Counter()
        self._last: dict[str, Position] = {}

    def add(self, rule: str, message: str, at: RRset | None = None) -> None:
        """Add a finding of `rule` with `message`, at the line of `at`."""
        self._counts[rule] += 1
        if self._counts[rule] <= _KEPT:
            position = at.position if at is not None and at.position is not None else Position(self._file)
            severity, advice = _BY_NAME[rule]
            self._last[rule] = position
            self._kept.append(Finding(rule, severity, position, message, advice, self._origin))

    @property
    def errors(self) -> int:
        """Number of errors, those that are not kept included."""
        return sum(count for rule, count in self._counts.items() if _BY_NAME[rule][0] is Severity.ERROR)

    def findings(self) -> tuple[Finding, ...]:
        """Return what is kept, and a line for the rest of each rule."""
        found = list(self._kept)
        for rule, count in self._counts.items():
            if count > _KEPT:
                severity, advice = _BY_NAME[rule]
                message = f"{count - _KEPT} more like these"
                found.append(Finding(rule, severity, self._last[rule], message, advice, self._origin))
        return tuple(found)
