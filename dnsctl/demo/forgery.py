"""A forged answer: what `dnsctl demo` has `verify` find. Digests included, past all checks of an image.

The one writer of a node's image beside its agent: who can write there has the node.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

from dnsctl.image.compiler import compile_zone
from dnsctl.image.generation import GenerationCounter
from dnsctl.image.store import Image
from dnsctl.model.name import from_text
from dnsctl.model.repo import NodeFiles
from dnsctl.model.rrset import Type
from dnsctl.model.zone import SignedZone
from dnsctl.publish.finish import fill


def forge(state: Path, zone_name: str, owner_name: str, address: str) -> None:
    """Change the IPv4 address of `owner_name` in the image of a node, so that the node serves it."""
    origin, owner = from_text(zone_name), from_text(owner_name)
    forged = IPv4Address(address).packed
    with Image.open(NodeFiles(state).image, readonly=False) as image, image.writer() as writer:
        zone = writer.signed_zone(origin)
        node = tuple(
            each._replace(rdatas=(forged,)) if each.rdtype == Type.A else each for each in zone.nodes[owner]
        )
        nodes = {**zone.nodes, owner: node}
        changed = SignedZone(origin, nodes, zone.serial, zone.signed, zone.nsec3, zone.nsec3_nodes)
        entry = writer.zone(origin)
        source = entry.source if entry else ""
        fill(writer, [compile_zone(changed, source)])
    counter = GenerationCounter(NodeFiles(state).generation)
    counter.advance()
    counter.close()
