"""Zone cuts: glue, data below them, DS, and whether our parent and child zones agree (RFC 1034 §4.2.1)."""

from __future__ import annotations

from collections.abc import Iterator

from dnsctl.model.name import Name, is_subdomain, to_text
from dnsctl.model.parental import leads
from dnsctl.model.rrset import RRset, Type, type_text
from dnsctl.validate.landscape import Standing
from dnsctl.validate.rule import Fault, Scope

_ADDRESS = frozenset({Type.A, Type.AAAA})
_AT_CUT = (
    frozenset({Type.NS, Type.DS, Type.NSEC, Type.RRSIG}) | _ADDRESS
)  # RFC 4035 §2; addresses are judged apart
_DIGEST_SHA1 = 1
_GIVEN_UP = frozenset((1, 3, 5, 6, 7, 12))  # RSAMD5, DSA, RSASHA1 and ECC-GOST: RFC 8624 §3.1, RFC 9905


def occluded_data(scope: Scope) -> Iterator[Fault]:
    """Data other than addresses at or below a cut: written, released, and never answered.

    A warning: real zones hold such data, and clients are served right without it.
    """
    zone = scope.zone
    for cut in _cuts(scope):
        others = [each for each in zone.nodes[cut.owner] if each.rdtype not in _AT_CUT]
        if others:
            yield _hidden(scope, others, cut)
    for owner, occluder in scope.index.occluded.items():
        occluding = zone.get(occluder, Type.NS)
        if occluding is None or occluder == zone.origin:
            continue  # below a DNAME: rule dname-below
        others = [each for each in zone.nodes[owner] if each.rdtype not in _ADDRESS]
        if others:
            yield _hidden(scope, others, occluding)


def _hidden(scope: Scope, others: list[RRset], cut: RRset) -> Fault:
    where = "at" if others[0].owner == cut.owner else "below"
    return Fault(
        scope.at(others[0]),
        f"{to_text(others[0].owner)} {', '.join(type_text(each.rdtype) for each in others)} is {where} the "
        f"zone cut {to_text(cut.owner)} and is never answered from here",
        f"move it to the zone {to_text(cut.owner)}, or remove the NS in {scope.at(cut)}",
    )


def orphan_glue(scope: Scope) -> Iterator[Fault]:
    """Addresses at or below a cut that no name server of this zone or its delegations needs."""
    zone = scope.zone
    hidden = [owner for owner in scope.index.occluded if zone.get(scope.index.occluded[owner], Type.NS)]
    hidden += [cut.owner for cut in _cuts(scope)]
    if not hidden:
        return
    needed = {rdata for ns in scope.index.of(Type.NS) for rdata in ns.rdatas}
    for owner in hidden:
        addresses = [each for each in zone.nodes[owner] if each.rdtype in _ADDRESS]
        if addresses and owner not in needed:
            yield Fault(
                scope.at(addresses[0]),
                f"the address of {to_text(owner)} is below a zone cut and is not glue: it is never answered",
                "remove it, or move it to the delegated zone",
            )


def glue_missing(scope: Scope) -> Iterator[Fault]:
    for cut in _cuts(scope):
        for rdata in cut.rdatas:
            target = Name(rdata)
            if is_subdomain(target, cut.owner) and not _has_address(scope, target):
                yield Fault(
                    scope.at(cut),
                    f"{to_text(cut.owner)} is delegated to {to_text(target)}, which is below it and has no "
                    "address here: nobody can reach it",
                    f"add the glue: {to_text(target)} A or AAAA (RFC 9471)",
                )


def sibling_glue_missing(scope: Scope) -> Iterator[Fault]:
    for one, target, place in scope.references(Type.NS):
        if is_subdomain(target, one.owner) and one.owner != scope.origin:
            continue  # rule glue-missing
        below_our_cut = is_subdomain(target, scope.origin) and (
            target in scope.index.occluded
            or place.standing is Standing.DELEGATED
            or place.zone is not scope.zone
        )
        if below_our_cut and not _has_address(scope, target):
            yield Fault(
                scope.at(one),
                f"{to_text(target)}, name server of {to_text(one.owner)}, is below a zone cut and has no "
                "address here",
                f"add {to_text(target)} A or AAAA as sibling glue (RFC 9471 §2.2)",
            )


def _has_address(scope: Scope, name: Name) -> bool:
    return any(each.rdtype in _ADDRESS for each in scope.zone.nodes.get(name, ()))


def _cuts(scope: Scope) -> list[RRset]:
    """Return the NS RRsets of zone cuts that are not themselves occluded."""
    return [each for each in scope.index.authoritative(Type.NS) if each.owner != scope.origin]


def ds_without_ns(scope: Scope) -> Iterator[Fault]:
    for ds in scope.index.of(Type.DS):
        if ds.owner != scope.origin and scope.zone.get(ds.owner, Type.NS) is None:
            yield Fault(
                scope.at(ds),
                f"DS at {to_text(ds.owner)} without NS: there is no delegation to secure (RFC 4035 §2.4)",
                f"add the NS of {to_text(ds.owner)}, or remove the DS",
            )


def ds_at_apex(scope: Scope) -> Iterator[Fault]:
    ds = scope.zone.get(scope.origin, Type.DS)
    if ds is not None:
        yield Fault(
            scope.at(ds),
            f"DS at the apex of {to_text(scope.origin)}: it belongs to the parent (RFC 4035 §2.4)",
            "remove it here and give it to the parent; `dnsctl key ds` prints it",
        )


def ds_digest(scope: Scope) -> Iterator[Fault]:
    for ds in scope.index.of(Type.DS):
        if all(rdata[3] == _DIGEST_SHA1 for rdata in ds.rdatas):
            yield Fault(
                scope.at(ds),
                f"DS of {to_text(ds.owner)} has only SHA-1 digests, which fewer and fewer validators accept",
                "add the DS with digest type 2, SHA-256 (RFC 8624 §3.3)",
            )


def ds_without_key(scope: Scope) -> Iterator[Fault]:
    """DS written here that lead to no key of a zone of ours, which came signed.

    The keys of a zone that is signed here are known when it is published: see `publish.delegations`.
    """
    for ds in scope.index.authoritative(Type.DS):
        child = scope.landscape.zone_above(ds.owner)
        if child is None or child.origin != ds.owner or scope.landscape.is_partial(child.origin):
            continue
        dnskey = child.get(child.origin, Type.DNSKEY)
        if dnskey is not None and dnskey.signatures and not leads(child.origin, ds.rdatas, dnskey.rdatas):
            yield Fault(
                scope.at(ds),
                f"DS of {to_text(ds.owner)} leads to none of the DNSKEYs in {child.file}: validators refuse "
                "all of that zone",
                "write the DS of the key that signs its DNSKEY RRset",
            )


def ds_algorithm(scope: Scope) -> Iterator[Fault]:
    for ds in scope.index.of(Type.DS):
        if all(rdata[2] in _GIVEN_UP for rdata in ds.rdatas):
            yield Fault(
                scope.at(ds),
                f"DS of {to_text(ds.owner)} has only algorithm {ds.rdatas[0][2]}: many validators treat the "
                "zone as unsigned",
                "have the zone signed with algorithm 13 or 8 (RFC 8624 §3.1)",
            )


def wildcard_delegation(scope: Scope) -> Iterator[Fault]:
    for rdtype in (Type.NS, Type.DNAME, Type.DS):
        for one in scope.index.of(rdtype):
            if one.owner[:2] == b"\x01*" and one.owner != scope.origin:
                yield Fault(
                    scope.at(one),
                    f"{rdtype.name} at the wildcard {to_text(one.owner)} means different things to resolvers",
                    "write one for each name (RFC 4592 §4.2, §4.4)",
                )


def delegation_missing(scope: Scope) -> Iterator[Fault]:
    """The zone above is ours and does not delegate this one: it denies that this zone exists."""
    parent = scope.landscape.neighbour(scope.origin, strictly=True)
    if parent is None or parent.partial or parent.hidden:
        return
    if not any(each.rdtype == Type.NS for each in parent.here):
        targets = _ns_text(scope.zone.get(scope.origin, Type.NS))
        yield Fault(
            scope.at(),
            f"{to_text(parent.origin)} is our zone too and does not delegate {to_text(scope.origin)}: "
            "it proves that this zone does not exist, and validators refuse this zone's answers",
            f"add to {parent.file}: {to_text(scope.origin)} NS {targets}, and its DS if it is signed",
        )


def delegation_differs(scope: Scope) -> Iterator[Fault]:
    for cut in _cuts(scope):
        child = scope.landscape.neighbour(cut.owner)
        if child is None or child.origin != cut.owner or child.partial:
            continue
        apex = next((each for each in child.apex if each.rdtype == Type.NS), None)
        if apex is not None and apex.rdatas != cut.rdatas:
            yield Fault(
                scope.at(cut),
                f"{to_text(cut.owner)} is delegated to {_ns_text(cut)} here, but its NS are {_ns_text(apex)}",
                f"make both the same, here or in {child.file}",
            )


def _ns_text(ns: RRset | None) -> str:
    return " ".join(to_text(Name(each)) for each in ns.rdatas) if ns is not None else "…"
