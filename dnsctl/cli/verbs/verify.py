"""The command line of `dnsctl verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from dnsctl.cli.command_line import completion
from dnsctl.cli.command_line.given import JsonOption, examples, here


def register(app: typer.Typer) -> None:
    app.command(
        "verify",
        epilog=examples(
            "dnsctl verify",
            "dnsctl verify example.com --full",
            "dnsctl verify --site dc2 --json",
            "dnsctl verify --parents",
        ),
    )(verify)


def verify(
    ctx: typer.Context,
    zones: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ZONE", help="Verify these zones; default: all.", autocompletion=completion.zones
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Ask for every RRset, not a sample.")] = False,
    site: Annotated[
        str | None,
        typer.Option(
            "--site", metavar="SITE", autocompletion=completion.sites, help="Ask the nodes of this site only."
        ),
    ] = None,
    parents: Annotated[
        bool,
        typer.Option("--parents", help="Ask the parents of the zones now; else what was seen last counts."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Prove from outside that every node serves exactly the release, and that parents agree with it."""
    from dnsctl.cli.verify import verify as run

    run(here(ctx), zones or [], site, full=full, parents=parents, as_json=as_json)
