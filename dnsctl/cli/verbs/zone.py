"""The command line of `dnsctl zone`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dnsctl.cli.command_line.given import AtOption, JsonOption, ZoneArgument, examples, help_alone, here


class ZoneFormat(StrEnum):
    """What a zone is written as."""

    ZONEFILE = "zonefile"
    OCTODNS = "octodns"


def register(app: typer.Typer) -> None:
    zones = typer.Typer(
        help="List, show and export zones.",
        epilog=examples("dnsctl zone list", "dnsctl zone export example.com -o example.com.zone"),
    )
    zones.callback(invoke_without_command=True)(help_alone)
    zones.command("list", epilog=examples("dnsctl zone list", "dnsctl zone list --json"))(list_zones)
    zones.command(
        "show", epilog=examples("dnsctl zone show example.com", "dnsctl zone show example.com --at 41")
    )(show)
    zones.command(
        "export",
        epilog=examples(
            "dnsctl zone export example.com --signed | ldns-verify-zone /dev/stdin",
            "dnsctl zone export example.com --unsigned -o example.com.zone",
            "dnsctl zone export example.com --format octodns -o example.com.yaml",
        ),
    )(export)
    app.add_typer(zones, name="zone")


def list_zones(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the zones in the work tree."""
    from dnsctl.cli.zone import list_zones as run

    run(here(ctx), as_json=as_json)


def show(ctx: typer.Context, zone: ZoneArgument, at: AtOption = None, as_json: JsonOption = False) -> None:
    """Show the records of a zone in the work tree, or of a release, and where each is written."""
    from dnsctl.cli.zone import show as run

    run(here(ctx), zone, at, as_json=as_json)


def export(
    ctx: typer.Context,
    zone: ZoneArgument,
    signed: Annotated[
        bool | None,
        typer.Option(
            "--signed/--unsigned",
            help="As released, or from the work tree. Default: as released, if there is a release.",
        ),
    ] = None,
    as_format: Annotated[
        ZoneFormat,
        typer.Option(
            "--format", help="zonefile: a master file. octodns: octoDNS's YAML, of the zone in the work tree."
        ),
    ] = ZoneFormat.ZONEFILE,
    target: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Default: standard output.")
    ] = None,
) -> None:
    """Write a zone as a master file, absolute names and one record a line; or as octoDNS reads it."""
    if as_format is ZoneFormat.OCTODNS:
        if signed:
            raise typer.BadParameter("is for master files: octoDNS has no signatures", param_hint="--signed")
        from dnsctl.cli.zone import export_octodns

        export_octodns(here(ctx), zone, target)
        return
    from dnsctl.cli.zone import export as run

    run(here(ctx), zone, signed, target)
