r"""Rdata from presentation form (RFC 1035 §5.1) to canonical wire form (RFC 4034 §6.2), by type.

The types that fill real zones go straight to wire here, others by the forms of `rdata_forms`, and what is
left through dnspython. Whatever the text, the only exception out of this module is `RdataFault` (or
NameSyntaxError, which is one of ours), and dnspython can decode whatever comes out of it.
"""

from __future__ import annotations

import calendar
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_pton

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from dnsctl.errors import NameSyntaxError
from dnsctl.load import rdata_forms, svcparams
from dnsctl.load.location import location
from dnsctl.load.mnemonics import ALGORITHMS, DIGESTS, named_number
from dnsctl.load.presentation import (
    MAX_STRING,
    NameReader,
    RdataFault,
    RdataRemark,
    character_strings,
    number,
    stray_octets,
    strings_wire,
    ttl,
    type_advice,
    type_code,
)
from dnsctl.load.rdata_forms import FORMS, SHAPES, base_64, hexadecimal
from dnsctl.model.canonical import A6, canonical
from dnsctl.model.nsec3 import HASH_LABEL, HASH_OCTETS
from dnsctl.model.rrset import Type
from dnsctl.model.soa import Intervals, soa_rdata
from dnsctl.model.type_bitmap import type_bitmap

# Which tokens are base64, which dnspython does not check: of IPSECKEY (RFC 4025) and HIP (RFC 8005).
_BASE64 = {45: slice(4, None), 55: slice(2, 3)}
MAX_RDATA = 65535  # octets, RFC 1035 §3.2.1
_NO_KEY = 0xC000  # flags of KEY, RFC 2535 §3.1.2
# What dnspython raises for text that is not of its type, besides its own exceptions.
_REJECTED = (
    dns.exception.DNSException,
    ValueError,
    LookupError,
    ArithmeticError,
    TypeError,
    AttributeError,
    struct.error,
)


# Messages of dnspython and Python that say nothing about the record, and what to say instead.
_VAGUE = {
    "not enough values to unpack": "a part of a field is missing",
    "too many values to unpack": "a field has too many parts",
    "expecting another identifier": "a field is missing",
    "expecting an identifier": "a field is missing",
    "expecting a string": "a field is missing",
    "dd-length": "hexadecimal digits, an odd number",
    "odd length": "hexadecimal digits, an odd number",
    "Incorrect padding": "base64 that is not whole",
    "is malformed": "",
}


def to_wire(rdtype: int, tokens: Sequence[str], names: NameReader) -> bytes:
    r"""Return canonical rdata of `rdtype`. Raises RdataFault, or NameSyntaxError for a name in it.

    Warnings about rdata that is read nevertheless stand in `names.remarks`.
    """
    parse = None if tokens and tokens[0] == r"\#" else _PARSERS.get(rdtype)
    wire = _seldom(rdtype, tokens, names) if parse is None else parse(tokens, names)
    if len(wire) > MAX_RDATA:
        raise RdataFault(f"rdata of {len(wire)} octets, at most {MAX_RDATA} fit", "shorten or split it")
    return wire


def _seldom(rdtype: int, tokens: Sequence[str], names: NameReader) -> bytes:
    r"""Return rdata of types that few zones have, or written as `\#` (RFC 3597 §5), in canonical form."""
    form = FORMS.get(rdtype)
    if tokens and tokens[0] == r"\#":
        wire = _generic(tokens)
    elif form is not None:
        wire = rdata_forms.read(form, tokens, names)
    elif rdtype == A6:
        wire = rdata_forms.a6(tokens, names)
    elif rdtype in _SERVICE_BINDINGS:
        wire = _service_binding(rdtype, tokens, names)
    elif _is_opaque(rdtype):
        raise RdataFault("not read here in a form of its own", rf"write TYPE{rdtype} \# LENGTH HEXADECIMAL")
    else:
        if rdtype in _BASE64:
            base_64(tokens[_BASE64[rdtype]])
        return _by_dnspython(rdtype, tokens, names)
    if rdtype in _SERVICE_BINDINGS:
        wire = _without_alias_parameters(wire, names)
    try:
        wire = canonical(rdtype, wire)
        _decode(rdtype, wire)
    except (NameSyntaxError, *_REJECTED) as error:
        count = len(wire) if tokens[0] == r"\#" else None
        raise _rejected(rdtype, error, count) from None
    return wire


def _rejected(rdtype: int, error: Exception, octets: int | None = None) -> RdataFault:
    r"""Return what is wrong with rdata that is not of its type; `octets`: of the generic form, `\#`."""
    kind = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))
    what = f"not {kind} rdata" if octets is None else f"these {octets} octets are not {kind} rdata"
    reason = error.what if isinstance(error, NameSyntaxError) else _reason(error)
    if told := next((plain for vague, plain in _VAGUE.items() if vague in reason), reason):
        what += f": {told}"
    shape = FORMS[rdtype].shape if rdtype in FORMS else SHAPES.get(rdtype)
    return RdataFault(what, f"write {shape}" if shape else "see the type's RFC for its form")


def _generic(tokens: Sequence[str]) -> bytes:
    r"""Return the octets of `\# 4 0a000001` (RFC 3597 §5)."""
    if len(tokens) < 2 or not tokens[1].isdigit():
        raise RdataFault(r"\# without a length", r"write \# 4 0a000001, or \# 0")
    wire = rdata_forms.hexadecimal(tokens[2:])
    length = number(tokens[1], MAX_RDATA, "length")
    if len(wire) != length:
        raise RdataFault(
            rf"\# {length} is followed by {len(wire)} octets", "correct the length, or the digits"
        )
    return wire


def _decode(rdtype: int, wire: bytes) -> dns.rdata.Rdata:
    return dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType.make(rdtype), wire, 0, len(wire))


def _is_opaque(rdtype: int) -> bool:
    """True where dnspython knows nothing of the type but its number."""
    try:
        return isinstance(_decode(rdtype, b""), dns.rdata.GenericRdata)
    except dns.exception.DNSException:
        return False


def _service_binding(rdtype: int, tokens: Sequence[str], names: NameReader) -> bytes:
    """Return SVCB or HTTPS rdata; parameters of AliasMode are read as others are."""
    known = svcparams.rewritten(tokens)
    if not known or known[0] != "0":
        return _by_dnspython(rdtype, known, names)
    return b"\0\0" + _by_dnspython(rdtype, ["1", *known[1:]], names)[2:]


def _without_alias_parameters(wire: bytes, names: NameReader) -> bytes:
    """Leave out what clients must ignore at priority 0 (RFC 9460 §2.4.2), and what some cannot read."""
    if wire[:2] != b"\0\0":
        return wire
    end = 2
    while end < len(wire) and wire[end]:
        end += 1 + wire[end]
    if end + 1 < len(wire):
        message = "parameters at priority 0 mean nothing to clients (RFC 9460 §2.4.2) and are left out"
        advice = "remove them, or write priority 1 if they are meant; in a pre-signed zone, sign it again"
        names.remarks.append(RdataRemark("svcb-alias-parameters", message, advice))
    return wire[: end + 1]


def _by_dnspython(rdtype: int, tokens: Sequence[str], names: NameReader) -> bytes:
    text = " ".join(tokens)
    if stray_octets(tokens):
        raise RdataFault("an octet that is not UTF-8", r"save the file as UTF-8, or write it as \DDD")
    origin = None if names.absolute else names.dnspython_origin
    try:
        parsed = dns.rdata.from_text(
            dns.rdataclass.IN,
            dns.rdatatype.RdataType.make(rdtype),
            text,
            origin=origin,
            relativize=False,
            idna_codec=dns.name.IDNA_2008_UTS_46,
        )
        try:
            return bytes(parsed.to_digestable(origin))
        except dns.name.NeedAbsoluteNameOrOrigin:
            names.relative += _relative_names(parsed)
            return bytes(parsed.to_digestable(dns.name.root))
    except _REJECTED as error:
        raise _rejected(rdtype, error) from None


def _reason(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]


def _relative_names(parsed: dns.rdata.Rdata) -> list[str]:
    """Return the names of `parsed` that do not end in a dot. Raises RdataFault for `@`."""
    slots = dict.fromkeys(slot for kind in type(parsed).__mro__ for slot in getattr(kind, "__slots__", ()))
    fields = (getattr(parsed, slot, None) for slot in slots)
    flat = [each for value in fields for each in (value if isinstance(value, tuple) else (value,))]
    found = [each for each in flat if isinstance(each, dns.name.Name) and not each.is_absolute()]
    if any(not each.labels for each in found):
        raise RdataFault("`@` as a name in this type", "write the name")
    return [each.to_text() for each in found]


def _count(tokens: Sequence[str], wanted: int, form: str) -> None:
    if len(tokens) != wanted:
        what = "nothing" if not tokens else f"{len(tokens)} fields" if len(tokens) > 1 else "1 field"
        raise RdataFault(f"{what} where {wanted} {'is' if wanted == 1 else 'are'} needed", f"write {form}")


def _hash(tokens: Sequence[str], kind: int, lengths: Mapping[int, int]) -> bytes:
    """Return hexadecimal data, whose length must be the one of its kind where that is known."""
    data = hexadecimal(tokens)
    if len(data) != lengths.get(kind, len(data)):
        raise RdataFault(f"{len(data)} octets, a hash of type {kind} has {lengths[kind]}", "copy all of it")
    return data


def _a(tokens: Sequence[str], _: NameReader) -> bytes:
    _count(tokens, 1, "an IPv4 address")
    try:
        return inet_pton(AF_INET, tokens[0])
    except (OSError, ValueError):
        raise RdataFault(f"{tokens[0][:60]!r} is not an IPv4 address", "write one like 192.0.2.1") from None


def _aaaa(tokens: Sequence[str], _: NameReader) -> bytes:
    _count(tokens, 1, "an IPv6 address")
    try:
        return inet_pton(AF_INET6, tokens[0])
    except (OSError, ValueError):
        raise RdataFault(f"{tokens[0][:60]!r} is not an IPv6 address", "write one like 2001:db8::1") from None


def _one_name(tokens: Sequence[str], names: NameReader) -> bytes:
    _count(tokens, 1, "one domain name")
    return names(tokens[0])


def _mx(tokens: Sequence[str], names: NameReader) -> bytes:
    _count(tokens, 2, "preference and exchange: 10 mail.example.com.")
    return number(tokens[0], 0xFFFF, "preference").to_bytes(2, "big") + names(tokens[1])


def _srv(tokens: Sequence[str], names: NameReader) -> bytes:
    _count(tokens, 4, "priority, weight, port and target: 0 5 443 www.example.com.")
    priority = number(tokens[0], 0xFFFF, "priority")
    weight = number(tokens[1], 0xFFFF, "weight")
    return struct.pack("!HHH", priority, weight, number(tokens[2], 0xFFFF, "port")) + names(tokens[3])


def _txt(tokens: Sequence[str], _: NameReader) -> bytes:
    if not tokens:
        raise RdataFault("no text", 'write "" for an empty one')
    return strings_wire(character_strings(tokens))


def _soa(tokens: Sequence[str], names: NameReader) -> bytes:
    _count(tokens, 7, "mname rname serial refresh retry expire minimum")
    serial = number(tokens[2], 0xFFFFFFFF, "serial")
    intervals = []
    for token in tokens[3:]:
        seconds = ttl(token)
        if seconds is None:
            raise RdataFault(f"{token[:40]!r} is not a time", "write seconds, or 1h30m")
        intervals.append(seconds)
    return soa_rdata(names(tokens[0]), names(tokens[1]), serial, Intervals(*intervals))


def _ds(tokens: Sequence[str], _: NameReader) -> bytes:
    if len(tokens) < 4:
        _count(tokens, 4, "key tag, algorithm, digest type and digest")
    tag = number(tokens[0], 0xFFFF, "key tag")
    kind = named_number(tokens[2], DIGESTS, 0xFF, "digest type")
    if kind == 0:
        raise RdataFault("digest type 0 is reserved", "use 2, SHA-256")
    return struct.pack("!HBB", tag, _algorithm(tokens[1]), kind) + _hash(tokens[3:], kind, DIGEST_LENGTHS)


def _cds(tokens: Sequence[str], names: NameReader) -> bytes:
    if len(tokens) > 2 and tokens[2] == "0":  # asks to withdraw the DS (RFC 8078 §4)
        return _by_dnspython(Type.CDS, tokens, names)
    return _ds(tokens, names)


def _dnskey(tokens: Sequence[str], _: NameReader) -> bytes:
    if len(tokens) < 4:
        _count(tokens, 4, "flags, protocol, algorithm and public key")
    flags, protocol = number(tokens[0], 0xFFFF, "flags"), number(tokens[1], 0xFF, "protocol")
    return struct.pack("!HBB", flags, protocol, _algorithm(tokens[2])) + base_64(tokens[3:])


def _key(tokens: Sequence[str], names: NameReader) -> bytes:
    """Return KEY rdata; flags that say "no key" end it (RFC 2535 §3.1.2)."""
    if len(tokens) == 3 and number(tokens[0], 0xFFFF, "flags") & _NO_KEY == _NO_KEY:
        tokens = (*tokens, "")
    return _dnskey(tokens, names)


def _tlsa(tokens: Sequence[str], _: NameReader) -> bytes:
    if len(tokens) < 4:
        _count(tokens, 4, "usage, selector, matching type and data: 3 1 1 …")
    named = zip(tokens, ("certificate usage", "selector", "matching type"), strict=False)
    head = bytes([number(token, 0xFF, what) for token, what in named])
    return head + _hash(tokens[3:], head[2], {1: 32, 2: 64})  # RFC 6698 §2.1.3


def _sshfp(tokens: Sequence[str], _: NameReader) -> bytes:
    if len(tokens) < 3:
        _count(tokens, 3, "algorithm, fingerprint type and fingerprint")
    head = bytes((number(tokens[0], 0xFF, "algorithm"), number(tokens[1], 0xFF, "fingerprint type")))
    return head + _hash(tokens[2:], head[1], {1: 20, 2: 32})  # RFC 4255 §3.1.2, RFC 6594 §3.2


def _caa(tokens: Sequence[str], _: NameReader) -> bytes:
    _count(tokens, 3, 'flags, tag and value: 0 issue "ca.example.net"')
    tag = tokens[1]
    if not (tag.isascii() and tag.isalnum() and len(tag) <= MAX_STRING):
        raise RdataFault(
            f"CAA tag {tokens[1][:40]!r} is not of letters and digits", "use issue, issuewild, iodef"
        )
    values = character_strings(tokens[2:])
    if len(values) != 1:
        raise RdataFault(f"a value in {len(values)} strings", 'write it as one: "ca.example.net"')
    value = values[0]
    return bytes((number(tokens[0], 0xFF, "flags"), len(tag))) + tag.encode() + value


def _rrsig(tokens: Sequence[str], names: NameReader) -> bytes:
    if len(tokens) < 9:
        _count(
            tokens, 9, "type, algorithm, labels, TTL, expiration, inception, key tag, signer and signature"
        )
    covered = type_code(tokens[0])
    if covered is None:
        raise RdataFault(f"covers no type {tokens[0][:40]!r}", type_advice(tokens[0]))
    labels, original_ttl = number(tokens[2], 0xFF, "labels"), number(tokens[3], 0x7FFFFFFF, "TTL")
    window = struct.pack("!II", _moment(tokens[4]), _moment(tokens[5]))
    tag = number(tokens[6], 0xFFFF, "key tag").to_bytes(2, "big")
    head = struct.pack("!HBBI", covered, _algorithm(tokens[1]), labels, original_ttl)
    return head + window + tag + names(tokens[7]) + base_64(tokens[8:])


def _nsec(tokens: Sequence[str], names: NameReader) -> bytes:
    if not tokens:
        _count(tokens, 1, "next owner and types")
    return names.cased(tokens[0]) + _bitmap(tuple(tokens[1:]))


def _nsec3(tokens: Sequence[str], names: NameReader) -> bytes:
    """Return NSEC3 rdata (RFC 5155 §3.3); dnspython reads what signers write otherwise, or says why not."""
    if len(tokens) < 5 or len(tokens[4]) != HASH_LABEL or not (tokens[4].isalnum() and tokens[4].isascii()):
        return _by_dnspython(Type.NSEC3, tokens, names)
    try:
        following = int(tokens[4], 32).to_bytes(HASH_OCTETS, "big")  # the digits of base32hex, RFC 4648 §7
    except ValueError:
        raise RdataFault(f"next hash {tokens[4]!r} is not base32hex", "copy all of it") from None
    salt = b"" if tokens[3] == "-" else hexadecimal(tokens[3:4])
    if len(salt) > MAX_STRING:
        raise RdataFault(f"a salt of {len(salt)} octets, at most {MAX_STRING} fit", "write -")
    head = bytes((number(tokens[0], 0xFF, "hash algorithm"), number(tokens[1], 0xFF, "flags")))
    head += number(tokens[2], 0xFFFF, "iterations").to_bytes(2, "big")
    return head + bytes((len(salt),)) + salt + bytes((HASH_OCTETS,)) + following + _bitmap(tuple(tokens[5:]))


@lru_cache(maxsize=4096)
def _bitmap(types: tuple[str, ...]) -> bytes:
    """Return the type bit maps field of types by mnemonic. Raises RdataFault."""
    codes: set[int] = set()
    for token in types:
        code = type_code(token)
        if code is None:
            raise RdataFault(f"no type {token[:40]!r}", type_advice(token))
        codes.add(code)
    return type_bitmap(tuple(sorted(codes)))


DIGEST_LENGTHS = {1: 20, 2: 32, 3: 32, 4: 48}  # octets of a DS digest: RFC 3658, 4509, 5933, 6605
_SERVICE_BINDINGS = (int(Type.SVCB), int(Type.HTTPS))


def _algorithm(text: str) -> int:
    return named_number(text, ALGORITHMS, 0xFF, "algorithm")


@lru_cache(maxsize=4096)
def _moment(text: str) -> int:
    """Return a signature time: YYYYMMDDHHmmSS in UTC, or seconds since 1970 (RFC 4034 §3.2)."""
    if len(text) != 14:
        return number(text, 0xFFFFFFFF, "signature time")
    try:
        return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%S")) & 0xFFFFFFFF
    except ValueError:
        raise RdataFault(f"{text!r} is not a time", "write YYYYMMDDHHmmSS") from None


_PARSERS: dict[int, Callable[[Sequence[str], NameReader], bytes]] = {
    Type.A: _a,
    Type.NS: _one_name,
    Type.CNAME: _one_name,
    Type.SOA: _soa,
    Type.PTR: _one_name,
    Type.MX: _mx,
    Type.TXT: _txt,
    Type.AAAA: _aaaa,
    Type.SRV: _srv,
    Type.DNAME: _one_name,
    Type.DS: _ds,
    44: _sshfp,  # RFC 4255
    Type.RRSIG: _rrsig,
    Type.NSEC: _nsec,
    Type.NSEC3: _nsec3,
    Type.DNSKEY: _dnskey,
    52: _tlsa,
    53: _tlsa,  # SMIMEA, RFC 8162
    Type.CDS: _cds,
    Type.CDNSKEY: _dnskey,
    24: _rrsig,  # SIG, of the same form (RFC 2535 §4)
    25: _key,  # KEY, RFC 3445
    29: location,
    56: _txt,  # NINFO
    99: _txt,  # SPF, RFC 7208 §3.1
    257: _caa,  # RFC 8659
    258: _txt,  # AVC
    261: _txt,  # RESINFO, RFC 9606
    262: _txt,  # WALLET
    32768: _ds,  # TA
    32769: _ds,  # DLV, RFC 4431
}
