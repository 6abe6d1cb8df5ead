"""Addresses in the place of ALIAS, before zones are judged: all rules, and the digest of a zone, see them.

A target in a zone of ours is followed through the zones at hand as a resolver would follow it: through CNAME,
DNAME, other ALIAS and wildcards, never beyond a zone cut. So its addresses change in the release that changes
the target. Each address has the least TTL of the alias, of all that was followed, and of its own. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from dnsctl.load.zones import Loaded
from dnsctl.model.alias import LEFT_OUT, LOOP, NO_ADDRESS, SEVERITIES, Alias, Resolved
from dnsctl.model.authority import answering_zone
from dnsctl.model.finding import Finding, Level, Severity, levelled
from dnsctl.model.name import Name, canonical_key, to_text, to_unicode
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.zone import Zone, nodes_of
from dnsctl.validate.landscape import MAX_FOLLOWED, Landscape, Place, Standing, redirection

_ALIAS = 0x10000  # stands for ALIAS among RRsets while targets are looked up: beyond all types of DNS
_SHOWN = 6  # names of a path in a message

End = Literal["addresses", "outside", "unknown", "none", "loop"]


@dataclass(frozen=True)
class Lead:
    """Where a target leads: the names that were passed, the least TTL on the way, and what is at the end.

    `rrsets`: by type, for `addresses`. `outside`: the last name is not ours. `unknown`: it is in a zone of
    ours that could not be read, or not completely.
    """

    path: tuple[Name, ...]
    ttl: int
    end: End
    rrsets: Mapping[int, RRset] = field(default_factory=dict, repr=False)


def landscape_of(loaded: Loaded) -> Landscape:
    """Return all zones at hand, with stand-ins for their aliases, to be followed by `lead`."""
    unread = {origin: Zone(origin, {}, "") for origin in loaded.unread}
    zones = {**unread, **loaded.beside, **loaded.zones, **loaded.partial}
    shown = {origin: _with_stand_ins(zone) if zone.aliases else zone for origin, zone in zones.items()}
    return Landscape(shown, frozenset((*unread, *loaded.partial)))


def _with_stand_ins(zone: Zone) -> Zone:
    return _with_rrsets(zone, [RRset(a.owner, _ALIAS, a.ttl, (a.target,), a.position) for a in zone.aliases])


def lead(landscape: Landscape, alias: Alias) -> Lead:
    """Follow the target of `alias` through our zones."""
    path, ttl = [alias.target], alias.ttl
    seen = {alias.owner, alias.target}
    if alias.owner == alias.target:
        return Lead((*path, alias.owner), ttl, "loop")
    while True:
        place = landscape.find(path[-1])
        step = _step(place, path[-1])
        if step is None:
            found = {one.rdtype: one for one in place.node if one.rdtype in alias.types}
            end = _end(landscape, place, path[-1], found)
            return Lead(tuple(path), ttl, end, found if end == "addresses" else {})
        ttl = min(ttl, step[0].ttl)
        path.append(step[1])
        if step[1] in seen or len(path) > MAX_FOLLOWED:
            return Lead(tuple(path), ttl, "loop")
        seen.add(step[1])


def _step(place: Place, name: Name) -> tuple[RRset, Name] | None:
    if place.standing is Standing.PRESENT and (found := place.get(_ALIAS)) is not None:
        return found, Name(found.rdatas[0])
    return redirection(place, name)


def _end(landscape: Landscape, place: Place, name: Name, found: Mapping[int, RRset]) -> End:
    if place.standing is Standing.DELEGATED:
        return "outside"
    if place.standing is Standing.OUTSIDE:
        return "outside" if landscape.zone_above(name) is None else "unknown"
    return "addresses" if found and place.standing is Standing.PRESENT else "none"


def addressed(
    loaded: Loaded, levels_of: Callable[[Name], Mapping[str, Level]]
) -> tuple[Loaded, Mapping[Name, tuple[Resolved, ...]]]:
    """Return `loaded` with addresses in the place of aliases, and what became of those, zone by zone.

    What cannot be resolved is a finding. A zone with an error is among the partial ones then.
    """
    if not any(zone.aliases for each in (loaded.zones, loaded.partial) for zone in each.values()):
        return loaded, {}
    landscape = landscape_of(loaded)
    zones, partial = dict(loaded.zones), dict(loaded.partial)
    told: dict[Name, tuple[Resolved, ...]] = {}
    findings: list[Finding] = []
    for origin, zone in {**zones, **partial}.items():
        if not zone.aliases:
            continue
        leads = [(alias, lead(landscape, alias)) for alias in zone.aliases]
        found_here = (_fault(alias, found, zone) for alias, found in leads)
        faults = list(levelled((each for each in found_here if each is not None), levels_of(origin)))
        told[origin] = tuple(
            Resolved(alias, found.path, tuple(_made(alias, found))) for alias, found in leads
        )
        made = _with_rrsets(zone, (one for each in told[origin] for one in each.rrsets))
        bad = origin in partial or any(each.severity is Severity.ERROR for each in faults)
        zones.pop(origin, None)
        (partial if bad else zones)[origin] = made
        findings += faults
    zones = {origin: zones[origin] for origin in loaded.zones if origin in zones}
    return replace(loaded, zones=zones, partial=partial, findings=(*loaded.findings, *findings)), told


def _made(alias: Alias, found: Lead) -> Iterator[RRset]:
    for rdtype, one in sorted(found.rrsets.items()):
        yield RRset(alias.owner, rdtype, min(found.ttl, one.ttl), one.rdatas, alias.position)


def _with_rrsets(zone: Zone, added: Iterable[RRset]) -> Zone:
    """Return `zone` with more RRsets, in canonical order."""
    nodes = dict(zone.nodes)
    new = False
    for owner, node in nodes_of(added).items():
        new |= owner not in nodes
        nodes[owner] = tuple(sorted((*nodes.get(owner, ()), *node), key=lambda each: each.rdtype))
    if new:
        nodes = {owner: nodes[owner] for owner in sorted(nodes, key=canonical_key)}
    return replace(zone, nodes=nodes)


def _fault(alias: Alias, found: Lead, zone: Zone) -> Finding | None:
    told = f"{to_unicode(alias.owner)} is an ALIAS of {_path(found.path)}"
    last = to_text(found.path[-1])
    if found.end == "loop":
        rule, message, advice = LOOP, f"{told}: a loop, or too many aliases", "write the last name"
    elif found.end == "none":
        rule, message = NO_ADDRESS, f"{told}, which has no address in our zones"
        advice = f"add {last} A or AAAA, or correct the target"
    elif found.end == "outside":
        rule, message = LEFT_OUT, f"{told}, which is in no zone of ours, and is left out"
        advice = "write A and AAAA records (or HTTPS with svcpriority 0) in its place"
    elif found.end == "unknown":
        rule, message = LEFT_OUT, f"{told}, whose zone cannot be read, and is left out"
        advice = "correct that zone"
    else:
        return None
    return Finding(rule, SEVERITIES[rule], alias.position, message, advice, zone.origin)


def _path(names: tuple[Name, ...]) -> str:
    texts = [to_unicode(each) for each in names]
    if len(texts) > _SHOWN:
        texts = [*texts[: _SHOWN - 1], "…", texts[-1]]
    return " → ".join(texts)


def zones_beside(loaded: Loaded, is_apex: Callable[[Name], bool]) -> frozenset[Name]:
    """Return the apexes of zones of ours, not at hand, that aliases lead to. `is_apex` knows all of ours."""
    zones = [zone for each in (loaded.zones, loaded.partial) for zone in each.values() if zone.aliases]
    if not zones:
        return frozenset()
    landscape = landscape_of(loaded)
    passed = {name for zone in zones for alias in zone.aliases for name in lead(landscape, alias).path}
    apexes = {answering_zone(name, Type.A, is_apex) for name in passed}
    at_hand = {*loaded.zones, *loaded.partial, *loaded.unread, *loaded.beside}
    return frozenset(each for each in apexes if each is not None and each not in at_hand)
