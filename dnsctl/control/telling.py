"""How a person hears of what goes on: a line at a time, for a terminal or a log."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str], None]


def tell_nobody(_line: str) -> None:
    """Say nothing."""
