"""Answers of earlier releases that caches may hold for longer than the last release's: a TTL was lowered.

Whoever lowers a TTL before a move has to wait for the old TTL: until it has run out, some clients see the
move later than the new TTL tells. The deltas of the archive tell when the old answers ended; they are read
from the newest back, up to a limit. Nothing depends on it: what cannot be read is not told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from dnsctl.errors import DnsctlError
from dnsctl.image import fragment
from dnsctl.image.layout import Table, owner_key
from dnsctl.model import duration
from dnsctl.model.name import Name, to_text
from dnsctl.model.observation import LONGEST_CACHED
from dnsctl.model.rrset import Type, type_text
from dnsctl.publish.changes import RecordChange
from dnsctl.publish.changeset import ZoneChangeset
from dnsctl.publish.effects import Effect
from dnsctl.release import delta as deltas
from dnsctl.release.archive import Archive, activated

_MOST = 16 * 2**20  # octets of deltas, uncompressed, that a plan may read: a fraction of a second
_RELEASES = 200


class OldAnswer(NamedTuple):
    """An RRset with a longer TTL. `until`: when a release replaced it; `end`: when the last cache drops it.

    Both in unix seconds.
    """

    ttl: int
    until: int
    end: int


@dataclass(frozen=True)
class _Node:
    """An owner whose records change, and which of them."""

    origin: Name
    changes: tuple[RecordChange, ...]


def with_old_answers(
    zones: Sequence[ZoneChangeset], archive: Archive, generation: int, now: datetime
) -> tuple[ZoneChangeset, ...]:
    """Return `zones`, each with an effect `ttl-lowered` for each RRset that changes too early.

    `generation`: of the release that they are compared with.
    """
    nodes = {key: node for zone in zones for key, node in _nodes(zone)}
    if not nodes:
        return tuple(zones)
    seconds = int(now.timestamp())
    found: dict[tuple[Name, int], OldAnswer] = {}
    with suppress(DnsctlError):
        for change, old in _walk(archive, generation, nodes, seconds):
            key = (change.owner, change.rdtype)
            if old.end > max(seconds + _ttl(change), found[key].end if key in found else 0):
                found[key] = old
    return tuple(_told(zone, found, seconds) for zone in zones)


def _nodes(zone: ZoneChangeset) -> Iterator[tuple[bytes, _Node]]:
    changes: dict[Name, list[RecordChange]] = {}
    for each in zone.records:
        if each.before is not None and each.rdtype != Type.SOA:
            changes.setdefault(each.owner, []).append(each)
    for owner, those in changes.items():
        yield owner_key(owner, zone.origin), _Node(zone.origin, tuple(those))


def _walk(
    archive: Archive, generation: int, nodes: dict[bytes, _Node], now: int
) -> Iterator[tuple[RecordChange, OldAnswer]]:
    """Yield the earlier states of `nodes`, and when each of them ended."""
    ended: dict[bytes, int] = {}  # when the state ended that the next older release gave
    origins = {node.origin for node in nodes.values()}
    left = _MOST
    for number in range(generation, max(0, generation - _RELEASES), -1):
        is_oldest = number == 1 or not archive.path_of(number - 1, "manifest").exists()
        if is_oldest and not ended:
            return  # the oldest release ends nothing; it often has all zones, and costs as much to read
        manifest = activated(archive, number)
        is_recent = manifest is not None and manifest.created > now - LONGEST_CACHED
        if manifest is None or not (is_recent or ended):
            return
        if origins.isdisjoint(manifest.zones):
            continue
        left -= manifest.delta.length
        if left < 0:
            return
        for table, key, value in deltas.decode(archive.get(manifest.delta.digest), manifest.delta.length):
            if table is Table.OWNERS and key in nodes:
                if key in ended:
                    yield from _states(nodes[key], value, ended.pop(key))
                if is_recent:
                    ended[key] = manifest.created


def _states(node: _Node, value: bytes | None, until: int) -> Iterator[tuple[RecordChange, OldAnswer]]:
    if value is None:
        return
    types = frozenset(fragment.node_types(value))
    for change in node.changes:
        if change.rdtype in types:
            old = fragment.decode(value, change.rdtype, change.owner, node.origin)
            ttl = min(old.ttl, LONGEST_CACHED)
            yield change, OldAnswer(ttl, until, until + ttl)


def _ttl(change: RecordChange) -> int:
    return change.before.ttl if change.before is not None else 0


def _told(zone: ZoneChangeset, found: dict[tuple[Name, int], OldAnswer], now: int) -> ZoneChangeset:
    lowered = [
        Effect("ttl-lowered", change.owner, _message(change, old, now))
        for change in zone.records
        if (old := found.get((change.owner, change.rdtype))) is not None
    ]
    return replace(zone, effects=(*zone.effects, *lowered)) if lowered else zone


def _message(change: RecordChange, old: OldAnswer, now: int) -> str:
    return (
        f"the TTL of {to_text(change.owner)} {type_text(change.rdtype)} was lowered from"
        f" {duration.to_text(old.ttl)} to {duration.to_text(_ttl(change))}"
        f" {_minutes(now - old.until)} ago: caches may hold the earlier answer for"
        f" {_minutes(old.end - now)} more; from then on a change is seen within the new TTL"
    )


def _minutes(seconds: int) -> str:
    """Return a duration in whole minutes, where it has as many; a clock that went back makes none."""
    whole = seconds - seconds % 60 if seconds > 60 else seconds
    return duration.to_text(max(0, whole))
