"""The command line of `dnsctl backup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dnsctl.cli.command_line.given import JsonOption, examples, here

PassphraseOption = Annotated[
    str,
    typer.Option(
        "--passphrase",
        metavar="REF",
        help="Of the backup: env:NAME, file:PATH, credential:NAME or prompt. Default: that of the keystore.",
    ),
]


def register(app: typer.Typer) -> None:
    app.command(
        "backup",
        epilog=examples(
            "dnsctl backup /media/safe/dnsctl-2026-11-29.backup",
            "dnsctl backup nightly.backup --overwrite --passphrase file:/etc/dnsctl/backup-passphrase",
        ),
    )(backup)


def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.", dir_okay=False)],
    reference: PassphraseOption = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write repository, keys and records of this control host to one encrypted file."""
    from dnsctl.cli.backup import backup as run

    run(here(ctx), file, reference, overwrite=overwrite, as_json=as_json)
