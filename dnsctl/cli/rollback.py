"""`dnsctl rollback`: an earlier release's records again, as a new generation with higher serials.

Takes the same way as a push, and ends with the same exit codes.
"""

from __future__ import annotations

import time
from typing import Annotated

import typer

from dnsctl.cli import output
from dnsctl.cli.context import JsonOption, here
from dnsctl.cli.push import AllowOption, ReasonOption, WithoutOption, finish, opened, told
from dnsctl.cli.released import take_over_newest
from dnsctl.control.push import Request, check_request
from dnsctl.control.push import rollback as roll_back


def register(app: typer.Typer) -> None:
    app.command(
        "rollback",
        epilog=output.examples(
            "dnsctl rollback --dry-run",
            'dnsctl rollback 41 --reason "mail broke in 42"',
            "dnsctl rollback --json",
        ),
    )(rollback)


def rollback(
    ctx: typer.Context,
    generation: Annotated[
        int | None,
        typer.Argument(metavar="GENERATION", min=1, help="Whose records; default: of the last other commit."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would change; send nothing to any node."),
    ] = False,
    without: WithoutOption = "",
    allow: AllowOption = None,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Publish an earlier release's records again, with higher serials and fresh signatures."""
    request = Request("", tuple(allow or ()), without, reason, dry_run)
    check_request(request)
    context = here(ctx)
    started = time.monotonic()
    if dry_run:
        take_over_newest(context)
    with opened(context, without) as host, told() as progress:
        result = roll_back(host, generation, request, progress)
    finish(result, time.monotonic() - started, as_json=as_json)
