"""The command line of `dnsctl restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dnsctl.cli.command_line.given import JsonOption, examples, here


def register(app: typer.Typer) -> None:
    app.command(
        "restore",
        epilog=examples(
            "dnsctl restore --list /media/safe/dnsctl-2026-11-29.backup",
            "dnsctl restore /media/safe/dnsctl-2026-11-29.backup dns",
        ),
    )(restore)


def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `dnsctl backup` wrote.")],
    directory: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR", help="Where to: a new directory, or a clone without keys. Default: the repo of -C."
        ),
    ] = None,
    reference: Annotated[
        str,
        typer.Option(
            "--passphrase",
            metavar="REF",
            help="Of the backup: env:NAME, file:PATH (from here), credential:NAME or prompt.",
        ),
    ] = "prompt",
    listed: Annotated[
        bool, typer.Option("--list", help="Read all of it and list what is in it; write nothing.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace keys and records that are there.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a control host from a backup: all of it, or nothing. Then `dnsctl push` goes on from there."""
    from dnsctl.cli.restore import restore as run

    run(here(ctx), file, directory, reference, listed=listed, overwrite=overwrite, as_json=as_json)
