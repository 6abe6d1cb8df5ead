"""`dnsctl status`: show what every node serves, and what this host released. A node cannot make it fail.

Exit codes: 0 all is well, 1 somebody must act now, 2 it cannot be told, since a node was not reached.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import typer

from dnsctl.cli import output
from dnsctl.cli.verbs.context import Context
from dnsctl.control.concerns import (
    Concern,
    exit_code,
    is_near,
    least,
    newest,
    of_certificates,
    of_clocks,
    of_nodes,
    of_zones,
)
from dnsctl.control.host import connections
from dnsctl.control.own_image import open_own, require_whole
from dnsctl.errors import DnsctlError
from dnsctl.model.fleet import Node
from dnsctl.model.name import from_text
from dnsctl.model.policy import Policy
from dnsctl.model.repo import AUTHORITY, CONTROL, KeyFiles
from dnsctl.release.archive import Archive, activated
from dnsctl.replicate import pki
from dnsctl.replicate.answers import NodeStatus
from dnsctl.replicate.client import AgentClient
from dnsctl.replicate.staging import Served
from dnsctl.sign.keystore import Keystore

_Answer = NodeStatus | DnsctlError
_SHOWN = 20  # concerns


def status(context: Context, *, zones: bool, as_json: bool) -> None:
    """Print nodes, releases and what runs out. Exits with the worst that was found."""
    config = context.config()
    nodes = config.nodes()
    now = time.time()
    policies = [Policy(), *config.policies.values()]
    longest = max(map(least, (None, *policies)))
    with connections(context.root, nodes, context.passphrase(config)) as fleet:
        answers = fleet.run(_asked(fleet.clients, longest, now, zones=zones or as_json))
    keystore = Keystore(context.keys, lambda: b"")

    @functools.cache
    def policy_of(origin: str) -> Policy | None:
        """Return how a zone is signed here: one without keys of ours is pre-signed."""
        zone = from_text(origin)
        return config.policy(zone) if keystore.list(zone) else None

    of_each = tuple(of_zones(answers, policy_of, longest, now))
    certificates = _certificates(context, answers)
    damaged: DnsctlError | None = None
    released: Served | None = None
    try:
        released = _released(context)
    except DnsctlError as error:
        damaged = error
    urgent = frozenset(name for name, _ in of_each)
    found = _Found(nodes, answers, released, certificates, urgent, damaged)
    told = tuple(_concerns(found, of_each, now))
    if as_json:
        output.json_result(_to_json(context, found, told, now))
    else:
        _print(found, told, now, zones=zones)
    raise typer.Exit(exit_code(told))


@dataclass(frozen=True)
class _Found:
    """What was told. `certificates`: when each runs out, in unix seconds; `urgent`: nodes with zones whose
    signatures run out."""

    nodes: Sequence[Node]
    answers: dict[str, _Answer]
    released: Served | None
    certificates: dict[str, int]
    urgent: frozenset[str]
    damaged: DnsctlError | None = None  # why this host cannot tell what it released

    @property
    def expected(self) -> Served | None:
        """The newest release that anybody knows of."""
        return newest(self.answers, self.released)


def _concerns(found: _Found, of_each: Sequence[tuple[str, Concern]], now: float) -> Iterator[Concern]:
    """Yield all concerns; `of_each`: of zones on each node, those that are the same once."""
    yield from of_clocks(found.answers, now)
    by_concern: dict[Concern, list[str]] = {}
    for node, concern in of_each:
        by_concern.setdefault(concern, []).append(node)
    for concern, nodes in by_concern.items():
        where = "" if len(nodes) == len(found.answers) else f" (on {', '.join(nodes)})"
        yield concern._replace(message=concern.message + where)
    yield from of_certificates(found.certificates, now)
    yield from of_nodes(found.answers, found.expected)
    if found.damaged is not None:
        yield Concern("act", "this host", str(found.damaged))


def _certificates(context: Context, answers: dict[str, _Answer]) -> dict[str, int]:
    """Return when the authority's, ours and the nodes' certificates run out; those that cannot be read fail
    whatever is done with them, and not here."""
    found = {}
    for name, stem in (("authority", AUTHORITY), ("control", CONTROL)):
        with contextlib.suppress(DnsctlError):
            found[name] = int(pki.expiry(KeyFiles(context.keys).pki.certificate(stem)).timestamp())
    for name, answer in answers.items():
        if isinstance(answer, NodeStatus) and answer.certificate is not None:
            found[name] = answer.certificate
    return found


async def _asked(
    clients: Sequence[AgentClient], longest: int, now: float, *, zones: bool
) -> dict[str, _Answer]:
    """Ask all nodes; for each zone only where that is wanted, or something runs out."""

    async def one(client: AgentClient) -> _Answer:
        try:
            status = await client.status(zones=zones)
            if not zones and is_near(status.period, longest, now):
                status = await client.status(zones=True)
            return status
        except DnsctlError as error:
            return error

    answers = await asyncio.gather(*(one(client) for client in clients))
    return {client.node.name: answer for client, answer in zip(clients, answers, strict=True)}


def _released(context: Context) -> Served | None:
    """Return the last release this host knows of. Raises ImageError."""
    if not (context.image / "data.mdb").exists():
        return None
    require_whole(context.state, quickly=True)
    with open_own(context.state) as image, image.reader() as reader:
        return Served(reader.generation, reader.manifest) if reader.generation else None


def _print(found: _Found, told: Sequence[Concern], now: float, *, zones: bool) -> None:
    nodes, answers = found.nodes, found.answers
    output.table(
        ("site", "node", "generation", "zones", "released", "nearest expiry", "clock", "state"),
        (_row(node, answers[node.name], found, now) for node in nodes),
    )
    if zones:
        output.line("")
        _print_zones(nodes, answers)
    for name, answer in answers.items():
        if isinstance(answer, NodeStatus) and answer.refusal and answer.served == found.expected:
            output.say(f"{name}: refused at {_time(answer.refusal.at)}: {answer.refusal.reason}")
        if isinstance(answer, NodeStatus) and answer.damage is not None and answer.damage.is_mended:
            output.say(
                f"{name}: mended an image found damaged at {_time(answer.damage.at)}: {answer.damage.reason}"
            )
    for concern in told[:_SHOWN]:
        output.say(f"{concern.about}: {concern.message}")
    if len(told) > _SHOWN:
        output.say(f"and {len(told) - _SHOWN} more; see `dnsctl status --json`")
    expected = found.expected
    if expected is None:
        return  # a concern has said so
    current = sum(isinstance(each, NodeStatus) and each.served == expected for each in answers.values())
    style = "bold green" if current == len(nodes) and not told else "bold yellow"
    told_of = f"Generation {expected.generation}: served by {current} of {len(nodes)} nodes{_whose(found)}"
    output.styled((told_of, style))


def _whose(found: _Found) -> str:
    if found.expected == found.released or found.damaged is not None:
        return ""
    here = f"generation {found.released.generation}" if found.released else "no release yet"
    return f"; it was released elsewhere, this host knows {here}: `git pull` before the next push"


def _row(node: Node, answer: _Answer, found: _Found, now: float) -> tuple[str, ...]:
    if isinstance(answer, DnsctlError):
        return (node.site, node.name, "-", "-", "-", "-", "-", "unreachable")
    return (
        node.site,
        node.name,
        str(answer.served.generation),
        str(answer.zone_count),
        _time(answer.created),
        _time(answer.period.expiry),
        "-" if answer.clock is None else f"{answer.clock.seconds:+.1f} s",
        _state(answer, found, now),
    )


def _state(answer: NodeStatus, found: _Found, now: float) -> str:
    released = found.released
    if fault := answer.period.fault(now):
        return "signatures ran out" if "ran out" in fault else "signatures not yet valid"
    if answer.name in found.urgent:
        return "signatures run out soon"
    if answer.prepared is not None:
        return f"generation {answer.prepared.generation} prepared"
    if answer.damage is not None and not answer.damage.is_mended:
        return "image damaged"
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


def _to_json(context: Context, found: _Found, told: Sequence[Concern], now: float) -> dict[str, Any]:
    nodes, answers, released = found.nodes, found.answers, found.released
    commit = None
    if released is not None:
        with contextlib.suppress(DnsctlError):  # the archive's fault: show what is served all the same
            manifest = activated(Archive(context.state.archive), released.generation)
            if manifest is not None and manifest.digest == released.manifest:
                commit = manifest.commit
    return {
        "generation": released.generation if released else 0,
        "manifest": released.manifest if released else None,
        "commit": commit,
        "verdict": ("well", "act now", "could not tell")[exit_code(told)],
        "concerns": [each._asdict() for each in told],
        "certificates": {name: _stamp(expiry) for name, expiry in found.certificates.items()},
        "nodes": [_node_json(node, answers[node.name], found, now) for node in nodes],
    }


def _node_json(node: Node, answer: _Answer, found: _Found, now: float) -> dict[str, Any]:
    told: dict[str, Any] = {"site": node.site, "node": node.name, "control": node.control}
    if isinstance(answer, DnsctlError):
        return {**told, "reachable": False, "reason": str(answer)}
    return {
        **told,
        "reachable": True,
        "state": _state(answer, found, now),
        "generation": answer.served.generation,
        "manifest": answer.served.manifest or None,
        "released": _stamp(answer.created),
        "nearest_expiry": _stamp(answer.period.expiry),
        "latest_inception": _stamp(answer.period.inception),
        "clock_ahead": None if answer.clock is None else round(answer.clock.seconds, 3),
        "prepared": answer.prepared.generation if answer.prepared else None,
        "refusal": {
            "at": _stamp(answer.refusal.at),
            "action": answer.refusal.action,
            "reason": answer.refusal.reason,
        }
        if answer.refusal
        else None,
        "damage": {
            "at": _stamp(answer.damage.at),
            "reason": answer.damage.reason,
            "mended": answer.damage.is_mended,
        }
        if answer.damage
        else None,
        "workers": answer.workers,
        "zones": {
            origin: {
                "serial": each.serial,
                "digest": each.digest,
                "expiry": _stamp(each.period.expiry),
                "inception": _stamp(each.period.inception),
            }
            for origin, each in answer.zones.items()
        },
    }
