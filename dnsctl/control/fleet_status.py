"""What every node says it serves, beside what this host released, and what somebody has to act on."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dnsctl.control.concerns import (
    ALARMS,
    Concern,
    Ending,
    endings_of,
    is_near,
    least,
    newest,
    of_certificates,
    of_clocks,
    of_nodes,
    of_zones,
)
from dnsctl.control.host import connections
from dnsctl.control.own_image import released
from dnsctl.control.parents import ParentState, parent_concerns, parent_states
from dnsctl.control.released import signing_policy
from dnsctl.control.zone_rolls import roll_concerns
from dnsctl.errors import DnsctlError
from dnsctl.load.settings.config import Config
from dnsctl.model.fleet import Node
from dnsctl.model.name import from_text
from dnsctl.model.policy import Policy
from dnsctl.model.repo import AUTHORITY, CONTROL, Repo
from dnsctl.release.archive import Archive, activated
from dnsctl.replicate import pki
from dnsctl.replicate.answers import NodeStatus
from dnsctl.replicate.client import AgentClient
from dnsctl.replicate.staging import Served
from dnsctl.sign.keystore import public_side

Answer = NodeStatus | DnsctlError


@dataclass(frozen=True)
class FleetStatus:
    """What the nodes said. `certificates`: when each expires, in unix seconds; `urgent`: nodes with zones
    whose signatures expire."""

    nodes: Sequence[Node]
    answers: dict[str, Answer]
    released: Served | None
    certificates: dict[str, int]
    urgent: frozenset[str]
    concerns: tuple[Concern, ...] = ()
    endings: tuple[Ending, ...] = ()  # what runs out
    damaged: DnsctlError | None = None  # why this host does not know what it released
    parents: tuple[ParentState, ...] = ()  # what was seen of them last

    @property
    def expected(self) -> Served | None:
        """The newest release that a node or this host knows."""
        return newest(self.answers, self.released)


def fleet_status(root: Path, config: Config, passphrase: bytes, now: float, *, zones: bool) -> FleetStatus:
    """Ask every node, and this host, what they know. `zones`: each zone's serial as well.

    Never fails for a node. Raises DnsctlError where the control host's certificate cannot be used.
    """
    repo, nodes = Repo(root), config.nodes()
    policies = [Policy(), *config.policies.values()]
    longest = max(ALARMS[0] * 86400, *map(least, (None, *policies)))
    with connections(root, nodes, passphrase) as fleet:
        answers = fleet.run(_asked(fleet.clients, longest, now, zones=zones))
    keystore = public_side(repo.keys.directory)

    @functools.cache
    def policy_of(origin: str) -> Policy | None:
        """Return how a zone is signed here: one without keys of ours is pre-signed."""
        zone = from_text(origin)
        return signing_policy(config, keystore, zone) if keystore.list(zone) else None

    of_each = tuple(of_zones(answers, policy_of, longest, now))
    damaged: DnsctlError | None = None
    last: Served | None = None
    parents: tuple[ParentState, ...] = ()
    rolls: tuple[Concern, ...] = ()
    try:
        with released(repo.state) as reader:
            if reader is not None:
                last = Served(reader.generation, reader.manifest)
                origins = [each.origin for each in reader.zones()]
                parents = tuple(parent_states(repo.state, reader, origins))
                rolls = tuple(roll_concerns(root, commit_of(root, last), reader, keystore, now))
    except DnsctlError as error:
        damaged = error
    urgent = frozenset(name for name, concern in of_each if concern.weight == "act")
    certificates = _certificates(repo, answers)
    endings = tuple(endings_of(answers, policy_of, certificates, longest, now))
    found = FleetStatus(
        nodes, answers, last, certificates, urgent, endings=endings, damaged=damaged, parents=parents
    )
    return replace(found, concerns=(*_concerns(found, of_each, now), *parent_concerns(parents), *rolls))


def commit_of(root: Path, served: Served | None) -> str | None:
    """Return the commit that `served` was made from; None where this host's archive does not have it."""
    if served is not None:
        with contextlib.suppress(DnsctlError):  # the archive's fault: show what is served all the same
            manifest = activated(Archive(Repo(root).state.archive), served.generation)
            if manifest is not None and manifest.digest == served.manifest:
                return manifest.commit
    return None


def _concerns(found: FleetStatus, of_each: Sequence[tuple[str, Concern]], now: float) -> Iterator[Concern]:
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


def _certificates(repo: Repo, answers: dict[str, Answer]) -> dict[str, int]:
    """Return when the authority's, ours and the nodes' certificates run out; those that cannot be read fail
    whatever is done with them, and not here."""
    found = {}
    for name, stem in (("authority", AUTHORITY), ("control", CONTROL)):
        with contextlib.suppress(DnsctlError):
            found[name] = int(pki.expiry(repo.keys.pki.certificate(stem)).timestamp())
    for name, answer in answers.items():
        if isinstance(answer, NodeStatus) and answer.certificate is not None:
            found[name] = answer.certificate
    return found


async def _asked(
    clients: Sequence[AgentClient], longest: int, now: float, *, zones: bool
) -> dict[str, Answer]:
    """Ask all nodes; for each zone only where that is wanted, or something runs out."""

    async def one(client: AgentClient) -> Answer:
        try:
            status = await client.status(zones=zones)
            if not zones and is_near(status.period, longest, now):
                status = await client.status(zones=True)
            return status
        except DnsctlError as error:
            return error

    answers = await asyncio.gather(*(one(client) for client in clients))
    return {client.node.name: answer for client, answer in zip(clients, answers, strict=True)}
