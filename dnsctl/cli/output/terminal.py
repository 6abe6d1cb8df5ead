"""Drawing on a terminal: styled text, tables, progress bars. For what is printed where, see `output`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
)
from rich.table import Column, Table
from rich.text import Text

from dnsctl.cli.output import visible

_WITH_BARS = 60  # columns: a narrower terminal shows percents alone
_FIGURES = 44  # columns of a short bar, numbers up to a million, and the time
_FEW_FIGURES = 18  # of percents and the time


def _console(stream: TextIO) -> Console:
    return Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)


def line(parts: Iterable[tuple[str, str]], stream: TextIO) -> None:
    """Print one line of texts with their styles."""
    _console(stream).print(Text.assemble(*parts))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows in columns on standard out."""
    drawn = Table(*headings, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        drawn.add_row(*(Text(visible(cell), overflow="fold") for cell in row))
    _console(sys.stdout).print(drawn, soft_wrap=False)


class _TimeLeft(ProgressColumn):
    """How long a task is going to take from now; how long it took so far, where that cannot be told."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        if task.time_remaining is None or task.finished:
            return Text(_minutes(task.finished_time or task.elapsed or 0))
        return Text(f"{_minutes(task.time_remaining)} left")


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def progress() -> Progress:
    """Return a progress display on standard error that leaves nothing behind."""
    console = _console(sys.stderr)
    figures: tuple[ProgressColumn, ...] = (BarColumn(), MofNCompleteColumn(), _TimeLeft())
    taken = _FIGURES
    if console.width < _WITH_BARS:
        figures, taken = (TaskProgressColumn(), _TimeLeft()), _FEW_FIGURES
    room = console.width - taken
    named = TextColumn("{task.description}", table_column=Column(no_wrap=True, max_width=room))
    return Progress(named, *figures, console=console, transient=True, disable=not console.is_terminal)
