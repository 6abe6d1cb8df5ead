"""What is wrong with one zone is told of that zone alone."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dnsctl.model.name import from_text
from dnsctl.model.zone import Zone
from dnsctl.validate.run import Beside, validate
from tests.validate.examples import EXAMPLES
from tests.validate.examples.example import Example
from tests.validate.scenes import zone

NEIGHBOUR = (
    '@ MX 10 {0}\n@ TXT "v=spf1 a:{0} mx -all"\n_x._tcp SRV 0 1 9 {0}\nwww HTTPS 1 {0}\nftp CNAME {0}\n'
)


@pytest.mark.parametrize("example", [pytest.param(each, id=rule) for rule, each in EXAMPLES.items()])
def test_fault_of_one_zone_is_not_told_of_its_neighbour(example: Example) -> None:
    broken = zone(example.origin, example.breaks, apex=example.apex)
    leads_there = example.apex and example.origin == "example.com."
    neighbour = zone(
        "example.org.", NEIGHBOUR.format("ns1.example.com." if leads_there else "ns1.example.org.")
    )
    zones = [broken, neighbour, *(zone(*each) for each in example.others if each[0] != "example.org.")]
    made = validate({each.origin: each for each in zones}, lambda _: {}, lambda _: None)
    assert [each for each in made.findings if each.zone == neighbour.origin] == []
    assert neighbour.origin in made.zones


_OWNERS = ("@", "a", "b", "b.a", "c.b.a", "*.a", "*", "a._report._dmarc", "example.org._report._dmarc")
_DATA = (
    "A 192.0.2.1",
    "CNAME b",
    "CNAME b.a",
    "CNAME a.example.org.",
    "NS ns1",
    "DNAME b",
    "MX 10 b",
    'TXT "v=spf1 include:a.example.com -all"',
    'TXT "v=DMARC1"',
    "DS 1 13 2 " + "AB" * 32,
    "CAA 0 issue ca.example.net",
)
_LINES = st.tuples(st.sampled_from(_OWNERS), st.sampled_from(_DATA)).map(lambda each: f"{each[0]} {each[1]}")
_ASKED = ("a", "b", "b.a", "c.b.a", "d.a", "ns1")


def _leading() -> str:
    """Return records that lead to the names of example.com. in every way there is."""
    lines = []
    for number, name in enumerate(f"{each}.example.com." for each in _ASKED):
        lines += [f"m{number} MX 10 {name}", f"c{number} CNAME {name}", f"n{number} NS {name}"]
        lines += [f"_s{number}._tcp SRV 0 1 9 {name}", f"h{number} HTTPS 1 {name} ipv4hint=192.0.2.1"]
        lines += [f"p{number} PTR {name}", f"d{number} DNAME {name}", f"x{number} CNAME y.d{number}"]
        lines += [f's{number} TXT "v=spf1 include:{name} a:{name} mx:{name} redirect={name}"']
        lines += [f'_dmarc.r{number} TXT "v=DMARC1; p=none; rua=mailto:x@{name}"'.replace("com.", "com", 1)]
    return "\n".join(lines) + "\n"


NEIGHBOURS = {
    "beside": zone("example.org.", _leading()),
    "below": zone("a.example.com.", "@ MX 10 b\nb A 192.0.2.1\nwww CNAME c.example.com.\n"),
}


@pytest.mark.parametrize("neighbour", NEIGHBOURS)
@settings(
    max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None
)
@given(lines=st.lists(_LINES, max_size=8, unique=True), data=st.data())
def test_what_cannot_be_read_of_one_zone_makes_no_finding_in_another(
    neighbour: str, lines: list[str], data: st.DataObject
) -> None:
    whole = zone("example.com.", "\n".join(lines) + "\n" if lines else "")
    assume(whole.origin in validate({whole.origin: whole}, lambda _: {}, lambda _: None).zones)
    kept = [each for each in lines if data.draw(st.booleans())]
    part = zone("example.com.", "\n".join(kept) + "\n" if kept else "", apex=data.draw(st.booleans()))
    told = _told(NEIGHBOURS[neighbour], {whole.origin: whole}, {})
    assert _told(NEIGHBOURS[neighbour], {}, {part.origin: part}) - told == Counter()
    assert _told(NEIGHBOURS[neighbour], {}, {}, unread=True) - told == Counter()


def _told(
    neighbour: Zone, zones: dict[bytes, Zone], partial: dict[bytes, Zone], *, unread: bool = False
) -> Counter[tuple[str, str]]:
    """Return what rules tell of `neighbour`, beside example.com. in one of three states."""
    made = validate(
        {neighbour.origin: neighbour, **zones},  # type: ignore[dict-item]
        lambda _: {},
        lambda _: None,
        partial=partial,  # type: ignore[arg-type]
        beside=Beside([from_text("example.com.")] if unread else []),
    )
    return Counter((each.rule, str(each.position)) for each in made.findings if each.zone == neighbour.origin)
