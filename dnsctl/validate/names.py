"""How names are spelt: the origin appended twice, characters no host name has, asterisks in the middle."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dnsctl.model.name import MAX_NAME, ROOT, Name, is_subdomain, label_count, labels, to_text
from dnsctl.model.rrset import RRset, Type, type_text
from dnsctl.validate.rule import NAME_AT, Fault, Scope, name_in

_LDH = re.compile(rb"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")  # RFC 1123 §2.1
_HOSTS = (Type.NS, Type.MX, Type.SRV)


def origin_repeated(scope: Scope) -> Iterator[Fault]:
    """A missing final dot: `www.example.com.example.com.`, as owner or in rdata (.se, October 2009)."""
    origin = scope.origin
    repeated = Name(origin[:-1] + origin)
    if origin == ROOT or len(repeated) > MAX_NAME:
        return
    if label_count(origin) == 1 and repeated in scope.zone.nodes:
        return  # `com.com.` is delegated: names below it are meant
    for owner, node in scope.zone.nodes.items():
        if owner.endswith(repeated) and is_subdomain(owner, repeated):
            meant = _without_origin(owner, origin)
            yield Fault(
                scope.at(node[0]),
                f"{to_text(owner)} repeats the origin {to_text(origin)}",
                f"write {to_text(meant)} with its final dot, or {_relative(meant, origin)}",
            )
    for one, target in _rdata_names(scope):
        if target.endswith(repeated) and is_subdomain(target, repeated):
            yield Fault(
                scope.at(one),
                f"{to_text(one.owner)} {type_text(one.rdtype)} leads to {to_text(target)}, which repeats "
                "the origin",
                f"write {to_text(_without_origin(target, origin))} with its final dot",
            )


def _rdata_names(scope: Scope) -> Iterator[tuple[RRset, Name]]:
    for rdtype, offset in NAME_AT.items():
        for one in scope.survey.of(rdtype):
            for rdata in one.rdatas:
                target = name_in(rdata, offset)
                yield one, target
                if rdtype == Type.SOA:
                    yield one, name_in(rdata, len(target))
    for one in scope.survey.of(Type.NAPTR):
        for rdata in one.rdatas:
            position = 4  # order and preference, then flags, services and regexp as strings (RFC 3403 §4.1)
            for _ in range(3):
                position += 1 + rdata[position]
            yield one, name_in(rdata, position)


def _without_origin(name: Name, origin: Name) -> Name:
    return Name(name[: len(name) - len(origin)] + b"\0")


def _relative(name: Name, origin: Name) -> str:
    shorter = to_text(_without_origin(name, origin))[:-1]
    return f"the relative {shorter}" if shorter else "the apex: @ in a master file, '' in YAML"


def hostname_syntax(scope: Scope) -> Iterator[Fault]:
    told: set[Name] = set()
    for rdtype in (Type.A, Type.AAAA):
        for one in scope.survey.authoritative(rdtype):
            if one.owner not in told and not _is_host(one.owner, scope.origin):
                told.add(one.owner)
                yield Fault(
                    scope.at(one),
                    f"{to_text(one.owner)} has an address but is no host name (RFC 1123 §2.1)",
                    "use letters, digits and hyphens only; some clients refuse others",
                )
    for rdtype in _HOSTS:
        for one in scope.survey.authoritative(rdtype):
            for rdata in one.rdatas:
                target = name_in(rdata, NAME_AT[rdtype])
                if not _is_host(target, scope.origin):
                    yield Fault(
                        scope.at(one),
                        f"{to_text(one.owner)} {rdtype.name} leads to {to_text(target)}, no host name",
                        "use a name of letters, digits and hyphens",
                    )


def _is_host(name: Name, origin: Name) -> bool:
    """True where the labels of `name` above `origin` are letters, digits and hyphens, or a first asterisk."""
    position = 2 if name[:2] == b"\x01*" else 0
    end = len(name) - len(origin) if name.endswith(origin) else len(name) - 1
    while position < end:
        length = name[position]
        if not _LDH.fullmatch(name, position + 1, position + 1 + length):
            return False
        position += 1 + length
    return True


def wildcard_inner(scope: Scope) -> Iterator[Fault]:
    for owner, node in scope.zone.nodes.items():
        if b"\x01*" in owner[1:] and b"*" in labels(owner)[1:]:
            yield Fault(
                scope.at(node[0]),
                f"{to_text(owner)} has an asterisk that is not its first label: it matches only itself",
                "a wildcard is the leftmost label only (RFC 4592 §2.1.1)",
            )
