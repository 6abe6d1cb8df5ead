"""The zone of a question: which of many zones answers it (RFC 1034 §4.3.2 step 2, RFC 4035 §3.1.4.1).

By plain rules, for code that judges answers. The code that answers has its own rules (`serve.zone.names`).
"""

from __future__ import annotations

from collections.abc import Callable

from dnsctl.model.name import ROOT, Name, ancestors
from dnsctl.model.rrset import Type


def answering_zone(name: Name, rdtype: int, is_apex: Callable[[Name], bool]) -> Name | None:
    """Return the apex of the zone that answers: the nearest at or above `name`; None where there is none.

    The DS of an apex is with the zone above it, where there is one. `is_apex` knows the apexes of all zones.
    """
    own = None
    for above in (name, *ancestors(name, ROOT)):
        if not is_apex(above):
            continue
        if rdtype != Type.DS or above != name:
            return above
        own = above
    return own


def zone_above(apex: Name, is_apex: Callable[[Name], bool]) -> Name | None:
    """Return the apex of the next zone above `apex`; None where there is none."""
    return next((above for above in ancestors(apex, ROOT) if is_apex(above)), None)
