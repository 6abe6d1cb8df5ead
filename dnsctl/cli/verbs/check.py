"""The command line of `dnsctl check`."""

from __future__ import annotations

from typing import Annotated

import typer

from dnsctl.cli.command_line import completion
from dnsctl.cli.command_line.given import JsonOption, examples, here


def register(app: typer.Typer) -> None:
    app.command(
        "check",
        epilog=examples(
            "dnsctl check", "dnsctl check example.com --json", "dnsctl check --rules", "dnsctl -C ops check"
        ),
    )(check)


def check(
    ctx: typer.Context,
    zones: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ZONE", help="Check these zones; default: all.", autocompletion=completion.zones
        ),
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List all rules and exit.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Load and validate zones. Exit code 1 if there is an error, 0 for warnings and notes."""
    if rules:
        from dnsctl.cli.output.rules import print_rules

        print_rules(as_json=as_json)
        return
    from dnsctl.cli.check import check as run

    run(here(ctx), zones or [], as_json=as_json)
