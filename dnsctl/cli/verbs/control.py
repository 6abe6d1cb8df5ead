"""The command line of `dnsctl control`."""

from __future__ import annotations

from typing import Annotated

import typer

from dnsctl.cli.command_line.given import JsonOption, examples, here


def register(app: typer.Typer) -> None:
    app.command(
        "control",
        epilog=examples(
            "dnsctl control",
            "dnsctl control --once",
            "dnsctl control --once --json",
            "dnsctl control --standby 6h",
        ),
    )(control)


def control(
    ctx: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="Do what is due now, one job after the other, and end.")
    ] = False,
    standby: Annotated[
        str,
        typer.Option(
            "--standby",
            metavar="TIME",
            help="Stand by for another control host: do what is due only when it has been due for so long.",
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Keep the fleet well without a person: renew signatures, roll keys, verify each night, judge.

    It works from what is released: what was written since, committed or not, never stops it. Exit code with
    --once: 0: all is well, 1: act now, 2: could not tell.
    """
    if as_json and not once:
        raise typer.BadParameter("is for --once; a daemon has `dnsctl status --json`", param_hint="--json")
    from dnsctl.cli.control import control as run
    from dnsctl.model.duration import parse_seconds

    try:
        seconds = parse_seconds(standby) if standby else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--standby") from None
    run(here(ctx), once=once, standby=seconds, as_json=as_json)
