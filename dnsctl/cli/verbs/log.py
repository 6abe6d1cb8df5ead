"""The command line of `dnsctl log`."""

from __future__ import annotations

from typing import Annotated

import typer

from dnsctl.cli.command_line import completion
from dnsctl.cli.command_line.given import JsonOption, examples, here

_SHOWN = 20  # releases: a screen or two


def register(app: typer.Typer) -> None:
    app.command(
        "log",
        epilog=examples(
            "dnsctl log",
            "dnsctl log www.example.com",
            "dnsctl log www.example.com A -n 1 --json",
            "dnsctl log -n 0   # all of them",
        ),
    )(log)


def log(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="Those that changed records of this name or below; default: all.",
            autocompletion=completion.owners,
        ),
    ] = None,
    rdtype: Annotated[
        str | None, typer.Argument(metavar="TYPE", help="Those that changed this RRset of NAME.")
    ] = None,
    limit: Annotated[
        int, typer.Option("-n", "--limit", metavar="NUMBER", min=0, help="At most so many; 0: all.")
    ] = _SHOWN,
    as_json: JsonOption = False,
) -> None:
    """List releases, the newest first: who made each, when and why, what it changed, how it ended."""
    from dnsctl.cli.log import log as run

    run(here(ctx), name, rdtype, limit, as_json=as_json)
