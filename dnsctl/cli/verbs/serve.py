"""The command line of `dnsctl serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dnsctl.cli.command_line import completion
from dnsctl.cli.command_line.given import examples, here
from dnsctl.cli.command_line.place import named_root

_MAX_WORKERS = 256


def register(app: typer.Typer) -> None:
    app.command(
        "serve",
        epilog=examples(
            "dnsctl serve --zones zones --listen 127.0.0.1:5300",
            "dnsctl serve --zones zones --listen 127.0.0.1:5300 --listen [::1]:5300 --sign --workers 2",
            "dnsctl -C /etc/dnsctl serve --node ns1 --state /var/lib/dnsctl",
        ),
    )(serve)


def serve(
    ctx: typer.Context,
    *,
    node: Annotated[
        str | None,
        typer.Option(metavar="NAME", autocompletion=completion.nodes, help="A node of dnsctl.yaml."),
    ] = None,
    zones: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Serve the zone files in DIR (*.yaml, *.zone), as the dnsctl.yaml in or beside it says.",
        ),
    ] = None,
    listen: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDR:PORT", help="With --zones; repeatable. Port 0: the kernel picks one."),
    ] = None,
    sign: Annotated[
        bool, typer.Option("--sign", help="With --zones: sign zones that are not pre-signed.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=_MAX_WORKERS,
            help="UDP processes; default: with --node as configured, else 1.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="With --zones: refuse to start if any zone has an error.")
    ] = False,
    rate_limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=1_000_000,
            help="With --zones: UDP answers a second of one kind to one network; default: as configured.",
        ),
    ] = None,
    transfer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NETWORK",
            help="With --zones: who may transfer zones, whatever dnsctl.yaml says; repeatable.",
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where state is kept; default: state/nodes/NAME, or a temporary one."
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="ADDR:PORT", help="With --zones: Prometheus metrics and /health over HTTP."),
    ] = None,
    user: Annotated[
        str, typer.Option(metavar="NAME", help="If started as root, serve as this user once ports are bound.")
    ] = "",
) -> None:
    """Run a name server in the foreground until SIGTERM or SIGINT."""
    if (node is None) == (zones is None):
        raise typer.BadParameter("give one of --node NAME and --zones DIR", ctx)
    if node is not None:
        for option, value in (
            ("--listen", listen),
            ("--transfer", transfer),
            ("--metrics", metrics),
            ("--sign", sign),
            ("--strict", strict),
            ("--rate-limit", rate_limit),
        ):
            if value:
                raise typer.BadParameter(f"{option} goes with --zones; a node has it in dnsctl.yaml", ctx)
        from dnsctl.cli.serve import serve_node

        serve_node(here(ctx), node, state, workers, user)
    elif zones is not None:
        if not listen:
            raise typer.BadParameter("--zones needs --listen ADDR:PORT, such as 127.0.0.1:5300", ctx)
        from dnsctl.cli.serve import parse_endpoint, serve_settings, serve_zones
        from dnsctl.startup.anew import ZonesOrder

        context = here(ctx)
        settings = serve_settings(listen, workers, transfer or (), rate_limit)
        where = parse_endpoint(metrics) if metrics else None
        directory = named_root(ctx) / zones
        order = ZonesOrder(directory, settings, state, user, sign=sign, strict=strict, metrics=where)
        serve_zones(context, order)
