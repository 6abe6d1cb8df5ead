"""Packed nodes: what comes out is what went in, in the same order, however odd."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsctl.model.name import Name, from_text
from dnsctl.model.nsec3 import nsec3_owner
from dnsctl.model.packed import Packed, nsec3_unpacker, pack, unpack
from dnsctl.model.rrset import MAX_TTL, RRset, Type

ORIGIN = from_text("example.com.")
OCTETS = st.lists(st.binary(max_size=300), max_size=4).map(tuple)
RRSETS = st.builds(
    RRset,
    st.just(ORIGIN),
    st.integers(0, 0xFFFF),
    st.integers(0, MAX_TTL),
    OCTETS,
    st.none(),
    OCTETS,
)


@given(st.lists(RRSETS, max_size=5).map(tuple))
def test_what_is_packed_comes_out_the_same(node: tuple[RRset, ...]) -> None:
    assert unpack(ORIGIN, pack(node)) == node


def test_largest_rdata_fits_beside_a_signature() -> None:
    node = (RRset(ORIGIN, Type.TXT, 60, (bytes(0xFFFF),), None, (bytes(0xFFFF),)),)
    assert unpack(ORIGIN, pack(node)) == node


def test_packed_nodes_are_a_mapping_like_any_other_and_cannot_be_changed() -> None:
    owners = [Name(b"\x01" + letter + ORIGIN) for letter in (b"b", b"a")]
    plain = {owner: (RRset(owner, Type.A, 60, (b"\xc0\x00\x02\x01",)),) for owner in owners}
    nodes = Packed({owner: pack(node) for owner, node in plain.items()}, unpack)
    assert nodes == plain
    assert plain == nodes
    assert list(nodes.items()) == list(plain.items())
    assert owners[0] in nodes
    assert nodes.get(ORIGIN) is None
    with pytest.raises(TypeError):
        nodes[ORIGIN] = ()  # type: ignore[index]


def test_nsec3_has_the_owner_that_its_hash_makes() -> None:
    digest = bytes(range(20))
    one = RRset(nsec3_owner(digest, ORIGIN), Type.NSEC3, 300, (b"rdata",), None, (b"signature",))
    hashes = Packed({digest: pack((one,))}, nsec3_unpacker(ORIGIN))
    assert dict(hashes) == {digest: one}
