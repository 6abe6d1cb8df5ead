"""Signalling names (RFC 9615): CDS and CDNSKEY of a zone, once more below the names of its name servers.

A parent that has no DS of a zone yet can believe them there, because the zones that hold our name servers'
names are secure already. A zone whose policy says `cds: signal` has them in each zone of ours that is signed
here and holds one of its NS. Derived as DS between our zones is: see `delegations`. What a file has at such a
name stays as it is. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from dnsctl.errors import NameSyntaxError
from dnsctl.model.authority import answering_zone
from dnsctl.model.key import PublicKey, ds_of
from dnsctl.model.name import Name, ancestors, canonical_key, from_labels, is_subdomain, labels
from dnsctl.model.parental import BOOT, SIGNAL, SIGNALLED
from dnsctl.model.rrset import RRset, Type, rrset
from dnsctl.model.zone import ValidatedZone, nodes_of
from dnsctl.publish.delegations import hides, secure_entry_points
from dnsctl.publish.intent import Intent, ZoneIntent
from dnsctl.publish.keys import ZoneKeys


def signalled(
    intent: Intent, keys: Mapping[Name, ZoneKeys], drafts: Mapping[Name, tuple[PublicKey, ...]]
) -> Intent:
    """Return `intent` with signalling names; what is taken from a release as it is has them already."""
    if intent.partial:
        return intent
    added: dict[Name, list[RRset]] = {}
    unknown: set[Name] = set()
    for origin, wanted in intent.zones.items():
        if wanted.policy is None or wanted.policy.cds != "signal":
            continue
        told = _told(wanted, keys[origin], drafts.get(origin, ()))
        for host, owner in _names(intent, wanted):
            if len(drafts.get(origin, ())) < len(keys[origin].missing):
                unknown.add(host)
            ttl = policy.dnskey_ttl if (policy := intent.zones[host].policy) is not None else 0
            added.setdefault(host, []).extend(
                rrset(owner, kind, ttl, list(one)) for kind, one in told.items()
            )
    if not added and not unknown:
        return intent
    zones = dict(intent.zones)
    for host in {*added, *unknown}:
        zone = _with(zones[host].zone, added.get(host, []))
        owners = tuple(dict.fromkeys(one.owner for one in added.get(host, ())))
        zones[host] = replace(zones[host], zone=zone, signals=owners, signals_unknown=host in unknown)
    return replace(intent, zones=zones)


def _told(wanted: ZoneIntent, keys: ZoneKeys, drafts: tuple[PublicKey, ...]) -> dict[int, tuple[bytes, ...]]:
    """Return the zone's CDS and CDNSKEY, as its apex will have them: its file's, or of its keys."""
    origin = wanted.zone.origin
    own = {kind: found.rdatas for kind in SIGNALLED if (found := wanted.zone.get(origin, kind)) is not None}
    if own:
        return own
    public = [one.public for one in keys.signing if keys.use(one).ds]
    if keys.is_unasked:  # a parent that reads signals does nothing while the apex has no CDS (RFC 9615 §4.2)
        public = [one.public for one in keys.signing if keys.use(one).signs_keys]
    points = secure_entry_points(wanted, (*public, *drafts))
    if not points:
        return {}
    return {int(Type.CDS): ds_of(origin, points), int(Type.CDNSKEY): tuple(points)}


def _names(intent: Intent, wanted: ZoneIntent) -> Iterator[tuple[Name, Name]]:
    """Yield the apex of each zone of ours that holds a name server of the zone, and the signalling name.

    Name servers in the zone itself or below it cannot vouch for it (RFC 9615 §3.1).
    """
    origin = wanted.zone.origin
    ns = wanted.zone.get(origin, Type.NS)
    for target in map(Name, ns.rdatas if ns is not None else ()):
        if is_subdomain(target, origin):
            continue
        host = answering_zone(target, Type.A, intent.zones.__contains__)
        if host is None or intent.zones[host].policy is None:
            continue
        try:
            owner = from_labels([BOOT, *labels(origin), SIGNAL, *labels(target)])
        except NameSyntaxError:
            continue  # RFC 9615 §4.3: too long for a signal
        zone = intent.zones[host].zone
        hidden = any(hides(zone, each) for each in (target, *ancestors(target, host)) if each != host)
        if not hidden and zone.get(host, Type.DNAME) is None and owner not in zone.nodes:
            yield host, owner


def _with(zone: ValidatedZone, added: list[RRset]) -> ValidatedZone:
    """Return `zone` with more nodes, in canonical order."""
    nodes = {**zone.nodes, **nodes_of(added)}
    return replace(zone, nodes={owner: nodes[owner] for owner in sorted(nodes, key=canonical_key)})
