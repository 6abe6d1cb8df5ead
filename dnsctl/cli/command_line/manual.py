"""A manual page for each command, from what its `--help` is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import typer

from dnsctl.cli.command_line.help import Row, Told, told_of
from dnsctl.cli.output import roff

if TYPE_CHECKING:
    from typer._click.core import Command, Context  # typer exports none of these types

COMMANDS: Final = 1  # section of the manual
FILES: Final = 5
OF_FILES: Final = ("dnsctl.yaml", "dnsctl-zonefile")


def command_pages(command: Command, ctx: Context) -> Iterator[tuple[str, str]]:
    """Yield name and text of the page of a command, and of each below it."""
    told = told_of(command, ctx)
    yield _page_of(ctx), "\n".join(_lines(told, ctx)) + "\n"
    below: dict[str, Command] = getattr(command, "commands", {})
    for name, each in below.items():
        yield from command_pages(each, typer.Context(each, parent=ctx, info_name=name))


def _lines(told: Told, ctx: Context) -> Iterator[str]:
    name = _page_of(ctx)
    yield from roff.title(name, COMMANDS)
    yield from roff.name(name, _title(told.paragraphs[0]))
    yield from roff.heading("Synopsis")
    yield from roff.paragraph(f"`{ctx.command_path}`{told.usage.removeprefix(ctx.command_path)}")
    yield from roff.heading("Description")
    for each in told.paragraphs:
        yield from roff.paragraph(each)
    yield from _section("Arguments", told.arguments)
    yield from _section("Options", told.options)
    yield from _section("Commands", [(f"{name}-{each}({COMMANDS})", text) for each, text in told.commands])
    if told.examples:
        yield from roff.heading("Examples")
        yield from roff.example(told.examples)
    yield from roff.heading("See also")
    yield from roff.paragraph(", ".join(f"`{each}`" for each in _see_also(ctx)))


def _page_of(ctx: Context) -> str:
    return ctx.command_path.replace(" ", "-")


def _title(text: str) -> str:
    """Return the first sentence as apropos(1) lists it."""
    sentence = text.partition(". ")[0].removesuffix(".")
    return sentence[:1].lower() + sentence[1:]


def _section(title: str, rows: Sequence[Row]) -> Iterator[str]:
    if rows:
        yield from roff.heading(title)
    for row in rows:
        yield from roff.term(*row)


def _see_also(ctx: Context) -> Iterator[str]:
    above = ctx.parent
    while above is not None:
        yield f"{_page_of(above)}({COMMANDS})"
        above = above.parent
    yield from (f"{each}({FILES})" for each in OF_FILES)
