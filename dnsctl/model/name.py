"""Domain names (RFC 1035 §3.1, RFC 4034 §6) in one form: uncompressed lower-case wire bytes.

A `Name` is absolute, ends in the root's zero octet, and is at most 255 octets with labels of at most 63.
Lower-casing a whole wire name with `bytes.lower()` is safe: a length octet is at most 63, never a letter.

`canonical_key` maps a name to bytes whose plain byte order is DNSSEC canonical order: labels from the root
down, each ended by 0x00, with 0x00 and 0x01 inside a label escaped as 0x01 0x01 and 0x01 0x02. The key of
a name is a prefix of the key of every name below it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NewType

import idna

from dnsctl.errors import NameSyntaxError

Name = NewType("Name", bytes)

ROOT = Name(b"\0")
MAX_NAME = 255  # octets, RFC 1035 §2.3.4
MAX_LABEL = 63  # octets, RFC 1035 §2.3.4
_ESCAPED = frozenset(b'"().;\\@$')
_SPECIAL = frozenset(b"\0\1")
# What ends a label: the dot, and the ideographic, fullwidth and halfwidth full stops (RFC 3490 §3.1).
FULL_STOPS = ".\u3002\uff0e\uff61"
_STRAY = re.compile("[\ud800-\udfff]")  # an octet that is not UTF-8, as `surrogateescape` decodes it
_JOINERS = "\u200c\u200d"  # invisible, and right in some scripts (RFC 5892 §A.1): idna knows where


def from_labels(parts: tuple[bytes, ...] | list[bytes]) -> Name:
    """Return the absolute name of `parts` (leaf first, without the root). Raises NameSyntaxError."""
    wire = bytearray()
    for label in parts:
        if not label:
            raise NameSyntaxError("empty label", advice="remove the doubled dot")
        if len(label) > MAX_LABEL:
            raise NameSyntaxError(f"label of {len(label)} octets, at most {MAX_LABEL} fit")
        wire.append(len(label))
        wire += label
    wire.append(0)
    if len(wire) > MAX_NAME:
        raise NameSyntaxError(f"name of {len(wire)} octets, at most {MAX_NAME} fit")
    return Name(bytes(wire).lower())


def from_text(text: str, origin: Name | None = None) -> Name:
    r"""Parse presentation form (RFC 1035 §5.1: `\.`, `\DDD`); a relative name is completed with `origin`.

    `@` alone is the origin, each of FULL_STOPS ends a label, and labels with characters outside ASCII become
    A-labels (IDNA 2008, UTS 46). Raises NameSyntaxError, also for a relative name without an origin, and for
    an octet that is not UTF-8 and came through `surrogateescape`.
    """
    if text == "@" and origin is not None:
        return origin
    if len(text) == 1 and text in FULL_STOPS:
        return ROOT
    if found := _STRAY.search(text):
        octet = ord(found.group()) & 0xFF
        raise NameSyntaxError(
            f"octet 0x{octet:02x} in a name is not UTF-8",
            advice=rf"write the name in UTF-8, or xn--…, or \{octet:03d} for the octet itself",
        )
    parts, absolute = _split(text)
    if absolute:
        return from_labels(parts)
    if origin is None:
        raise NameSyntaxError(f"{text!r} is not absolute", advice="end it with a dot")
    return from_labels([*parts, *labels(origin)])


def _split(text: str) -> tuple[list[bytes], bool]:
    """Split presentation form into labels; also return whether it ended in a dot."""
    if text.isascii() and "\\" not in text:
        plain = text.encode().split(b".")
        return (plain[:-1], True) if len(plain) > 1 and not plain[-1] else (plain, False)
    parts: list[bytes] = []
    label = bytearray()
    wide: list[str] = []  # the label's text, where it may hold a character outside ASCII
    escaped = False
    position, end = 0, len(text)
    absolute = False
    while position < end:
        character = text[position]
        position += 1
        if character == "\\":
            octet, position = _escape(text, position)
            label.append(octet)
            escaped = True
        elif character in FULL_STOPS:
            parts.append(_finish(label, wide, escaped=escaped))
            label, wide, escaped = bytearray(), [], False
            absolute = position == end
        else:
            wide.append(character)
            label += character.encode()
    if not absolute:
        parts.append(_finish(label, wide, escaped=escaped))
    return parts, absolute


def _escape(text: str, position: int) -> tuple[int, int]:
    """Return the octet of the escape whose backslash stands before `position`, and where it ends."""
    digits = text[position : position + 3]
    if len(digits) == 3 and digits.isascii() and digits.isdigit():
        if int(digits) > 255:
            raise NameSyntaxError(rf"\{digits} in {text!r} is not an octet", advice="use 000 to 255")
        return int(digits), position + 3
    following = text[position : position + 1]
    if not following or following.isdigit() or not following.isascii():
        raise NameSyntaxError(f"unfinished escape in {text!r}", advice=r"write \\ for a backslash")
    return ord(following), position + 1


def _finish(label: bytearray, wide: list[str], *, escaped: bool) -> bytes:
    """Return the octets of one label, the A-label where `wide` is not ASCII. Raises NameSyntaxError."""
    text = "".join(wide)
    if text.isascii():
        return bytes(label)
    if escaped:
        raise NameSyntaxError(
            f"an escape in the internationalised label {text!r}", advice="write its A-label, xn--…"
        )
    for character in text:
        if unicodedata.category(character) == "Cf" and character not in _JOINERS:
            raise NameSyntaxError(
                f"an invisible character U+{ord(character):04X} in the label {text!r}", advice="remove it"
            )
    try:
        made = idna.encode(text, uts46=True, transitional=False)
    except idna.IDNAError as error:
        reason = str(error).removesuffix(".")
        raise NameSyntaxError(
            f"{text!r} is not an internationalised label: {reason}", advice=_a_label_advice(text)
        ) from None
    if b"." in made:  # a character such as U+2025, which stands for dots
        raise NameSyntaxError(f"a dot inside the label {text!r}", advice="write plain dots between labels")
    return made


def _a_label_advice(text: str) -> str:
    """Say how to write a label that IDNA 2008 does not allow, but its registry may have allowed before."""
    mapped = unicodedata.normalize("NFKC", text).lower()
    a_label = f"xn--{mapped.encode('punycode').decode()}"
    if mapped.isascii() or not re.fullmatch(r"[a-z0-9_-]+", a_label):
        return "correct it, or write the A-label, xn--…"
    if len(a_label) > MAX_LABEL:
        return "shorten it"
    return f"correct it, or write the A-label {a_label}"


def from_wire(wire: bytes) -> Name:
    """Check an uncompressed wire name and lower-case it. Raises NameSyntaxError."""
    position = 0
    while position < len(wire) and wire[position]:
        if wire[position] > MAX_LABEL:
            raise NameSyntaxError("compressed or malformed label in an uncompressed name")
        position += 1 + wire[position]
    if position + 1 != len(wire) or len(wire) > MAX_NAME:
        raise NameSyntaxError("wire name is truncated, too long, or followed by other octets")
    return Name(wire.lower())


def to_text(name: Name) -> str:
    """Return presentation form with the final dot; octets outside printable ASCII as `\\DDD`."""
    if name == ROOT:
        return "."
    return "".join(label_text(label) + "." for label in labels(name))


def label_text(label: bytes) -> str:
    return "".join(
        ("\\" + chr(octet) if octet in _ESCAPED else chr(octet)) if 0x20 < octet < 0x7F else f"\\{octet:03d}"
        for octet in label
    )


def to_relative_text(name: Name, origin: Name) -> str:
    """Return `name` relative to `origin`: `@` for the origin itself, absolute when it is elsewhere."""
    if name == origin:
        return "@"
    if not is_subdomain(name, origin):
        return to_text(name)
    text = to_text(Name(name[: len(name) - len(origin)] + b"\0"))
    return text[:-1]


def to_unicode(name: Name) -> str:
    """Return `to_text` with A-labels shown as U-labels where they are valid (for people, never parsed)."""
    shown = []
    for part in to_text(name).split("."):
        try:
            shown.append(idna.decode(part) if part.startswith("xn--") else part)
        except idna.IDNAError:
            shown.append(part)
    return ".".join(shown)


def labels(name: Name) -> tuple[bytes, ...]:
    """Return the labels of `name`, leaf first, without the root."""
    parts = []
    position = 0
    while length := name[position]:
        parts.append(name[position + 1 : position + 1 + length])
        position += 1 + length
    return tuple(parts)


def label_count(name: Name) -> int:
    """Count labels as the RRSIG field does: no root, no leading `*` (RFC 4034 §3.1.3)."""
    count, at = 0, 2 if name[:2] == b"\x01*" else 0
    while name[at]:
        count += 1
        at += 1 + name[at]
    return count


def name_end(octets: bytes, at: int) -> int:
    """Return where the uncompressed name at `at` ends. Raises IndexError where `octets` end before it."""
    while octets[at]:
        at += 1 + octets[at]
    return at + 1


def parent(name: Name) -> Name:
    """Return `name` without its leftmost label. Raises NameSyntaxError for the root."""
    if name == ROOT:
        raise NameSyntaxError("the root has no parent")
    return Name(name[1 + name[0] :])


def ancestors(name: Name, origin: Name) -> list[Name]:
    """Return the proper ancestors of `name` down from its parent to `origin`, which is included."""
    found = []
    while name not in (origin, ROOT):
        name = parent(name)
        found.append(name)
    return found


def is_subdomain(name: Name, ancestor: Name) -> bool:
    """True where `name` is `ancestor` or below it, on a label boundary."""
    cut = len(name) - len(ancestor)
    if cut < 0 or name[cut:] != ancestor:
        return False
    position = 0
    while position < cut:
        position += 1 + name[position]
    return position == cut


def is_wildcard(name: Name) -> bool:
    """True where the leftmost label is a single asterisk (RFC 4592 §2.1.1)."""
    return name[:2] == b"\x01*"


def wildcard(name: Name) -> Name:
    """Return `*.name`. Raises NameSyntaxError where it would be too long."""
    if len(name) + 2 > MAX_NAME:
        raise NameSyntaxError("a wildcard below this name would be too long")
    return Name(b"\x01*" + name)


def canonical_key(name: Name) -> bytes:
    """Return bytes that sort in DNSSEC canonical order (RFC 4034 §6.1), at most 504: see the module."""
    parts = labels(name)
    if not (0 in name[:-1] or 1 in name):  # neither a special octet nor a one-octet label: nothing to escape
        return b"\0".join(reversed(parts)) + b"\0" if parts else b""
    return b"".join(_key_label(label) for label in reversed(parts))


@lru_cache(maxsize=65536)
def _key_label(label: bytes) -> bytes:
    if _SPECIAL.isdisjoint(label):
        return label + b"\0"
    return label.replace(b"\x01", b"\x01\x02").replace(b"\0", b"\x01\x01") + b"\0"


def from_canonical_key(key: bytes) -> Name:
    """Return the name whose `canonical_key` is `key` (for keys this module made)."""
    parts = key.split(b"\0")[:-1]
    return from_labels([p.replace(b"\x01\x01", b"\0").replace(b"\x01\x02", b"\x01") for p in reversed(parts)])
