"""What the signer of a zone put into it, and what is left of the zone without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from dnsctl.model.rrset import KEY_TYPES, MADE_BY_SIGNING, RRset, Type, type_text
from dnsctl.model.zone import Zone, nodes_of

_AT_APEX = KEY_TYPES | {Type.ZONEMD}  # which a signer keeps at the apex


def unsigned(zone: Zone) -> tuple[Zone, Mapping[str, int]]:
    """Return the zone without signatures, denial, keys and digest; and how many records of each type went."""
    gone: Counter[str] = Counter()
    kept: list[RRset] = []
    for one in zone.rrsets():
        if one.rdtype in MADE_BY_SIGNING or (one.owner == zone.origin and one.rdtype in _AT_APEX):
            gone[type_text(one.rdtype)] += len(one.rdatas)
        else:
            kept.append(one._replace(signatures=()))
        gone[type_text(Type.RRSIG)] += len(one.signatures)
    return replace(zone, nodes=nodes_of(kept)), {kind: gone[kind] for kind in sorted(gone) if gone[kind]}
