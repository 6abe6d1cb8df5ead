"""The differences between two states of a zone, RRset by RRset, as an operator sees them.

What signing derives is left out: RRSIG, NSEC, NSEC3, NSEC3PARAM, the SOA's serial, and for zones signed here
the apex's DNSKEY, CDS, CDNSKEY and ZONEMD, and what follows the keys of another zone of ours: DS, and
signalling names. Two states without a change here may still differ in those.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from dnsctl.model.name import Name, canonical_key
from dnsctl.model.overlay import Overlay
from dnsctl.model.parental import is_signal
from dnsctl.model.rrset import KEY_TYPES, MADE_BY_SIGNING, RRset, Type
from dnsctl.model.soa import with_expire_at_most, with_serial
from dnsctl.model.zone import Nodes

Kind = Literal["add", "delete", "update"]


class HasNodes(Protocol):
    """A zone in any state."""

    @property
    def origin(self) -> Name: ...
    @property
    def nodes(self) -> Nodes: ...


@dataclass(frozen=True, slots=True)
class RecordChange:
    """One RRset that is added (`before` is None), deleted (`after` is None), or changes TTL or rdata."""

    kind: Kind
    owner: Name
    rdtype: int
    before: RRset | None
    after: RRset | None


@dataclass(frozen=True, slots=True)
class ZoneChanges:
    """Changes in canonical order, and how many RRsets (derived ones left out) there were and will be."""

    records: tuple[RecordChange, ...]
    before: int
    after: int


def zone_changes(
    before: HasNodes | None,
    after: HasNodes | None,
    *,
    signed_here: bool,
    longest_expire: int | None = None,
    derived_ds: Collection[Name] = (),
) -> ZoneChanges:
    """Compare two states of one zone; None where it did not, or will not, exist.

    `signed_here`: at least one of them was or will be signed by us, so DNSKEY, CDS, CDNSKEY and ZONEMD are
    derived, unless `after` brings CDS or CDNSKEY that somebody wrote, or a ZONEMD. `longest_expire`: what
    signing lowers the SOA's expire to, in seconds. `derived_ds`: owners whose DS is derived.
    """
    old, new = (zone.nodes if zone is not None else {} for zone in (before, after))
    origin = next((zone.origin for zone in (before, after) if zone is not None), None)
    at_apex = new.get(origin, ()) if origin is not None else ()
    own = {one.rdtype for one in at_apex if one.position is not None or one.rdtype not in KEY_TYPES}
    derived_at_apex = {*KEY_TYPES, Type.ZONEMD} - (own - {Type.DNSKEY}) if signed_here else set()
    found: list[RecordChange] = []
    counted, totals = [0, 0], None
    owners: Iterable[Name] = old.keys() | new.keys()
    if isinstance(old, Overlay) and isinstance(new, Overlay):  # all other owners are the same
        owners, totals = new.changed, (old.facts.rrsets, new.facts.rrsets)
    for owner in owners:
        made = MADE_BY_SIGNING | derived_at_apex if owner == origin else MADE_BY_SIGNING
        if owner in derived_ds:
            made = made | {Type.DS}
        elif signed_here and is_signal(owner) and all(one.position is None for one in new.get(owner, ())):
            made = made | {Type.CDS, Type.CDNSKEY}
        was = {one.rdtype: one for one in old.get(owner, ()) if one.rdtype not in made}
        will = {one.rdtype: one for one in new.get(owner, ()) if one.rdtype not in made}
        counted[0] += len(was)
        counted[1] += len(will)
        for rdtype in was.keys() | will.keys():
            coming = will.get(rdtype)
            if rdtype == Type.SOA and coming is not None and longest_expire is not None:
                lowered = tuple(with_expire_at_most(each, longest_expire) for each in coming.rdatas)
                coming = coming._replace(rdatas=lowered)
            change = record_change(owner, rdtype, was.get(rdtype), coming)
            if change is not None:
                found.append(change)
    found.sort(key=lambda each: (canonical_key(each.owner), each.rdtype))
    return ZoneChanges(tuple(found), *(totals or counted))


def record_change(owner: Name, rdtype: int, was: RRset | None, will: RRset | None) -> RecordChange | None:
    """Compare two states of one RRset, at least one of which is there; None where they are the same."""
    if was is None:
        return RecordChange("add", owner, rdtype, None, will)
    if will is None:
        return RecordChange("delete", owner, rdtype, was, None)
    same = was.rdatas == will.rdatas or (rdtype == Type.SOA and _same_but_serial(was, will))
    return None if same and was.ttl == will.ttl else RecordChange("update", owner, rdtype, was, will)


def _same_but_serial(was: RRset, will: RRset) -> bool:
    return [with_serial(each, 0) for each in was.rdatas] == [with_serial(each, 0) for each in will.rdatas]
