"""Which wildcard stands for a name that does not exist (RFC 4592 §3.3.1), by plain rules.

What exists is told by the caller, empty non-terminals included (§2.2.2). The code that answers has a way of
its own, and so has `verify`.
"""

from __future__ import annotations

from collections.abc import Callable

from dnsctl.model.name import MAX_NAME, Name, ancestors, wildcard

Exists = Callable[[Name], bool]


def closest_encloser(name: Name, origin: Name, exists: Exists) -> Name:
    """Return the longest ancestor of `name` that exists; at least the apex does."""
    return next((above for above in ancestors(name, origin) if exists(above)), origin)


def covering_wildcard(name: Name, origin: Name, exists: Exists) -> Name | None:
    """Return the wildcard that answers for `name`, which does not exist; None where there is none.

    It may be an empty non-terminal, whose answers have no data.
    """
    encloser = closest_encloser(name, origin, exists)
    if len(encloser) + 2 > MAX_NAME:
        return None
    source = wildcard(encloser)
    return source if exists(source) else None
