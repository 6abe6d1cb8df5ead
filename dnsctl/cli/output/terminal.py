"""Drawing on a terminal: styled text, tables, progress bars. For what is printed where, see `output`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from dnsctl.cli.output import visible


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


def progress() -> Progress:
    """Return a progress display on standard error that leaves nothing behind."""
    console = _console(sys.stderr)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
