"""RFC 8482: ANY."""

import pytest

from tests.conformance.zones import types


def test_section_4_1_any_gets_one_rrset(server):
    """A responder may answer with one RRset of the name, complete."""
    assert len(server.ask("www.plain.test.", "ANY").answer) == 1


@pytest.mark.parametrize("stream", [True, False])
def test_section_4_4_transport_makes_no_difference_to_us(server, stream):
    """The response may differ by transport; ours is small over both."""
    assert types(server.ask("www.plain.test.", "ANY", stream=stream).answer) == ["A"]


def test_section_4_1_signatures_come_with_do(server):
    """DNSSEC: the RRset comes with its RRSIG, which validates."""
    assert types(server.ask("www.nsec.test.", "ANY", do=True).answer) == ["A", "RRSIG A"]


def test_section_4_3_name_without_data_is_denied_as_ever(server):
    """Names that do not exist are name errors, empty non-terminals no data."""
    assert server.ask("nowhere.plain.test.", "ANY").rcode() == 3
    assert server.ask("b.empty.plain.test.", "ANY").rcode() == 0


def test_section_7_rrsig_is_treated_as_any(server):
    """RRSIG queries: one signed RRset's are enough."""
    assert types(server.ask("www.nsec.test.", "RRSIG", do=True).answer) == ["RRSIG A"]
