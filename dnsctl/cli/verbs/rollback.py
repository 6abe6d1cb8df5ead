"""The command line of `dnsctl rollback`."""

from __future__ import annotations

from typing import Annotated

import typer

from dnsctl.cli.command_line import completion
from dnsctl.cli.command_line.given import (
    AllowOption,
    JsonOption,
    ReasonOption,
    WithoutOption,
    examples,
    here,
    one_site,
)


def register(app: typer.Typer) -> None:
    app.command(
        "rollback",
        epilog=examples(
            "dnsctl rollback --dry-run",
            'dnsctl rollback 41 --reason "mail broke in 42"',
            "dnsctl rollback --json",
        ),
    )(rollback)


def rollback(
    ctx: typer.Context,
    generation: Annotated[
        int | None,
        typer.Argument(
            metavar="GENERATION",
            min=1,
            autocompletion=completion.generations,
            help="Publish its records; default: the last one of another commit.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would change; send nothing to any node."),
    ] = False,
    without: WithoutOption = None,
    allow: AllowOption = None,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Publish an earlier release's records again, with higher serials and fresh signatures."""
    from dnsctl.cli.rollback import rollback as run
    from dnsctl.control.push import Request

    request = Request("", tuple(allow or ()), one_site(without), reason, dry_run)
    run(here(ctx), generation, request, as_json=as_json)
