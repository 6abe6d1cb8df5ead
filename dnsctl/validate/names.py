"""Names that are misspelt: the origin twice, characters that host names do not have, asterisks inside."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dnsctl.model.name import (
    MAX_NAME,
    ROOT,
    Name,
    from_labels,
    is_subdomain,
    is_wildcard,
    label_count,
    labels,
    parent,
    to_text,
)
from dnsctl.model.rrset import RRset, Type, type_text
from dnsctl.validate.rule import NAME_AT, Fault, Scope, name_in

_LDH = re.compile(rb"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")  # RFC 1123 §2.1
_HOSTS = (Type.NS, Type.MX, Type.SRV)
_NAMED = (Type.CNAME, Type.DNAME, Type.PTR, Type.SVCB, Type.HTTPS)  # lead to names that need not be hosts
_BEHIND_NUMBER = (18, 21, 36, 107)  # AFSDB, RT, KX, LP: two octets, then a name
_MAILBOXES = {7: 1, 8: 1, 9: 1, 14: 2, 17: 1}  # MB, MG, MR, MINFO, RP: how many names are people or hosts
_NAME_OCTETS = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_.*/")
_ORDINARY = re.compile(rb"[a-z0-9_.*-]*")
_BLANK = re.compile(rb"[\t-\r \x7f]")
_ODD_TARGETS = (  # most telling first
    (b"://", "a URL", "write only the name of the host: DNS knows no scheme and no path"),
    (b"@", "a mail address", "write the part behind the @"),
    (b",", "which has a comma in it", "write a list of values for several names"),
    (b"/", "which has a path in it", "write only the name of the host"),
)


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
        for one in scope.index.of(rdtype):
            for rdata in one.rdatas:
                target = name_in(rdata, offset)
                yield one, target
                if rdtype == Type.SOA:
                    yield one, name_in(rdata, len(target))
    for one in scope.index.of(Type.NAPTR):
        for rdata in one.rdatas:
            yield one, _naptr_replacement(rdata)


def _naptr_replacement(rdata: bytes) -> Name:
    position = 4  # order and preference, then flags, services and regexp as strings (RFC 3403 §4.1)
    for _ in range(3):
        position += 1 + rdata[position]
    return name_in(rdata, position)


def _without_origin(name: Name, origin: Name) -> Name:
    return Name(name[: len(name) - len(origin)] + b"\0")


def _relative(name: Name, origin: Name) -> str:
    shorter = to_text(_without_origin(name, origin))[:-1]
    return f"the relative {shorter}" if shorter else "the apex: @ in a master file, '' in YAML"


def owner_whitespace(scope: Scope) -> Iterator[Fault]:
    """Blanks that nobody sees: `www ` is not the name `www`, and nobody asks for it."""
    for owner, node in scope.zone.nodes.items():
        if not _BLANK.search(owner):
            continue
        parts = labels(owner)
        stray = [each for number, each in enumerate(parts) if _has_stray_blank(each, parts[number + 1 :])]
        if stray:
            yield Fault(
                scope.at(node[0]),
                f"{to_text(owner)} has white space or a control character in its name",
                f"remove it: write {_without_blanks(owner)}, or \\032 if it is meant",
            )


def _has_stray_blank(label: bytes, above: tuple[bytes, ...]) -> bool:
    """True unless blanks stand between words of a service instance's name (RFC 6763 §4.1.1)."""
    if not _BLANK.search(label):
        return False
    is_instance = len(above) > 1 and above[0][:1] == b"_" and above[1].lower() in (b"_tcp", b"_udp")
    return not is_instance or label.strip() != label or bool(_BLANK.search(label.replace(b" ", b"")))


def _without_blanks(owner: Name) -> str:
    kept = [_BLANK.sub(b"", each) for each in labels(owner)]
    return to_text(from_labels([each for each in kept if each]))


def target_syntax(scope: Scope) -> Iterator[Fault]:
    """URLs, mail addresses and lists where the name of a host belongs: each loads as an odd name."""
    for one, target in _targets(scope):
        if found := _odd_target(one, target):
            yield Fault(
                scope.at(one),
                f"{to_text(one.owner)} {type_text(one.rdtype)} leads to {to_text(target)}, {found[0]}",
                found[1],
            )


def _targets(scope: Scope) -> Iterator[tuple[RRset, Name]]:
    """Yield the names that records lead to and that need not be host names."""
    at = {rdtype: NAME_AT[rdtype] for rdtype in _NAMED} | dict.fromkeys(_BEHIND_NUMBER, 2)
    for rdtype, offset in (at | dict.fromkeys(_MAILBOXES, 0)).items():
        for one in scope.index.authoritative(rdtype):
            for rdata in one.rdatas:
                yield one, (target := name_in(rdata, offset))
                if _MAILBOXES.get(rdtype) == 2:
                    yield one, name_in(rdata, len(target))
    for one in scope.index.authoritative(Type.NAPTR):
        for rdata in one.rdatas:
            yield one, _naptr_replacement(rdata)


def _odd_target(one: RRset, target: Name) -> tuple[str, str] | None:
    """Return what `target` is instead of a name, and the way out; None where it may well be meant."""
    text = b".".join(labels(target))
    if _ORDINARY.fullmatch(text):
        return None
    if b"@" in text and b"/" not in text and one.rdtype in _MAILBOXES:
        return "a mail address", f"write {to_text(target).replace(chr(92) + '@', '.', 1)} (RFC 1035 §8)"
    for sign, what, advice in _ODD_TARGETS:
        if sign in text and not (sign == b"/" and target.endswith(b"\x04arpa\0")):  # RFC 2317: 0/25.2.0.192…
            return what, advice
    if one.rdtype == Type.PTR and (b"._tcp" in text or b"._udp" in text):
        return None  # a service instance is named by people, RFC 6763 §4.1.1
    odd = next((each for each in text if each not in _NAME_OCTETS), ord("/"))
    if odd == ord("/"):
        return None
    shown = chr(odd) if 0x20 < odd < 0x7F else f"\\{odd:03}"
    return f"which has {shown!r} in it", "write only the name of the host"


def hostname_syntax(scope: Scope) -> Iterator[Fault]:
    told: set[Name] = set()
    for rdtype in (Type.A, Type.AAAA):
        for one in scope.index.authoritative(rdtype):
            if one.owner not in told and not _is_host(one.owner, scope.origin):
                told.add(one.owner)
                yield Fault(
                    scope.at(one),
                    f"{to_text(one.owner)} has an address but is not a host name (RFC 1123 §2.1)",
                    "use letters, digits and hyphens only; some clients refuse others",
                )
    for rdtype in _HOSTS:
        for one in scope.index.authoritative(rdtype):
            for rdata in one.rdatas:
                target = name_in(rdata, NAME_AT[rdtype])
                if not _is_host(target, scope.origin):
                    yield Fault(
                        scope.at(one),
                        f"{to_text(one.owner)} {rdtype.name} leads to {to_text(target)}, not a host name",
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


def apex_wildcard(scope: Scope) -> Iterator[Fault]:
    """A zone may begin at an asterisk (RFC 4592 §2.1.1): it answers for that very name."""
    if is_wildcard(scope.origin):
        yield Fault(
            scope.at(scope.zone.get(scope.origin, Type.SOA)),
            f"the apex {to_text(scope.origin)} is an asterisk: nothing is expanded from it, and BIND refuses "
            "such a zone and its signatures",
            f"to answer for all names, write '*' in the zone {to_text(parent(scope.origin))}",
        )


def wildcard_inner(scope: Scope) -> Iterator[Fault]:
    above = len(labels(scope.origin))
    for owner, node in scope.zone.nodes.items():
        if b"\x01*" in owner[1:] and b"*" in labels(owner)[1 : -above or None]:
            yield Fault(
                scope.at(node[0]),
                f"{to_text(owner)} has an asterisk that is not its first label, and matches only itself",
                "a wildcard is the leftmost label only (RFC 4592 §2.1.1)",
            )
