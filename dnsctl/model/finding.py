"""Findings: a fault in what a person wrote, with rule id, severity, position and advice.

Faults in zones are findings, never exceptions: all of them are collected over all files, then shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

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
