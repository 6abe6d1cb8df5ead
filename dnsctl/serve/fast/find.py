"""The fast path for one query: from the octets of a plain query to the rest of its answer, without parsing.

Its answers are octet for octet those of the full path: for one question, class IN, no options, for a name
that exists (`existing`) or does not (`missing`). Everything else (empty non-terminals, unusual messages) is
None: left to the full path.
"""

from __future__ import annotations

from typing import Final

from dnsctl.model.name import Name
from dnsctl.model.rrset import Type
from dnsctl.serve.fast.cache import Entry
from dnsctl.serve.fast.existing import existing
from dnsctl.serve.fast.known import Known
from dnsctl.serve.fast.missing import equivalent, missing
from dnsctl.serve.fast.template import AskedZone

_DS: Final = int(Type.DS)


def find(known: Known, raw: bytes, key: bytes) -> Entry | None:
    """Return the answer to a UDP query, or None for the full path.

    `raw`: the query behind its id; `key`: the same in lower case.
    """
    at = key.find(0, 10) + 1  # behind the name
    if not at:
        return None
    below = 11 + key[10]
    if below > at:  # it ends inside its first label
        return None
    label = key[11:below]
    zone = known.asked.get(key[below:at])
    if zone is None or below > zone.stop or 1 in label:
        return _elsewhere(known, raw, key, at)
    form = zone.forms.get(raw[:10] + raw[at:]) or zone.new_form(raw[:10] + raw[at:])
    if form is None:
        return None
    node = zone.prefix + label + b"\0"
    if known.missed:
        return missing(known, zone, form, key, at, node)
    value = known.owner(node)
    if value is None:
        return missing(known, zone, form, key, at, node)
    return existing(known, zone, form, key, at, value)


def _elsewhere(known: Known, raw: bytes, key: bytes, at: int) -> Entry | None:
    """Answer for a name that is not a plain label below the apex, or in a zone not asked for before."""
    name = Name(key[10:at])
    view = known.zones.nearby(name)
    if view is None:
        return None
    zone = known.asked.get(view.origin)
    if zone is None or zone.view is not view:
        zone = known.asked[view.origin] = AskedZone(view, known.make_room)
    form = zone.forms.get(raw[:10] + raw[at:]) or zone.new_form(raw[:10] + raw[at:])
    if form is None or (form.code == _DS and name == view.origin):  # the zone above answers that
        return None
    node = view.key(name)
    value = known.owner(node)
    if value is not None:
        return existing(known, zone, form, key, at, value)
    if view.depth(node) == 1:
        return missing(known, zone, form, key, at, node)
    return equivalent(known, zone, form, key, at, node)
