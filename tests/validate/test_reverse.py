"""Reverse against forward, where both zones are ours."""

import pytest

from dnsctl.model.name import from_text, to_text
from dnsctl.validate.reverse import address_of, reverse_of
from dnsctl.validate.run import validate
from tests.validate.scenes import verdict, zone

REVERSE = "2.0.192.in-addr.arpa."
NS = (
    "example.com.",
    "ns1 A 192.0.2.1\nns2 A 192.0.2.2\nhost A 192.0.2.9\nhost A 192.0.2.10\nalias CNAME host\n",
)


def told(ptr: str) -> list[tuple[str, str]]:
    """Return rule and message of each finding of a reverse zone with the records `ptr`."""
    apex = "@ SOA ns1.example.com. h.example.com. 1 7200 1800 1209600 300\n"
    apex += "@ NS ns1.example.com.\n@ NS ns2.example.com.\n"
    reverse, forward = zone(REVERSE, apex + ptr, apex=False), zone(*NS)
    made = validate({each.origin: each for each in (reverse, forward)}, lambda _: {}, lambda _: None)
    return [(each.rule, each.message) for each in made.findings if each.zone == reverse.origin]


def test_ptr_to_a_host_with_another_address_is_warned_of():
    [(rule, message)] = told("8 PTR host.example.com.\n")
    assert rule == "ptr-address-differs"
    assert "does not have 192.0.2.8 in example.com." in message


@pytest.mark.parametrize(
    "ptr",
    [
        "9 PTR host.example.com.",
        "10 PTR host.example.com.",
        "8 PTR host.example.net.",
        "8 PTR alias.example.com.",
        "8.0/26 PTR host.example.com.",
        "www PTR host.example.com.",
    ],
)
def test_ptr_that_agrees_or_cannot_be_compared_is_fine(ptr: str):
    assert told(f"{ptr}\n") == []


def test_ptr_to_a_zone_that_was_read_in_part_is_not_judged():
    reverse, part = zone(REVERSE, "8 PTR host.example.com.\n"), zone(*NS)
    made = validate({reverse.origin: reverse}, lambda _: {}, lambda _: None, partial={part.origin: part})
    assert "ptr-address-differs" not in {each.rule for each in made.findings}


def test_host_without_ptr_is_told_where_the_reverse_zone_is_ours_and_the_rule_is_on():
    zones = (
        ("example.com.", "www AAAA 2001:db8::80\nold A 198.51.100.1\n"),
        ("8.b.d.0.1.0.0.2.ip6.arpa.", ""),
    )
    assert "ptr-missing" not in {each.rule for each in verdict(*zones).findings}
    made = verdict(*zones, checks={"ptr-missing": "note"})
    [finding] = [each for each in made.findings if each.rule == "ptr-missing"]
    assert finding.message == "www.example.com. AAAA 2001:db8::80 has no PTR in 8.b.d.0.1.0.0.2.ip6.arpa."
    assert to_text(reverse_of(bytes.fromhex("20010db8" + "0" * 22 + "80"))) in finding.advice


@pytest.mark.parametrize("address", [bytes((192, 0, 2, 1)), bytes(range(16))])
def test_reverse_name_of_an_address_leads_back_to_it(address: bytes):
    assert address_of(reverse_of(address)) == address


@pytest.mark.parametrize(
    "name", ["1.2.0.192.in-addr.arpa.example.com.", "256.2.0.192.in-addr.arpa.", "arpa."]
)
def test_other_names_stand_for_no_address(name: str):
    assert address_of(from_text(name)) is None
