"""What zone cuts and DNAMEs hide: one walk over the owners, and a look at any name, say the same."""

from hypothesis import given
from hypothesis import strategies as st

from dnsctl.model.name import Name, from_labels, from_text, labels
from dnsctl.model.occlusion import (
    Standing,
    cut_owners,
    denied_types,
    dname_owners,
    is_authoritative,
    topmost,
    walk,
)
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.zone import Zone, nodes_of

ORIGIN = from_text("example.")
RDATA = {
    Type.NS: b"\x03ns1\x00",
    Type.DNAME: b"\x05other\x00",
    Type.A: b"\xc0\x00\x02\x01",
    Type.DS: bytes(36),
}


def zone(*written: str) -> Zone:
    """Return a zone of lines `OWNER TYPE…`, owners relative to the apex, which has NS."""
    made = [rrset(ORIGIN, Type.NS)]
    for line in written:
        owner, *types = line.split()
        name = ORIGIN if owner == "@" else from_text(owner, ORIGIN)
        made += [rrset(name, Type[each]) for each in types]
    return Zone(ORIGIN, nodes_of(made))


def rrset(owner: Name, rdtype: Type) -> RRset:
    return RRset(owner, rdtype, 300, (RDATA[rdtype],))


def walked(given_: Zone) -> dict[str, tuple[Standing, str | None]]:
    shown = lambda name: b".".join(labels(name)[:-1]).decode() or "@"  # noqa: E731
    return {
        shown(owner): (standing, None if above is None else shown(above))
        for owner, _, standing, above in walk(given_.origin, given_.nodes)
    }


def test_ns_below_the_apex_makes_a_cut_and_what_is_below_it_is_occluded():
    found = walked(zone("sub NS DS", "ns.sub A", "subway A"))
    assert found == {
        "@": (Standing.DATA, None),
        "sub": (Standing.CUT, None),
        "ns.sub": (Standing.OCCLUDED, "sub"),
        "subway": (Standing.DATA, None),
    }


def test_of_two_cuts_above_a_name_the_topmost_counts():
    found = walked(zone("sub NS", "deep.sub NS", "www.deep.sub A", "z A"))
    assert found["deep.sub"] == (Standing.OCCLUDED, "sub")
    assert found["www.deep.sub"] == (Standing.OCCLUDED, "sub")
    assert found["z"] == (Standing.DATA, None)


def test_a_dname_occludes_what_is_below_it_and_its_owner_is_data():
    found = walked(zone("old DNAME A", "www.old A", "sub.old NS"))
    assert found["old"] == (Standing.DATA, None)
    assert found["www.old"] == (Standing.OCCLUDED, "old")
    assert found["sub.old"] == (Standing.OCCLUDED, "old")


def test_a_dname_at_the_apex_occludes_all_other_names():
    found = walked(zone("@ DNAME", "www A", "sub NS"))
    assert found["@"] == (Standing.DATA, None)
    assert found["www"] == (Standing.OCCLUDED, "@")
    assert found["sub"] == (Standing.OCCLUDED, "@")


def test_an_owner_above_the_apex_hides_nothing():
    apex = from_text("zone.example.")
    nodes = nodes_of(
        [rrset(ORIGIN, Type.NS), rrset(apex, Type.NS), rrset(from_text("www.zone.example."), Type.A)]
    )
    assert [standing for _, _, standing, _ in walk(apex, nodes)] == [Standing.DATA] * 3


def test_below_a_cut_a_name_that_does_not_exist_is_occluded_too():
    found = zone("sub NS", "old DNAME")
    assert found.occluder(from_text("a.b.sub.example.")) == from_text("sub.example.")
    assert found.occluder(from_text("a.old.example.")) == from_text("old.example.")
    assert found.occluder(from_text("sub.example.")) is None
    assert found.occluder(from_text("other.example.")) is None


def test_at_a_cut_only_ds_and_its_denial_are_authoritative():
    at_cut = {each for each in Type if is_authoritative(each, Standing.CUT)}
    assert at_cut == {Type.DS, Type.NSEC}
    assert not any(is_authoritative(each, Standing.OCCLUDED) for each in Type)
    assert all(is_authoritative(each, Standing.DATA) for each in Type)
    node = zone("sub NS DS A").nodes[from_text("sub.example.")]
    assert denied_types(node, Standing.CUT) == (Type.NS, Type.DS)


_NAMES = st.lists(st.sampled_from([b"a", b"b", b"*"]), max_size=4).map(
    lambda drawn: Name(from_labels(drawn)[:-1] + ORIGIN)
)


@given(st.dictionaries(_NAMES, st.sets(st.sampled_from([Type.NS, Type.DNAME, Type.A]), min_size=1)))
def test_the_walk_and_the_look_upwards_agree_on_every_owner(drawn: dict[Name, set[Type]]):
    nodes = nodes_of(rrset(owner, rdtype) for owner, types in drawn.items() for rdtype in types)
    rrsets = [one for node in nodes.values() for one in node]
    cuts, dnames = cut_owners(ORIGIN, rrsets), dname_owners(rrsets)
    for owner, _, standing, above in walk(ORIGIN, nodes):
        assert above == topmost(owner, ORIGIN, cuts, dnames)
        assert (standing is Standing.OCCLUDED) == (above is not None)
        assert (standing is Standing.CUT) == (above is None and owner in cuts)
