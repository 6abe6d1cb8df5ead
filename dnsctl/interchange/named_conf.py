"""The zones of BIND's named.conf that have files of their own: those of type primary.

Reads all statements, and knows the meaning of `options { directory }`, `include`, `view` and `zone` alone.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from dnsctl.interchange.elsewhere import Left, Place, Taken, zone_named
from dnsctl.interchange.including import MAX_DEPTH, IncludingFiles, config_fault
from dnsctl.model.name import Name, to_text

# BIND 9.18, "Configuration File Grammar": comments of C, C++ and shells; words, quoted texts, three signs.
_TOKEN = re.compile(
    r"(?P<blank>\s+|//[^\n]*|#[^\n]*|/\*.*?\*/)"
    r'|"(?P<quoted>(?:[^"\\\n]|\\.)*)"|(?P<sign>[{};])|(?P<word>(?!/\*)[^\s{};"]+)',
    re.DOTALL,
)
_OURS = frozenset(("primary", "master"))


@dataclass
class Statement:
    """Words up to `;`, and the statements in its braces. `quoted` words keep no quotes."""

    words: list[str]
    where: str
    inside: list[Statement] = field(default_factory=list)


@dataclass
class _Found:
    zones: dict[Name, list[tuple[Statement, str]]] = field(default_factory=dict)  # with the view's name
    directory: str = ""
    left: list[Left] = field(default_factory=list)


def bind_zones(place: Place, config: str) -> Taken:
    """Return the zones of a named.conf. Raises DnsctlError where it cannot be read."""
    found = _Found()
    base = posixpath.dirname(config)
    statements = _Reader(place, base).read(config)
    for each in statements:
        if each.words[:1] == ["options"]:
            found.directory = _value(each, "directory")
    _collect(statements, "", found)
    directory = place.path(found.directory or ".", base, config)
    taken = [
        place.master_file(_value(zone, "file"), directory, zone.where, origin)
        for origin, zone in _chosen(place, found)
    ]
    return Taken(taken, found.left)


def _value(statement: Statement, name: str) -> str:
    return next(
        (each.words[1] for each in statement.inside if each.words[:1] == [name] and each.words[1:]), ""
    )


def _collect(statements: list[Statement], view: str, found: _Found) -> None:
    for each in statements:
        if each.words[:1] == ["view"] and each.words[1:] and not view:
            _collect(each.inside, each.words[1], found)
        elif each.words[:1] == ["zone"] and each.words[1:]:
            origin = zone_named(each.words[1])
            if origin is None or any(word.lower() in ("ch", "hs") for word in each.words[2:]):
                found.left.append(Left(each.words[1], "is not a name of class IN"))
            else:
                found.zones.setdefault(origin, []).append((each, view))


def _chosen(place: Place, found: _Found) -> Iterator[tuple[Name, Statement]]:
    """Yield the zones to take; say of the others why not."""
    for origin in sorted(found.zones):
        if not place.wants(origin):
            continue
        statements = found.zones[origin]
        zone, _ = statements[0]
        kind = (_value(zone, "type") or "none").lower()
        if len({(_value(each, "type"), _value(each, "file")) for each, _ in statements}) > 1:
            why = (
                f"has different files in the views {', '.join(view or '_default' for _, view in statements)}"
            )
        elif kind not in _OURS:
            why = (
                f"is {kind}" if kind == "without a type" else f"is of type {kind}, and has no file of its own"
            )
        elif not _value(zone, "file"):
            why = "has no file"
        elif _value(zone, "masterfile-format").lower() in ("raw", "map"):
            why = "has a file that is not text: `named-compilezone -f raw -F text` makes one"
        else:
            if any(each.words[:1] in (["update-policy"], ["allow-update"]) for each in zone.inside):
                note = "takes dynamic updates: run `rndc sync` first, so that its file has them"
                found.left.append(Left(to_text(origin), note))
            yield origin, zone
            continue
        found.left.append(Left(to_text(origin), why))


class _Reader:
    """Reads a file and those that it includes, by their paths from `base`."""

    def __init__(self, place: Place, base: str) -> None:
        self.files = IncludingFiles(place)
        self.base = base

    def read(self, path: str) -> list[Statement]:
        """Return the statements of a file. Raises DnsctlError."""
        with self.files.text(path) as text:
            return self._statements(_Tokens(text, path))

    def _statements(self, tokens: _Tokens) -> list[Statement]:
        stack: list[list[Statement]] = [[]]
        current = Statement([], "")
        for sign, text, line in tokens.all():
            where = f"{tokens.file}:{line}"
            if not sign:
                current.where = current.where or where
                current.words.append(text)
            elif sign == "{":
                if len(stack) > MAX_DEPTH:
                    raise config_fault(where, f"braces more than {MAX_DEPTH} deep", "check the braces")
                current.where = current.where or where
                stack[-1].append(current)
                stack.append(current.inside)
                current = Statement([], "")
            elif sign == "}":
                if len(stack) == 1:
                    raise config_fault(where, "a brace is closed that was not opened", "check the braces")
                stack.pop()
            if sign in (";", "}") and current.words:
                stack[-1].extend(self._made(current))
                current = Statement([], "")
        if len(stack) > 1:
            raise config_fault(tokens.file, "a brace is not closed", "check the braces, and the file's end")
        return stack[0]

    def _made(self, statement: Statement) -> list[Statement]:
        """Return a statement, or those of the file that it includes."""
        if statement.words[0] != "include" or len(statement.words) != 2:
            return [statement]
        return self.read(self.files.place.path(statement.words[1], self.base, statement.where))


class _Tokens:
    """Words and signs of a file, with their lines."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file

    def all(self) -> Iterator[tuple[str, str, int]]:
        """Yield sign, text and line of each; the sign of a word is empty. Raises DnsctlError."""
        at, line = 0, 1
        while at < len(self.text):
            found = _TOKEN.match(self.text, at)
            if found is None:
                raise config_fault(f"{self.file}:{line}", "a quote or a comment is not closed", "close it")
            if not found["blank"]:
                yield found["sign"] or "", found["word"] or found["quoted"] or "", line
            line += found[0].count("\n")
            at = found.end()
