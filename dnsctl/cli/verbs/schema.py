"""The command line of `dnsctl schema`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from dnsctl.cli.command_line.given import examples


class Which(StrEnum):
    """Files that have a schema."""

    CONFIG = "config"
    ZONE = "zone"


def register(app: typer.Typer) -> None:
    app.command(
        "schema",
        epilog=examples("dnsctl schema > dnsctl.schema.json", "dnsctl schema zone > zone.schema.json"),
    )(schema)


def schema(
    which: Annotated[
        Which, typer.Argument(metavar="FILE", help="config: dnsctl.yaml; zone: zones/*.yaml.")
    ] = Which.CONFIG,
) -> None:
    """Print the JSON Schema of dnsctl.yaml or of a zone file, for editors."""
    from dnsctl.cli.schema import schema as run

    run(zone=which is Which.ZONE)
