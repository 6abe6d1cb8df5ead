"""The command line of `dnsctl man`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dnsctl.cli.command_line.given import examples


def register(app: typer.Typer) -> None:
    app.command("man", epilog=examples("dnsctl man", "dnsctl man ~/.local/share/man && man dnsctl-push"))(man)


def man(
    ctx: typer.Context,
    directory: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR",
            help="The directory that holds man1 and man5. Default: share/man where dnsctl is installed.",
        ),
    ] = None,
) -> None:
    """Write the manual pages: of every command, of dnsctl.yaml and of zone files."""
    from dnsctl.cli.command_line.manual import command_pages
    from dnsctl.cli.man import man as run

    root = ctx.find_root()
    run(command_pages(root.command, root), directory)
