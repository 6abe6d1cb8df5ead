"""Delegations between our own zones: their DS follows the child's keys, in the same release (RFC 4035 §2.4).

A DS that stands in the parent's own file is the operator's: it is left as it is, and judged. So is all of a
child whose settings say `ours: leave`. Where a zone that was served unsigned becomes signed, its DS waits
until caches have forgotten the unsigned answers: of one that is signed here, for the step of a roll that asks
for it; of a pre-signed one, for its largest TTL. The same inputs give the same DS on any host; what was
released last (`parent`, the image) is one of them. Pure, except that it reads that image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from dnsctl.image.reader import Reader
from dnsctl.model.key import PublicKey, ds_of, is_sep
from dnsctl.model.name import ROOT, Name, ancestors
from dnsctl.model.parental import leads, requested_ds
from dnsctl.model.rrset import Type, rrset
from dnsctl.model.rrsig import parse, signers_of
from dnsctl.model.zone import ValidatedZone
from dnsctl.publish.intent import Delegation, Intent, ZoneIntent
from dnsctl.publish.keys import ZoneKeys
from dnsctl.sign.keyfile import KeyState

_HIDING = frozenset((Type.NS, Type.DNAME))


@dataclass(frozen=True)
class _Child:
    """What decides about the DS of a zone of ours. `keys`: those that sign it; `drafts`: made for this
    release. Where `keys` say that some are missing and no draft stands for them, they are not known yet."""

    wanted: ZoneIntent
    keys: ZoneKeys
    drafts: tuple[PublicKey, ...]

    @property
    def is_known(self) -> bool:
        return len(self.drafts) >= len(self.keys.missing)

    def ds(self) -> tuple[bytes, ...]:
        """Return the DS that its parent should hold: what its own CDS or CDNSKEY ask for, or of its keys."""
        zone = self.wanted.zone
        for rdtype in (Type.CDS, Type.CDNSKEY):
            if (asked := zone.get(zone.origin, rdtype)) is not None:
                return requested_ds(zone.origin, rdtype, asked.rdatas)
        if self.waits_for_a_roll:
            return ()
        return ds_of(zone.origin, secure_entry_points(self.wanted, (*self.keys.asked, *self.drafts)))

    @property
    def waits_for_a_roll(self) -> bool:
        """True where a step of a roll asks for the DS, once caches have forgotten the zone unsigned."""
        zone = self.wanted.zone
        asks = any(zone.get(zone.origin, each) is not None for each in (Type.CDS, Type.CDNSKEY))
        return self.keys.is_unasked and not asks

    def entry_points(self) -> list[bytes]:
        return secure_entry_points(self.wanted, (*self.keys.public, *self.drafts))


def secure_entry_points(wanted: ZoneIntent, keys: Sequence[PublicKey]) -> list[bytes]:
    """Return the DNSKEYs that a DS should lead to: those with the SEP flag, another signer's included.

    Of a pre-signed zone, those that sign its DNSKEY RRset. This is the one place that decides it.
    """
    found = wanted.zone.get(wanted.zone.origin, Type.DNSKEY)
    given = found.rdatas if found is not None else ()
    if wanted.presigned:
        signing = list(signers_of(found))
        return [*filter(is_sep, signing)] or signing
    if wanted.policy is None:
        return []
    return [*filter(is_sep, (*(one.rdata for one in keys), *given))]


def delegated(
    intent: Intent,
    keys: Mapping[Name, ZoneKeys],
    drafts: Mapping[Name, tuple[PublicKey, ...]],
    served: Reader | None,
    now: datetime,
) -> Intent:
    """Return `intent` with the DS of delegations between its zones, and what is to be told of them.

    `keys`: of each zone; `drafts`: those made for this release; `served`: the image of the last one. What is
    taken from a release as it is (`Intent.partial`) has its DS already.
    """
    if intent.partial:
        return intent
    below: dict[Name, list[Delegation]] = {}
    above: dict[Name, Delegation] = {}
    for origin, wanted in intent.zones.items():
        over = _zone_over(intent, origin)
        if over is not None:
            child = _Child(wanted, keys[origin], drafts.get(origin, ()))
            above[origin] = _delegation(over, child, served, now)
            below.setdefault(over.zone.origin, []).append(above[origin])
    if not above:
        return intent
    zones = {
        origin: replace(wanted, above=above.get(origin)) if origin in above else wanted
        for origin, wanted in intent.zones.items()
    }
    for origin, found in below.items():
        zone = _with_ds(zones[origin].zone, found)
        zones[origin] = replace(zones[origin], zone=zone, below=tuple(found))
    return replace(intent, zones=zones)


def _zone_over(intent: Intent, origin: Name) -> ZoneIntent | None:
    """Return the zone of ours that delegates `origin`, and is signed here; None where there is none."""
    between: list[Name] = []
    for name in ancestors(origin, ROOT):
        over = intent.zones.get(name)
        if over is None:
            between.append(name)
            continue
        if over.policy is None or over.zone.get(origin, Type.NS) is None:
            return None
        hidden = any(hides(over.zone, each) for each in between)
        return None if hidden or over.zone.get(name, Type.DNAME) is not None else over
    return None


def hides(zone: ValidatedZone, name: Name) -> bool:
    """True where what stands below `name` in `zone` is not answered from it."""
    return any(one.rdtype in _HIDING for one in zone.nodes.get(name, ()))


def _delegation(over: ZoneIntent, child: _Child, served: Reader | None, now: datetime) -> Delegation:
    parent, origin = over.zone.origin, child.wanted.zone.origin
    points, coming = child.entry_points(), child.ds()
    ttl = over.policy.dnskey_ttl if over.policy is not None else 0
    made = Delegation(parent, origin, ttl, before=_ds_served(served, parent, origin))
    written = over.zone.get(origin, Type.DS)
    if written is not None or not child.wanted.ds_follows:
        ds = written.rdatas if written is not None else ()
        return replace(made, ds=ds, written=True, broken=bool(ds) and not leads(origin, ds, points))
    if child.waits_for_a_roll:
        return replace(made, awaited=_forgotten(child, served, now), by_roll=True)
    if coming or not child.is_known:
        awaited = _forgotten(child, served, now)
        if awaited is not None and awaited > now and not made.before:
            return replace(made, awaited=awaited)
    return replace(made, ds=coming, unknown=not child.is_known)


def _forgotten(child: _Child, served: Reader | None, now: datetime) -> datetime | None:
    """Return when caches have forgotten that the zone was unsigned, as far as the clock tells; None where it
    was not served.

    A cache that holds an unsigned answer and a validator behind it that sees the DS make a SERVFAIL.
    """
    zone = child.wanted.zone
    entry = served.zone(zone.origin) if served is not None else None
    if entry is None:
        return None
    return forgotten(zone, _signed_since(child, now) if entry.signed else now)


def forgotten(zone: ValidatedZone, since: datetime) -> datetime:
    """Return when no cache holds what was served of `zone` until `since`, by its largest TTL."""
    return since + timedelta(seconds=zone.facts.largest_ttl)


def _signed_since(child: _Child, now: datetime) -> datetime:
    """Return since when the zone is served signed, as far as its keys tell: the first of them to be active.

    Of a pre-signed zone, when its keys were signed.
    """
    if child.wanted.presigned:
        dnskey = child.wanted.zone.get(child.wanted.zone.origin, Type.DNSKEY)
        made = [parse(each).inception for each in dnskey.signatures] if dnskey is not None else []
        return datetime.fromtimestamp(min(made), UTC) if made else now
    began = (
        one.times.active or (one.times.generated if one.state is KeyState.ACTIVE else None)
        for one in child.keys.signing
    )
    return min((each for each in began if each is not None), default=now)


def _ds_served(served: Reader | None, parent: Name, child: Name) -> tuple[bytes, ...]:
    if served is None or served.zone(parent) is None:
        return ()
    found = served.get(child, Type.DS, parent)
    return found.rdatas if found is not None else ()


def _with_ds(zone: ValidatedZone, below: Iterable[Delegation]) -> ValidatedZone:
    """Return `zone` with the DS of those delegations that follow."""
    nodes = dict(zone.nodes)
    for one in below:
        if one.ds and not one.written:
            ds = rrset(one.child, Type.DS, one.ttl, list(one.ds))
            nodes[one.child] = tuple(sorted((*nodes[one.child], ds), key=lambda each: each.rdtype))
    return replace(zone, nodes=nodes)
