"""RFC 2308 §2, §3, §5: name errors, no data, and the SOA that says for how long."""

import pytest

from tests.conformance.zones import is_authoritative, lines

SOA = "plain.test. 300 SOA ns1.plain.test. hostmaster.plain.test. 7 7200 1800 1209600 300"


@pytest.mark.parametrize(("name", "rcode"), [("nowhere.plain.test.", 3), ("www.plain.test.", 0)])
def test_section_3_negative_answers_carry_the_soa(server, name, rcode):
    """Name servers authoritative for a zone MUST include the SOA in the authority section."""
    message = server.ask(name, "TXT")
    assert (message.rcode(), message.answer, is_authoritative(message)) == (rcode, [], True)
    assert lines(message.authority) == [SOA]


def test_section_3_ttl_is_the_lesser_of_minimum_and_the_soas(server):
    """The TTL of this SOA is the minimum of MINIMUM and the TTL of the SOA itself."""
    assert server.ask("nowhere.plain.test.").authority[0].ttl == 300
    assert server.ask("plain.test.", "SOA").answer[0].ttl == 3600


def test_section_2_1_name_error_behind_an_alias_carries_the_soa_of_the_target(server):
    """A name error behind a CNAME has the CNAME in the answer and the SOA in authority."""
    message = server.ask("dangling.plain.test.")
    assert lines(message.answer) == ["dangling.plain.test. 3600 CNAME nowhere.plain.test."]
    assert (message.rcode(), lines(message.authority)) == (3, [SOA])


def test_section_2_2_no_data_is_not_taken_for_a_referral(server):
    """NODATA: NOERROR, no answer, an SOA and no NS in authority."""
    assert lines(server.ask("www.plain.test.", "MX").authority) == [SOA]


def test_section_2_2_1_rcode_of_an_empty_non_terminal_is_noerror(server):
    """A name with names below it exists (RFC 8020 §2 too)."""
    message = server.ask("b.empty.plain.test.")
    assert (message.rcode(), lines(message.authority)) == (0, [SOA])
