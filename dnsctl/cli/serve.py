"""`dnsctl serve`: run a nameserver, of the fleet (`--node`) or of the files in a directory (`--zones`)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from dnsctl.cli import output
from dnsctl.cli.anew import EMBEDDED, NodeOrder, ZonesOrder, serve_anew
from dnsctl.cli.context import Context, here
from dnsctl.errors import ListenError
from dnsctl.model.fleet import Endpoint, Network, Node, RateLimit, ServeSettings

_ENDPOINT = re.compile(r"(?:\[(?P<bracketed>[^\[\]]+)\]|(?P<plain>[^:\[\]]+)):(?P<port>[0-9]{1,5})")
_MAX_PORT = 65535
_MAX_WORKERS = 256


def register(app: typer.Typer) -> None:
    app.command(
        "serve",
        epilog=output.examples(
            "dnsctl serve --zones zones --listen 127.0.0.1:5300",
            "dnsctl serve --zones zones --listen 127.0.0.1:5300 --listen [::1]:5300 --sign --workers 2",
            "dnsctl -C /etc/dnsctl serve --node ns1 --state /var/lib/dnsctl",
        ),
    )(serve)


def serve(
    ctx: typer.Context,
    *,
    node: Annotated[str | None, typer.Option(metavar="NAME", help="A node of dnsctl.yaml.")] = None,
    zones: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Serve the zone files in DIR (*.yaml, *.zone), by the dnsctl.yaml in or beside it.",
        ),
    ] = None,
    listen: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDR:PORT", help="With --zones; repeatable. Port 0: the kernel picks one."),
    ] = None,
    sign: Annotated[bool, typer.Option("--sign", help="With --zones: sign what is not signed.")] = False,
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
        str, typer.Option(metavar="NAME", help="Serve as this user once ports are bound, if we are root.")
    ] = "",
) -> None:
    """Run a nameserver in the foreground until SIGTERM or SIGINT."""
    if (node is None) == (zones is None):
        raise typer.BadParameter("give one of --node NAME and --zones DIR", ctx)
    context = here(ctx)
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
        serve_anew(_node_order(context, node, state, workers, user), context.program)
    elif zones is not None:
        if not listen:
            raise typer.BadParameter("--zones needs --listen ADDR:PORT, such as 127.0.0.1:5300", ctx)
        settings = ServeSettings(
            tuple(parse_endpoint(each) for each in listen),
            workers=workers or 1,
            transfer=tuple(_network(each) for each in transfer or ()),
            rate_limit=None if rate_limit is None else RateLimit(rate_limit),
        )
        where = parse_endpoint(metrics) if metrics else None
        directory = context.root / zones
        settings = _configured(directory, settings)
        order = ZonesOrder(directory, settings, state, user, sign=sign, strict=strict, metrics=where)
        serve_anew(order, context.program)


def _node_order(context: Context, name: str, state: Path | None, workers: int | None, user: str) -> NodeOrder:
    settings = context.config().node_settings(name, context.root, state)
    if workers is not None:
        settings = replace(settings, serve=replace(settings.serve, workers=workers))
    return NodeOrder(settings, user)


def _configured(directory: Path, given: ServeSettings) -> ServeSettings:
    """Return `serve:` and `transfers:` of the dnsctl.yaml of `directory`; what is `given` has precedence."""
    from dnsctl.cli.directory import check_directory, find_config  # noqa: PLC0415 - a node has no need

    check_directory(directory)
    if (found := find_config(directory)) is None:
        return given
    config, root = found
    settings = config.serve_settings(Node(EMBEDDED, "", given.listen, ""), given.workers, root)
    shared = settings.cookie_secret is not None and settings.cookie_secret.exists()
    return replace(
        settings,
        transfer=given.transfer or settings.transfer,
        rate_limit=given.rate_limit or settings.rate_limit,
        cookie_secret=settings.cookie_secret if shared else None,
    )


def parse_endpoint(text: str) -> Endpoint:
    """Return the address and port of `192.0.2.1:53` or `[2001:db8::1]:53`; port 0 is allowed.

    Raises ListenError.
    """
    found = _ENDPOINT.fullmatch(text)
    advice = "write 192.0.2.1:53 or [2001:db8::1]:53"
    if not found or int(found["port"]) > _MAX_PORT:
        raise ListenError("is no address and port", where=text, advice=advice)
    try:
        address = ipaddress.ip_address(found["bracketed"] or found["plain"])
    except ValueError:
        raise ListenError("is no IP address", where=text, advice=advice) from None
    return Endpoint(str(address), int(found["port"]))


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{error}; write 192.0.2.0/24 or 2001:db8::/32", param_hint="--transfer"
        ) from None
