r"""Master-file text cut into entries (RFC 1035 §5.1): parentheses, comments, quotes, escapes; with positions.

Tokens keep their quotes and escapes. A quoted string may hold line breaks: `quote` of its entry says where
it begins. A fault in an entry is reported at its place, and reading goes on with the next one: after a
group that was left open, that is the next line that begins with a name; behind a quote, the next line.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

MAX_UNCLOSED = 20  # parentheses and quotes that are never closed: each is looked for to the end of the file

_COMPLEX = re.compile(r'[^\x20-\x7e\t]|["();\\]')
_SCAN = re.compile(
    r"[ \t]+|;.*|[()]|"
    r'((?:"[^"\\\x00\n]*(?:\\[^\x00\n][^"\\\x00\n]*)*"'
    r'|[^\s"();\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])+)'
)
_LONG_QUOTE = re.compile(r'"[^"\\\x00]*(?:\\[^\x00][^"\\\x00]*)*"')
_CONTINUES = (" ", "\t", ")")  # how a line begins that belongs to what was left open before it
_CLOSE = "close it, or quote the text; reading goes on at the next entry"


class Entry(NamedTuple):
    """A logical line: where it begins (past column 1: its owner is blank), its tokens or its fault.

    `quote` is line and column of the first quoted string that holds a line break; `lines`: how many it takes.
    """

    line: int
    column: int
    tokens: list[str]
    fault: str = ""
    advice: str = ""
    quote: tuple[int, int] | None = None
    lines: int = 1


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
            yield Entry(group.fault_line, group.fault_column + 1, [], group.fault, group.advice)
            if group.reached_end:
                unclosed += 1
                if unclosed >= MAX_UNCLOSED:
                    return
                lines.number, lines.place = group.behind_quote or behind
            elif group.behind_quote:
                lines.number, lines.place = group.behind_quote
            while group.depth and lines.left and lines.begins_with(_CONTINUES):
                lines.take()
        elif group.tokens:
            taken = lines.number - number
            yield Entry(number, group.column, group.tokens, quote=group.quote, lines=taken)


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
    """One entry over as many lines as its parentheses and quotes take; afterwards `lines` is past it."""

    def __init__(self, lines: _Lines) -> None:
        self.lines = lines
        self.tokens: list[str] = []
        self.fault = self.advice = ""
        self.fault_line = self.fault_column = 0
        self.column = 1
        self.depth = 0
        self.reached_end = False
        self.quote: tuple[int, int] | None = None  # where the first one begins that holds a line break
        self.behind_quote: tuple[int, int] | None = None  # number and place of the line behind that one
        start = lines.number
        while lines.left and not self.fault:
            self._line()
            if not self.depth and not self.fault:
                return
        if not self.fault:
            self.reached_end = True
            self._wrong("a parenthesis is never closed", _CLOSE, start, 0)

    def _line(self) -> None:
        number, start = self.lines.number, self.lines.place
        line = self.lines.take()
        position = 0
        while position < len(line):
            found = _SCAN.match(line, position)
            if found is None:
                if line[position] != '"' or not (quoted := self._long_quote(number, start, position)):
                    return self._wrong(*_what_is_wrong(line[position]), number, position)
                number, start, line, position = quoted
                continue
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
                    return self._wrong(
                        "a closing parenthesis without an opening one", _CLOSE, number, position
                    )
            position = found.end()
        return None

    def _long_quote(self, number: int, start: int, position: int) -> tuple[int, int, str, int] | None:
        """Take a quoted string over several lines; return the last one, and where reading goes on in it."""
        lines = self.lines
        if self.quote is None:
            self.quote = number, position + 1
            self.behind_quote = lines.number, lines.place
        found = _LONG_QUOTE.match(lines.text, start + position)
        if found is None:
            self.reached_end = True
            return None
        if not self.tokens and position:
            self.column = position + 1
        self.tokens.append(found.group())
        end = found.end()
        first = lines.text.rfind("\n", 0, end) + 1
        number += lines.text.count("\n", start, first)
        lines.number, lines.place = number, first
        return number, first, lines.take(), end - first

    def _wrong(self, fault: str, advice: str, line: int, column: int) -> None:
        """Keep a fault; behind a quote over several lines, that quote is what is wrong."""
        if self.quote is not None:
            fault, advice, (line, column) = "a quote is left open", _CLOSE, self.quote
            column -= 1
        self.fault, self.advice, self.fault_line, self.fault_column = fault, advice, line, column


def _what_is_wrong(character: str) -> tuple[str, str]:
    """Return what is wrong with a character outside quotes, and what to do."""
    code = ord(character)
    if character == '"':
        return "a quote is left open", _CLOSE
    if character == "\\":
        return (
            "a backslash at the end of the line, or before a control character",
            r"write \\ for a backslash",
        )
    if character == "\r":
        return "a carriage return inside the line", "end lines with a line feed"
    if character.isspace() and code > 0x7F:
        name = unicodedata.name(character, "").lower() or "blank"
        article = "an" if name[0] in "aeiou" else "a"
        return f"{article} {name} (U+{code:04X})", "write a plain one"
    return f"control character U+{code:04X}", rf"remove it, or write \{code:03d}"
