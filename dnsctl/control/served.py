"""What our own nodes serve of each zone's keys: looked at, and remembered beside what the parent says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial

from dnsctl.control.host import ControlHost, statuses
from dnsctl.control.observations import Observed, amend, recall
from dnsctl.errors import DnsctlError
from dnsctl.image.reader import Reader
from dnsctl.model.name import Name
from dnsctl.model.observation import NodeView, ServedMemory
from dnsctl.model.repo import Repo
from dnsctl.model.rrset import Type
from dnsctl.publish.keys import live_keys
from dnsctl.publish.pipeline import Release
from dnsctl.publish.uses import Cacheable, asked_by, cacheable, served_keys
from dnsctl.replicate.answers import NodeStatus, clocks_of
from dnsctl.replicate.clocks import require_witness
from dnsctl.replicate.staging import Served


def expect(host: ControlHost, release: Release, now: datetime) -> None:
    """Remember, before `release` is decided, what caches may hold of it from then on, and the DS it asks for.

    Only of zones that are watched: what was served before a zone is looked at first is not known anyway.
    A zone that was unsigned is watched from here on: its unsigned answers are remembered with their TTLs.

    Raises SystemRefusalError where it cannot be written.
    """
    state = Repo(host.root).state
    for origin, told in release.served.items():
        if origin in release.before:
            amend(state, origin, partial(_begun, before=release.before[origin], now=now))
        known = recall(state, origin)
        if _decided(known, told, now) != known:
            amend(state, origin, partial(_decided, told=told, now=now))


def look(host: ControlHost, reader: Reader, zones: Iterable[Name], now: datetime) -> None:
    """Ask every node of every site which release it serves, and remember that of `zones`.

    `reader` holds the last release. Raises SystemRefusalError where it cannot be written, ClockError where
    no node's clock agrees with this host's: when something was last served is remembered by that.
    """
    state = Repo(host.root).state
    release = Served(reader.generation, reader.manifest)
    answers = dict(
        zip((each.name for each in host.nodes), host.fleet.run(statuses(host.fleet.clients)), strict=True)
    )
    require_witness(clocks_of(answers.values()), now.timestamp())
    for origin in zones:
        told = _known(host, reader, origin, recall(state, origin).served)
        views = [
            NodeView(node.name, node.site, now, None, fault=fault)
            if (fault := _fault(answers.get(node.name), release))
            else NodeView(node.name, node.site, now, told.keys, told.dnskey_ttl, told.data_ttl)
            for node in host.config.nodes()
        ]
        amend(state, origin, partial(_looked, views=views, asked=told.asked, now=now))


def _begun(known: Observed, before: Cacheable, now: datetime) -> Observed:
    return replace(known, served=known.served.decided(before.keys, before.dnskey_ttl, before.data_ttl, now))


def _decided(known: Observed, told: Cacheable, now: datetime) -> Observed:
    ds, served = known.ds, known.served
    if ds.views:
        ds = ds.decided(told.asked, now)
    if served.began is not None or served.versions:
        served = served.decided(told.keys, told.dnskey_ttl, told.data_ttl, now)
    return replace(known, ds=ds, served=served)


def _looked(known: Observed, views: Iterable[NodeView], asked: tuple[bytes, ...], now: datetime) -> Observed:
    return replace(known, ds=known.ds.decided(asked, now), served=known.served.after(views, now))


def _known(host: ControlHost, reader: Reader, origin: Name, memory: ServedMemory) -> Cacheable:
    """Return what caches may hold of a zone as it is served. All of it is read only where it is not known."""
    uses = live_keys(host.keystore, reader, origin).uses
    keys = served_keys(reader.get(origin, Type.DNSKEY, origin), uses)
    for each in memory.versions:
        if each.what == keys:
            return Cacheable(keys, each.ttls[0], each.ttls[1], asked_by(uses))
    return cacheable(reader.signed_zone(origin), uses.items())


def _fault(answer: NodeStatus | DnsctlError | None, release: Served) -> str:
    """Return why a node does not count as one that serves `release`; empty where it does."""
    if answer is None:
        return "not asked"
    if isinstance(answer, DnsctlError):
        return answer.what
    if answer.silent:
        return "answers no query before it has caught up"
    if answer.served != release:
        return f"serves generation {answer.served.generation}, not {release.generation}"
    return ""
