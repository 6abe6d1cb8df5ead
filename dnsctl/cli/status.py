"""`dnsctl status`: what every node says it serves, beside what this host released. Never fails for a node."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from dnsctl.cli import output
from dnsctl.cli.context import Context, JsonOption, here
from dnsctl.control.host import connections
from dnsctl.control.state import ControlState
from dnsctl.errors import DnsctlError
from dnsctl.image.store import Image
from dnsctl.model.fleet import Node
from dnsctl.replicate.client import AgentClient, NodeStatus
from dnsctl.replicate.staging import Served

_Answer = NodeStatus | DnsctlError
_SOON = 7 * 86400  # seconds: signatures that run out earlier are shown as a warning


def register(app: typer.Typer) -> None:
    app.command("status", epilog=output.examples("dnsctl status", "dnsctl status --zones --json"))(status)


def status(
    ctx: typer.Context,
    zones: Annotated[bool, typer.Option("--zones", help="Show each zone's serial on each node.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show sites, nodes, generation, serials, nearest signature expiry, and what agents refused."""
    context = here(ctx)
    config = context.config()
    nodes = config.nodes()
    with connections(context.root, nodes, context.passphrase(config)) as fleet:
        answers = fleet.run(_asked(fleet.clients, zones=zones or as_json))
    released = _released(context)
    if as_json:
        output.json_result(_to_json(context, nodes, answers, released))
    else:
        _print(nodes, answers, released, zones=zones)


async def _asked(clients: Sequence[AgentClient], *, zones: bool) -> dict[str, _Answer]:
    async def one(client: AgentClient) -> _Answer:
        try:
            return await client.status(zones=zones)
        except DnsctlError as error:
            return error

    answers = await asyncio.gather(*(one(client) for client in clients))
    return {client.node.name: answer for client, answer in zip(clients, answers, strict=True)}


def _released(context: Context) -> Served | None:
    """Return the last release this host knows of."""
    if not (context.image / "data.mdb").exists():
        return None
    with Image.open(context.image) as image, image.reader() as reader:
        return Served(reader.generation, reader.manifest) if reader.generation else None


def _print(
    nodes: Sequence[Node], answers: dict[str, _Answer], released: Served | None, *, zones: bool
) -> None:
    output.table(
        ("site", "node", "generation", "zones", "released", "nearest expiry", "state"),
        (_row(node, answers[node.name], released) for node in nodes),
    )
    if zones:
        output.line("")
        _print_zones(nodes, answers)
    for name, answer in answers.items():
        if isinstance(answer, DnsctlError):
            output.say(str(answer))
        elif answer.refusal:
            output.say(f"{name}: refused at {_time(answer.refusal.at)}: {answer.refusal.reason}")
    console = output.results()
    if released is None:
        console.print("Nothing was released from this host yet; run `dnsctl push`")
        return
    current = sum(isinstance(each, NodeStatus) and each.served == released for each in answers.values())
    style = "bold green" if current == len(nodes) else "bold yellow"
    console.print(
        Text(f"Generation {released.generation}: served by {current} of {len(nodes)} nodes", style=style)
    )


def _row(node: Node, answer: _Answer, released: Served | None) -> tuple[str, ...]:
    if isinstance(answer, DnsctlError):
        return (node.site, node.name, "-", "-", "-", "-", "unreachable")
    return (
        node.site,
        node.name,
        str(answer.served.generation),
        str(answer.zone_count),
        _time(answer.created),
        _time(answer.period.expiry),
        _state(answer, released),
    )


def _state(answer: NodeStatus, released: Served | None) -> str:
    if answer.period.expiry is not None and answer.period.expiry - datetime.now(UTC).timestamp() < _SOON:
        return "signatures run out soon"
    if answer.prepared is not None:
        return f"generation {answer.prepared.generation} prepared"
    if answer.silent:
        return "catching up"
    if not answer.served.generation:
        return "empty"
    if released is None or answer.served == released:
        return "current" if released else "serving"
    if answer.served.generation < released.generation:
        return "behind"
    return "ahead" if answer.served.generation > released.generation else "another release"


def _print_zones(nodes: Sequence[Node], answers: dict[str, _Answer]) -> None:
    serving = {name: each for name, each in answers.items() if isinstance(each, NodeStatus)}
    origins = sorted({origin for each in serving.values() for origin in each.zones})
    output.table(
        ("zone", *(node.name for node in nodes), "nearest expiry"),
        (
            (
                origin,
                *(_serial(serving.get(node.name), origin) for node in nodes),
                _time(_nearest(serving.values(), origin)),
            )
            for origin in origins
        ),
    )


def _serial(answer: NodeStatus | None, origin: str) -> str:
    found = answer.zones.get(origin) if answer else None
    return str(found.serial) if found else "-"


def _nearest(answers: Any, origin: str) -> int | None:
    found = [each.zones[origin].period.expiry for each in answers if origin in each.zones]
    return min((each for each in found if each is not None), default=None)


def _time(seconds: int | None) -> str:
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%MZ")


def _stamp(seconds: int | None) -> str | None:
    """Return a time as JSON has it in every command: RFC 3339, in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _to_json(
    context: Context, nodes: Sequence[Node], answers: dict[str, _Answer], released: Served | None
) -> dict[str, Any]:
    commit = None
    database = context.root / "state" / "control.db"
    if released is not None and database.exists():
        with ControlState.open(database) as state:
            record = state.release(released.generation)
            commit = record.commit if record else None
    return {
        "generation": released.generation if released else 0,
        "manifest": released.manifest if released else None,
        "commit": commit,
        "nodes": [_node_json(node, answers[node.name], released) for node in nodes],
    }


def _node_json(node: Node, answer: _Answer, released: Served | None) -> dict[str, Any]:
    told: dict[str, Any] = {"site": node.site, "node": node.name, "control": node.control}
    if isinstance(answer, DnsctlError):
        return {**told, "reachable": False, "reason": str(answer)}
    return {
        **told,
        "reachable": True,
        "state": _state(answer, released),
        "generation": answer.served.generation,
        "manifest": answer.served.manifest or None,
        "released": _stamp(answer.created),
        "nearest_expiry": _stamp(answer.period.expiry),
        "prepared": answer.prepared.generation if answer.prepared else None,
        "refusal": {
            "at": _stamp(answer.refusal.at),
            "action": answer.refusal.action,
            "reason": answer.refusal.reason,
        }
        if answer.refusal
        else None,
        "workers": answer.workers,
        "zones": {
            origin: {"serial": each.serial, "digest": each.digest, "expiry": _stamp(each.period.expiry)}
            for origin, each in answer.zones.items()
        },
    }
