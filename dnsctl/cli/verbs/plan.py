"""The command line of `dnsctl plan`."""

from __future__ import annotations

from typing import Annotated

import typer

from dnsctl.cli.command_line.completion import zones as complete_zones
from dnsctl.cli.command_line.given import JsonOption, examples, here


def register(app: typer.Typer) -> None:
    app.command(
        "plan",
        epilog=examples(
            "dnsctl plan",
            "dnsctl plan --rev release-2026-11 --offline",
            "dnsctl plan --against main --json",
            "dnsctl plan --live 192.0.2.53 --zone example.com   # served elsewhere until now",
            "dnsctl plan --against origin/main --markdown",
        ),
    )(plan)


def plan(
    ctx: typer.Context,
    rev: Annotated[str, typer.Option("--rev", metavar="REV", help="The commit to plan for.")] = "HEAD",
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="REV", help="Compare with a commit, not with the last release."),
    ] = None,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="Do not ask the nodes: compare with what this host released or saw last."
        ),
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print it in Markdown, for a comment on a pull request.")
    ] = False,
    live: Annotated[
        str,
        typer.Option(
            "--live",
            metavar="ADDRESS[:PORT]",
            help="Compare with what this name server serves, by a transfer or question by question.",
        ),
    ] = "",
    zones: Annotated[
        list[str] | None,
        typer.Option(
            "--zone", metavar="ZONE", help="With --live: these; default: all.", autocompletion=complete_zones
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a push would change. Exit code 0: nothing, 2: changes, 1: an error."""
    if zones and not live:
        raise typer.BadParameter("is for --live", param_hint="--zone")
    if live:
        from dnsctl.cli.plan_live import plan_live

        plan_live(here(ctx), rev, live, zones or [], as_json=as_json)
        return
    if markdown and as_json:
        raise typer.BadParameter("is not for --json", param_hint="--markdown")
    from dnsctl.cli.plan import plan as run

    run(here(ctx), rev, against, offline=offline, markdown=markdown, as_json=as_json)
