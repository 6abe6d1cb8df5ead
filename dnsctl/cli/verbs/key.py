"""The command line of `dnsctl key`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from dnsctl.cli.command_line.given import JsonOption, ZoneArgument, complete_zone, examples, help_alone, here


class Digest(StrEnum):
    """DS digests by the names people use (RFC 8624 §3.3)."""

    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA1 = "sha1"

    @property
    def number(self) -> int:
        return {"sha1": 1, "sha256": 2, "sha384": 4}[self.value]


def register(app: typer.Typer) -> None:
    keys = typer.Typer(
        help="List the keys of zones, print their DS, make a key in advance.",
        epilog=examples("dnsctl key list", "dnsctl key ds example.com"),
    )
    keys.callback(invoke_without_command=True)(help_alone)
    keys.command("list", epilog=examples("dnsctl key list", "dnsctl key list example.com --json"))(list_keys)
    keys.command(
        "ds", epilog=examples("dnsctl key ds example.com", "dnsctl key ds example.com --digest sha384")
    )(ds)
    keys.command("generate", epilog=examples("dnsctl key generate example.com"))(generate)
    keys.command("cookie", epilog=examples("dnsctl key cookie", "dnsctl key cookie --json"))(cookie)
    app.add_typer(keys, name="key")


def list_keys(
    ctx: typer.Context,
    zone: Annotated[
        str | None,
        typer.Argument(metavar="ZONE", help="Of this zone; default: of all.", autocompletion=complete_zone),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List keys with their state. Needs no passphrase."""
    from dnsctl.cli.key import list_keys as run

    run(here(ctx), zone, as_json=as_json)


def ds(
    ctx: typer.Context,
    zone: ZoneArgument,
    digest: Annotated[Digest, typer.Option(help="Digest of the DS.")] = Digest.SHA256,
    as_json: JsonOption = False,
) -> None:
    """Print the DS records to give to the parent zone."""
    from dnsctl.cli.key import ds as run

    run(here(ctx), zone, digest.number, as_json=as_json)


def generate(
    ctx: typer.Context,
    zone: ZoneArgument,
    role: Annotated[
        str | None,
        typer.Option(metavar="ROLE", help="csk, ksk or zsk; default: what the policy needs."),
    ] = None,
    another: Annotated[
        bool, typer.Option("--another", help="Although one that was made before still waits to be used.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a key in state `generated`: it is on disk, and the first signing that needs one uses it."""
    from dnsctl.cli.key import generate as run

    run(here(ctx), zone, role, another=another, as_json=as_json)


def cookie(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Take the next of three steps that roll the secret of DNS cookies. Run it once for each step."""
    from dnsctl.cli.key import cookie as run

    run(here(ctx), as_json=as_json)
