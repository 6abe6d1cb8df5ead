"""The command line of `dnsctl key`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dnsctl.cli.command_line import completion
from dnsctl.cli.command_line.given import JsonOption, ZoneArgument, examples, help_alone, here

if TYPE_CHECKING:
    from dnsctl.cli.context import Context
    from dnsctl.model.name import Name
    from dnsctl.rollover.planning import Wait


class Digest(StrEnum):
    """DS digests by the names people use (RFC 8624 §3.3)."""

    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA1 = "sha1"

    @property
    def number(self) -> int:
        return {"sha1": 1, "sha256": 2, "sha384": 4}[self.value]


class Role(StrEnum):
    """What a key signs."""

    CSK = "csk"
    KSK = "ksk"
    ZSK = "zsk"


class Sig0Algorithm(StrEnum):
    """Algorithms of keys for SIG(0), as dnsctl.yaml names those of zones."""

    RSASHA256 = "RSASHA256"
    ECDSAP256SHA256 = "ECDSAP256SHA256"
    ECDSAP384SHA384 = "ECDSAP384SHA384"
    ED25519 = "ED25519"
    ED448 = "ED448"


class KeyForm(StrEnum):
    """Forms that private halves are exported in."""

    BIND = "bind"
    PEM = "pem"


def register(app: typer.Typer) -> None:
    keys = typer.Typer(
        help="List the keys of zones, print their DS, make keys, take keys over from other servers.",
        epilog=examples("dnsctl key list", "dnsctl key ds example.com"),
    )
    keys.callback(invoke_without_command=True)(help_alone)
    keys.command(
        "list",
        epilog=examples("dnsctl key list", "dnsctl key list example.com --json", "dnsctl key list --sig0"),
    )(list_keys)
    keys.command(
        "ds", epilog=examples("dnsctl key ds example.com", "dnsctl key ds example.com --digest sha384")
    )(ds)
    keys.command(
        "generate",
        epilog=examples("dnsctl key generate example.com", "dnsctl key generate updates.example.com --sig0"),
    )(generate)
    keys.command(
        "import",
        epilog=examples(
            "dnsctl key import example.com /etc/bind/keys",
            "dnsctl key import example.com Kexample.com.+013+12345.private --active",
            "dnsctl key import example.com /var/lib/knot/keys",
            "dnsctl key import example.com exported.txt --role csk",
            "dnsctl key import updates.example.com Kupdates.example.com.+013+12345.private --sig0",
        ),
    )(import_keys)
    keys.command(
        "export",
        epilog=examples(
            "dnsctl key export example.com",
            "dnsctl key export example.com 12345 --private --to /media/safe",
            "dnsctl key export updates.example.com --sig0",
        ),
    )(export_keys)
    keys.command(
        "roll",
        epilog=examples(
            "dnsctl key roll example.com --plan",
            "dnsctl key roll example.com --role zsk",
            "dnsctl key roll example.com --undo",
        ),
    )(roll)
    keys.command("retire", epilog=examples("dnsctl key retire example.com 12345"))(retire)
    keys.command("remove", epilog=examples("dnsctl key remove example.com 12345"))(remove)
    keys.command(
        "passphrase",
        epilog=examples("dnsctl key passphrase", "dnsctl key passphrase --new env:NEW_PASSPHRASE"),
    )(passphrase)
    keys.command("cookie", epilog=examples("dnsctl key cookie", "dnsctl key cookie --json"))(cookie)
    app.add_typer(keys, name="key")


Sig0Option = Annotated[
    bool,
    typer.Option("--sig0", help="A key that signs updates to a parent: ZONE is the name of its KEY record."),
]


def list_keys(
    ctx: typer.Context,
    zone: Annotated[
        str | None,
        typer.Argument(
            metavar="ZONE", help="Of this zone; default: of all.", autocompletion=completion.zones
        ),
    ] = None,
    sig0: Annotated[bool, typer.Option("--sig0", help="Keys that sign updates to parents.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List keys with their state. Needs no passphrase."""
    if sig0:
        from dnsctl.cli.keys_sig0 import list_keys as run_sig0

        run_sig0(here(ctx), zone, as_json=as_json)
        return
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

    def wait_of(context: Context, origin: Name) -> Wait | None:
        from dnsctl.cli.keys_rolling import ds_wait

        return ds_wait(context, origin)

    run(here(ctx), zone, digest.number, wait_of, as_json=as_json)


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
    sig0: Sig0Option = False,
    algorithm: Annotated[
        Sig0Algorithm | None,
        typer.Option(help="With --sig0; default: ECDSAP256SHA256.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key in state `generated`: it is on disk, and the first signing that needs one uses it."""
    if sig0:
        from dnsctl.cli.keys_sig0 import generate as run_sig0
        from dnsctl.model.policy import Algorithm

        refuse_beside_sig0({"--role": role})
        chosen = None if algorithm is None else Algorithm[algorithm.value]
        run_sig0(here(ctx), zone, chosen, another=another, as_json=as_json)
        return
    if algorithm is not None:
        raise typer.BadParameter("goes with --sig0: of a zone, its policy says it", param_hint="--algorithm")
    from dnsctl.cli.key import generate as run

    run(here(ctx), zone, role, another=another, as_json=as_json)


def import_keys(
    ctx: typer.Context,
    zone: ZoneArgument,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="BIND's K….private (with K….key beside it), what pdnsutil exported, PEM; or a directory of "
            "BIND's files, or Knot's KASP database.",
        ),
    ],
    role: Annotated[
        str | None,
        typer.Option(metavar="ROLE", help="csk, ksk or zsk, where no file says it: PowerDNS and PEM."),
    ] = None,
    active: Annotated[
        bool,
        typer.Option(
            "--active", help="In state `active`: all of them sign, once the zone is served from here."
        ),
    ] = False,
    sig0: Sig0Option = False,
    as_json: JsonOption = False,
) -> None:
    """Take over keys of another name server: all that are named, or none.

    They are in state `generated`, and the first signing that needs a key uses one for each role.
    """
    if sig0:
        from dnsctl.cli.keys_sig0 import import_key

        refuse_beside_sig0({"--role": role, "--active": active or None})
        if len(paths) > 1:
            raise typer.BadParameter("name one key, with --sig0", param_hint="PATH")
        import_key(here(ctx), zone, paths[0], as_json=as_json)
        return
    from dnsctl.cli.keys_elsewhere import import_keys as run

    run(here(ctx), zone, paths, role, active=active, as_json=as_json)


def export_keys(
    ctx: typer.Context,
    zone: ZoneArgument,
    tags: Annotated[
        list[int] | None,
        typer.Argument(metavar="[TAG...]", help="Key tags; default: all that are not removed."),
    ] = None,
    *,
    private: Annotated[
        bool, typer.Option("--private", help="Also private halves, NOT encrypted; asks first.")
    ] = False,
    directory: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Where to write files, of mode 0600.")
    ] = None,
    form: Annotated[
        KeyForm, typer.Option("--format", help="bind: for BIND, Knot and PowerDNS; pem: PKCS#8.")
    ] = KeyForm.BIND,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    sig0: Sig0Option = False,
    as_json: JsonOption = False,
) -> None:
    """Print the public halves of keys as DNSKEY records; with --private, write files for another server."""
    if sig0:
        from dnsctl.cli.keys_sig0 import export_keys as run_sig0

        refuse_beside_sig0({"--private": private or None, "--to": directory, "--yes": yes or None})
        run_sig0(here(ctx), zone, tags or [], as_json=as_json)
        return
    from dnsctl.cli.keys_elsewhere import export_keys as run

    run(here(ctx), zone, tags or [], private=private, to=directory, form=form, yes=yes, as_json=as_json)


def refuse_beside_sig0(given: Mapping[str, object]) -> None:
    """Raise typer.BadParameter for an option that is for keys of zones. `given`: None where it was not."""
    for option, value in given.items():
        if value is not None:
            raise typer.BadParameter("is for keys of zones: leave it out, or --sig0", param_hint=option)


TagArgument = Annotated[int, typer.Argument(metavar="TAG", help="The key's tag: see `dnsctl key list`.")]
BreakOption = Annotated[
    str | None,
    typer.Option(
        "--break-chain",
        metavar="ZONE",
        help="The zone's name again: although it is served with the key, or a DS points to it.",
    ),
]


def roll(
    ctx: typer.Context,
    zone: ZoneArgument,
    *,
    role: Annotated[
        Role | None, typer.Option(help="Of keys with this role only; default: every key in use.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the timetable, with reasons; change nothing.")
    ] = False,
    only_next: Annotated[
        bool, typer.Option("--continue", help="Take the next step of what is under way; begin nothing.")
    ] = False,
    undo: Annotated[
        bool,
        typer.Option("--undo", help="Keys that are on their way out come back, if they are still in use."),
    ] = False,
    emergency: Annotated[
        bool, typer.Option("--emergency", help="A key was stolen: take a standby key, and note that.")
    ] = False,
    broken: Annotated[
        str | None,
        typer.Option(
            "--break-chain",
            metavar="ZONE",
            help="With --emergency, the zone's name again: take each step that only caches would hold back. "
            "Resolvers with old data fail; what servers still give is waited for.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Have new keys take the place of those in use, a step a release.

    A step that resolvers must have seen waits for that. `dnsctl control` takes all steps by itself.
    """
    from dnsctl.cli.keys_rolling import Wanted
    from dnsctl.cli.keys_rolling import roll as run

    wanted = Wanted(None if role is None else role.value, only_next, undo, emergency, broken)
    run(here(ctx), zone, wanted, plan_only=plan, as_json=as_json)


def retire(
    ctx: typer.Context,
    zone: ZoneArgument,
    tag: TagArgument,
    broken: BreakOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a key out of use: nothing signs with it any more. Refused while something depends on it."""
    from dnsctl.cli.keys_leaving import retire as run

    run(here(ctx), zone, tag, broken, as_json=as_json)


def remove(
    ctx: typer.Context,
    zone: ZoneArgument,
    tag: TagArgument,
    broken: BreakOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete the private half of a key for good. Refused while something depends on it."""
    from dnsctl.cli.keys_leaving import remove as run

    run(here(ctx), zone, tag, broken, as_json=as_json)


def passphrase(
    ctx: typer.Context,
    reference: Annotated[
        str,
        typer.Option(
            "--new",
            metavar="REF",
            help="The new one: env:NAME, file:PATH, credential:NAME or prompt. Default: a random one, where "
            "dnsctl.yaml names a file for it.",
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Encrypt all private keys under another passphrase: zones, releases, certificates; all or none."""
    from dnsctl.cli.keys_leaving import passphrase as run

    run(here(ctx), reference, as_json=as_json)


def cookie(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Take the next of three steps that roll the secret of DNS cookies. Run it once for each step."""
    from dnsctl.cli.key import cookie as run

    run(here(ctx), as_json=as_json)
