"""Looks at parents from every site: one node of each is sent there, and what it saw counts as seen from it.

A site of which no node can look is silent, as a server is: what waits for parents waits for it. Where a node
answers but does not look, because its version is older or its settings do not name a server, or looks and no
server of the parent answers it, the control host's own look counts for its site, and that is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from ipaddress import ip_address
from itertools import groupby
from pathlib import Path
from ssl import SSLContext
from threading import Event
from typing import Final

from dnsctl.control.host import Connections, shown_by_control
from dnsctl.errors import DnsctlError, NodeUnreachableError, RefusalRule, UnknownRequestError
from dnsctl.load.settings.config import Config
from dnsctl.model.fleet import Endpoint, Node
from dnsctl.model.name import Name
from dnsctl.model.observation import ParentView
from dnsctl.parent.errand import LONGEST, MAX_LOOKS, Asked, Brought, Errand, is_of_one_host
from dnsctl.parent.looking import SILENCES, Look
from dnsctl.parent.patience import Patience
from dnsctl.parent.servers import Server
from dnsctl.parent.view import DelegationView
from dnsctl.replicate.client import AgentClient

_BUSY: Final = 1.0  # seconds until a node that makes another look is asked again
_BEAT: Final = 0.2  # seconds between two looks at whether somebody still waits
Zones = Mapping[Name, Sequence[Server]]


@dataclass(frozen=True)
class SiteLook:
    """What was seen from one site, by `node`. `fault`: why no node of it could look.

    `stand_in`: why the control host's look counts for it, at the servers of `brought.refused`, or, where
    the node `is_old` or was answered by nobody (`beside`), at all.
    """

    site: str
    brought: Brought = field(default_factory=lambda: Brought({}))
    fault: str = ""
    stand_in: str = ""
    is_old: bool = False
    node: str = ""

    def is_known(self, zone: Name, servers: Sequence[Server]) -> bool:
        """True where the zone was seen from here, or cannot be; False where there was no time for it."""
        return (
            bool(self.fault)
            or self.is_old
            or zone in self.brought.looks
            or zone in self.brought.unknown
            or all(each.endpoint in self.brought.refused for each in servers)
        )

    def sees(self, zone: Name) -> bool:
        """True unless this is why the zone was not seen from here: nobody looked, or nobody answered."""
        return not (self.fault or zone in self.brought.unknown or self._is_cut_off(zone))

    def beside(self, zone: Name, here: Iterable[Look]) -> SiteLook:
        """Return what counts of this look at `zone`: nothing, and why, where no server of the parent answered
        it, and one told the control host of the DS (`here`).
        """
        if not self._is_cut_off(zone) or all(each.ds.ds is None for each in here):
            return self
        asked = _first(each.server for each in self.brought.looks[zone])
        why = f"{self.node} gets no answer from {asked}: let it send questions there"
        return replace(self, brought=Brought({}), stand_in="; ".join(filter(None, (self.stand_in, why))))

    def _is_cut_off(self, zone: Name) -> bool:
        """True where the node asked servers about the zone, and none of them answered it about any."""
        looks = self.brought.looks.get(zone, ())
        return bool(looks) and all(each.server.endpoint not in self._answering for each in looks)

    @cached_property
    def _answering(self) -> frozenset[Endpoint]:
        """Servers that answered the node anything about any zone, were it nonsense."""
        looks = (each for told in self.brought.looks.values() for each in told)
        return frozenset(
            each.server.endpoint
            for each in looks
            if each.ds.ds is not None or not each.ds.fault.startswith(SILENCES)
        )

    def views(self, zone: Name, now: datetime) -> tuple[ParentView, ...]:
        """Return what was seen of the DS; one silent view where nothing could be."""
        if self.fault or zone in self.brought.unknown:
            fault = self.fault or "the node that looks does not serve the zone yet"
            return (ParentView("", self.site, now, None, fault=fault),)
        return tuple(each.ds for each in self.brought.looks.get(zone, ()))

    def delegations(self, zone: Name) -> tuple[DelegationView, ...]:
        return tuple(each.delegation for each in self.brought.looks.get(zone, ()))


# Waits for what all sites saw; calls what it is given now and then, which may raise to give up.
Waiting = Callable[[Callable[[], object]], tuple[SiteLook, ...]]
Sites = Callable[[Zones, datetime, Patience], AbstractContextManager[Waiting]]


def sites_of(root: Path, config: Config, passphrase: bytes) -> Sites:
    """Return what sends a node of each site to servers, in a thread, while the block runs.

    Raises PkiError, PassphraseError where the control host's certificate cannot be used.
    """
    return partial(_sent, config.nodes(), shown_by_control(root, passphrase))


@contextmanager
def _sent(
    nodes: Sequence[Node], context: SSLContext, zones: Zones, now: datetime, patience: Patience
) -> Iterator[Waiting]:
    given_up = Event()
    with ThreadPoolExecutor(1, thread_name_prefix="sites") as pool:
        looks = pool.submit(_looked, nodes, context, zones, now, patience, given_up)

        def waiting(beat: Callable[[], object]) -> tuple[SiteLook, ...]:
            while not looks.done():
                beat()
                wait([looks], _BEAT)
            return looks.result()

        try:
            yield waiting
        finally:
            given_up.set()


def _looked(
    nodes: Sequence[Node],
    context: SSLContext,
    zones: Zones,
    now: datetime,
    patience: Patience,
    given_up: Event,
) -> tuple[SiteLook, ...]:
    if not zones:
        return ()
    requests = tuple(_requests(zones))

    async def all_of(clients: Sequence[AgentClient]) -> tuple[SiteLook, ...]:
        by_site = groupby(clients, key=lambda each: each.node.site)
        looks = [
            asyncio.ensure_future(_from_site(site, tuple(own), requests, now, patience))
            for site, own in by_site
        ]
        while not all(each.done() for each in looks):
            await asyncio.wait(looks, timeout=_BEAT)
            if given_up.is_set():
                for each in looks:
                    each.cancel()
        return tuple(await asyncio.gather(*looks))

    with Connections(nodes, context) as fleet:
        return fleet.run(all_of(fleet.clients))


async def _from_site(
    site: str,
    clients: Sequence[AgentClient],
    requests: Sequence[tuple[Asked, ...]],
    now: datetime,
    patience: Patience,
) -> SiteLook:
    """Send the first node of a site that can look."""
    old, faults = "", []
    for client in clients:
        node = client.node.name
        try:
            await client.status()  # one that hangs is passed over in seconds
            brought = await _brought(client, requests, now, patience)
        except UnknownRequestError:
            old = node
        except DnsctlError as error:
            faults.append(f"{node} {error.what}")
        else:
            return SiteLook(site, brought, stand_in=_passed_over(node, brought.refused), node=node)
    if old:
        stand_in = f"{old} runs an older version, which does not look at parents"
        return SiteLook(site, stand_in=stand_in, is_old=True)
    return SiteLook(site, fault=f"no node can look: {'; '.join(faults)}")


async def _brought(
    client: AgentClient, requests: Sequence[tuple[Asked, ...]], now: datetime, patience: Patience
) -> Brought:
    """Send a node; return what it saw in time. Raises DnsctlError for one that cannot look."""
    looks: dict[Name, tuple[Look, ...]] = {}
    refused: set[Endpoint] = set()
    unknown: set[Name] = set()
    for asked in requests:
        if patience.is_over and asked is not requests[0]:
            break
        errand = Errand(min(max(patience.left, _BUSY), LONGEST), asked)
        found = await _carried_out(client, errand, now, patience)
        looks |= found.looks
        refused |= found.refused
        unknown |= found.unknown
    return Brought(looks, frozenset(refused), frozenset(unknown))


async def _carried_out(client: AgentClient, errand: Errand, now: datetime, patience: Patience) -> Brought:
    while True:
        try:
            told = await client.look(errand.to_bytes(), errand.seconds)
            return Brought.from_json(told, errand, client.node.site, now)
        except NodeUnreachableError as error:
            if error.rule is not RefusalRule.BUSY or patience.left < _BUSY:
                raise
            await asyncio.sleep(_BUSY)
        except ValueError as error:
            raise NodeUnreachableError(f"sent something else than was asked for: {error}") from None


def _passed_over(node: str, refused: Iterable[Endpoint]) -> str:
    """Return what a person should know of servers that a node does not ask; empty: nothing.

    A loopback address is another host at each site: what is seen there from here says all.
    """
    named = [each for each in refused if not is_of_one_host(ip_address(each.address))]
    if not named:
        return ""
    return f"{node} may not ask {_first(named)}: give it the dnsctl.yaml that names it under `parents`"


def _first(servers: Iterable[Server] | Iterable[Endpoint]) -> str:
    """Name the first of `servers`, and how many more there are."""
    first, *more = sorted(servers)
    return f"{first} (and {len(more)} more)" if more else str(first)


def _requests(zones: Zones) -> Iterator[tuple[Asked, ...]]:
    """Yield what to ask for in each request: all of it, unless it is more than a node takes at once."""
    groups: dict[tuple[Server, ...], list[Name]] = {}
    for zone, servers in zones.items():
        once = {each.endpoint: each for each in reversed(servers)}  # two names may have one address
        groups.setdefault(tuple(reversed(once.values())), []).append(zone)
    request: list[Asked] = []
    room = MAX_LOOKS
    for servers, listed in groups.items():
        left = listed
        while left:
            count = room // len(servers)
            if count:
                request.append(Asked(servers, tuple(left[:count])))
                room -= len(servers) * len(left[:count])
                left = left[count:]
            if left:
                yield tuple(request)
                request, room = [], MAX_LOOKS
    if request:
        yield tuple(request)
