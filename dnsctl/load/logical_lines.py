r"""Master-file text cut into entries (RFC 1035 §5.1): parentheses, comments, quotes, escapes; with positions.

Tokens keep their quotes and escapes. What is wrong with an entry is told in its place, and reading goes on
with the next one: behind a group that was left open, that is the next line that begins with a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_UNCLOSED = 20  # parentheses that are never closed: each is looked for to the end of the file

_COMPLEX = re.compile(r'[^\x20-\x7e\t]|["();\\]')
_SCAN = re.compile(
    r"[ \t]+|;.*|[()]|"
    r'((?:"[^"\\\x00-\x08\x0a-\x1f\x7f]*(?:\\.[^"\\\x00-\x08\x0a-\x1f\x7f]*)*"'
    r'|[^\s"();\\\x00-\x1f\x7f]|\\.)+)'
)


class Entry(NamedTuple):
    """A logical line: where it begins (past column 1: its owner is blank), its tokens or its fault."""

    line: int
    column: int
    tokens: list[str]
    fault: str = ""


def entries(text: str) -> Iterator[Entry]:
    """Give the entries of a file in order; those that are empty are left out."""
    lines = _Lines(text.replace("\r\n", "\n"))
    unclosed = 0
    while lines.left:
        number, place = lines.number, lines.place
        line = lines.take()
        if not _COMPLEX.search(line):
            tokens = line.split()
            if tokens:
                yield Entry(number, 1 if line[0] not in " \t" else line.index(tokens[0]) + 1, tokens)
            continue
        behind = lines.number, lines.place
        lines.number, lines.place = number, place
        group = _Group(lines)
        if group.fault:
            yield Entry(group.fault_line, group.fault_column + 1, [], group.fault)
            if group.depth and not lines.left:
                unclosed += 1
                if unclosed >= MAX_UNCLOSED:
                    return
                lines.number, lines.place = behind
            while group.depth and lines.left and lines.begins_with((" ", "\t", ")")):
                lines.take()
        elif group.tokens:
            yield Entry(number, group.column, group.tokens)


class _Lines:
    """The lines of a text, cut one by one: a list of them would take as much memory again as the text.

    `number` and `place` are those of the next line, from 1 and from 0; both may be set back.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.number = 1
        self.place = 0

    @property
    def left(self) -> bool:
        return self.place <= len(self.text)  # behind a last line break there is an empty line

    def take(self) -> str:
        start = self.place
        end = self.text.find("\n", start)
        if end < 0:
            end = len(self.text)
        self.place = end + 1
        self.number += 1
        return self.text[start:end]

    def begins_with(self, signs: tuple[str, ...]) -> bool:
        return self.text.startswith(signs, self.place)


class _Group:
    """One entry over as many lines as its parentheses take; afterwards `lines` is behind it."""

    def __init__(self, lines: _Lines) -> None:
        self.tokens: list[str] = []
        self.fault = ""
        self.fault_line = self.fault_column = 0
        self.column = 1
        self.depth = 0
        start = lines.number
        while lines.left and not self.fault:
            self.fault_line = lines.number
            self._line(lines.take())
            if not self.depth:
                return
        if not self.fault:
            self.fault, self.fault_line, self.fault_column = "a parenthesis is never closed", start, 0

    def _line(self, line: str) -> None:
        position = 0
        while position < len(line):
            found = _SCAN.match(line, position)
            if found is None:
                return self._wrong(_what_is_wrong(line[position]), position)
            if found.lastindex:
                if not self.tokens and line[0] in " \t":
                    self.column = position + 1
                self.tokens.append(found.group())
            elif line[position] == "(":
                self.depth += 1
            elif line[position] == ")":
                self.depth -= 1
                if self.depth < 0:
                    self.depth = 0
                    return self._wrong("a closing parenthesis without an opening one", position)
            position = found.end()
        return None

    def _wrong(self, fault: str, column: int) -> None:
        self.fault, self.fault_column = fault, column


def _what_is_wrong(character: str) -> str:
    if character == '"':
        return "a quote is left open"
    if character == "\\":
        return "a backslash at the end of the line"
    return f"character U+{ord(character):04X}"
