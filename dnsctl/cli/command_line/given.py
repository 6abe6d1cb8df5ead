"""Arguments and options that several verbs share, and the directory that they work in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dnsctl.load.zone_directories import zone_directories
from dnsctl.model.repo import ZONE_SUFFIXES

if TYPE_CHECKING:
    from dnsctl.cli.context import Context


@dataclass(frozen=True)
class Given:
    """The global options, and how this process was started, if it may start again (see `anew`)."""

    root: Path
    program: tuple[str, ...] = ()


def here(ctx: typer.Context) -> Context:
    """Return the context that the global options made."""
    from dnsctl.cli.context import Context

    given = ctx.find_object(Given)
    if given is None:
        raise AssertionError("the callback of the application has not run")
    return Context(given.root, given.program)


def complete_zone(incomplete: str) -> list[str]:
    """Return the zones of the current directory's repo that begin so, for shell completion."""
    stems: set[str] = set()
    for place in zone_directories(Path()):
        stems |= {path.stem for path in place.glob("*") if path.suffix in ZONE_SUFFIXES}
        stems |= {path.name[:-1] for path in place.glob("*.") if path.is_dir()}  # split zones
    return sorted(each for each in stems if each.startswith(incomplete))


def examples(*lines: str) -> str:
    """Return the epilog of a command's help: one example a line."""
    return "\n".join(lines)


def help_alone(ctx: typer.Context) -> None:
    """Print the help of a verb that has verbs of its own, where none of these is asked for."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")]
AtOption = Annotated[
    int | None,
    typer.Option(
        "--at", metavar="GENERATION", min=1, help="As of this release: the files of its commit, unsigned."
    ),
]
ZoneArgument = Annotated[
    str,
    typer.Argument(
        metavar="ZONE", help="A zone's name; the final dot is optional.", autocompletion=complete_zone
    ),
]
AllowOption = Annotated[
    list[str] | None, typer.Option("--allow", metavar="GUARD", help="Override this guard; needs --reason.")
]
ReasonOption = Annotated[
    str,
    typer.Option(
        "--reason", metavar="TEXT", help="The reason, for the audit log; with --allow or --without."
    ),
]
WithoutOption = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="SITE", help="Go ahead without this site; it catches up by itself."),
]


def one_site(without: list[str] | None) -> str:
    """Return the site that `--without` names; empty where none is. Raises typer.BadParameter for two."""
    sites = list(dict.fromkeys(without or ()))
    if len(sites) > 1:
        raise typer.BadParameter(
            f"names one site, and these are {len(sites)}: {', '.join(sites)}", param_hint="--without"
        )
    return sites[0] if sites else ""
