"""SRV, SVCB and HTTPS (RFC 2782, RFC 9460): at which name, over which alias, with which addresses."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from dnsctl.model.name import ROOT, Name, labels, to_text
from dnsctl.model.rrset import RRset, Type
from dnsctl.validate.dane import alias_targets
from dnsctl.validate.landscape import Standing, follow
from dnsctl.validate.rule import Fault, Scope, name_in, named

BINDINGS = (Type.SVCB, Type.HTTPS)
_IPV4_HINT, _IPV6_HINT = 4, 6  # SvcParamKeys, RFC 9460 §14.3.2
_HINTS = ((_IPV4_HINT, 4, Type.A), (_IPV6_HINT, 16, Type.AAAA))  # key, octets of an address, its type
_MAX_FOLLOWED = 8  # AliasMode records; RFC 9460 §3 has clients stop at a limit of their own


def srv_owner(scope: Scope) -> Iterator[Fault]:
    for one in scope.index.authoritative(Type.SRV):
        marks = [each[:1] for each in labels(one.owner)[:3]]
        if marks[0] == b"*" or marks[:2] == [b"_", b"_"] or marks[1:] == [b"_", b"_"]:
            continue  # the last: an instance of a service, RFC 6763 §4.1
        if one.owner not in scope.once(alias_targets):
            yield Fault(
                scope.at(one),
                f"{named(one)} is not at _SERVICE._PROTOCOL, and clients do not find it",
                "write it at a name such as _imaps._tcp (RFC 2782)",
            )


def svcb_loop(scope: Scope) -> Iterator[Fault]:
    for rdtype in BINDINGS:
        for one in scope.index.authoritative(rdtype):
            path = _aliases(scope, one)
            if path[-1] in path[:-1] and path[-1] == one.owner:
                yield Fault(
                    scope.at(one),
                    f"{named(one)} leads back to itself: {' → '.join(map(to_text, path))}",
                    "name the host that answers, or write priority 1 (RFC 9460 §2.4.2)",
                )


def _aliases(scope: Scope, start: RRset) -> list[Name]:
    """Return the names that AliasMode leads over, until data, an end, or a name that came before."""
    path = [start.owner]
    one: RRset | None = start
    while one is not None and one.rdatas[0][:2] == b"\0\0" and len(path) <= _MAX_FOLLOWED:
        target = name_in(one.rdatas[0], 2)
        if target == ROOT:
            break  # there is no such service
        path.append(target)
        if target in path[:-1]:
            break
        one = scope.landscape.find(target).get(start.rdtype)
    return path


def svcb_hint_differs(scope: Scope) -> Iterator[Fault]:
    """Clients connect to a hint before they know the addresses, and may never ask for those."""
    for rdtype in BINDINGS:
        for one in scope.index.authoritative(rdtype):
            for rdata in one.rdatas:
                if rdata[:2] != b"\0\0":
                    yield from _hints(scope, one, rdata)


def _hints(scope: Scope, one: RRset, rdata: bytes) -> Iterator[Fault]:
    parameters = dict(svc_parameters(rdata))
    for key, octets, rdtype in _HINTS:
        if key not in parameters:
            continue
        written = name_in(rdata, 2)
        target = one.owner if written == ROOT else written
        place = follow(scope.landscape, target).end
        if place.standing is not Standing.PRESENT or place.zone is None:
            continue
        if scope.landscape.is_partial(place.zone.origin) or place.get(Type.CNAME) is not None:
            continue
        value = parameters[key]
        hints = {value[at : at + octets] for at in range(0, len(value), octets)}
        addresses = place.get(rdtype)
        if stray := hints - set(addresses.rdatas if addresses is not None else ()):
            shown = ", ".join(sorted(str(ip_address(each)) for each in stray))
            yield Fault(
                scope.at(one),
                f"{named(one)} hints at {shown}, which {to_text(target)} does not have as {rdtype.name}",
                f"write the addresses of {to_text(target)}, or no hint (RFC 9460 §7.3)",
            )


def svc_parameters(rdata: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the keys and values of SVCB and HTTPS rdata (RFC 9460 §2.2)."""
    at = 2 + len(name_in(rdata, 2))
    while at < len(rdata):
        key, length = int.from_bytes(rdata[at : at + 2], "big"), int.from_bytes(rdata[at + 2 : at + 4], "big")
        yield key, rdata[at + 4 : at + 4 + length]
        at += 4 + length
