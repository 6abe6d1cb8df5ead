"""CNAME and DNAME: other data beside or below them, loops, chains and missing targets (RFC 2181 §10.1)."""

from __future__ import annotations

from collections.abc import Iterator

from dnsctl.model.name import Name, canonical_key, is_wildcard, to_text
from dnsctl.model.rrset import RRset, Type, type_text
from dnsctl.validate.landscape import MAX_FOLLOWED, Alias, Standing, follow
from dnsctl.validate.rule import Fault, Scope
from dnsctl.validate.target import write_what_is_meant

_BESIDE_CNAME = frozenset({24, 25, 30, Type.RRSIG, Type.NSEC})  # SIG, KEY, NXT too: RFC 2181 §10.1, RFC 4034
MAX_CHAIN = 8  # aliases; the strictest resolvers in use give up a little above (Unbound: 11)
_SHOWN = 6  # names of a chain that a message spells out


def cname_other_data(scope: Scope) -> Iterator[Fault]:
    for cname in scope.index.of(Type.CNAME):
        others = [
            each.rdtype
            for each in scope.zone.nodes[cname.owner]
            if each.rdtype != Type.CNAME and each.rdtype not in _BESIDE_CNAME
        ]
        if not others:
            continue
        if cname.owner == scope.origin:
            advice = "write the target's A and AAAA records at the apex instead (it must hold SOA and NS)"
        else:
            advice = "keep either the CNAME or the other records"
        yield Fault(
            scope.at(cname),
            f"{to_text(cname.owner)} has a CNAME and {', '.join(type_text(each) for each in others)} "
            "beside it (RFC 1034 §3.6.2)",
            advice,
        )


def cname_several(scope: Scope) -> Iterator[Fault]:
    yield from _several(scope, Type.CNAME, "a name is an alias of one name only (RFC 2181 §10.1): keep one")


def dname_several(scope: Scope) -> Iterator[Fault]:
    yield from _several(scope, Type.DNAME, "keep one (RFC 6672 §2.4)")


def _several(scope: Scope, rdtype: Type, advice: str) -> Iterator[Fault]:
    for one in scope.index.of(rdtype):
        if len(one.rdatas) > 1:
            yield Fault(
                scope.at(one), f"{to_text(one.owner)} has {len(one.rdatas)} {rdtype.name} records", advice
            )


def dname_below(scope: Scope) -> Iterator[Fault]:
    if not scope.index.of(Type.DNAME):
        return
    for owner, occluder in scope.index.occluded.items():
        dname = scope.zone.get(occluder, Type.DNAME)
        if dname is not None and any(each.rdtype != Type.NSEC3 for each in scope.zone.nodes[owner]):
            yield Fault(
                scope.at_owner(owner),
                f"{to_text(owner)} is below the DNAME of {to_text(occluder)} and is never answered",
                f"remove it, or the DNAME in {scope.at(dname)} (RFC 6672 §2.4)",
            )


def cname_loop(scope: Scope) -> Iterator[Fault]:
    told: set[frozenset[Name]] = set()
    for cname, alias in _chains(scope):
        if not alias.looped:
            continue
        members = alias.path[alias.path.index(alias.path[-1]) : -1]
        closes_here = cname.owner in members or (
            is_wildcard(cname.owner)
            and any(scope.landscape.find(each).get(Type.CNAME) is cname for each in members)
        )
        if closes_here and frozenset(members) not in told:
            told.add(frozenset(members))
            start = min(members, key=canonical_key)
            at = members.index(start)
            yield Fault(
                scope.at(cname),
                f"aliases form a loop: {_path((*members[at:], *members[:at], start))}",
                f"let one of them hold data instead{_wildcard_word(cname)}",
            )


def _wildcard_word(cname: RRset) -> str:
    if not is_wildcard(cname.owner):
        return ""
    return f": the wildcard matches its own target, so give {to_text(Name(cname.rdatas[0]))} its own records"


def cname_chain(scope: Scope) -> Iterator[Fault]:
    for cname, alias in _chains(scope):
        length = len(alias.path) - (not is_wildcard(cname.owner))
        if not alias.looped and length > MAX_CHAIN:
            more = " or more" if length >= MAX_FOLLOWED else ""
            yield Fault(
                scope.at(cname),
                f"{to_text(cname.owner)} starts a chain of {length}{more} aliases: {_path(alias.path)}; "
                "resolvers give up on it",
                f"point it at {to_text(alias.path[-1])} directly",
            )


def cname_target_resolves(scope: Scope) -> Iterator[Fault]:
    for one, target, place in scope.references(Type.CNAME):
        if place.standing in (Standing.MISSING, Standing.EMPTY):
            yield Fault(
                scope.at(one),
                f"{to_text(one.owner)} is an alias of {to_text(target)}, which has no records in "
                f"{to_text(place.zone.origin) if place.zone else 'its zone'}",
                f"add {to_text(target)}, or {write_what_is_meant(scope, one, target)}",
            )


def _chains(scope: Scope) -> Iterator[tuple[RRset, Alias]]:
    """Yield CNAMEs whose target is an alias in our zones too, with where following them leads."""
    for one, target, place in scope.references(Type.CNAME):
        if place.standing is Standing.REDIRECTED or place.get(Type.CNAME) is not None:
            start = target if is_wildcard(one.owner) else one.owner
            yield one, follow(scope.landscape, start)


def _path(names: tuple[Name, ...]) -> str:
    texts = [to_text(each) for each in names]
    if len(texts) > _SHOWN:
        texts = [*texts[: _SHOWN - 1], "…", texts[-1]]
    return " → ".join(texts)
