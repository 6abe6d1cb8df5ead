"""The command line of `dnsctl status`."""

from __future__ import annotations

from typing import Annotated

import typer

from dnsctl.cli.command_line.given import JsonOption, examples, here


def register(app: typer.Typer) -> None:
    app.command("status", epilog=examples("dnsctl status", "dnsctl status --zones --json"))(status)


def status(
    ctx: typer.Context,
    zones: Annotated[bool, typer.Option("--zones", help="Show each zone's serial on each node.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show nodes, releases and what expires. Exit code 0: all is well, 1: act now, 2: could not tell."""
    from dnsctl.cli.status import status as run

    run(here(ctx), zones=zones, as_json=as_json)
