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
    lines = text.replace("\r\n", "\n").split("\n")
    index, end, unclosed = 0, len(lines), 0
    while index < end:
        line = lines[index]
        if not _COMPLEX.search(line):
            index += 1
            tokens = line.split()
            if tokens:
                yield Entry(index, 1 if line[0] not in " \t" else line.index(tokens[0]) + 1, tokens)
            continue
        group = _Group(lines, index)
        if group.fault:
            yield Entry(group.fault_line + 1, group.fault_column + 1, [], group.fault)
            if group.after >= end and group.depth:
                unclosed += 1
                group.after = index + 1 if unclosed < MAX_UNCLOSED else end
            while group.depth and group.after < end and lines[group.after][:1] in (" ", "\t", ")"):
                group.after += 1
        elif group.tokens:
            yield Entry(index + 1, group.column, group.tokens)
        index = group.after


class _Group:
    """One entry over as many lines as its parentheses take. `after`: the line behind it, from 0."""

    def __init__(self, lines: list[str], start: int) -> None:
        self.tokens: list[str] = []
        self.fault = ""
        self.fault_line = self.fault_column = start
        self.column = 1
        self.depth = 0
        self.after = start
        while self.after < len(lines) and not self.fault:
            self._line(lines[self.after])
            self.after += 1
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
        self.fault, self.fault_line, self.fault_column = fault, self.after, column


def _what_is_wrong(character: str) -> str:
    if character == '"':
        return "a quote is left open"
    if character == "\\":
        return "a backslash at the end of the line"
    return f"character U+{ord(character):04X}"
