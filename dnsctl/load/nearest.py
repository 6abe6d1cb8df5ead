"""The nearest known word to a mistyped one, for messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MAX_WORD = 64  # characters: longer ones are not mistyped keys, and comparing them would take long

SHOWN = 12  # known words shown where none is similar: a line stays a line


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like `word`, or None where none is like it."""
    lower = word[:MAX_WORD].lower()
    by_lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(lower, by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return advice: the nearest known word, or the first of them; "" where none is known."""
    words = sorted(known)
    if not words:
        return ""
    if found := nearest(word, words):
        return f"did you mean {found}?"
    more = len(words) - SHOWN
    return f"known: {', '.join(words[:SHOWN])}" + (f" and {more} more" if more > 0 else "")
