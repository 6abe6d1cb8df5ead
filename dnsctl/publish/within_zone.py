"""A change of a few owners within a zone: what of it is signed, compiled and compared again, and what is not.

The release is octet for octet the one that is made from the whole zone. Where more decides on it than the
owners that change and their neighbours, `within` or `made` returns None, and the zone is made as a whole. So
a change is within a zone only if

* the image was made from the zone as it was before the change, by the same keys and the same policy, which
  its source digest tells, and no signature is due;
* what changes is authoritative data below the apex, and no cut or DNAME;
* NSEC denies, there is no ZONEMD, and nothing in the zone follows keys of other zones, or of other signers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dnsctl.image.compiler import compile_owners
from dnsctl.image.difference import Change
from dnsctl.image.layout import Table, ZoneEntry, zone_prefix
from dnsctl.image.nodes import ImageNodes
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.model.name import Name
from dnsctl.model.occlusion import Standing
from dnsctl.model.overlay import Overlay
from dnsctl.model.rrset import MADE_AT_APEX, Type
from dnsctl.model.rrsig import parse
from dnsctl.model.zone import SignedZone
from dnsctl.publish.changes import RecordChange
from dnsctl.publish.changeset import why_renewed
from dnsctl.publish.intent import ZoneIntent
from dnsctl.publish.keys import ZoneKeys
from dnsctl.publish.served_zone import as_served
from dnsctl.publish.source import source_of
from dnsctl.sign.chain import Neighbours
from dnsctl.sign.keystore import SigningKey
from dnsctl.sign.rrsig import Validity
from dnsctl.sign.signer import sign_owners

_SHAPING = MADE_AT_APEX | {Type.SOA, Type.NS, Type.DS, Type.DNAME}  # decide on more than their owner


@dataclass(frozen=True)
class Within:
    """A zone that changes in `owners` alone. `wanted`: with these over what the image has; `previous`: as it
    is served, with the entry `before`."""

    wanted: ZoneIntent
    previous: SignedZone
    before: ZoneEntry
    owners: tuple[Name, ...]


@dataclass(frozen=True)
class Made:
    """What becomes of it: `zone` is served, `changes` are those of the image, the `entry` last."""

    zone: SignedZone
    entry: ZoneEntry
    changes: Iterable[Change]


def within(
    wanted: ZoneIntent,
    keys: ZoneKeys,
    before: ZoneEntry | None,
    records: Iterable[RecordChange],
    served: Reader,
    now: datetime,
) -> Within | None:
    """Return the change of `records` to what is `served`; None where it is not one within the zone."""
    told = tuple(records)
    if before is None or any(each.rdtype in _SHAPING for each in told) or not _is_plain(wanted, keys, before):
        return None
    if not _is_timed_alike(wanted, served, now):
        return None
    zone, facts = wanted.zone, wanted.zone.facts
    gone = (each.before for each in told if each.before is not None)
    was = facts.changed((each.after for each in told if each.after is not None), gone)
    kept = ImageNodes(served, before, zone.file)
    base = replace(wanted, zone=replace(zone, nodes=Overlay(kept, {}, was)))
    if was.largest_ttl != facts.largest_ttl or why_renewed(wanted, before, now):
        return None
    if source_of(base, keys.tokens) != before.source:
        return None  # made from something else, or by other keys, or under another policy
    owners = tuple(dict.fromkeys(each.owner for each in told))
    nodes = Overlay(kept, {owner: zone.nodes.get(owner, ()) for owner in owners}, facts)
    neighbours = Neighbours(zone.origin, nodes)
    if any(owner == zone.origin or neighbours.standing(owner) is not Standing.DATA for owner in owners):
        return None
    after = replace(wanted, zone=replace(zone, nodes=nodes))
    return Within(after, as_served(served, before, was), before, owners)


def _is_plain(wanted: ZoneIntent, keys: ZoneKeys, before: ZoneEntry) -> bool:
    """True where nothing but its own file and its own keys decides what the zone is."""
    policy = wanted.policy
    if policy is None or policy.denial != "nsec" or policy.zonemd == "publish" or before.nsec3 is not None:
        return False
    follows = wanted.below or wanted.above or wanted.signals or wanted.signals_unknown or wanted.aliases
    moves = wanted.source or wanted.drafts or wanted.roll or wanted.unsigning or wanted.uses is not None
    if follows or moves or keys.missing or keys.begins or keys.lost or not before.signed:
        return False
    return MADE_AT_APEX.isdisjoint(wanted.zone.facts.types)


def _is_timed_alike(wanted: ZoneIntent, served: Reader, now: datetime) -> bool:
    """True where the last release signed for as long as `wanted` asks for; each release signs the SOA.

    Else there may be signatures that hold for longer than any new one, and are made again.
    """
    origin, policy = wanted.zone.origin, wanted.policy
    soa, entry = served.get(origin, Type.SOA, origin), served.zone(origin)
    if soa is None or policy is None or entry is None or entry.inception is None:
        return False
    validity = Validity.of(policy.signatures, now, refresh=0)
    expires = validity.expires(origin, Type.SOA)
    lasts = expires - validity.inception
    told = [parse(each) for each in soa.signatures]
    return all(each.expiration - each.inception == lasts and each.expiration <= expires for each in told)


def made(
    change: Within, keys: Sequence[SigningKey], serial: int, now: datetime, source: str, image: Image
) -> Made | None:
    """Return what `change` makes of the zone, signed by `keys`; None where the whole zone decides on it.

    `image` is open for writing; it is left as it was. Raises SigningError, ImageError.
    """
    wanted, previous = change.wanted, change.previous
    policy = wanted.policy
    assert policy is not None  # noqa: S101 - see `_is_plain`
    zone = wanted.zone
    signed = sign_owners(zone, change.owners, keys, policy, now, serial, previous)
    assert isinstance(previous.nodes, Overlay)  # noqa: S101 - see `as_served`
    after = replace(previous, nodes=Overlay(previous.nodes, signed, zone.facts), serial=serial)
    compiled = compile_owners(after, signed, previous, change.before, source)
    if compiled is None:
        return None
    nodes, entry = compiled
    with image.trial() as writer:
        changes = tuple(_differences(writer, nodes))
        entry = replace(entry, digest=writer.digest_with(zone.origin, changes))
    return Made(after, entry, (*changes, Change(Table.ZONES, zone_prefix(zone.origin), entry.to_bytes())))


def _differences(reader: Reader, nodes: dict[bytes, bytes | None]) -> Iterator[Change]:
    """Yield what differs in the order of `image.difference`: what is there by key, then what is new."""
    present = {key: reader.owner(key) for key in nodes}
    for is_new in (False, True):
        for key, value in nodes.items():
            if (present[key] is None) == is_new and value != present[key]:
                yield Change(Table.OWNERS, key, value)
