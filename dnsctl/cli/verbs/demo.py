"""The command line of `dnsctl demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dnsctl.cli.command_line.given import examples


def register(app: typer.Typer) -> None:
    app.command("demo", epilog=examples("dnsctl demo", "dnsctl demo --keep"))(demo)


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave both name servers running at the end, until Ctrl-C.")
    ] = False,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="Use this empty directory, and keep the repo there."),
    ] = None,
) -> None:
    """Run two datacenters on this machine: push, edit, lose a site, catch up, find drift, roll back."""
    from dnsctl.cli.demo import demo as run

    run(directory, keep=keep)
