"""Manual pages in roff, with the macros of man(7), for groff and mandoc. Does not know what is told."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dnsctl import __version__

_NAMED = re.compile(r"`([^`]+)`")
_ESCAPES = {ord("\\"): r"\e", ord("-"): r"\-", ord("'"): r"\(aq", ord("`"): r"\(ga", ord("^"): r"\(ha"}
_ESCAPES |= {ord("~"): r"\(ti", ord('"'): r"\(dq"}


def title(name: str, section: int) -> list[str]:
    """Return the first line of the page `name` of a section; without a date, so that it is reproducible."""
    return [f'.TH "{plain(name.upper())}" {section} "" "dnsctl {plain(__version__)}" "dnsctl manual"']


def name(page: str, text: str) -> list[str]:
    """Return the section that apropos(1) lists: a page, and what it is about."""
    return [*heading("Name"), rf"{plain(page)} \- {words(text)}"]


def heading(text: str) -> list[str]:
    return [f'.SH "{plain(text.upper())}"']


def paragraph(text: str) -> list[str]:
    """Return a paragraph; what stands between backticks is bold."""
    return [".PP", words(text)]


def term(term: str, text: str) -> list[str]:
    """Return what is explained, and the text that explains it."""
    return [".TP", rf"\fB{plain(term)}\fR", words(text) if text else r"\&"]


def example(lines: Iterable[str]) -> list[str]:
    """Return lines as they are."""
    return [".PP", ".in +4n", ".EX", *(_guarded(plain(each)) for each in lines), ".EE", ".in"]


def words(text: str) -> str:
    """Return a text on one line, with bold for what stands between backticks."""
    parts = _NAMED.split(" ".join(text.split()))
    return _guarded(
        "".join(rf"\fB{plain(each)}\fR" if at % 2 else plain(each) for at, each in enumerate(parts))
    )


def plain(text: str) -> str:
    """Return a text in ASCII, with all escaped that means something to roff (groff_char(7))."""
    return "".join(each if each.isascii() else rf"\[u{ord(each):04X}]" for each in text.translate(_ESCAPES))


def _guarded(line: str) -> str:
    """Return a line that is not a request, whatever it begins with."""
    return rf"\&{line}" if line[:1] in (".", "'", " ") or not line else line
