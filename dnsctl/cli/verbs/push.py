"""The command line of `dnsctl push`."""

from __future__ import annotations

from typing import Annotated

import typer

from dnsctl.cli.command_line.given import (
    AllowOption,
    JsonOption,
    ReasonOption,
    WithoutOption,
    examples,
    here,
    one_site,
)


def register(app: typer.Typer) -> None:
    app.command(
        "push",
        epilog=examples(
            "dnsctl push",
            "dnsctl push --dry-run",
            "dnsctl push --renew",
            "dnsctl push --full-check",
            'dnsctl push --allow deletes --reason "shop closed"',
            'dnsctl push --without dc2 --reason "power cut in dc2"',
        ),
    )(push)


def push(
    ctx: typer.Context,
    *,
    rev: Annotated[
        str, typer.Option("--rev", metavar="REV", help="The commit to release; default: a clean HEAD.")
    ] = "",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Build, sign and check; send nothing to the nodes, and keep nothing."),
    ] = False,
    renewal: Annotated[
        bool,
        typer.Option(
            "--renew",
            help="Renew the signatures of what is served, where due, and release nothing else:"
            " what was written since does not matter.",
        ),
    ] = False,
    full_check: Annotated[
        bool,
        typer.Option(
            "--full-check",
            help="Before anything leaves, verify every RRset, signature and proof of the zones that change,"
            " unchanged ones included.",
        ),
    ] = False,
    without: WithoutOption = None,
    allow: AllowOption = None,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Validate, sign, stage, activate and verify: in the end every node serves the commit, or none."""
    if renewal and rev:
        raise typer.BadParameter("--renew works from what is served", param_hint="--rev")
    from dnsctl.cli.push import push as run
    from dnsctl.control.push import Request

    request = Request(rev, tuple(allow or ()), one_site(without), reason, dry_run, full_check)
    run(here(ctx), request, renewal=renewal, as_json=as_json)
