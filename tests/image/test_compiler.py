"""Compiling: what it holds beside the nodes that come out."""

import tracemalloc

import pytest

from dnsctl.image.compiler import compile_zone
from dnsctl.model.name import Name, from_text
from dnsctl.model.nsec3 import nsec3_owner
from dnsctl.model.packed import Packed, nsec3_unpacker, pack, unpack
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.zone import Nsec3Parameters, SignedZone

ORIGIN = from_text("example.com.")
SOA = RRset(ORIGIN, Type.SOA, 300, (ORIGIN + ORIGIN + bytes(20),))
COUNT = 2000
SIGNATURES = (bytes(97),)


def packed_zone(denial: str) -> SignedZone:
    nodes, hashes = {ORIGIN: pack((SOA,))}, {}
    for number in range(COUNT):
        if denial == "nsec":
            owner = Name(b"\x05h%04d" % number + ORIGIN)
            nodes[owner] = pack((RRset(owner, Type.A, 300, (bytes(4),), None, SIGNATURES),))
        else:
            digest = number.to_bytes(20, "big")
            one = RRset(nsec3_owner(digest, ORIGIN), Type.NSEC3, 300, (bytes(50),), None, SIGNATURES)
            hashes[digest] = pack((one,))
    made = Packed(hashes, nsec3_unpacker(ORIGIN))
    return SignedZone(ORIGIN, Packed(nodes, unpack), 1, True, Nsec3Parameters(), made)


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_rrsets_of_a_packed_zone_are_never_in_memory_all_at_once(denial: str) -> None:
    zone = packed_zone(denial)
    compile_zone(zone)  # fills the caches
    tracemalloc.start()
    try:
        compiled = compile_zone(zone)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(compiled.owners) + len(compiled.hashes) == COUNT + 1
    assert peak - held < 100 * COUNT  # an RRset takes 400 octets and more
