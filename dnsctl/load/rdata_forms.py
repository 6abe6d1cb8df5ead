r"""Presentation forms of rare types, as tables: old ones, ILNP's, and those that only BIND reads.

A form is the fields a type has, one token each, and what the tokens behind them are. `read` makes wire of it;
canonical form is for `dnsctl.model.canonical`.
"""

from __future__ import annotations

import binascii
import re
import string
from collections.abc import Callable, Sequence
from socket import AF_INET, AF_INET6, inet_pton
from typing import NamedTuple

from dnsctl.load.mnemonics import ALGORITHMS, CERTIFICATES, PROTOCOLS, SERVICES, named_number
from dnsctl.load.presentation import (
    MAX_STRING,
    NameReader,
    RdataFault,
    character_strings,
    number,
    pieces,
    type_advice,
    type_code,
)

One = Callable[[str, NameReader], bytes]
Rest = Callable[[Sequence[str]], bytes]


class Form(NamedTuple):
    """`fields` take a token each, of which `least` must be there; `rest`, if there is one, the others."""

    shape: str  # an example, for people
    fields: tuple[One, ...]
    rest: Rest | None = None
    least: int | None = None


def read(form: Form, tokens: Sequence[str], names: NameReader) -> bytes:
    """Return rdata of that form. Raises RdataFault and NameSyntaxError."""
    tokens = pieces(tokens)
    wanted, count = len(form.fields), len(tokens)
    least = wanted + (form.rest is not None) if form.least is None else form.least
    if count < least or (form.rest is None and count > wanted):
        what = "nothing" if not count else "1 field" if count == 1 else f"{count} fields"
        needed = f"{least} or more" if form.rest else f"{least} to {wanted}" if least < wanted else wanted
        raise RdataFault(
            f"{what} where {needed} {'is' if needed == 1 else 'are'} needed", f"write {form.shape}"
        )
    wire = b"".join(field(token, names) for field, token in zip(form.fields, tokens, strict=False))
    return wire if form.rest is None or count < wanted else wire + form.rest(tokens[wanted:])


# ── fields ────────────────────────────────────────────────────────────────────────────────────────────


def _integer(octets: int, what: str) -> One:
    return lambda text, _: number(text, 256**octets - 1, what).to_bytes(octets, "big")


def _name(text: str, names: NameReader) -> bytes:
    return names.cased(text)


def one_string(text: str, _: NameReader) -> bytes:
    """Return one character-string (RFC 1035 §3.3). Raises RdataFault where it is too long."""
    octets = character_strings([text])[0]
    if len(octets) > MAX_STRING:
        raise RdataFault(f"a string of {len(octets)} octets, at most {MAX_STRING} fit", "shorten it")
    return bytes((len(octets),)) + octets


def _ipv4(text: str, _: NameReader) -> bytes:
    try:
        return inet_pton(AF_INET, text)
    except (OSError, ValueError):
        raise RdataFault(f"{text[:60]!r} is not an IPv4 address", "write one like 192.0.2.1") from None


def _algorithm(text: str, _: NameReader) -> bytes:
    return bytes((named_number(text, ALGORITHMS, 0xFF, "algorithm"),))


def _protocol(text: str, _: NameReader) -> bytes:
    return bytes((named_number(text, PROTOCOLS, 0xFF, "protocol"),))


def _certificate(text: str, _: NameReader) -> bytes:
    return named_number(text, CERTIFICATES, 0xFFFF, "certificate type").to_bytes(2, "big")


def _groups_of_four(text: str, _: NameReader) -> bytes:
    """Return 64 bits as four groups of up to four digits (RFC 6742 §2.1.2); `::` is not for them."""
    groups = text.split(":")
    if len(groups) != 4 or not all(re.fullmatch(r"[0-9A-Fa-f]{1,4}", each) for each in groups):
        raise RdataFault(f"{text[:40]!r} is not four groups of hexadecimal digits", "write 14:4fff:ff20:ee64")
    return b"".join(int(each, 16).to_bytes(2, "big") for each in groups)


def _target(text: str, _: NameReader) -> bytes:
    octets = character_strings([text])[0]
    if not octets:
        raise RdataFault("an empty target", "write a URI in quotes (RFC 7553 §4.4)")
    return octets


def _atm_address(text: str, _: NameReader) -> bytes:
    """Return an ATM address: `+` and digits of E.164, or hexadecimal digits with dots (af-dans-0152)."""
    if text.startswith("+") and text[1:].isascii() and text[1:].isdigit():
        return b"\1" + text[1:].encode()
    try:
        return b"\0" + binascii.unhexlify(text.replace(".", ""))
    except ValueError:
        raise RdataFault(
            f"{text[:60]!r} is not an ATM address", "write +61200000000, or hexadecimal"
        ) from None


# ── what follows the fields ───────────────────────────────────────────────────────────────────────────


def hexadecimal(tokens: Sequence[str]) -> bytes:
    """Return the octets of hexadecimal digits, which may be in several tokens. Raises RdataFault."""
    text = "".join(tokens)
    try:
        return binascii.unhexlify(text)
    except ValueError:
        odd = next((sign for sign in text if sign not in string.hexdigits), None)
        if odd == ":":
            raise RdataFault("colons between hexadecimal digits", "remove the colons") from None
        if odd is not None:
            raise RdataFault(f"{odd!r} among hexadecimal digits", "correct it") from None
        raise RdataFault(f"{len(text)} hexadecimal digits, an odd number", "copy all of it") from None


def base_64(tokens: Sequence[str]) -> bytes:
    """Return the octets of base64 (RFC 4648 §4), which may be in several tokens. Raises RdataFault."""
    try:
        return binascii.a2b_base64("".join(tokens), strict_mode=True)
    except ValueError as error:
        raise RdataFault(f"not base64: {error}", "correct it") from None


def _data_or_hyphen(tokens: Sequence[str]) -> bytes:
    return b"" if tuple(tokens) == ("-",) else base_64(tokens)


def _bits_of_services(tokens: Sequence[str]) -> bytes:
    """Return the bit map of WKS (RFC 1035 §3.4.2)."""
    ports = [named_number(token, SERVICES, 0xFFFF, "service") for token in tokens]
    return _bits(ports)


def _bits_of_types(tokens: Sequence[str]) -> bytes:
    """Return the bit map of NXT, which ends at type 127 (RFC 2535 §5.2)."""
    codes = []
    for token in tokens:
        code = type_code(token)
        if code is None or code > 127:
            raise RdataFault(f"no type up to 127 {token[:40]!r}", type_advice(token))
        codes.append(code)
    return _bits(codes)


def _bits(numbers: Sequence[int]) -> bytes:
    bits = bytearray(max(numbers, default=-8) // 8 + 1)
    for each in numbers:
        bits[each >> 3] |= 0x80 >> (each & 7)
    return bytes(bits)


def a6(tokens: Sequence[str], names: NameReader) -> bytes:
    """Return A6 rdata (RFC 2874 §3.1): prefix length, the rest of the address, the name of the prefix."""
    shape = "write 0 2001:db8::1, or 64 ::1 prefix.example.com."
    if not tokens:
        raise RdataFault("nothing where a prefix length is needed", shape)
    length = number(tokens[0], 128, "prefix length")
    wanted = 1 + (length < 128) + (length > 0)
    if len(tokens) != wanted:
        raise RdataFault(f"{len(tokens)} fields where {wanted} are needed", shape)
    suffix = b""
    if length < 128:
        try:
            address = int.from_bytes(inet_pton(AF_INET6, tokens[1]), "big")
        except (OSError, ValueError):
            raise RdataFault(f"{tokens[1][:60]!r} is not an IPv6 address", shape) from None
        octets = (128 - length + 7) // 8
        suffix = (address & (2 ** (128 - length) - 1)).to_bytes(octets, "big")
    return bytes((length,)) + suffix + (names.cased(tokens[-1]) if length else b"")


# ── the table ─────────────────────────────────────────────────────────────────────────────────────────

_U8, _U16 = _integer(1, "number"), _integer(2, "number")
_PREFERENCE = _integer(2, "preference")
_ONE_NAME = Form("one domain name", (_name,))
_TWO_NAMES = Form("two domain names", (_name, _name))
_PREFERRED_NAME = Form("10 host.example.com.", (_PREFERENCE, _name))
_HEXADECIMAL = Form("hexadecimal digits", (), hexadecimal)
_BASE64 = Form("base64", (), base_64)
FORMS: dict[int, Form] = {
    3: _ONE_NAME,  # MD, RFC 1035 §3.3.4
    4: _ONE_NAME,  # MF
    7: _ONE_NAME,  # MB
    8: _ONE_NAME,  # MG
    9: _ONE_NAME,  # MR
    11: Form("192.0.2.1 TCP smtp http", (_ipv4, _protocol), _bits_of_services, least=2),  # WKS
    13: Form('"cpu" "system"', (one_string, one_string)),  # HINFO
    14: _TWO_NAMES,  # MINFO
    17: _TWO_NAMES,  # RP, RFC 1183
    18: _PREFERRED_NAME,  # AFSDB
    19: Form("311061700956", (one_string,)),  # X25
    20: Form("150862028003217 004", (one_string, one_string), least=1),  # ISDN
    21: _PREFERRED_NAME,  # RT
    23: _ONE_NAME,  # NSAP-PTR, RFC 1348
    26: Form("10 map822.example.com. mapx400.example.com.", (_PREFERENCE, _name, _name)),  # PX, RFC 2163
    27: Form("-32.6882 116.8652 10.0", (one_string, one_string, one_string)),  # GPOS, RFC 1712
    30: Form("next.example.com. A MX", (_name,), _bits_of_types),  # NXT, RFC 2535
    31: _HEXADECIMAL,  # EID
    32: _HEXADECIMAL,  # NIMLOC
    34: Form("+61200000000", (_atm_address,)),  # ATMA
    35: Form(
        '100 10 "U" "E2U+sip" "!^.*$!sip:a@example.com!" .',
        (_U16, _U16, one_string, one_string, one_string, _name),
    ),
    36: _PREFERRED_NAME,  # KX, RFC 2230
    37: Form("PKIX 1 RSASHA256 AQID…", (_certificate, _integer(2, "key tag"), _algorithm), base_64),  # CERT
    40: Form("4 0 64 AQID…", (_U8, _U8, _U8), base_64, least=3),  # SINK: meaning, coding, subcoding
    49: _BASE64,  # DHCID, RFC 4701
    57: Form("0 3 8 AQID…", (_U16, _U8, _algorithm), base_64),  # RKEY
    58: _TWO_NAMES,  # TALINK
    61: _BASE64,  # OPENPGPKEY, RFC 7929
    104: Form("10 14:4fff:ff20:ee64", (_PREFERENCE, _groups_of_four)),  # NID, RFC 6742
    105: Form("10 192.0.2.1", (_PREFERENCE, _ipv4)),  # L32
    106: Form("10 2001:db8:1140:1000", (_PREFERENCE, _groups_of_four)),  # L64
    107: _PREFERRED_NAME,  # LP
    256: Form('10 1 "https://www.example.com/"', (_integer(2, "priority"), _integer(2, "weight"), _target)),
    259: Form(  # DOA
        '1 2 3 "text/plain" AQID…',
        (_integer(4, "enterprise"), _integer(4, "type"), _integer(1, "location"), one_string),
        _data_or_hyphen,
    ),
}

# Examples, for people, of types that dnspython reads.
SHAPES: dict[int, str] = {
    1: "192.0.2.1",
    28: "2001:db8::1",
    22: "0x47.0005.80.005a00.0000.0001.e133.ffffff000161.00",  # NSAP, RFC 1706
    42: "1:192.0.2.0/24 !2:2001:db8::/32",  # APL, RFC 3123
    45: "10 1 2 192.0.2.1 AQID…",  # IPSECKEY, RFC 4025
    51: "1 0 0 -",  # NSEC3PARAM, RFC 5155
    55: "2 200100107B1A74DF365639CC39F1D578 AQID… rendezvous.example.com.",  # HIP, RFC 8005
    62: "66 3 A NS AAAA",  # CSYNC, RFC 7477
    63: "2026010101 1 1 and 96 hexadecimal digits",  # ZONEMD, RFC 8976
    64: "1 www.example.com. alpn=h2,h3 port=443",  # SVCB, RFC 9460
    65: "1 . alpn=h2,h3 ipv4hint=192.0.2.1",  # HTTPS
    66: "CDS NOTIFY 5300 scanner.example.com.",  # DSYNC, RFC 9859
    108: "00-00-5e-00-53-2a",  # EUI48, RFC 7043
    109: "00-00-5e-ef-10-00-00-2a",  # EUI64
    260: "10 0 1 192.0.2.1",  # AMTRELAY, RFC 8777
}
