"""A zone as it was released last: whole, or read owner by owner where only a few owners are to change."""

from __future__ import annotations

from dnsctl.image.layout import ZoneEntry
from dnsctl.image.nodes import ImageNodes
from dnsctl.image.reader import Reader
from dnsctl.model.facts import Facts
from dnsctl.model.overlay import Overlay
from dnsctl.model.zone import SignedZone, ValidatedZone


def as_served(served: Reader, entry: ZoneEntry, facts: Facts) -> SignedZone:
    """Return the zone with `entry` as it is served, read on demand; `facts`: of what is written in it."""
    nodes = Overlay(ImageNodes(served, entry), {}, facts)
    return SignedZone(entry.origin, nodes, entry.serial, entry.signed, entry.nsec3)


def previous_of(wanted: ValidatedZone, entry: ZoneEntry | None, served: Reader) -> SignedZone | None:
    """Return what `wanted` is compared with; None where `served` has no such zone."""
    if entry is None:
        return None
    nodes = wanted.nodes
    if not isinstance(nodes, Overlay) or not is_over(nodes, entry) or entry.nsec3 is not None:
        return served.signed_zone(entry.origin)
    kept = ImageNodes(served, entry, wanted.file)
    came = (one for node in nodes.changed.values() for one in node)
    gone = (one for owner in nodes.changed for one in kept.get_node(owner))
    return as_served(served, entry, nodes.facts.changed(came, gone))


def is_over(nodes: Overlay, entry: ZoneEntry) -> bool:
    """True where `nodes` change a few owners of the zone with `entry`, as the image has it."""
    return isinstance(nodes.base, ImageNodes) and nodes.base.digest == entry.digest
