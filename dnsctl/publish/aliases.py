"""Addresses in the place of ALIAS, before zones are judged: all rules, and the digest of a zone, see them.

A target in a zone of ours is followed through the zones at hand as a resolver would follow it: through CNAME,
DNAME, other ALIAS and wildcards, never beyond a zone cut. So its addresses change in the release that changes
the target. Each address has the least TTL of the alias, of all that was followed, and of its own. Of a target
elsewhere the caller knows what resolvers say, or nobody is asked. Pure but for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from dnsctl.load.zones import Loaded
from dnsctl.model.alias import (
    KEPT,
    LEFT_OUT,
    LOOP,
    NO_ADDRESS,
    SEVERITIES,
    UNKNOWN,
    UNRESOLVED,
    Alias,
    Known,
    Resolve,
    Resolved,
    Unresolved,
    addresses_of,
    ask_nobody,
)
from dnsctl.model.authority import answering_zone
from dnsctl.model.finding import Finding, Level, Severity, levelled
from dnsctl.model.name import Name, canonical_key, to_text, to_unicode
from dnsctl.model.rrset import RRset, Type, type_text
from dnsctl.model.validity import moment
from dnsctl.model.zone import Zone, nodes_of
from dnsctl.validate.landscape import MAX_FOLLOWED, Landscape, Place, Standing, redirection
from dnsctl.validate.run import Beside
from dnsctl.validate.run import landscape_of as all_of

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
    read = {**loaded.beside, **loaded.zones}
    shown, partial = (
        {origin: _with_stand_ins(zone) if zone.aliases else zone for origin, zone in zones.items()}
        for zones in (read, loaded.partial)
    )
    return all_of(shown, partial, Beside(loaded.unread, loaded.around))


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
    loaded: Loaded, levels_of: Callable[[Name], Mapping[str, Level]], resolve: Resolve = ask_nobody
) -> tuple[Loaded, Mapping[Name, tuple[Resolved, ...]]]:
    """Return `loaded` with addresses in the place of aliases, and what became of those, zone by zone.

    `resolve` is asked once, for all targets that are not ours. What cannot be resolved is a finding. A zone
    with an error is among the partial ones then.
    """
    zones, partial = dict(loaded.zones), dict(loaded.partial)
    with_aliases = {origin: zone for origin, zone in {**zones, **partial}.items() if zone.aliases}
    if not with_aliases:
        return loaded, {}
    landscape = landscape_of(loaded)
    leads = {o: [(each, lead(landscape, each)) for each in zone.aliases] for o, zone in with_aliases.items()}
    outside = {found.path[-1] for each in leads.values() for _, found in each if found.end == "outside"}
    known = resolve(frozenset(outside)) if outside else {}
    told: dict[Name, tuple[Resolved, ...]] = {}
    findings: list[Finding] = []
    for origin, zone in with_aliases.items():
        judged = [_judged(alias, found, known.get(found.path[-1]), zone) for alias, found in leads[origin]]
        told[origin] = tuple(each for each, _ in judged)
        faults = list(levelled((each for _, each in judged if each is not None), levels_of(origin)))
        made = _with_rrsets(zone, (one for each in told[origin] for one in each.rrsets))
        bad = origin in partial or any(each.severity is Severity.ERROR for each in faults)
        zones.pop(origin, None)
        (partial if bad else zones)[origin] = made
        findings += faults
    zones = {origin: zones[origin] for origin in loaded.zones if origin in zones}
    return replace(loaded, zones=zones, partial=partial, findings=(*loaded.findings, *findings)), told


def incomplete(aliases: Mapping[Name, Iterable[Resolved]]) -> list[Name]:
    """Return the zones that lack addresses because nobody was asked for them."""
    return [origin for origin, each in aliases.items() if any(one.unasked for one in each)]


def _judged(
    alias: Alias, found: Lead, known: Known | Unresolved | None, zone: Zone
) -> tuple[Resolved, Finding | None]:
    """Return what becomes of an alias that leads to `found`, and what is wrong with it."""
    fault = _fault(alias, found, known)
    told = (
        None
        if fault is None
        else Finding(fault[0], SEVERITIES[fault[0]], alias.position, *fault[1:], zone.origin)
    )
    outside = found.path[-1] if found.end == "outside" else None
    if outside is not None and isinstance(known, Known):
        made = addresses_of(known, alias.owner, alias.types, found.ttl)
        rrsets = tuple(one._replace(position=alias.position) for one in made)
        return Resolved(alias, (*found.path, *known.path[1:]), rrsets, found.ttl, outside, known), told
    own = tuple(
        RRset(alias.owner, rdtype, min(found.ttl, one.ttl), one.rdatas, alias.position)
        for rdtype, one in sorted(found.rrsets.items())
    )
    unasked = isinstance(known, Unresolved) and not known.asked
    return Resolved(alias, found.path, own, found.ttl, outside, unasked=unasked), told


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


def _fault(alias: Alias, found: Lead, known: Known | Unresolved | None) -> tuple[str, str, str] | None:
    """Return rule, message and advice; None where nothing is wrong."""
    told = f"{to_unicode(alias.owner)} is an ALIAS of {shown_path(found.path)}"
    last = to_text(found.path[-1])
    if found.end == "loop":
        return LOOP, f"{told}: a loop, or too many aliases", "write the last name"
    if found.end == "none":
        advice = f"add {last} A or AAAA, or correct the target"
        return NO_ADDRESS, f"{told}, which has no address in our zones", advice
    if found.end == "unknown":
        return LEFT_OUT, f"{told}, whose zone cannot be read, and is left out", "correct that zone"
    return _fault_outside(alias, told, known) if found.end == "outside" else None


def _fault_outside(alias: Alias, told: str, known: Known | Unresolved | None) -> tuple[str, str, str] | None:
    if known is None:
        advice = (
            "name resolvers in `alias.resolvers` of dnsctl.yaml, or write A and AAAA records in its place"
        )
        return LEFT_OUT, f"{told}, which is in no zone of ours, and is left out", advice
    if isinstance(known, Unresolved):
        if not known.asked:
            return UNKNOWN, f"{told}: {known.reason}", "`plan` and `push` ask resolvers"
        return UNRESOLVED, f"{told}, which cannot be resolved: {known.reason}", _WITHOUT
    if not any(each in alias.types for each in known.addresses):
        wanted = " or ".join(map(type_text, alias.types))
        return UNRESOLVED, f"{told}, which has no {wanted}", _WITHOUT
    if known.failing:
        since = f"since {moment(known.since)}"
        what = f"{told}, which cannot be resolved {since}: {known.failing}; the last addresses are kept"
        return KEPT, what, _WITHOUT
    return None


_WITHOUT = "correct the target, or write A and AAAA records in its place"


def shown_path(names: tuple[Name, ...]) -> str:
    """Return the names of a path as messages show them."""
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
