"""The command line of `dnsctl init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dnsctl.cli.command_line.given import JsonOption, examples
from dnsctl.cli.command_line.place import named_root


def register(app: typer.Typer) -> None:
    app.command(
        "init",
        epilog=examples(
            "dnsctl init dns", "dnsctl init dns --example", "dnsctl init   # again: adds what is missing"
        ),
    )(init)


def init(
    ctx: typer.Context,
    directory: Annotated[Path | None, typer.Argument(metavar="DIR", help="Where; default: here.")] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Add the zones of a small mail provider.")
    ] = False,
    new_fleet: Annotated[
        bool,
        typer.Option("--new-fleet", help="Make a fleet of its own, with new keys, of a clone."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make an operations repo with keys and certificates, or add what is missing; change no file of yours."""
    from dnsctl.cli.init import init as run

    root = named_root(ctx)
    run(
        root / directory if directory is not None else root,
        example=example,
        new_fleet=new_fleet,
        as_json=as_json,
    )
