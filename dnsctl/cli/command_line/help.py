"""The page that `--help` prints: plain text, readable from 40 columns, drawn without a library.

What stands in it comes from the annotations of a verb: `typer` says what a parameter is called and is for.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from typer._click.core import Command, Context  # typer exports none of these types

_NARROWEST: Final = 40  # columns
_WIDEST: Final = 100  # longer lines are hard to read
_BESIDE: Final = 60  # columns from which a text stands beside what it explains, else below it
_LONGEST_TERM: Final = 26  # columns of what is explained; a longer one has its text below
_WORDS: Final = re.compile(r"""(?:"[^"]*"|'[^']*'|\S)+""")  # as a shell reads them
Row = tuple[str, str]


class Told(NamedTuple):
    """What `--help` and the manual page tell of a command. `commands`: those below it, a line each."""

    usage: str
    paragraphs: tuple[str, ...]
    arguments: tuple[Row, ...]
    options: tuple[Row, ...]
    commands: tuple[Row, ...]
    examples: tuple[str, ...]


def told_of(command: Command, ctx: Context) -> Told:
    """Return what is told of a command that is called as `ctx` has it."""
    explained: dict[str, list[Row]] = {"argument": [], "option": []}
    for each in command.get_params(ctx):
        record = each.get_help_record(ctx)
        if record is not None:
            term, text = record
            explained[each.param_type_name].append((term.partition(" <")[0], text))  # an argument's type
    below: dict[str, Command] = getattr(command, "commands", {})
    return Told(
        " ".join((ctx.command_path, *command.collect_usage_pieces(ctx))),
        tuple(" ".join(each.split()) for each in (command.help or "").split("\n\n")),
        tuple(explained["argument"]),
        tuple(explained["option"]),
        tuple((name, _first(each.help)) for name, each in below.items()),
        tuple((command.epilog or "").splitlines()),
    )


def explain(command: Command) -> None:
    """Have a command, and all below it, print this page for `--help`."""
    command.get_help = partial(page, command)  # type: ignore[method-assign]
    for below in getattr(command, "commands", {}).values():
        explain(below)


def page(command: Command, ctx: Context) -> str:
    """Return the help of `command`, as wide as the terminal."""
    return "\n".join(_lines(told_of(command, ctx), _width()))


def _width() -> int:
    return max(_NARROWEST, min(shutil.get_terminal_size().columns, _WIDEST))


def _lines(told: Told, width: int) -> Iterator[str]:
    yield from _wrapped(f"Usage: {told.usage}", width, "", " " * 7)
    for paragraph in told.paragraphs:
        yield ""
        yield from _wrapped(paragraph, width, "  ")
    yield from _section("Arguments", told.arguments, width)
    yield from _section("Options", told.options, width)
    yield from _section("Commands", told.commands, width)
    if told.examples:
        yield from ("", "Examples:")
        for example in told.examples:
            yield from _example(example, width)


def _first(text: str | None) -> str:
    """Return the first paragraph."""
    return " ".join((text or "").partition("\n\n")[0].split())


def _section(title: str, rows: Sequence[Row], width: int) -> Iterator[str]:
    """Yield terms with their texts, below a title; nothing where there are none."""
    if not rows:
        return
    yield from ("", f"{title}:")
    column = 4 + min(_LONGEST_TERM, max(len(term) for term, _ in rows)) if width >= _BESIDE else 6
    for term, text in rows:
        begin = f"  {term}".ljust(column)
        if len(begin) > column or width < _BESIDE:
            yield begin.rstrip()
            begin = " " * column
        yield from _wrapped(text, width, begin, " " * column)


def _wrapped(text: str, width: int, first: str, rest: str | None = None) -> list[str]:
    made = textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return made or [first.rstrip()]


def _example(line: str, width: int) -> Iterator[str]:
    """Yield a command; one that is too long goes on after a backslash, so that it can still be pasted."""
    if len(line) + 2 <= width:
        yield f"  {line}"
        return
    begun = " "
    for word in _WORDS.findall(line):
        if begun.strip() and len(begun) + len(word) + 3 > width:
            yield f"{begun} \\"
            begun = "     "
        begun = f"{begun} {word}"
    yield begun
