"""Change the records of one owner and type in a master file (RFC 1035 §5.1). Pure: octets in, octets out.

A value takes the place of one that goes, with the comment behind it; more are written below, as the last one
is. Lines without a record of this RRset stay, but for one: where the line that names the owner goes, and the
next has a blank in its place, that one gets the name. What `$INCLUDE` and `$GENERATE` bring is not seen here:
the caller compares what is read before and after (`zone_change`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from dnsctl.edit.blocks import refused
from dnsctl.edit.change import Wanted
from dnsctl.errors import NameSyntaxError
from dnsctl.load.logical_lines import Entry, entries
from dnsctl.load.presentation import NameReader, RdataFault, domain_name, ttl, type_code
from dnsctl.load.rdata_text import to_wire
from dnsctl.model.name import Name, is_subdomain, to_relative_text, to_text
from dnsctl.model.rrset import rdata_text, type_text

_BOM = b"\xef\xbb\xbf"
_GAP = re.compile(r"[ \t(]*")  # between tokens of a line
_TAIL = re.compile(r"[ \t]*(;.*)?")  # behind the last one


@dataclass(frozen=True)
class _Record:
    """A record on the lines `first` to before `end`, from 0.

    `tokens`: all of it; `at`: where its type is among them. `named`: it begins with the owner. `has_ttl`: a
    `$TTL` holds where it stands.
    """

    first: int
    end: int
    origin: Name
    tokens: tuple[str, ...]
    at: int
    named: bool
    has_ttl: bool

    @property
    def rdtype(self) -> int:
        return type_code(self.tokens[self.at]) or 0

    @property
    def rdata(self) -> bytes:
        return to_wire(self.rdtype, list(self.tokens[self.at + 1 :]), NameReader(self.origin))

    @property
    def ttl(self) -> str:
        """Return the TTL as it is written; empty where it is not."""
        return next((each for each in self.tokens[self.named : self.at] if ttl(each) is not None), "")

    def spans(self, line: str) -> list[tuple[int, int]]:
        """Return where the tokens stand in its line; fewer where it goes on in another one."""
        found, place = [], 0
        for token in self.tokens:
            gap = _GAP.match(line, place)
            start = gap.end() if gap else place
            if not line.startswith(token, start):
                break
            place = start + len(token)
            found.append((start, place))
        return found


@dataclass
class _Text:
    """The lines of a file; what comes before some of them, and what replaces others (None: nothing)."""

    file: str
    lines: list[str]
    before: dict[int, list[str]] = field(default_factory=dict)
    instead: dict[int, str | None] = field(default_factory=dict)

    def put(self, record: _Record, line: str | None) -> None:
        """Have one line in the place of a record, or none."""
        self.instead |= dict.fromkeys(range(record.first, record.end))
        self.instead[record.first] = line

    def __iter__(self) -> Iterator[str]:
        for at, line in enumerate(self.lines):
            yield from self.before.get(at, ())
            if (now := self.instead.get(at, line)) is not None:
                yield now


@dataclass
class _Found:
    """What a file has of one owner, and what holds behind its last line."""

    origin: Name
    records: list[_Record] = field(default_factory=list)
    has_ttl: bool = False


def changed_lines(data: bytes, file: str, wanted: Wanted, default_ttl: int) -> bytes:
    """Return the file with what is wanted. Raises DnsctlError where a program does not edit it.

    `default_ttl`: of a new RRset where the file gives none.
    """
    if b"\r" in data.replace(b"\r\n", b""):
        raise refused(file, "has a carriage return that ends no line")
    line_end = "\r\n" if b"\r\n" in data else "\n"
    bare = data.removeprefix(_BOM).decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    text = _Text(file, bare.split("\n"))
    found = _walked(text, bare, wanted)
    own = [each for each in found.records if each.rdtype == wanted.rdtype]
    there = {each.rdata for each in own}
    new = [each for each in wanted.rdatas if each not in there]
    kept = [each for each in own if each.rdata in wanted.rdatas]
    gone = [each for each in own if each.rdata not in wanted.rdatas]
    for each, rdata in zip(gone, new, strict=False):
        text.put(each, _line(text, each, wanted.ttl, rdata_text(wanted.rdtype, rdata)))
    for each in kept if wanted.ttl is not None else ():
        text.instead[each.first] = _line(text, each, wanted.ttl)
    _insert(text, found, own, wanted, new[len(gone) :], default_ttl)
    _remove(text, found, gone[len(new) :], wanted.owner)
    return data[: len(_BOM) * data.startswith(_BOM)] + line_end.join(text).encode("utf-8", "surrogateescape")


def _walked(text: _Text, bare: str, wanted: Wanted) -> _Found:
    """Read a file as `masterfile` does, but only what tells which lines hold the owner."""
    found = _Found(wanted.origin)
    owner: Name | None = None
    for entry in entries(bare):
        if entry.fault:
            raise refused(f"{text.file}:{entry.line}", entry.fault)
        tokens = entry.tokens
        named = entry.column == 1
        if named and tokens[0][0] == "$":
            found.has_ttl |= tokens[0].upper() == "$TTL"
            if tokens[0].upper() == "$ORIGIN":
                found.origin = _name(text, entry, tokens[1], found.origin)
            continue
        if named:
            owner = _name(text, entry, tokens[0], found.origin)
        if owner == wanted.owner:
            found.records.append(_record(text, entry, found))
    return found


def _name(text: _Text, entry: Entry, token: str, origin: Name) -> Name:
    try:
        return domain_name(token, origin)
    except NameSyntaxError as error:
        raise refused(f"{text.file}:{entry.line}", error.what) from None


def _record(text: _Text, entry: Entry, found: _Found) -> _Record:
    tokens, named, first = tuple(entry.tokens), entry.column == 1, entry.line - 1
    at = next((at for at, each in enumerate(tokens) if at >= named and type_code(each) is not None), None)
    if at is not None:
        made = _Record(first, first + entry.lines, found.origin, tokens, at, named, found.has_ttl)
        with suppress(RdataFault, NameSyntaxError):
            made.rdata  # noqa: B018 - that it can be read
            return made
    raise refused(f"{text.file}:{entry.line}", "is not a record that is changed here")


def _line(text: _Text, record: _Record, seconds: int | None, rdata: str = "", *, comment: bool = True) -> str:
    """Return the line of a record, or its first one, with another TTL, and on one line with other rdata."""
    line = text.lines[record.first]
    spans = record.spans(line)
    if len(spans) <= record.at:
        raise refused(f"{text.file}:{record.first + 1}", "has its type on another line than its owner")
    start, end = spans[record.named][0], spans[record.at][1]
    head, rest = line[start:end], line[end:]
    if seconds is not None and ttl(record.ttl) != seconds:
        first, last = spans[record.tokens.index(record.ttl, record.named)] if record.ttl else (start, start)
        head = f"{line[start:first]}{seconds}{'' if record.ttl else ' '}{line[last:end]}"
    if rdata:
        one = record.end == record.first + 1 and len(record.tokens) == len(spans) > record.at + 1
        whole = one and _TAIL.fullmatch(line, spans[-1][1])
        gap = line[end : spans[record.at + 1][0]] if whole else " "
        rest = f"{gap}{rdata}{line[spans[-1][1] :] if whole and comment else ''}"
    return f"{line[:start]}{head}{rest}"


def _insert(
    text: _Text, found: _Found, own: Sequence[_Record], wanted: Wanted, new: Sequence[bytes], default_ttl: int
) -> None:
    """Write values behind the last record of the RRset, else of the owner, else at the end of the file."""
    if not new:
        return
    shown = [rdata_text(wanted.rdtype, each) for each in new]
    if own:
        made = [_line(text, own[-1], wanted.ttl, each, comment=False) for each in shown]
        text.before.setdefault(own[-1].end, []).extend(made)
        return
    if found.records:
        last = found.records[-1]
        place, has_ttl, line = last.end, last.has_ttl, text.lines[last.first]
        begin = "\t" if last.named else line[: len(line) - len(line.lstrip())]
        kind = "IN " if "IN" in last.tokens[last.named : last.at] else ""
    else:
        place, has_ttl, kind = len(text.lines) - 1, found.has_ttl, ""
        begin = f"{_owner_text(wanted.owner, found.origin)}\t"
        if text.lines[-1]:
            place, text.lines = place + 1, [*text.lines, ""]
    seconds = default_ttl if wanted.ttl is None and not has_ttl else wanted.ttl
    head = f"{begin}{'' if seconds is None else f'{seconds} '}{kind}{type_text(wanted.rdtype)}"
    text.before.setdefault(place, []).extend(f"{head} {each}" for each in shown)


def _remove(text: _Text, found: _Found, gone: Sequence[_Record], owner: Name) -> None:
    """Take records away; the next one with a blank in the place of its owner gets the name."""
    nameless = False
    for each in found.records:
        if each in gone:
            text.put(each, None)
            nameless |= each.named
        elif each.named:
            nameless = False
        elif nameless:
            line = text.instead.get(each.first) or text.lines[each.first]
            text.instead[each.first] = f"{_owner_text(owner, each.origin)}{line}"
            nameless = False


def _owner_text(owner: Name, origin: Name) -> str:
    return to_relative_text(owner, origin) if is_subdomain(owner, origin) else to_text(owner)
