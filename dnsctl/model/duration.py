"""Durations as people write them: `90s 30m 2h 14d 2w`, or a bare number of seconds."""

from __future__ import annotations

import re

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(?:\d+[smhdw])+", re.ASCII | re.IGNORECASE)


def parse_seconds(text: str | int) -> int:
    """Return seconds. Raises ValueError with the accepted form for anything else."""
    if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        return text
    if isinstance(text, str) and text.isascii() and text.isdigit():
        return int(text)
    if not isinstance(text, str) or not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration: write 90s, 30m, 2h, 14d or seconds")
    return sum(int(part[:-1]) * _UNITS[part[-1].lower()] for part in re.findall(r"\d+[a-zA-Z]", text))


def to_text(seconds: int) -> str:
    """Return the shortest exact form with one unit: 7200 is `2h`, 90 is `90s`."""
    for unit in "dhm":
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"
