"""Printing: results on standard output, everything else on standard error, colour only on a terminal.

Nothing from a file reaches a terminal unescaped: control characters are shown as `\\x1b`, so that a zone file
cannot move the cursor or change the title of an operator's window. What is drawn, in `terminal`, is imported
where there is a terminal to draw on.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO, cast

from dnsctl.model.finding import Finding, Severity
from dnsctl.model.json_value import Json
from dnsctl.model.name import to_text

if TYPE_CHECKING:
    from rich.progress import TaskID as Task

    from dnsctl.publish.intent import Progress

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


class Bars(Protocol):
    """Bars of progress."""

    def add_task(self, description: str, *, total: float | None) -> Task: ...

    def update(self, task_id: Task, *, completed: float, total: float | None = None) -> None: ...


class _NoBars:
    """Bars that draw nothing: for `progress` without a terminal."""

    def add_task(self, description: str, *, total: float | None) -> Task:
        return cast("Task", 0)

    def update(self, task_id: Task, *, completed: float, total: float | None = None) -> None: ...


def draws(stream: TextIO) -> bool:
    """Return whether colours may be written to `stream`: it is a terminal, or FORCE_COLOR says so."""
    return stream.isatty() or bool(os.environ.get("FORCE_COLOR"))


def line(text: str) -> None:
    """Print a result as it is; `text` is ours or `visible`."""
    sys.stdout.write(text + "\n")


def say(text: str) -> None:
    """Tell a person something that is not a result."""
    sys.stderr.write(visible(text) + "\n")


def failure(text: str) -> None:
    """Print the one line of a failure."""
    styled(("dnsctl: ", "bold red"), " ".join(text.split("\n")), stream=sys.stderr)


def styled(*parts: str | tuple[str, str], stream: TextIO | None = None) -> None:
    """Print one line of parts, each a text or a text with its style, on `stream`; default: standard out."""
    stream = stream or sys.stdout
    escaped = [
        (visible(each), "") if isinstance(each, str) else (visible(each[0]), each[1]) for each in parts
    ]
    if not draws(stream):
        stream.write("".join(text for text, _ in escaped) + "\n")
        return
    from dnsctl.cli.output import terminal  # noqa: PLC0415 - there is one

    terminal.line(escaped, stream)


def json_result(value: Json) -> None:
    """Print `value` as JSON: keys in the order they were made in, text as it is."""
    line(json.dumps(value, indent=2, ensure_ascii=True))


def findings(found: Iterable[Finding], stream: TextIO | None = None) -> None:
    """Print findings, one a line: `file:line:column: severity [rule] message; advice`."""
    for each in found:
        styled(
            f"{each.position}: ",
            (each.severity.name.lower(), _STYLES[each.severity]),
            f" [{each.rule}] {each.message}",
            (f"; {each.advice}" if each.advice else "", "dim"),
            stream=stream,
        )


def finding_json(each: Finding) -> dict[str, Json]:
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


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows in columns on standard out; with tabs where it is not a terminal, for cut and awk."""
    if draws(sys.stdout):
        from dnsctl.cli.output import terminal  # noqa: PLC0415 - there is one

        terminal.table(headings, rows)
        return
    line("\t".join(headings))
    for row in rows:
        line("\t".join(visible(cell) for cell in row))


@contextmanager
def progress() -> Iterator[Bars]:
    """Give a progress display on standard error that shows on a terminal only and leaves nothing behind."""
    if not draws(sys.stderr):
        yield _NoBars()
        return
    from dnsctl.cli.output import terminal  # noqa: PLC0415 - there is one

    with terminal.progress() as bars:
        yield bars


@contextmanager
def stages() -> Iterator[Progress]:
    """Give a callable (stage, done, total) that draws a bar a stage while the block runs, on a terminal."""
    with progress() as bars:
        drawn: dict[str, Task] = {}

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in drawn:
                drawn[stage] = bars.add_task(visible(stage), total=total)
            bars.update(drawn[stage], completed=done, total=total)

        yield tell


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
