"""The command line of `dnsctl hook`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dnsctl.cli.command_line.given import JsonOption, examples, help_alone, here


class Hook(StrEnum):
    """Hooks of git that dnsctl has."""

    PRE_COMMIT = "pre-commit"
    PRE_PUSH = "pre-push"
    POST_RECEIVE = "post-receive"


def register(app: typer.Typer) -> None:
    hooks = typer.Typer(
        help="Have git check zones before a commit and before a push, and release what is pushed here.",
        epilog=examples("dnsctl hook install", "dnsctl hook install post-receive --bare /srv/dns.git"),
    )
    hooks.callback(invoke_without_command=True)(help_alone)
    hooks.command(
        "install",
        epilog=examples(
            "dnsctl hook install",
            "dnsctl hook install pre-commit --force",
            "dnsctl hook install post-receive",
            "dnsctl hook install post-receive --bare /srv/dns.git",
        ),
    )(install)
    hooks.command("run", epilog=examples("dnsctl hook run pre-commit"))(run_hook)
    app.add_typer(hooks, name="hook")


def install(
    ctx: typer.Context,
    hooks: Annotated[
        list[Hook] | None,
        typer.Argument(metavar="HOOK...", help="pre-commit, pre-push, post-receive; default: the first two."),
    ] = None,
    bare: Annotated[
        Path | None,
        typer.Option("--bare", metavar="DIR", help="For post-receive: the bare repository pushed to."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what dnsctl did not write; it is kept beside.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Install git hooks where git looks for them (core.hooksPath). Overwrites no hook of somebody else."""
    from dnsctl.cli.hook import install as run

    wanted = tuple(dict.fromkeys(each.value for each in hooks or (Hook.PRE_COMMIT, Hook.PRE_PUSH)))
    if bare is not None and wanted != (Hook.POST_RECEIVE.value,):
        raise typer.BadParameter("goes with post-receive alone", param_hint="--bare")
    run(here(ctx), wanted, bare, force=force, as_json=as_json)


def run_hook(
    ctx: typer.Context,
    hook: Annotated[Hook, typer.Argument(metavar="HOOK", help="pre-commit, pre-push or post-receive.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ARGUMENT...]", help="What git gives the hook.")
    ] = None,
    bare: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="The bare repository that was pushed to."),
    ] = None,
) -> None:
    """Do what a hook does: git's hooks call this."""
    del arguments  # names of remotes: what is pushed stands on standard input
    from dnsctl.cli.hook import run_hook as run

    run(here(ctx), hook.value, bare)
