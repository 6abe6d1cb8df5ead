"""Findings: a fault in what a person wrote, with rule id, severity, position and advice.

Faults in zones are findings, never exceptions: all of them are collected over all files, then shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import Literal, NamedTuple

from dnsctl.model.name import Name


class Position(NamedTuple):
    """Where something stands: `file` relative to the operations repo, `line` and `column` from 1."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"


class Severity(IntEnum):
    """How bad: a zone with an ERROR is not signed, served or released; the others are."""

    NOTE = 1
    WARNING = 2
    ERROR = 3


Level = Literal["off", "note", "warning", "error"]  # of a rule, as `checks` of dnsctl.yaml sets it
LEVELS: Mapping[Level, Severity | None] = {
    "off": None,
    "note": Severity.NOTE,
    "warning": Severity.WARNING,
    "error": Severity.ERROR,
}


def level_text(severity: Severity | None) -> Level:
    """Return a severity as `checks` has it; None is `off`."""
    return next(level for level, each in LEVELS.items() if each is severity)


class Finding(NamedTuple):
    """One fault. `rule` is a kebab-case id, `message` says what, `advice` what to do about it."""

    rule: str
    severity: Severity
    position: Position
    message: str
    advice: str = ""
    zone: Name | None = None

    def __str__(self) -> str:
        text = f"{self.position}: {self.severity.name.lower()} [{self.rule}] {self.message}"
        return f"{text}; {self.advice}" if self.advice else text


def by_position(found: Iterable[Finding]) -> list[Finding]:
    """Return findings by file, line and column; at one place the worst first."""
    return sorted(found, key=lambda each: (each.position, -each.severity, each.rule, each.message))


def levelled(findings: Iterable[Finding], levels: Mapping[str, Level]) -> Iterator[Finding]:
    """Yield `findings` with the severities that `checks` sets; errors keep theirs."""
    for each in findings:
        level = levels.get(each.rule)
        if level is None or each.severity is Severity.ERROR:
            yield each
        elif severity := LEVELS[level]:
            yield each._replace(severity=severity)
