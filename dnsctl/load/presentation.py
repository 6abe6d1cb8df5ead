r"""Presentation form (RFC 1035 §5.1) in pieces: tokens, names, character-strings, numbers, times, types.

Tokens still hold their quotes and escapes. A `NameReader` says what becomes of relative names. The only
exceptions out of this module are `RdataFault` and NameSyntaxError.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import dns.name
import dns.rdatatype

from dnsctl.errors import NameSyntaxError
from dnsctl.load.nearest import did_you_mean
from dnsctl.model.alias import ALIASES
from dnsctl.model.duration import parse_seconds
from dnsctl.model.name import FULL_STOPS, MAX_LABEL, MAX_NAME, ROOT, Name, from_text
from dnsctl.model.rrset import MAX_TTL

MAX_STRING = 255  # octets of a character-string, RFC 1035 §3.3
_LENGTHS = [bytes((length,)) for length in range(256)]
_ESCAPE = re.compile(r"\\(\d{3}|.)", re.DOTALL | re.ASCII)
QUOTED = r'"[^"\\]*(?:\\.[^"\\]*)*"'
WHOLE_QUOTE = re.compile(QUOTED, re.DOTALL)
_TOKEN = re.compile(rf'(?:{QUOTED}|[^\s"\\]|\\.)+', re.DOTALL)
_STRING = re.compile(rf'{QUOTED}|(?:[^"\\]|\\.)+', re.DOTALL)
_NUMBER = re.compile(r"\d{1,10}", re.ASCII)
_TYPE_NUMBER = re.compile(r"TYPE(\d{1,5})", re.ASCII | re.IGNORECASE)
_TTL = re.compile(r"(?:\d{1,10}[smhdw])+", re.ASCII | re.IGNORECASE)

_FULL_STOPS = tuple(FULL_STOPS)
_STRAY = re.compile("[\udc80-\udcff]")  # an octet that is not UTF-8, as `surrogateescape` decodes it

_NOT_IN_DNSPYTHON = {  # types of IANA's registry that dnspython has no name for
    "EID": 31,
    "NIMLOC": 32,
    "ATMA": 34,
    "SINK": 40,
    "RKEY": 57,
    "TALINK": 58,
    "UINFO": 100,
    "UID": 101,
    "GID": 102,
    "DOA": 259,
    "CLA": 263,
    "IPN": 264,
}
TYPES: dict[str, int] = {
    text: int(each)
    for each in dns.rdatatype.RdataType
    if each.value and not dns.rdatatype.is_metatype(each)
    for text in (dns.rdatatype.to_text(each), dns.rdatatype.to_text(each).lower())
}
TYPES.update((text, code) for name, code in _NOT_IN_DNSPYTHON.items() for text in (name, name.lower()))


class RdataFault(Exception):  # noqa: N818 - becomes a Finding, not an error of ours
    """This text is not rdata of this type."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class RdataRemark(NamedTuple):
    """A warning about rdata that is read nevertheless."""

    rule: str
    message: str
    advice: str


class NameReader:
    """Completes names with `origin`; an `absolute` one takes all as absolute, and keeps which were not.

    `remarks` are those of the rdata that was read with it; the reader of the record takes them out.
    """

    __slots__ = ("absolute", "origin", "relative", "remarks")

    def __init__(self, origin: Name, *, absolute: bool = False) -> None:
        self.origin = origin
        self.absolute = absolute
        self.relative: list[str] = []
        self.remarks: list[RdataRemark] = []

    def __call__(self, text: str) -> Name:
        if not self.absolute:
            return cached_name(text, self.origin)
        if text.endswith(_FULL_STOPS) or text == "@":
            return cached_name(text, self.origin)
        self.relative.append(text)
        return cached_name(text, ROOT)

    @property
    def dnspython_origin(self) -> dns.name.Name:
        return dns.name.from_wire(self.origin, 0)[0]

    def forget(self) -> None:
        """Forget what was noticed of the last record."""
        self.relative.clear()
        self.remarks.clear()

    def cased(self, text: str) -> bytes:
        """Complete a name, keep its upper case: canonical form does not touch such names (RFC 6840 §5.1)."""
        lower = self(text)
        text = unquoted(text)
        if text == text.lower() or not text.isascii():
            return lower
        made = bytearray(lower)
        kept = unescape(text)
        made[1 : 1 + len(kept)] = kept
        at = 0
        while at <= len(kept):  # where the text has dots, the wire has lengths
            made[at] = lower[at]
            at += 1 + lower[at]
        return bytes(made)


def type_code(text: str) -> int | None:
    """Return the code of a mnemonic or of TYPE65400 (RFC 3597 §5); None where it is not a type of records."""
    code = TYPES.get(text) or TYPES.get(text.upper())
    if code is None and (found := _TYPE_NUMBER.fullmatch(text)):
        code = int(found.group(1))
        if not 0 < code < 65535 or dns.rdatatype.is_metatype(dns.rdatatype.RdataType.make(code)):
            return None
    return code


def unknown_type(text: str) -> tuple[str, str]:
    """Return message and advice on an unknown type; ALIAS is one only where a zone is not read as YAML."""
    if text.upper() in ALIASES:
        return f"{text} stands in zone files in YAML only", "write `type: ALIAS` into one, by hand"
    return f"unknown type {text[:60]!r}", type_advice(text)


def type_advice(text: str) -> str:
    """Return what to do about an unknown type."""
    return f"{did_you_mean(text, _SUGGESTED)} or write TYPEnnn with \\# (RFC 3597)"


_SUGGESTED = [text for text in TYPES if text.isupper()]


def domain_name(text: str, origin: Name) -> Name:
    r"""Read a name as `model.name.from_text` does, without the quotes around it; quick without escapes.

    Raises NameSyntaxError, also for a quote inside (`\"` is one that belongs to the name) and for octets
    that are not UTF-8.
    """
    if text.isascii() and "\\" not in text and '"' not in text:
        wire = text.encode().lower()
        if wire[-1:] == b".":
            parts, rest = wire[:-1].split(b"."), b"\0"
        else:
            parts, rest = wire.split(b"."), origin
        made = b"".join([_LENGTHS[len(part) & 0xFF] + part for part in parts]) + rest
        if len(made) <= MAX_NAME and b"" not in parts and max(map(len, parts)) <= MAX_LABEL and wire != b"@":
            return Name(made)
    elif (bare := unquoted(text)) != text:
        return domain_name(bare, origin)
    elif '"' in _ESCAPE.sub("", text):
        raise NameSyntaxError(
            "a quote inside a name", advice=r"remove it, or write \" if it belongs to the name"
        )
    return from_text(text, origin)


def unquoted(text: str) -> str:
    """Return what stands in a token that is one quoted string, or the token."""
    return text[1:-1] if text[:1] == '"' and len(text) > 2 and WHOLE_QUOTE.fullmatch(text) else text


cached_name = lru_cache(maxsize=1 << 16)(domain_name)


def tokenize(text: str) -> list[str]:
    """Split one line of rdata, quotes and escapes kept. Raises RdataFault where a quote is left open."""
    if '"' not in text and "\\" not in text:
        return text.split()
    found = _TOKEN.findall(text)
    if _TOKEN.sub("", text).strip():
        raise RdataFault("an open quote or a backslash at the end", 'close it, or escape it: \\" and \\\\')
    return found


def number(text: str, limit: int, what: str) -> int:
    """Return a decimal number up to `limit`. Raises RdataFault, which calls it `what`."""
    if not _NUMBER.fullmatch(text) or int(text) > limit:
        raise RdataFault(f"{what} {text[:40]!r} is not a number from 0 to {limit}", "correct it")
    return int(text)


def unescape(text: str) -> bytes:
    r"""Return the octets of text with `\X` and `\DDD`; the rest as UTF-8. Raises RdataFault.

    An octet of the file that is not UTF-8 is itself.
    """
    if "\\" not in text:
        return text.encode("utf-8", "surrogateescape")
    made = bytearray()
    last = 0
    for found in _ESCAPE.finditer(text):
        made += text[last : found.start()].encode("utf-8", "surrogateescape")
        inner = found.group(1)
        if len(inner) == 3:
            if int(inner) > 255:
                raise RdataFault(rf"\{inner} is not an octet", "use 000 to 255")
            made.append(int(inner))
        elif inner.isdigit():
            raise RdataFault(rf"\{inner} is an unfinished escape", r"write \DDD with three digits, or \\")
        else:
            made += inner.encode("utf-8", "surrogateescape")
        last = found.end()
    if text.endswith("\\") and last < len(text):
        raise RdataFault("a backslash at the end", r"write \\")
    return bytes(made + text[last:].encode("utf-8", "surrogateescape"))


def character_strings(tokens: Sequence[str]) -> list[bytes]:
    r"""Return the strings that tokens stand for; `"a""b"` without a space between are two."""
    return [unescape(part[1:-1] if part[0] == '"' else part) for part in pieces(tokens)]


def pieces(tokens: Sequence[str]) -> list[str]:
    """Return tokens with those parted that hold several strings: `a"b c"` is `a` and `"b c"`."""
    return [part for token in tokens for part in (_STRING.findall(token) if '"' in token else (token,))]


def shown(text: str) -> str:
    r"""Return text for a message: an octet that is not UTF-8 as `\DDD`."""
    return _STRAY.sub(lambda found: rf"\{ord(found.group()) - 0xDC00}", text)


def stray_octets(tokens: Sequence[str]) -> bool:
    """True where an octet in `tokens` is not UTF-8."""
    return any(_STRAY.search(token) for token in tokens if not token.isascii())


def strings_wire(strings: Sequence[bytes]) -> bytes:
    """Return TXT rdata, strings over 255 octets split into several (RFC 1035 §3.3.14)."""
    wire = bytearray()
    for string in strings:
        for start in range(0, len(string) or 1, MAX_STRING):
            piece = string[start : start + MAX_STRING]
            wire.append(len(piece))
            wire += piece
    return bytes(wire)


@lru_cache(maxsize=1024)
def ttl(text: str) -> int | None:
    """Return seconds of `3600` or `1h30m`, or None for anything else or over 2^31 - 1 (RFC 2181 §8)."""
    if not _NUMBER.fullmatch(text) and not (len(text) <= 64 and _TTL.fullmatch(text)):
        return None
    seconds = parse_seconds(text)
    return seconds if seconds <= MAX_TTL else None
