"""What is wrong with one zone is told of that zone alone."""

import pytest

from dnsctl.validate.run import validate
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
