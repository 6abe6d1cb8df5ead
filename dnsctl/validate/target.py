"""Targets of NS, MX, SRV, SVCB, HTTPS and PTR that do not exist, have no address, or are aliases.

Targets in another of our zones are looked up there; targets outside all of them are not judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dnsctl.model.name import Name, from_labels, is_subdomain, labels, to_text
from dnsctl.model.repo import YAML
from dnsctl.model.rrset import RRset, Type, type_text
from dnsctl.validate.landscape import Place, Standing, follow
from dnsctl.validate.rule import Fault, Scope

_NUMBER = re.compile(rb"\d{1,3}")


def ns_target_resolves(scope: Scope) -> Iterator[Fault]:
    yield from _without_address(scope, Type.NS, "name server")


def mx_target_resolves(scope: Scope) -> Iterator[Fault]:
    yield from _without_address(scope, Type.MX, "mail exchange")


def srv_target_resolves(scope: Scope) -> Iterator[Fault]:
    yield from _without_address(scope, Type.SRV, "service host")


def ns_target_is_alias(scope: Scope) -> Iterator[Fault]:
    yield from _aliases(scope, Type.NS, "RFC 2181 §10.3")


def mx_target_is_alias(scope: Scope) -> Iterator[Fault]:
    yield from _aliases(scope, Type.MX, "RFC 2181 §10.3")


def srv_target_is_alias(scope: Scope) -> Iterator[Fault]:
    yield from _aliases(scope, Type.SRV, "RFC 2782")


def svcb_target_resolves(scope: Scope) -> Iterator[Fault]:
    for rdtype in (Type.SVCB, Type.HTTPS):
        for one, target, place in scope.references(rdtype):
            end = follow(scope.landscape, target).end if _is_alias(place) else place
            if _lacks_address(end):
                yield _no_address(scope, one, target, end, "service endpoint")


def ptr_target_resolves(scope: Scope) -> Iterator[Fault]:
    for one, target, place in scope.references(Type.PTR):
        if place.standing in (Standing.MISSING, Standing.EMPTY):
            yield Fault(
                scope.at(one),
                f"{to_text(one.owner)} PTR names {to_text(target)}, which has no records in {_zone(place)}",
                f"add {to_text(target)}, or correct the PTR",
            )


def target_is_address(scope: Scope) -> Iterator[Fault]:
    """An IPv4 address where a name belongs; as a relative one, the origin was appended to it."""
    for rdtype, offset in ((Type.NS, 0), (Type.CNAME, 0), (Type.MX, 2), (Type.SRV, 6)):
        for one in scope.index.authoritative(rdtype):
            for rdata in one.rdatas:
                if (
                    b"." in rdata
                    or not rdata[offset]
                    or rdata[offset] > 3
                    or not 0x30 <= rdata[offset + 1] <= 0x39
                ):
                    continue  # its first label is not a number
                address = _address_in(Name(rdata[offset:]), scope.origin)
                if address:
                    yield Fault(
                        scope.at(one),
                        f"{to_text(one.owner)} {type_text(rdtype)} leads to the address {address}, "
                        "where a name belongs",
                        f"give a name an A record {address} and write that name",
                    )


def _address_in(target: Name, origin: Name) -> str:
    parts = labels(target)
    if is_subdomain(target, origin) and origin.endswith(b"\x04arpa\0"):
        return ""  # names in reverse zones are numbers
    if len(parts) not in (4, 4 + len(labels(origin))) or (
        len(parts) > 4 and not is_subdomain(target, origin)
    ):
        return ""
    if all(_NUMBER.fullmatch(part) and int(part) < 256 for part in parts[:4]):
        return b".".join(parts[:4]).decode("ascii")
    return ""


def _without_address(scope: Scope, rdtype: Type, role: str) -> Iterator[Fault]:
    for one, target, place in scope.references(rdtype):
        if not _is_alias(place) and _lacks_address(place):
            yield _no_address(scope, one, target, place, role)


def _no_address(scope: Scope, one: RRset, target: Name, place: Place, role: str) -> Fault:
    what = "does not exist" if place.standing is Standing.MISSING else "has no address"
    return Fault(
        scope.at(one),
        f"{to_text(one.owner)} {type_text(one.rdtype)}: {role} {to_text(target)} {what} in {_zone(place)}",
        f"add {to_text(target)} A or AAAA, or {write_what_is_meant(scope, one, target)}",
    )


def write_what_is_meant(scope: Scope, one: RRset, target: Name) -> str:
    """Return the advice for a wrong target: names in YAML are whole; elsewhere a final dot may be missing."""
    more = len(labels(target)) - len(labels(scope.origin))
    where = one.position.file if one.position else ""
    if where.endswith(YAML) or more < 2 or not is_subdomain(target, scope.origin):
        return "write the name that is meant"
    relative = to_text(from_labels(labels(target)[:more]))
    return f"write the name that is meant: for {relative}, with the dot at its end"


def _aliases(scope: Scope, rdtype: Type, source: str) -> Iterator[Fault]:
    for one, target, place in scope.references(rdtype):
        if _is_alias(place):
            end = follow(scope.landscape, target)
            instead = f"write {to_text(end.path[-1])} instead" if not end.looped else "write the real name"
            yield Fault(
                scope.at(one),
                f"{to_text(one.owner)} {rdtype.name} leads to {to_text(target)}, an alias (see {source})",
                f"{instead}, or give {to_text(target)} its own A and AAAA",
            )


def _is_alias(place: Place) -> bool:
    return place.standing is Standing.REDIRECTED or place.get(Type.CNAME) is not None


def _lacks_address(place: Place) -> bool:
    if place.standing in (Standing.MISSING, Standing.EMPTY):
        return True
    return place.standing is Standing.PRESENT and not place.has_address


def _zone(place: Place) -> str:
    return to_text(place.zone.origin) if place.zone is not None else "its zone"
