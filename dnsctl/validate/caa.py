"""CAA (RFC 8659): properties that certification authorities ignore, or read as "nobody may issue"."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from dnsctl.model.name import to_text
from dnsctl.model.rrset import RRset
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
