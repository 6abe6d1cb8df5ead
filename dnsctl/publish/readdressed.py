"""Other addresses for ALIAS in a zone that is served: the rest of it stays as it is.

Begins from the image of what is released, as a renewal does: no zone file is read, and nothing that a person
wrote since can come along. The next push of the same commit, with the same addresses, finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from dnsctl.image.reader import Reader
from dnsctl.model.name import Name, canonical_key
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import RRset
from dnsctl.model.zone import ValidatedZone
from dnsctl.publish.intent import ZoneIntent
from dnsctl.publish.renewal import as_served, served_data, usable
from dnsctl.publish.source import followed
from dnsctl.sign.keystore import Keystore


class Addresses(NamedTuple):
    """What an owner is to have of `types`: `rrsets`, and nothing else of them."""

    owner: Name
    types: Collection[int]
    rrsets: tuple[RRset, ...]


def differs(parent: Reader, origin: Name, wanted: Addresses) -> bool:
    """True where the zone is served with other addresses than those, or another TTL."""
    coming = {one.rdtype: (one.ttl, one.rdatas) for one in wanted.rrsets}
    for rdtype in wanted.types:
        one = parent.get(wanted.owner, rdtype, origin)
        if coming.get(rdtype) != (None if one is None else (one.ttl, one.rdatas)):
            return True
    return False


def readdressed(
    parent: Reader, keystore: Keystore, origin: Name, wanted: Iterable[Addresses], policy: Policy | None
) -> tuple[ZoneIntent | None, str]:
    """Return the served zone with `wanted`; or None, and why it cannot be signed.

    `policy`: of the release, None where the zone is not signed here.
    """
    entry = parent.zone(origin)
    if entry is None:
        return None, "it is not served"
    served = parent.signed_zone(origin)
    before = ValidatedZone(origin, dict(served_data(served)))
    nodes = dict(before.nodes)
    for each in wanted:
        kept = (one for one in nodes.get(each.owner, ()) if one.rdtype not in each.types)
        nodes[each.owner] = tuple(sorted((*kept, *each.rrsets), key=lambda one: one.rdtype))
    after = ValidatedZone(origin, {owner: nodes[owner] for owner in sorted(nodes, key=canonical_key)})
    signed_by = policy if entry.signed else None
    source = followed(entry.source, before, after, signed_by)
    if signed_by is None:
        return (None, "it is not signed here") if entry.signed else (ZoneIntent(after, source=source), "")
    keys, fault = usable(keystore, parent, origin)
    return (
        (None, fault) if fault else (ZoneIntent(after, as_served(signed_by, served, keys), source=source), "")
    )
