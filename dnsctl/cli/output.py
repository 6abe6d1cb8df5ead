"""What is printed, and where: results on standard out, all else on standard error, colour only on a terminal.

Nothing from a file reaches a terminal unescaped: control characters are shown as `\\x1b`, so that a zone file
cannot move the cursor or change the title of an operator's window.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from dnsctl.model.finding import Finding, Severity
from dnsctl.model.name import to_text

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_ESCAPES = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (
        *range(0x20),
        *range(0x7F, 0xA0),
        0x2028,
        0x2029,
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    )
}  # C0, C1, and what reorders text (Unicode TR 36)


def prepare() -> None:
    """Let output never fail on a character that the terminal's encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def visible(text: str) -> str:
    """Return `text` with every control character escaped."""
    return text.translate(_ESCAPES)


def results() -> Console:
    """Return the console on standard out."""
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=True)


def messages() -> Console:
    """Return the console on standard error."""
    return Console(file=sys.stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)


def line(text: str) -> None:
    """Print a result as it is; `text` is ours or `visible`."""
    sys.stdout.write(text + "\n")


def say(text: str) -> None:
    """Tell a person something that is no result."""
    messages().print(Text(visible(text)))


def failure(text: str) -> None:
    """Print the one line of a failure."""
    one_line = " ".join(text.split("\n"))
    messages().print(Text.assemble(("dnsctl: ", "bold red"), visible(one_line)))


def json_result(value: Any) -> None:
    """Print `value` as JSON: keys in the order they were made in, text as it is."""
    line(json.dumps(value, indent=2, ensure_ascii=True))


def findings(found: Iterable[Finding], console: Console | None = None) -> None:
    """Print findings, one a line: `file:line:column: severity [rule] message; advice`."""
    console = console or results()
    for each in found:
        advice = f"; {each.advice}" if each.advice else ""
        console.print(
            Text.assemble(
                visible(f"{each.position}: "),
                (each.severity.name.lower(), _STYLES[each.severity]),
                visible(f" [{each.rule}] {each.message}"),
                (visible(advice), "dim"),
            )
        )


def finding_json(each: Finding) -> dict[str, Any]:
    """Return a finding with stable keys; `line` and `column` are 0 where they are not known."""
    return {
        "rule": each.rule,
        "severity": each.severity.name.lower(),
        "zone": to_text(each.zone) if each.zone is not None else None,
        "file": each.position.file,
        "line": each.position.line,
        "column": each.position.column,
        "message": each.message,
        "advice": each.advice,
    }


def by_position(found: Iterable[Finding]) -> list[Finding]:
    """Return findings by file, line and column; at one place the worst first."""
    return sorted(found, key=lambda each: (each.position, -each.severity, each.rule, each.message))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows in columns on standard out; with tabs where it is no terminal, for cut and awk."""
    console = results()
    if not console.is_terminal:
        line("\t".join(headings))
        for row in rows:
            line("\t".join(visible(cell) for cell in row))
        return
    drawn = Table(*headings, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        drawn.add_row(*(Text(visible(cell), overflow="fold") for cell in row))
    console.print(drawn, soft_wrap=False)


def progress() -> Progress:
    """Return a progress display on standard error that shows on a terminal only and leaves nothing behind."""
    console = messages()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def examples(*lines: str) -> str:
    """Return the epilog of a command's help: one example a line."""
    return "\n\n".join(("[bold]Examples[/bold]", *(each.replace("[", "\\[") for each in lines)))


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
