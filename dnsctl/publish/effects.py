"""What clients will notice of a change beyond the records: other answers, and old ones in caches.

By plain rules, without the code that answers. Names that come and go change what wildcards answer for, empty
non-terminals included (RFC 4592 §2.2.2, §3.3.1); cuts and DNAMEs hide what is below them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from dnsctl.model import duration
from dnsctl.model.authority import answering_zone
from dnsctl.model.message_size import MAX_UDP_PAYLOAD
from dnsctl.model.name import Name, ancestors, is_wildcard, parent, to_text
from dnsctl.model.rrset import Type, rdata_text, type_text
from dnsctl.model.rrset_size import answer_octets
from dnsctl.model.soa import negative_ttl
from dnsctl.publish.changes import RecordChange
from dnsctl.publish.existence import Existence, Whole


class Effect(NamedTuple):
    """What clients will notice. `name` is a kebab-case id."""

    name: str
    owner: Name
    message: str


class Apexes(NamedTuple):
    """Which names are apexes of zones of ours, before and after."""

    before: Callable[[Name], bool]
    after: Callable[[Name], bool]


class _States(NamedTuple):
    """A zone before and after, with the names of both."""

    before: Whole
    after: Whole
    was: Existence
    will: Existence


def effects(
    before: Whole | None,
    after: Whole,
    changes: tuple[RecordChange, ...],
    apexes: Apexes,
    signature: int = 0,
) -> Iterator[Effect]:
    """Yield what clients of a changed zone will notice beyond the records.

    `signature`: octets of RRSIG rdata that each RRset will have, 0 in a zone that is not signed here. Of a
    new zone, only what answered for its names before.
    """
    if before is None:
        yield from _taken_over(after.origin, apexes)
        return
    if not changes:
        return
    states = _States(before, after, Existence(before), Existence(after))
    here: list[Name] = []
    for owner, types in _types_by_owner(changes).items():
        zone = answering_zone(owner, Type.A, apexes.after)
        if zone is not None and zone != after.origin:
            yield from _answered_elsewhere(
                owner, types, zone, is_cut=zone in before.cuts or zone in after.cuts
            )
        else:
            here.append(owner)
            yield from _effects_on(owner, types, states)
    yield from _non_terminals(here, states)
    yield from _grown(changes, after, signature)
    yield from _in_caches(states, changes)


def _types_by_owner(changes: tuple[RecordChange, ...]) -> dict[Name, set[int]]:
    found: dict[Name, set[int]] = {}
    for change in changes:
        found.setdefault(change.owner, set()).add(change.rdtype)
    return found


def _answered_elsewhere(owner: Name, types: set[int], zone: Name, *, is_cut: bool) -> Iterator[Effect]:
    """Report data that another of our zones, below this one, hides, except the delegation to it."""
    delegating = {Type.NS, Type.DS} if owner == zone else set()
    glue = {Type.A, Type.AAAA} if is_cut else set()
    if not types <= delegating | glue:
        shown = f"{to_text(owner)} is answered by our zone {to_text(zone)}, whatever is here"
        yield Effect("answered-elsewhere", owner, shown)


def _taken_over(origin: Name, apexes: Apexes) -> Iterator[Effect]:
    above = answering_zone(origin, Type.A, apexes.before)
    if above is not None and above != origin:
        shown = f"{to_text(above)} stops answering for {to_text(origin)} and all names below it"
        yield Effect("taken-over", origin, shown)


def removal_effects(origin: Name, apexes: Apexes) -> Iterator[Effect]:
    """Yield what clients notice when a zone goes and a zone of ours above it answers instead."""
    above = answering_zone(origin, Type.A, apexes.after)
    if above is not None and above != origin:
        shown = f"{to_text(origin)} and all below it are answered by {to_text(above)} instead"
        yield Effect("left-to-parent", origin, shown)


def _effects_on(owner: Name, types: set[int], states: _States) -> Iterator[Effect]:
    """Yield the effects at one owner, and below it where it hides or answers what is there."""
    if Type.DNAME in types:
        yield from _redirected(owner, states)
    if owner == states.after.origin:
        return
    if is_wildcard(owner):
        yield from _wildcard(owner, states)
        return
    before, after = states.before, states.after
    shown = to_text(owner)
    if owner in after.cuts and owner not in before.cuts:
        yield Effect("delegated", owner, f"{shown} and all below it are referred to its name servers")
    elif owner in before.cuts and owner not in after.cuts:
        yield Effect("undelegated", owner, f"this zone answers for {shown} and all names below it again")
    elif after.occluder(owner) is not None:
        yield Effect("occluded", owner, f"{shown} is below a cut or DNAME, where it is not answered")
    else:
        yield from _appears_or_goes(owner, states)


def _appears_or_goes(owner: Name, states: _States) -> Iterator[Effect]:
    was, will, shown = states.was, states.will, to_text(owner)
    existed, exists = was.exists(owner), will.exists(owner)
    if existed and not exists:
        source = will.covering_wildcard(owner)
        if source is not None:
            yield Effect("from-wildcard", owner, f"{shown} is answered from {to_text(source)} instead")
        else:
            yield Effect("gone", owner, f"{shown} no longer exists: NXDOMAIN")
    elif exists and owner in states.before.nodes and owner not in states.after.nodes:
        message = f"{shown} has no records any more, and still exists, as names below it do: no data"
        yield Effect("left-empty", owner, message)
    elif exists and not existed and (source := was.covering_wildcard(owner)) is not None:
        yield Effect("own-records", owner, f"{shown} is no longer answered from {to_text(source)}")


def _wildcard(owner: Name, states: _States) -> Iterator[Effect]:
    """Yield what a wildcard that comes or goes does to the names that it answers for."""
    existed, exists = owner in states.before.nodes, owner in states.after.nodes
    base, shown = parent(owner), to_text(owner)
    if states.after.occluder(owner) is not None or existed == exists:
        return
    if exists:
        message = f"names below {to_text(base)} that do not exist are answered from {shown}"
        yield Effect("wildcard-answers", owner, message)
        return
    source = None if states.will.exists(base) else states.will.covering_wildcard(base)
    instead = f"are answered from {to_text(source)} instead" if source else "do not exist any more: NXDOMAIN"
    yield Effect("wildcard-gone", owner, f"names that {shown} answered for {instead}")


def _redirected(owner: Name, states: _States) -> Iterator[Effect]:
    """Yield where a DNAME leads the names below its owner (RFC 6672 §2.3)."""
    dname, shown = states.after.get(owner, Type.DNAME), to_text(owner)
    if dname is not None:
        target = rdata_text(Type.DNAME, dname.rdatas[0])
        yield Effect("redirected", owner, f"all names below {shown} are redirected to below {target}")
    else:
        yield Effect("not-redirected", owner, f"names below {shown} are no longer redirected")


def _non_terminals(owners: Iterable[Name], states: _States) -> Iterator[Effect]:
    """Yield the empty non-terminals that come or go where a wildcard answers for names that do not exist."""
    seen = set[Name]()
    for owner in owners:
        for name in ancestors(owner, states.after.origin):
            existed, exists = states.was.exists(name), states.will.exists(name)
            if name in seen or existed == exists:
                break  # its own ancestors were looked at, or exist before and after
            seen.add(name)
            if name in states.before.nodes or name in states.after.nodes:
                continue  # told of the owner itself
            if states.after.occluder(name) is None:
                yield from _non_terminal(name, states, exists=exists)


def _non_terminal(name: Name, states: _States, *, exists: bool) -> Iterator[Effect]:
    source = (states.was if exists else states.will).covering_wildcard(name)
    if source is None:
        return
    shown, wild = to_text(name), to_text(source)
    if exists:
        message = f"{shown} exists now, without records: neither it nor what is below is answered from {wild}"
        yield Effect("non-terminal", name, message)
    else:
        yield Effect("from-wildcard", name, f"{shown} and what is below it are answered from {wild} instead")


def _grown(changes: Iterable[RecordChange], after: Whole, signature: int) -> Iterator[Effect]:
    """Yield the answers that fitted a datagram, and will not (DNS Flag Day 2020)."""
    for owner, rdtype, was, will in ((one.owner, one.rdtype, one.before, one.after) for one in changes):
        if will is None or after.occluder(owner) is not None:
            continue
        beside = 0 if owner in after.cuts and rdtype == Type.NS else signature
        size = answer_octets(will, beside)
        fitted = was is None or answer_octets(was, beside) <= MAX_UDP_PAYLOAD
        if size > MAX_UDP_PAYLOAD and fitted:
            message = (
                f"{to_text(owner)} {type_text(rdtype)} takes {size} octets: over UDP its answer is cut short,"
                " and resolvers ask again over TCP"
            )
            yield Effect("truncated", owner, message)


def _in_caches(states: _States, changes: tuple[RecordChange, ...]) -> Iterator[Effect]:
    """Report how long caches may keep what was there: RRsets by their TTL, absence by RFC 2308 §5."""
    before, was = states.before, states.was
    stale = [
        change.before.ttl for change in changes if change.before is not None and change.rdtype != Type.SOA
    ]
    if stale:
        yield Effect(
            "cached", before.origin, f"caches may hold replaced records for {duration.to_text(max(stale))}"
        )
    soa = before.get(before.origin, Type.SOA)
    if soa is not None and any(change.kind == "add" and not was.exists(change.owner) for change in changes):
        yield Effect(
            "negatively-cached",
            before.origin,
            f"caches may go on denying new names for {duration.to_text(negative_ttl(soa))}",
        )
