from hypothesis import given
from hypothesis import strategies as st

from dnsctl.model.facts import Facts, facts_of
from dnsctl.model.name import from_text
from dnsctl.model.rrset import RRset, Type, rrset

_OWNERS = [from_text(f"{label}.example.com.") for label in ("a", "b", "*")]
RRSETS = st.lists(
    st.builds(
        rrset,
        st.sampled_from(_OWNERS),
        st.sampled_from([Type.A, Type.TXT, Type.SOA]),
        st.sampled_from([60, 3600]),
        st.lists(st.binary(min_size=1, max_size=4), min_size=1, max_size=3),
    ),
    max_size=6,
)


@given(RRSETS, RRSETS, RRSETS)
def test_facts_after_a_change_are_those_of_what_is_there_then(
    kept: list[RRset], gone: list[RRset], came: list[RRset]
) -> None:
    assert facts_of([*kept, *gone]).changed(gone, came) == facts_of([*came, *kept])


@given(RRSETS, RRSETS)
def test_content_tells_zones_apart_and_not_the_order(one: list[RRset], other: list[RRset]) -> None:
    def data(rrsets: list[RRset]) -> list[RRset]:
        return sorted(each for each in rrsets if each.rdtype != Type.SOA)

    assert (facts_of(one).content == facts_of(other).content) == (data(one) == data(other))
    assert facts_of(reversed(one)) == facts_of(one)


def test_nothing_has_no_ttl() -> None:
    assert facts_of(()) == Facts({}, {}, {}, 0)
    assert facts_of(()).largest_ttl == 0
