"""`dnsctl serve`: run a name server, as a node of the fleet (`--node`) or for zone files (`--zones`)."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import typer

from dnsctl.cli import output
from dnsctl.cli.context import Context
from dnsctl.errors import ListenError
from dnsctl.model.fleet import Endpoint, Network, RateLimit, ServeSettings
from dnsctl.startup import TRIAL
from dnsctl.startup.anew import NodeOrder, ZonesOrder, serve_anew
from dnsctl.startup.released import Host, node_settings
from dnsctl.startup.work import Tell

_ENDPOINT = re.compile(r"(?:\[(?P<bracketed>[^\[\]]+)\]|(?P<plain>[^:\[\]]+)):(?P<port>[0-9]{1,5})")
_MAX_PORT = 65535


def serve_node(context: Context, name: str, state: Path | None, workers: int | None, user: str) -> None:
    """Run the node of dnsctl.yaml called `name`. Raises ConfigError where there is none."""
    serve_anew(_node_order(context, name, state, workers, user), context.program, _output)


def serve_zones(context: Context, order: ZonesOrder) -> None:
    """Serve the zone files of a directory, by the dnsctl.yaml in or beside it where `order` says nothing."""
    from dnsctl.startup.directory import served_with  # noqa: PLC0415 - a node has no need

    settings = served_with(order.directory, order.settings)
    serve_anew(replace(order, settings=settings), context.program, _output)


def _output() -> Tell:
    return output


def serve_settings(
    listen: Iterable[str], workers: int | None, transfer: Iterable[str], rate_limit: int | None
) -> ServeSettings:
    """Return what the command line says of how to serve. Raises ListenError."""
    return ServeSettings(
        tuple(parse_endpoint(each) for each in listen),
        workers=workers or 1,
        transfer=tuple(_network(each) for each in transfer),
        rate_limit=None if rate_limit is None else RateLimit(rate_limit),
    )


def _node_order(context: Context, name: str, state: Path | None, workers: int | None, user: str) -> NodeOrder:
    host = Host(context.config(), context.root, state, workers)
    settings = node_settings(host, name, output.say, trial=TRIAL in os.environ)
    if not context.program:  # it cannot be begun again
        settings = replace(settings, in_force=None)
    return NodeOrder(settings, user)


def parse_endpoint(text: str) -> Endpoint:
    """Return the address and port of `192.0.2.1:53` or `[2001:db8::1]:53`; port 0 is allowed.

    Raises ListenError.
    """
    found = _ENDPOINT.fullmatch(text)
    advice = "write 192.0.2.1:53 or [2001:db8::1]:53"
    if not found or int(found["port"]) > _MAX_PORT:
        raise ListenError("is not an address and port", where=text, advice=advice)
    try:
        address = ipaddress.ip_address(found["bracketed"] or found["plain"])
    except ValueError:
        raise ListenError("is not an IP address", where=text, advice=advice) from None
    return Endpoint(str(address), int(found["port"]))


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{error}; write 192.0.2.0/24 or 2001:db8::/32", param_hint="--transfer"
        ) from None
