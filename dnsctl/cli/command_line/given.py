"""Arguments and options that several verbs share, and the directory that they work in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dnsctl.cli.command_line import completion
from dnsctl.cli.command_line.place import given, root_of

if TYPE_CHECKING:
    from dnsctl.cli.context import Context


def here(ctx: typer.Context) -> Context:
    """Return the context of a verb: the repo of `-C`, or the one that we are in."""
    from dnsctl.cli.context import Context

    return Context(root_of(ctx), given(ctx).program)


def examples(*lines: str) -> str:
    """Return the epilog of a command's help: one example a line."""
    return "\n".join(lines)


def help_alone(ctx: typer.Context) -> None:
    """Print the help of a verb that has verbs of its own, where none of these is asked for."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def _or_before(ctx: typer.Context, value: bool) -> bool:
    """Return whether JSON is asked for, behind the verb or before it."""
    return value or given(ctx).as_json


JsonOption = Annotated[bool, typer.Option("--json", callback=_or_before, help="Print JSON with stable keys.")]
AtOption = Annotated[
    int | None,
    typer.Option(
        "--at",
        metavar="GENERATION",
        min=1,
        autocompletion=completion.generations,
        help="As of this release: the files of its commit, unsigned.",
    ),
]
ZoneArgument = Annotated[
    str,
    typer.Argument(
        metavar="ZONE", help="A zone's name; the final dot is optional.", autocompletion=completion.zones
    ),
]
AllowOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="GUARD",
        autocompletion=completion.guards,
        help="Override this guard, or with GUARD=ZONE for one zone only; needs --reason.",
    ),
]
ReasonOption = Annotated[
    str,
    typer.Option(
        "--reason", metavar="TEXT", help="The reason, for the audit log; with --allow or --without."
    ),
]
WithoutOption = Annotated[
    list[str] | None,
    typer.Option(
        "--without",
        metavar="SITE",
        autocompletion=completion.sites,
        help="Go ahead without this site; it catches up by itself.",
    ),
]


def one_site(without: list[str] | None) -> str:
    """Return the site that `--without` names; empty where none is. Raises typer.BadParameter for two."""
    sites = list(dict.fromkeys(without or ()))
    if len(sites) > 1:
        raise typer.BadParameter(
            f"names one site, and these are {len(sites)}: {', '.join(sites)}", param_hint="--without"
        )
    return sites[0] if sites else ""
