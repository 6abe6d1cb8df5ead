"""The command line of `dnsctl zone`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dnsctl.cli.command_line.completion import owners as complete_owners
from dnsctl.cli.command_line.completion import zones as complete_zones
from dnsctl.cli.command_line.given import AtOption, JsonOption, ZoneArgument, examples, help_alone, here

if TYPE_CHECKING:
    from dnsctl.edit.zone_change import Commit


class ZoneForm(StrEnum):
    """What a zone's file in zones/ is."""

    YAML = "yaml"
    ZONE = "zone"


class ZoneFormat(StrEnum):
    """What a zone is written as."""

    ZONEFILE = "zonefile"
    OCTODNS = "octodns"


def register(app: typer.Typer) -> None:
    zones = typer.Typer(
        help="List, show, import, export, change and format zones.",
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
    zones.command(
        "import",
        epilog=examples(
            "dnsctl zone import example.com --from /var/cache/bind/db.example.com",
            "dnsctl zone import example.com --axfr 192.0.2.53@53 --tsig xfr.example:hmac-sha256:env:XFR",
            "dnsctl zone import example.com --from signed.zone --presigned",
            "dnsctl zone import --octodns config/production.yaml --dry-run",
            "dnsctl zone import --bind /etc/bind/named.conf --within /",
            "dnsctl zone import example.com example.net --knot /etc/knot/knot.conf --within /",
        ),
    )(import_zones)
    zones.command(
        "set",
        epilog=examples(
            "dnsctl zone set www.example.com A 192.0.2.80 192.0.2.81 --ttl 5m",
            "dnsctl zone set example.com MX '10 mx1.example.net.' '20 mx2.example.net.'",
            "dnsctl zone set _acme-challenge.example.com TXT TOKEN --commit --reason 'certificate of www'",
        ),
    )(set_values)
    zones.command(
        "unset",
        epilog=examples(
            "dnsctl zone unset _acme-challenge.example.com TXT --commit",
            "dnsctl zone unset www.example.com A 192.0.2.81",
        ),
    )(unset_values)
    zones.command(
        "fmt",
        epilog=examples("dnsctl zone fmt", "dnsctl zone fmt example.com", "dnsctl zone fmt --check"),
    )(fmt)
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


def import_zones(
    ctx: typer.Context,
    zones: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ZONE",
            help="A zone's name; of a configuration, by default all are taken.",
            autocompletion=complete_zones,
        ),
    ] = None,
    *,
    file: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="A master file; -: standard input.")
    ] = None,
    axfr: Annotated[
        str, typer.Option("--axfr", metavar="ADDRESS[:PORT]", help="A name server that allows a transfer.")
    ] = "",
    tsig: Annotated[
        str,
        typer.Option(
            "--tsig",
            metavar="NAME:ALGORITHM:REF",
            help="The key of the transfer; REF: file:PATH or env:NAME, which hold its secret in base64.",
        ),
    ] = "",
    octodns: Annotated[
        Path | None, typer.Option("--octodns", metavar="FILE", help="octoDNS's configuration.")
    ] = None,
    bind: Annotated[Path | None, typer.Option("--bind", metavar="FILE", help="BIND's named.conf.")] = None,
    knot: Annotated[Path | None, typer.Option("--knot", metavar="FILE", help="Knot DNS's knot.conf.")] = None,
    powerdns: Annotated[
        list[Path] | None,
        typer.Option("--powerdns", metavar="FILE", help="What `pdnsutil list-zone` prints; repeatable."),
    ] = None,
    within: Annotated[
        Path | None,
        typer.Option(
            "--within",
            metavar="DIR",
            help="Read no file outside DIR. Default: here, or where the configuration is.",
        ),
    ] = None,
    form: Annotated[
        ZoneForm | None, typer.Option("--as", help="yaml (default), or zone: a master file.")
    ] = None,
    presigned: Annotated[
        bool,
        typer.Option("--presigned", help="Keep signatures and keys of another signer. Writes a master file."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the zone's file if it has one.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written, and end.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write zone files from a master file, a name server (AXFR), or the configuration of other software.

    Of a configuration, what cannot be taken is named with its reason. What another signer made is left out,
    and named: RRSIG, NSEC, NSEC3, DNSKEY, CDS, CDNSKEY, ZONEMD. Nothing is written unless all zones can be
    read.
    """
    configurations = {
        "octodns": [octodns] if octodns else [],
        "bind": [bind] if bind else [],
        "knot": [knot] if knot else [],
        "powerdns": powerdns or [],
    }
    given = [kind for kind, files in configurations.items() if files]
    if len(given) + (file is not None) + bool(axfr) != 1:
        known = "--from, --axfr, --octodns, --bind, --knot or --powerdns"
        raise typer.BadParameter(f"say where zones come from: one of {known}")
    if not given and len(zones or ()) != 1:
        raise typer.BadParameter("name one zone", param_hint="ZONE")
    if within is not None and not given:
        raise typer.BadParameter("is for configurations", param_hint="--within")
    if tsig and not axfr:
        raise typer.BadParameter("is for --axfr", param_hint="--tsig")
    if presigned and form is ZoneForm.YAML:
        raise typer.BadParameter("is for master files: --as zone", param_hint="--presigned")
    from dnsctl.cli import zone_import

    manner = zone_import.Manner(
        "zone" if presigned or form is ZoneForm.ZONE else "yaml",
        presigned=presigned,
        overwrite=overwrite,
        dry_run=dry_run,
        as_json=as_json,
    )
    for kind in zone_import.KINDS:
        if configurations[kind]:
            zone_import.from_configuration(here(ctx), kind, configurations[kind], zones or [], within, manner)
    if file is not None and zones:
        zone_import.from_file(here(ctx), zones[0], file, manner)
    elif axfr and zones:
        zone_import.from_server(here(ctx), zones[0], axfr, tsig, manner)


NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="The owner; the final dot is optional.", autocompletion=complete_owners
    ),
]
TypeArgument = Annotated[str, typer.Argument(metavar="TYPE", help="A, AAAA, MX … or TYPE65400.")]
CommitOption = Annotated[bool, typer.Option("--commit", help="Make a git commit of this file alone.")]
CommitReasonOption = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="For the message of the commit; with --commit.")
]


def set_values(
    ctx: typer.Context,
    name: NameArgument,
    rdtype: TypeArgument,
    values: Annotated[
        list[str], typer.Argument(metavar="VALUE", help="In presentation form, as in a zone file's `value`.")
    ],
    ttl: Annotated[
        str,
        typer.Option("--ttl", metavar="TTL", help="Seconds, or 1h30m. Default: as it is, or of `defaults`."),
    ] = "",
    commit: CommitOption = False,
    reason: CommitReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Have these values, and no others, at a name and type. The rest of the file stays as it is.

    The longest zone that holds the name is changed. Nothing changes where the zone would have an error.
    """
    from dnsctl.cli.zone_edit import set_values as run

    shown = " ".join(("zone set", name, rdtype, *values))
    run(here(ctx), name, rdtype, values, ttl, _commit(shown, reason, commit=commit), as_json=as_json)


def unset_values(
    ctx: typer.Context,
    name: NameArgument,
    rdtype: TypeArgument,
    values: Annotated[
        list[str] | None, typer.Argument(metavar="VALUE", help="Take these away; default: all of the type.")
    ] = None,
    commit: CommitOption = False,
    reason: CommitReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take values away from a name and type. The rest of the file stays as it is."""
    from dnsctl.cli.zone_edit import unset_values as run

    shown = " ".join(("zone unset", name, rdtype, *(values or ())))
    run(here(ctx), name, rdtype, values or [], _commit(shown, reason, commit=commit), as_json=as_json)


def _commit(subject: str, reason: str, *, commit: bool) -> Commit | None:
    """Return what a commit says. Raises typer.BadParameter for a reason without one."""
    if reason and not commit:
        raise typer.BadParameter("is for the message of a commit: add --commit", param_hint="--reason")
    from dnsctl.edit.zone_change import Commit

    return Commit(" ".join(subject.split())[:120], reason) if commit else None


def fmt(
    ctx: typer.Context,
    zones: Annotated[
        list[str] | None,
        typer.Argument(metavar="ZONE", help="Default: all.", autocompletion=complete_zones),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing: exit code 1 if a file is not in form.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring zone files in YAML into one form: owners sorted as octoDNS does, one indent, quotes where needed.

    Comments stay; one with a blank line below it begins a section, and owners are sorted within each
    section. A file that would be read otherwise is named and left as it is, with exit code 1.
    """
    from dnsctl.cli.zone_fmt import fmt as run

    run(here(ctx), zones or [], check=check, as_json=as_json)
