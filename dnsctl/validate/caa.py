"""CAA (RFC 8659): properties that certification authorities ignore, or read as "nobody may issue".

dnsctl.yaml names the authorities that a zone's certificates come from; others are not judged.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from dnsctl.model.name import ROOT, Name, ancestors, is_subdomain, is_wildcard, parent, to_text
from dnsctl.model.rrset import RRset
from dnsctl.validate.landscape import answered
from dnsctl.validate.rule import Fault, Scope

CAA = 257
MAX_TAG = 15  # octets, RFC 6844 §5.1; NSD and ldns refuse longer ones
_ISSUERS = frozenset((b"issue", b"issuewild", b"issuemail", b"issuevmc"))  # RFC 8659 §4, RFC 9495
_TAGS = _ISSUERS | {b"iodef", b"contactemail", b"contactphone"}  # IANA: CAA property tags
_LABEL = rb"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_PARAMETER = rb"[ \t]*([A-Za-z0-9-]+)[ \t]*=[ \t]*[!-:<-~]*[ \t]*"
_ISSUER = re.compile(  # RFC 8659 §4.2
    rb"[ \t]*(%b(?:\.%b)*)?[ \t]*(?:;[ \t]*(?:%b(?:;%b)*)?)?" % (_LABEL, _LABEL, _PARAMETER, _PARAMETER)
)
_KNOWN_PARAMETERS = ("accounturi", "validationmethods")  # RFC 8657
_REPORTS = re.compile(rb"(?:mailto:[^@\s]+@[^@\s]+|https?://[^\s/]+.*)", re.IGNORECASE)  # RFC 8659 §4.4


def invalid(_: RRset, rdata: bytes) -> Iterator[tuple[str, str]]:
    """Yield what no server loads, and its source."""
    if rdata[1] > MAX_TAG:
        yield f"a tag has at most {MAX_TAG} characters, this one {rdata[1]}", "RFC 6844 §5.1"


def unusual(_: RRset, rdata: bytes) -> Iterator[tuple[str, str]]:
    """Yield what has another effect than it seems to have, and its source."""
    if rdata[0] & 0x7F:
        yield f"flags {rdata[0]}: only 0 and 128 (critical) have a meaning", "RFC 8659 §4.1"
    tag, value = tag_of(rdata), value_of(rdata)
    text = tag.decode("ascii", "replace")
    if tag not in _TAGS and len(tag) <= MAX_TAG:
        near = difflib.get_close_matches(text, [each.decode("ascii") for each in sorted(_TAGS)], 1, 0.75)
        hint = f"did you mean {near[0]}? See " if near else ""
        yield f"tag {text} is not registered, and CAs ignore it", f"{hint}RFC 8659 §4.1"
    if tag in _ISSUERS:
        yield from _issuer(text, value)
    if tag == b"iodef" and not _REPORTS.fullmatch(value):
        yield "the value of iodef is neither mailto: and an address nor a URL", "RFC 8659 §4.4"


def _issuer(tag: str, value: bytes) -> Iterator[tuple[str, str]]:
    domain, _, parameters = value.partition(b";")
    if not _ISSUER.fullmatch(domain):
        yield f"the value of {tag} names no CA, which forbids all of them", "RFC 8659 §4.2"
    elif not _ISSUER.fullmatch(value):
        yield f"parameters of {tag} are not tag=value, which forbids all CAs", "RFC 8659 §4.2"
    for each in re.findall(_PARAMETER, parameters):
        name = each.decode("ascii").lower()
        near = difflib.get_close_matches(name, _KNOWN_PARAMETERS, 1, 0.88)
        if near and name not in _KNOWN_PARAMETERS:
            yield f"parameter {name} is not known", f"did you mean {near[0]}? See RFC 8657 §3, §4"


def tag_of(rdata: bytes) -> bytes:
    """Return the tag of CAA rdata in lower case."""
    return rdata[2 : 2 + rdata[1]].lower()


def value_of(rdata: bytes) -> bytes:
    return rdata[2 + rdata[1] :]


def caa_none_beside_others(scope: Scope) -> Iterator[Fault]:
    for one in scope.index.authoritative(CAA):
        if len(one.rdatas) == 1:
            continue
        for tag in sorted({tag_of(rdata) for rdata in one.rdatas} & _ISSUERS):
            values = [value_of(rdata) for rdata in one.rdatas if tag_of(rdata) == tag]
            nobody = [value for value in values if not value.partition(b";")[0].strip(b" \t")]
            if 0 < len(nobody) < len(values):
                text = tag.decode("ascii")
                message = f'{to_text(one.owner)} CAA: {text} ";" forbids nothing: another {text} names a CA'
                yield Fault(scope.at(one), message, "keep one of them (RFC 8659 §4.2)")


def caa_issuewild_missing(scope: Scope) -> Iterator[Fault]:
    for one in scope.index.authoritative(CAA):
        tags = {tag_of(rdata) for rdata in one.rdatas}
        if b"issue" in tags and b"issuewild" not in tags:
            yield Fault(
                scope.at(one),
                f"{to_text(one.owner)} CAA: issue without issuewild holds for wildcard certificates as well",
                "say so with an issuewild of your own (RFC 8659 §4.3)",
            )


def caa_authority(scope: Scope) -> Iterator[Fault]:
    """Authorities in use, of dnsctl.yaml, that a CAA on the way of RFC 8659 §3 keeps from issuing."""
    for name, authorities in scope.certificates.items():
        for one in _caa_on_the_way(scope, name):
            allowed = _allowed(one, wild=is_wildcard(name))
            if allowed is not None:
                excluded = (each for each in authorities if each not in allowed)
                yield from (_excluded(scope, one, name, each, allowed) for each in excluded)


def _excluded(scope: Scope, one: RRset, name: Name, authority: str, allowed: frozenset[str]) -> Fault:
    position = scope.at(one if is_subdomain(one.owner, scope.origin) else None)
    near = difflib.get_close_matches(authority, sorted(allowed), 1, 0.75)
    hint = f"did you mean {authority} in place of {near[0]}? Or " if near else ""
    return Fault(
        position,
        f"{to_text(one.owner)} CAA forbids {authority} to issue, which {to_text(name)} has its certificates "
        "from: they cannot be renewed",
        f'{hint}add 0 {"issuewild" if is_wildcard(name) else "issue"} "{authority}", or correct '
        "`certificates` in dnsctl.yaml (RFC 8659 §3)",
    )


def _caa_on_the_way(scope: Scope, name: Name) -> Iterator[RRset]:
    """Yield the CAA that holds for `name`, and those of names below it that have no entry of their own."""
    domain = parent(name) if is_wildcard(name) else name
    for each in (domain, *ancestors(domain, ROOT)):
        place = answered(scope.landscape, each)
        if place is None:
            break  # what stands there, and above, is not known
        if (found := place.get(CAA)) is not None:
            yield found
            break
    if not is_wildcard(name):
        for one in scope.index.authoritative(CAA):
            above = [one.owner, *ancestors(one.owner, scope.origin)]
            entry = next((each for each in above if each in scope.certificates), None)
            if entry == name and one.owner != name:
                yield one


def _allowed(one: RRset, *, wild: bool) -> frozenset[str] | None:
    """Return who may issue; None where everybody may (RFC 8659 §4.2, §4.3)."""
    values: dict[bytes, list[bytes]] = {}
    for rdata in one.rdatas:
        values.setdefault(tag_of(rdata), []).append(value_of(rdata))
    holding = values.get(b"issuewild") if wild else None
    holding = values.get(b"issue") if holding is None else holding
    if holding is None:
        return None
    domains = (value.partition(b";")[0].strip(b" \t").lower() for value in holding)
    return frozenset(each.decode("ascii", "replace") for each in domains)
