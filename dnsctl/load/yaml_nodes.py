"""YAML as it is written in the file: scalars as text with line and column, never as objects.

Built from libyaml's events by a loop of our own, so that nothing is constructed, resolved or recursed into:
`no`, `67` and `44.74` stay the text that was written. Explicit tags and recursive aliases are refused;
anchors, aliases, merge keys and octoDNS's `!include` work within the limits below, which bound what a file
may expand to. A node that comes from an included file says so (`file`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import NamedTuple, Protocol

import yaml

from dnsctl.load.inclusion import MAX_INCLUDE_DEPTH, MAX_INCLUDES

MAX_BYTES = 256 * 2**20  # octets: nodes take some thirty times that in memory
MAX_DEPTH = 32  # the deepest sensible zone file needs 7
# Nodes that aliases may add, and files that are included again, so that a "billion laughs" ends early.
MAX_ALIASED = 100_000
INCLUDE = "!include"  # octoDNS's tag: the node is what another file holds

# What YAML 1.1 allows in a stream (§5.1), without its three rare line breaks: editors do not show them, and
# what follows one in a comment would be read.
_FORBIDDEN = "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_FORBIDDEN_ASCII = re.compile("[^\t\n\r\x20-\x7e]")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same events, ten times slower, without libyaml
NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_TAGS = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(_TAGS + kind for kind in ("str", "int", "float", "bool", "null", "map", "seq"))


@cache
def _forbidden() -> re.Pattern[str]:
    """Return the pattern of what is not allowed. To make it takes longer than to read most files."""
    return re.compile(_FORBIDDEN)


class YamlFault(Exception):  # noqa: N818 - a fault becomes a Finding or a ConfigError, it is neither
    """The text is not YAML that is read here. `rule` is a finding's rule id, `line` and `column` from 1.

    `file`: the included file it is in, empty for the one that was given.
    """

    def __init__(self, rule: str, message: str, advice: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.advice = advice
        self.line = line
        self.column = column
        self.file = ""


class Scalar(NamedTuple):
    """A leaf: its text, where it begins, and whether it was written without quotes."""

    text: str
    line: int
    column: int
    plain: bool = True
    file: str = ""

    @property
    def is_null(self) -> bool:
        """True for a value that is left empty, or written `null` or `~` without quotes."""
        return self.plain and self.text in NULLS


_scalar = partial(tuple.__new__, Scalar)  # from its fields; half the time of the class itself


@dataclass(slots=True)
class Sequence:
    """A list. `size` counts it and all nodes below, aliases expanded."""

    line: int
    column: int
    items: list[Node] = field(default_factory=list)
    size: int = 1
    file: str = ""


@dataclass(slots=True)
class Mapping:
    """Keys are text. `repeated` holds keys that came again: the first one counts, all are findings.

    `merged`: keys that come from `<<` alone. `replaced`: keys whose value gave way to that of a later `<<`.
    """

    line: int
    column: int
    items: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)
    repeated: list[Scalar] | tuple[()] = ()  # as the next two: made when needed, since most have none
    merged: set[str] | frozenset[str] = frozenset()
    replaced: list[Scalar] | tuple[()] = ()
    size: int = 1
    file: str = ""

    def merge(self, others: list[Mapping], *, in_place: bool) -> None:
        """Take over what `<<` names, under what the mapping says itself (YAML 1.1 merge key).

        `in_place`: what stands above `<<` gives way to it, as in octoDNS's own reader.
        """
        merged = self.merged if isinstance(self.merged, set) else set()
        replaced = self.replaced or []
        for other in reversed(others) if in_place else others:
            for text, pair in other.items.items():
                if text not in self.items:
                    merged.add(text)
                elif not in_place:
                    continue
                elif text not in merged and not _same(self.items[text][1], pair[1]):
                    replaced.append(self.items[text][0])
                self.items[text] = pair
        self.merged, self.replaced = merged, replaced

    def get(self, key: str) -> Node | None:
        """Return the value of `key`, or None."""
        found = self.items.get(key)
        return None if found is None else found[1]


Node = Scalar | Sequence | Mapping


def _same(one: Node, other: Node) -> bool:
    """True for the same node, or the same text."""
    return one is other or (isinstance(one, Scalar) and isinstance(other, Scalar) and one.text == other.text)


def decode(data: bytes) -> str:
    """Return the text of a UTF-8 file without its BOM. Raises YamlFault with the place of a bad octet."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        raise YamlFault(
            "file-encoding",
            f"octet 0x{data[error.start]:02x} is not UTF-8",
            "save the file as UTF-8",
            line,
            len(before) - (before.rfind(b"\n") + 1) + 1,
        ) from None


# Reads what `!include NAME` in a file means: returns path and octets. The file is named by its path, empty
# for the one that was given to `compose`. Raises YamlFault without a place.
Includer = Callable[[str, str], tuple[str, bytes]]


def compose(data: bytes, include: Includer | None = None, *, merge_in_place: bool = False) -> Node | None:
    """Return the one document in `data`, or None where it is empty. Raises YamlFault, and nothing else.

    `merge_in_place`: see `Mapping.merge`.
    """
    return _compose(data, _Inclusions(include, merge_in_place), "")


@dataclass(slots=True)
class _Inclusions:
    """The files that are being read, and how much of them there has been."""

    read: Includer | None
    merge_in_place: bool
    open: list[str] = field(default_factory=list)
    count: int = 0
    octets: int = 0
    aliased: int = 0  # nodes that aliases added, and files that are included again
    done: dict[str, Node] = field(default_factory=dict)  # files that were read, by path
    paths: dict[tuple[str, str], str] = field(
        default_factory=dict
    )  # of what files name: those that were read

    def again(self, node: Node, event: _Event, what: str) -> Node:
        """Return a node that stands elsewhere already. Raises YamlFault where that is done too often."""
        self.aliased += 1 if isinstance(node, Scalar) else node.size
        if self.aliased > MAX_ALIASED:
            raise _fault("yaml-alias", f"{what} expand to over {MAX_ALIASED} nodes", "write it out", event)
        return node


def _compose(data: bytes, inclusions: _Inclusions, file: str) -> Node | None:
    if len(data) > MAX_BYTES:
        message = f"{len(data)} octets, at most {MAX_BYTES} are read"
        raise YamlFault("file-too-large", message, "split the zone")
    text = decode(data)
    forbidden = (_FORBIDDEN_ASCII if text.isascii() else _forbidden()).search(text)
    if forbidden:
        line = text.count("\n", 0, forbidden.start()) + 1
        column = forbidden.start() - (text.rfind("\n", 0, forbidden.start()) + 1) + 1
        what = f"control character U+{ord(forbidden.group()):04X}"
        raise YamlFault("yaml-syntax", what, "remove it, or write it as an escape", line, column)
    builder = _Builder(inclusions, file)
    try:
        return builder.build(_LOADER(text).get_event)
    except yaml.MarkedYAMLError as error:
        raise _syntax_fault(error, builder.broken_text) from None
    except yaml.YAMLError as error:
        raise YamlFault("yaml-syntax", " ".join(str(error).split()), "correct the file") from None


class _Mark(Protocol):
    """A place in the text, from 0."""

    line: int
    column: int


class _Event(Protocol):
    """An event of libyaml. Each kind has some of these; PyYAML's stubs make every one of them optional."""

    start_mark: _Mark
    end_mark: _Mark
    tag: str | None
    anchor: str | None
    style: str | None
    value: str


def _syntax_fault(error: yaml.MarkedYAMLError, broken_text: _Event | None) -> YamlFault:
    """Return the fault with the place to look at: where a quote begins, not where the file ends.

    `broken_text`: the event of the last quoted text that goes over several lines, or None.
    """
    mark = error.problem_mark or error.context_mark
    problem = ", ".join(part for part in (error.context, error.problem) if part)
    if error.context_mark and "quoted scalar" in (error.context or "") and "end of stream" in problem:
        begin = error.context_mark
        message, advice = "the quote that begins here is not closed", "close it where the text ends"
        return YamlFault("yaml-syntax", message, advice, begin.line + 1, begin.column + 1)
    if broken_text is not None and mark and mark.line == broken_text.end_mark.line:
        opened, end = broken_text.start_mark, broken_text.end_mark
        message = (
            f"the quote that begins here is closed only at line {end.line + 1}, and other text follows there"
        )
        advice = "close it where the text ends"
        return YamlFault("yaml-syntax", message, advice, opened.line + 1, opened.column + 1)
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    start = error.context_mark
    if start and "flow" in (error.context or "") and start.line + 1 < line:
        problem += f" (it begins at line {start.line + 1}, column {start.column + 1})"
    return YamlFault("yaml-syntax", problem or "no YAML", _syntax_advice(problem), line, column)


def _syntax_advice(problem: str) -> str:
    if "scanning an alias" in problem:
        return "quote a name or value that begins with `*`: '*'"
    if "tab" in problem or "cannot start any token" in problem:
        return "quote values that begin with a special character, and indent with spaces"
    if "mapping values are not allowed" in problem:
        return "quote a value that holds `: `, and check the indentation"
    return "check the indentation and quotes at and before this line"


class _Builder:
    """Puts nodes together from events with a stack of its own (depth is bounded by MAX_DEPTH)."""

    def __init__(self, inclusions: _Inclusions, file: str) -> None:
        self.inclusions = inclusions
        self.file = file
        self.broken_text: _Event | None = None  # the last event of a quoted text over several lines
        self.open: Sequence | Mapping | None = None  # the innermost that has not ended
        self.key: Scalar | None = None  # of `open`, which waits for its value
        self.anchor: str | None = None  # of `open`
        self.around: list[tuple[Sequence | Mapping | None, Scalar | None, str | None]] = []
        self.anchors: dict[str, Node] = {}
        self.root: Node | None = None
        self.documents = 0

    def build(self, next_event: Callable[[], _Event | None]) -> Node | None:
        while (event := next_event()) is not None:
            kind: type[object] = type(event)
            if kind is yaml.ScalarEvent:
                self._add(self._scalar(event))
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._begin(event)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._end()
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent:
                self.documents += 1
                if self.documents > 1:
                    raise _fault("yaml-syntax", "a second document", "keep one document a file", event)
        return self.root

    def _scalar(self, event: _Event) -> Node:
        mark, style = event.start_mark, event.style
        if style and mark.line != event.end_mark.line and style in "'\"":
            self.broken_text = event
        node: Node = _scalar((event.value, mark.line + 1, mark.column + 1, not style, self.file))
        if event.tag is not None:
            if event.tag == INCLUDE:
                node = self._included(event)
            else:
                _check_tag(event)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def _included(self, event: _Event) -> Node:
        """Return what the file holds that a scalar with the tag `!include` names."""
        state = self.inclusions
        if isinstance(self.open, Mapping) and self.key is None:
            raise _fault("yaml-include", "!include as a key", "include a value", event)
        if state.read is None:
            raise _fault("yaml-include", "!include is not read here", "write the content here", event)
        state.count += 1
        if len(state.open) >= MAX_INCLUDE_DEPTH or state.count > MAX_INCLUDES:
            message = f"!include more than {MAX_INCLUDE_DEPTH} deep, or of more than {MAX_INCLUDES} files"
            raise _fault("yaml-include", message, "include less", event)
        if (known := state.paths.get((event.value, self.file))) in state.done:
            return state.again(state.done[known], event, "files that are included again")
        try:
            path, data = state.read(event.value, self.file)
        except YamlFault as fault:
            raise _fault(fault.rule, fault.message, fault.advice, event) from None
        state.paths[event.value, self.file] = path
        if path in state.open:
            raise _fault("yaml-include", f"{path} includes itself", "break the circle", event)
        if path in state.done:
            return state.again(state.done[path], event, "files that are included again")
        state.octets += len(data)
        if state.octets > MAX_BYTES:
            message = f"!include of over {MAX_BYTES} octets, all in all"
            raise _fault("file-too-large", message, "include less", event)
        state.open.append(path)
        try:
            found = _compose(data, state, path)
        except YamlFault as fault:
            fault.file = fault.file or path
            raise
        state.open.pop()
        state.done[path] = Scalar("", 1, 1, True, path) if found is None else found
        return state.done[path]

    def _begin(self, event: _Event) -> None:
        if event.tag is not None:
            _check_tag(event)
        if len(self.around) >= MAX_DEPTH:
            raise _fault("yaml-depth", f"nested more than {MAX_DEPTH} deep", "flatten this", event)
        if self.key is None and isinstance(self.open, Mapping):
            raise _fault("yaml-key", "a key that is itself a list or mapping", "use plain text keys", event)
        opened: type[object] = type(event)
        mark, kind = event.start_mark, Mapping if opened is yaml.MappingStartEvent else Sequence
        self.around.append((self.open, self.key, self.anchor))
        self.open = kind(mark.line + 1, mark.column + 1, file=self.file)
        self.key, self.anchor = None, event.anchor

    def _end(self) -> None:
        node = self.open
        if node is None:  # the parser closes what it has opened
            return
        if self.anchor is not None:
            self.anchors[self.anchor] = node
        self.open, self.key, self.anchor = self.around.pop()
        self._add(node)

    def _alias(self, event: _Event) -> None:
        node = self.anchors.get(event.anchor or "")
        if node is None:  # libyaml's parser does not check; also met where an alias stands inside its anchor
            raise _fault(
                "yaml-alias", f"alias *{event.anchor} has no anchor before it", "define it first", event
            )
        self._add(self.inclusions.again(node, event, "aliases"))

    def _add(self, node: Node) -> None:
        parent, key = self.open, self.key
        if parent is None:
            self.root = node
        elif isinstance(parent, Sequence):
            parent.items.append(node)
            parent.size += 1 if isinstance(node, Scalar) else node.size
        elif key is not None:
            self.key = None
            parent.size += 1 if isinstance(node, Scalar) else node.size
            if key.text in parent.items or key.text == "<<":
                _put(parent, key, node, self.inclusions.merge_in_place)
            else:
                parent.items[key.text] = (key, node)
        elif isinstance(node, Scalar):
            self.key = node
        else:
            fault = "a key that is itself a list or mapping"
            raise YamlFault("yaml-key", fault, "use plain text keys", parent.line, parent.column)


def _put(parent: Mapping, key: Scalar, node: Node, merge_in_place: bool) -> None:
    if key.text == "<<" and key.plain:
        others = []
        for each in node.items if isinstance(node, Sequence) else [node]:
            if not isinstance(each, Mapping):
                fault = YamlFault(
                    "yaml-key",
                    "`<<` with what is not a mapping",
                    "merge mappings alone",
                    key.line,
                    key.column,
                )
                fault.file = key.file
                raise fault
            others.append(each)
        parent.merge(others, in_place=merge_in_place)
    elif key.text in parent.items and key.text not in parent.merged:
        parent.repeated = parent.repeated or []
        parent.repeated.append(key)
    else:
        if isinstance(parent.merged, set):
            parent.merged.discard(key.text)
        parent.items[key.text] = (key, node)


def _check_tag(event: _Event) -> None:
    if event.tag not in _PLAIN_TAGS and event.tag != "!":
        shown = str(event.tag).replace(_TAGS, "!!")
        raise _fault(
            "yaml-tag", f"tag {shown} is not read", "remove the tag: every value here is text", event
        )


def _fault(rule: str, message: str, advice: str, event: _Event) -> YamlFault:
    return YamlFault(rule, message, advice, event.start_mark.line + 1, event.start_mark.column + 1)
