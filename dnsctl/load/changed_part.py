"""Where two texts of one zone file differ: the owners there, read from both without the rest of the file.

Nothing is guessed. A part is made only of whole lines that begin an owner in both texts, up to the next such
line; where what stands elsewhere could change its meaning, there is none, and the file is read whole. The
caller checks the rest: the old part must hold all that its owners have in the zone, and reading the old text
must have found no fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from dnsctl.load import masterfile, zone_yaml
from dnsctl.load.draft import ZoneDefaults
from dnsctl.model.name import Name
from dnsctl.model.overlay import Node
from dnsctl.model.repo import MASTER

_LARGEST = 1 << 16  # octets of a part: with more, most of the work is in the part
_CHUNK = 1 << 16
_CONTINUES_YAML = b" \t-#\n"  # how a line begins that begins no owner; a list may stand below its key
_CONTINUES_MASTER = b" \t;\n"
# Anchors, aliases, tags, merge keys, dates, escapes that could spell a name in another way, documents
_ELSEWHERE_YAML = re.compile(rb"[&*!%?\r]|<<|expires|^\.\.\.|\\[^;\"]", re.MULTILINE)
_ELSEWHERE_MASTER = re.compile(rb"[()$\r]|\\[^;\"]")
_DIRECTIVE = re.compile(rb"^\$.*$", re.MULTILINE)
_OTHER_DIRECTIVE = re.compile(rb"^\$(?!(?:ORIGIN|TTL)[ \t])", re.MULTILINE | re.IGNORECASE)
_WITHIN_GROUP = re.compile(rb"\([^)]*\n\$")
_PERHAPS_A_GROUP = re.compile(rb"[;\"][^\n]*[()]")  # parentheses in comments and texts are not of a group
_KNOWN_DIRECTIVE = re.compile(rb"\$(ORIGIN|TTL)[ \t][^();\"\\]*", re.IGNORECASE)


@dataclass(frozen=True)
class ChangedPart:
    """Nodes of the owners in the part that differs, `before` and after. The part begins at line `first` in
    both, and goes up to line `end` of the old text, which is `shift` lines further down in the new one.

    `start` and `stop` bound it in octets of the new text.
    """

    before: Mapping[Name, Node]
    after: Mapping[Name, Node]
    first: int
    end: int
    shift: int
    start: int
    stop: int


def changed_part(
    old: bytes, new: bytes, file: str, origin: Name, defaults: ZoneDefaults
) -> ChangedPart | None:
    """Return what differs between two texts of `file`; None where the file has to be read whole."""
    master = file.endswith(MASTER)
    bounds = _bounds(old, new, _CONTINUES_MASTER if master else _CONTINUES_YAML)
    if bounds is None:
        return None
    start, old_end, new_end = bounds
    head = b""
    if master:
        found = _head(old, new, start)
        if found is None:
            return None
        head = found
    elif b"\r" in old or old.startswith(b"\xef\xbb\xbf"):
        return None
    first = old.count(b"\n", 0, start)
    shift = first - head.count(b"\n")
    read, elsewhere = (masterfile.parse, _ELSEWHERE_MASTER) if master else (zone_yaml.parse, _ELSEWHERE_YAML)
    nodes = []
    for part in (old[start:old_end], new[start:new_end]):
        if elsewhere.search(part):
            return None
        zone, faults = read(head + part, file, origin, replace(defaults, soa=None, ns=()))
        if zone is None or faults or zone.aliases or zone.emptied or zone.lenient:
            return None
        if not master and keys_at_line_starts(part) != len(zone.nodes):
            return None  # a text over several lines
        nodes.append({owner: _moved(node, shift) for owner, node in zone.nodes.items()})
    lines = [each.count(b"\n", start, end) for each, end in ((old, old_end), (new, new_end))]
    end = first + 1 + lines[0]
    return ChangedPart(nodes[0], nodes[1], first + 1, end, lines[1] - lines[0], start, new_end)


def has_plain_directives(text: bytes) -> bool:
    """True where each line of a master file that begins with `$` sets an origin or a TTL: none makes records,
    which would name what the text does not, and none stands within parentheses, where it is data."""
    if _OTHER_DIRECTIVE.search(text):
        return False
    last = text.rfind(b"\n$") + 2
    return not (_PERHAPS_A_GROUP.search(text, 0, last) or _WITHIN_GROUP.search(text, 0, last))


def is_named(text: bytes, label: bytes, part: ChangedPart) -> bool:
    """True where `label`, of letters, digits and hyphens, may stand in `text` outside of `part`."""
    lower = text.lower()
    if not lower.count(label, 0, part.start) + lower.count(label, part.stop):
        return False  # nearly always, and sooner found
    return any(each == label for each in _labels_like(lower, label, part))


def has_lookalike(text: bytes, label: bytes, part: ChangedPart) -> bool:
    """True where a label that differs from it by hyphens and underscores may stand outside of `part`."""
    lower, bare = text.lower(), label.translate(None, b"-_")
    beside = any(each in lower for each in (b"-" + label, b"_" + label, label + b"-", label + b"_"))
    if not beside and lower.translate(None, b"-_").count(bare) == lower.count(label):
        return False  # nearly always, and sooner found
    return any(each != label for each in _labels_like(lower, label, part))


def _labels_like(text: bytes, label: bytes, part: ChangedPart) -> Iterator[bytes]:
    bare = label.translate(None, b"-_")
    like = re.compile(b"[-_]*" + b"".join(re.escape(bytes((each,))) + b"[-_]*" for each in bare))
    for start, stop in ((0, part.start), (part.stop, len(text))):
        for found in like.finditer(text, start, stop):
            around = text[max(0, found.start() - 1) : found.start()] + text[found.end() : found.end() + 1]
            if not any(chr(each).isalnum() for each in around):
                yield found.group()


def _bounds(old: bytes, new: bytes, continues: bytes) -> tuple[int, int, int] | None:
    """Return where the part begins in both texts, and where it ends in the old and in the new one."""
    same = _common_prefix(old, new)
    start = old.rfind(b"\n", 0, same) + 1
    while start and (_continues(old, start, continues) or _continues(new, start, continues)):
        start = old.rfind(b"\n", 0, start - 1) + 1
    tail = _common_suffix(old, new, min(len(old), len(new)) - start)
    while tail:
        old_end, new_end = len(old) - tail, len(new) - tail
        begins = old[old_end - 1 : old_end] in (b"", b"\n") and new[new_end - 1 : new_end] in (b"", b"\n")
        if begins and not _continues(old, old_end, continues):
            break
        following = old.find(b"\n", old_end)
        tail = len(old) - following - 1 if following >= 0 else 0
    old_end, new_end = len(old) - tail, len(new) - tail
    if max(old_end, new_end) - start > _LARGEST:
        return None
    return start, old_end, new_end


def _continues(text: bytes, at: int, continues: bytes) -> bool:
    return at < len(text) and text[at] in continues


def _common_prefix(old: bytes, new: bytes) -> int:
    """Return how many octets both begin with, by chunks: each comparison is one of memory."""
    size, at = min(len(old), len(new)), 0
    while at < size and old[at : at + _CHUNK] == new[at : at + _CHUNK]:
        at += _CHUNK
    at = min(at, size)
    return at + _alike(old[at : at + _CHUNK], new[at : at + _CHUNK])


def _common_suffix(old: bytes, new: bytes, limit: int) -> int:
    """Return how many octets both end with, `limit` at most."""
    done = 0
    while done + _CHUNK <= limit and _last(old, done, _CHUNK) == _last(new, done, _CHUNK):
        done += _CHUNK
    left = min(_CHUNK, limit - done)
    return done + _alike(_last(old, done, left)[::-1], _last(new, done, left)[::-1])


def _alike(one: bytes, other: bytes) -> int:
    """Return how many octets both begin with."""
    size = min(len(one), len(other))
    differs = int.from_bytes(one[:size], "big") ^ int.from_bytes(other[:size], "big")
    return size - (differs.bit_length() + 7) // 8


def _last(text: bytes, but: int, count: int) -> bytes:
    return text[len(text) - but - count : len(text) - but]


def _head(old: bytes, new: bytes, start: int) -> bytes | None:
    """Return the directives that stand before the part; None where more than these decides on it.

    A group in parentheses must have ended before: then each line behind it is one record or none.
    """
    for text in (old, new):
        if max(text.rfind(b"("), text.rfind(b")")) >= start or b"\r" in text:
            return None
    found = [each.group() for each in _DIRECTIVE.finditer(old, 0, start)]
    if not all(_KNOWN_DIRECTIVE.fullmatch(each) for each in found):
        return None
    if not any(each[:4].upper() == b"$TTL" for each in found):
        return None  # the last TTL that was written counts
    return b"".join(each + b"\n" for each in found)


def keys_at_line_starts(text: bytes) -> int:
    """Return how many lines of a YAML file may begin an owner; those of a file in block style, which has no
    owner twice, do. A line within a quoted text may begin at column 1, too: then there are more than owners.
    """
    if not text:
        return 0
    lines = text.count(b"\n") + (not text.endswith(b"\n"))
    others = sum(text.count(b"\n" + bytes((each,))) for each in _CONTINUES_YAML)
    return lines - others - (text[0] in _CONTINUES_YAML)


def _moved(node: Node, lines: int) -> Node:
    return tuple(
        one._replace(position=one.position._replace(line=one.position.line + lines))
        if one.position is not None
        else one
        for one in node
    )
