"""Values that the RFC of their type does not allow, or gives no meaning: one literal table, a row a type.

`value-invalid`: the RFC gives the field no such form, and other name servers refuse to load it.
`value-unusual`: the field holds a code point that is reserved or not assigned, or two fields contradict each
other; servers load it, and those who use the record will most likely ignore it. Reads canonical rdata, whose
layout was checked when the zone was read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping

from dnsctl.model.name import ROOT, Name, to_text
from dnsctl.model.rrset import RRset, Type, type_text
from dnsctl.validate import caa
from dnsctl.validate.dane import SSHFP, SSHFP_ALGORITHMS, TLSA
from dnsctl.validate.rule import Fault, Scope, name_in
from dnsctl.validate.services import svc_parameters

_AFSDB, _X25, _ISDN, _LOC, _CERT, _APL = 18, 19, 20, 29, 37, 42
_IPSECKEY, _DHCID, _SMIMEA, _CSYNC = 45, 49, 53, 62
_LP, _URI = 107, 256

Wrong = Iterator[tuple[str, str]]  # what is wrong, and the source or the way out
Look = Callable[[RRset, bytes], Wrong]

_KEY_OCTETS = {13: 64, 14: 96, 15: 32, 16: 57}  # RFC 6605 §4, RFC 8080 §3
_DEGREE = 3600 * 1000  # thousandths of a second of arc, RFC 1876 §2
_EQUATOR = 2**31
_REGEXP_FLAGS = re.compile(rb"i?")  # RFC 3402 §3.2
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*:")  # RFC 3986 §3.1
_NO_PARAMETER = 65535  # SvcParamKey "Invalid key", RFC 9460 §14.3.2
_ALPN = 1  # SvcParamKey, RFC 9460 §7.1
_PROTOCOLS = {  # what is written at times, and what is meant: IANA, ALPN protocol ids
    b"http1.1": "http/1.1",
    b"http/2": "h2",
    b"http2": "h2",
    b"http/3": "h3",
    b"http3": "h3",
    b"quic": "h3",
}
_DOH_PATH = 7  # SvcParamKey, RFC 9461 §5
_TEMPLATE = re.compile(rb"/.*\{[^{}]*\bdns\b[^{}]*\}.*", re.DOTALL)  # RFC 6570, with the variable `dns`


def value_invalid(scope: Scope) -> Iterator[Fault]:
    yield from _judge(scope, _INVALID, "correct it")


def value_unusual(scope: Scope) -> Iterator[Fault]:
    yield from _judge(scope, _UNUSUAL, "check that this is meant")
    for rdtype in (Type.SVCB, Type.HTTPS):
        for one in scope.index.authoritative(rdtype):
            aliases = sum(rdata[:2] == b"\0\0" for rdata in one.rdatas)
            if aliases and len(one.rdatas) > 1:
                yield _fault(
                    scope, one, "an AliasMode record (priority 0) beside others", "keep one (RFC 9460 §2.4.1)"
                )


def _judge(scope: Scope, table: Mapping[int, Look], otherwise: str) -> Iterator[Fault]:
    for rdtype, look in table.items():
        for one in scope.index.of(rdtype):
            for rdata in one.rdatas:
                for message, source in look(one, rdata):
                    yield _fault(scope, one, message, f"{otherwise} ({source})")


def _fault(scope: Scope, one: RRset, message: str, advice: str) -> Fault:
    return Fault(scope.at(one), f"{to_text(one.owner)} {type_text(one.rdtype)}: {message}", advice)


# -- Invalid ---


def _loc(_: RRset, rdata: bytes) -> Wrong:
    latitude, longitude = (int.from_bytes(rdata[at : at + 4], "big") - _EQUATOR for at in (4, 8))
    if abs(latitude) > 90 * _DEGREE:
        yield "the latitude is beyond 90 degrees", "RFC 1876 §2"
    if abs(longitude) > 180 * _DEGREE:
        yield "the longitude is beyond 180 degrees", "RFC 1876 §2"
    if any(octet >> 4 > 9 or octet & 15 > 9 for octet in rdata[1:4]):
        yield "a size or precision is not made of two decimal digits", "RFC 1876 §2"


def _x25(_: RRset, rdata: bytes) -> Wrong:
    if not (rdata[1:].isdigit() and len(rdata) > 4):
        yield "an X.121 address has four digits or more, and nothing else", "RFC 1183 §3.1"


def _apl(_: RRset, rdata: bytes) -> Wrong:
    at = 0
    while at < len(rdata):
        family, prefix, length = int.from_bytes(rdata[at : at + 2], "big"), rdata[at + 2], rdata[at + 3] & 127
        octets = {1: 4, 2: 16}.get(family)
        if octets is None:
            yield f"address family {family} is neither IPv4 (1) nor IPv6 (2)", "RFC 3123 §4"
        elif prefix > 8 * octets or length > octets:
            yield f"a prefix or an address is too long for family {family}", "RFC 3123 §4"
        elif length and not rdata[at + 3 + length]:
            yield "an address ends in zero octets, which must be left out", "RFC 3123 §4"
        at += 4 + length


def _naptr_regexp(_: RRset, rdata: bytes) -> Wrong:
    _flags, _services, regexp, _replacement = _naptr_fields(rdata)
    if not regexp:
        return
    delimiter = regexp[:1]
    parts = re.split(rb"(?<!\\)" + re.escape(delimiter), regexp[1:])
    if delimiter.isdigit() or delimiter in b"i\\" or len(parts) != 3 or not _REGEXP_FLAGS.fullmatch(parts[2]):
        yield "the regexp is not `!pattern!replacement!` with one delimiter three times", "RFC 3402 §3.2"


def _naptr_fields(rdata: bytes) -> tuple[bytes, bytes, bytes, Name]:
    """Return flags, services, regexp and replacement (RFC 3403 §4.1)."""
    texts, at = [], 4
    for _ in range(3):
        texts.append(rdata[at + 1 : at + 1 + rdata[at]])
        at += 1 + rdata[at]
    return texts[0], texts[1], texts[2], name_in(rdata, at)


def _dnskey(_: RRset, rdata: bytes) -> Wrong:
    algorithm = rdata[3]
    if not algorithm:
        return  # "delete" of a CDNSKEY, RFC 8078 §4
    if rdata[2] != 3:
        yield f"protocol {rdata[2]} is not 3", "RFC 4034 §2.1.2"
    wanted = _KEY_OCTETS.get(algorithm)
    if wanted is not None and len(rdata) - 4 != wanted:
        yield (
            f"a key of algorithm {algorithm} has {wanted} octets, this one {len(rdata) - 4}",
            "copy all of it",
        )


def _doh_path(_: RRset, rdata: bytes) -> Wrong:
    for key, value in svc_parameters(rdata):
        if key == _DOH_PATH and not (_TEMPLATE.fullmatch(value) and _is_utf_8(value)):
            yield "dohpath is not a path with a variable `dns`, such as /dns-query{?dns}", "RFC 9461 §5"


def _is_utf_8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


_INVALID: Mapping[int, Look] = {
    _X25: _x25,
    _LOC: _loc,
    _APL: _apl,
    Type.NAPTR: _naptr_regexp,
    Type.DNSKEY: _dnskey,
    Type.CDNSKEY: _dnskey,
    caa.CAA: caa.invalid,
    Type.SVCB: _doh_path,
    Type.HTTPS: _doh_path,
}

# -- Unusual ---


def _assigned(*fields: tuple[str, int, int, Collection[int], str]) -> Look:
    """Return a look at code points: (what it is, offset, octets, those that are assigned, source)."""

    def look(_: RRset, rdata: bytes) -> Wrong:
        for what, at, octets, known, source in fields:
            value = int.from_bytes(rdata[at : at + octets], "big")
            if value not in known:
                yield f"{what} {value} is not assigned", source

    return look


def _isdn(_: RRset, rdata: bytes) -> Wrong:
    if not rdata[1 : 1 + rdata[0]].isdigit():
        yield "an ISDN address is not made of digits", "RFC 1183 §3.2"


def _naptr(_: RRset, rdata: bytes) -> Wrong:
    flags, _services, regexp, replacement = _naptr_fields(rdata)
    if not (flags.isalnum() or not flags):
        yield "flags are not letters and digits", "RFC 3403 §4.1"
    if regexp and replacement != ROOT:
        yield "a regexp and a replacement exclude each other", "RFC 3403 §4.1: write `.` or an empty regexp"


def _srv(one: RRset, rdata: bytes) -> Wrong:
    nowhere = rdata[6:] == ROOT
    if nowhere and len(one.rdatas) > 1:
        yield "`.` says that there is no such service, but there are other records", "RFC 2782"
    if not nowhere and rdata[4:6] == b"\0\0":
        yield "port 0 cannot be connected to", "RFC 2782"


def _dhcid(_: RRset, rdata: bytes) -> Wrong:
    if len(rdata) < 4 or (rdata[2] == 1 and len(rdata) != 35):
        yield f"{len(rdata)} octets; with a digest of type 1 there are 35", "RFC 4701 §3.3"


def _uri(_: RRset, rdata: bytes) -> Wrong:
    if not _SCHEME.match(rdata, 4):
        yield "the target is not a URI: it has no scheme such as https:", "RFC 7553 §4.4"


def _csync(_: RRset, rdata: bytes) -> Wrong:
    flags = int.from_bytes(rdata[4:6], "big")
    if flags & ~3:
        yield f"flags {flags}: only 1 (immediate) and 2 (soaminimum) have a meaning", "RFC 7477 §2.1.1.2"


def _svcb(_: RRset, rdata: bytes) -> Wrong:
    for key, value in svc_parameters(rdata):
        if key == _NO_PARAMETER:
            yield f"key{_NO_PARAMETER} is reserved as the invalid key", "RFC 9460 §14.3.2"
        if key == _ALPN:
            for written, meant in _PROTOCOLS.items():
                if bytes((len(written), *written)) in value:
                    yield f"alpn {written.decode()} is not a protocol", f"write {meant}; see RFC 7301 §6"


def _lp(one: RRset, rdata: bytes) -> Wrong:
    if rdata[2:].lower() == one.owner:
        yield "its target is its own owner", "RFC 6742 §2.4.1"


_DANE = _assigned(  # RFC 6698 §7
    ("certificate usage", 0, 1, (0, 1, 2, 3, 255), "RFC 6698 §2.1.1"),
    ("selector", 1, 1, (0, 1, 255), "RFC 6698 §2.1.2"),
    ("matching type", 2, 1, (0, 1, 2, 255), "RFC 6698 §2.1.3"),
)
_DIGESTS = frozenset((1, 2, 3, 4, 5, 6))  # IANA: SHA-1, SHA-256, GOST, SHA-384, GOST 2012, SM3
_CERT_TYPES = frozenset((*range(1, 9), 253, 254, *range(65280, 65535)))  # RFC 4398 §2.1

_UNUSUAL: Mapping[int, Look] = {
    _AFSDB: _assigned(("subtype", 0, 2, (1, 2), "RFC 1183 §1")),
    _ISDN: _isdn,
    Type.SRV: _srv,
    Type.NAPTR: _naptr,
    _CERT: _assigned(("certificate type", 0, 2, _CERT_TYPES, "RFC 4398 §2.1")),
    Type.DS: _assigned(
        ("algorithm", 2, 1, range(1, 255), "RFC 4034 §5.1.2"),
        ("digest type", 3, 1, _DIGESTS, "RFC 8624 §3.3"),
    ),
    SSHFP: _assigned(
        ("key algorithm", 0, 1, SSHFP_ALGORITHMS, "RFC 4255 §3.1.1, RFC 8709 §7"),
        ("fingerprint type", 1, 1, (1, 2), "RFC 4255 §3.1.2, RFC 6594 §4"),
    ),
    _IPSECKEY: _assigned(("algorithm", 2, 1, (0, 1, 2, 3, 4), "RFC 4025 §2.4, RFC 9373 §3")),
    _DHCID: _dhcid,
    TLSA: _DANE,
    _SMIMEA: _DANE,
    _CSYNC: _csync,
    Type.SVCB: _svcb,
    Type.HTTPS: _svcb,
    _LP: _lp,
    _URI: _uri,
    caa.CAA: caa.unusual,
}
