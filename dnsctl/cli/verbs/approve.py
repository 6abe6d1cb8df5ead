"""The command line of `dnsctl approve`."""

from __future__ import annotations

from typing import Annotated

import typer

from dnsctl.cli.command_line.given import JsonOption, examples, here


def register(app: typer.Typer) -> None:
    app.command(
        "approve",
        epilog=examples(
            "dnsctl plan --rev 3f2a91c --against origin/main   # see what you approve",
            "dnsctl approve 3f2a91c",
        ),
    )(approve)


def approve(
    ctx: typer.Context,
    commit: Annotated[
        str, typer.Argument(metavar="COMMIT", help="The commit that may be released; default: HEAD.")
    ] = "HEAD",
    as_json: JsonOption = False,
) -> None:
    """Approve a commit that somebody else has signed, by a signed tag that your git makes with your key."""
    from dnsctl.cli.approve import approve as run

    run(here(ctx), commit, as_json=as_json)
