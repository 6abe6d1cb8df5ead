"""RFC 2181 §5, §6, §9, §10: RRsets, cuts, truncation, aliases."""

import dns.flags
import dns.message

from tests.conformance.zones import is_authoritative, lines


def test_section_5_1_rrset_is_sent_whole_or_with_tc(server):
    """An RRset is returned whole, or TC is set."""
    message = server.ask("large.plain.test.", "TXT", stream=False)
    assert message.flags & dns.flags.TC or len(message.answer[0]) == 1


def test_section_5_2_ttls_of_an_rrset_are_equal(server):
    """The TTLs of all RRs in an RRset must be the same."""
    wire = server.octets(dns.message.make_query("www.plain.test.", "A").to_wire())
    message = dns.message.from_wire(wire, one_rr_per_rrset=True)
    assert {rrset.ttl for rrset in message.answer} == {3600}


def test_section_5_5_no_record_stands_twice(server):
    """Duplicate RRs are suppressed, also where aliases lead through one DNAME twice."""
    wire = server.octets(dns.message.make_query("old.old.plain.test.", "DNAME").to_wire())
    message = dns.message.from_wire(wire, one_rr_per_rrset=True)
    found = [line for rrset in message.answer for line in lines([rrset])]
    assert len(found) == len(set(found))


def test_section_6_1_parent_is_not_authoritative_for_ns_of_the_child(server):
    """NS of a delegation are not authoritative in the parent."""
    assert not is_authoritative(server.ask("sub.plain.test.", "NS"))


def test_section_9_tc_is_not_set_for_additional_courtesies(server):
    """TC only where required data does not fit: an answer without glue to add has none."""
    message = server.ask("plain.test.", "MX", stream=False)
    assert not message.flags & dns.flags.TC
    assert message.additional == []


def test_section_10_1_1_alias_is_followed_for_every_type_that_is_not_beside_it(server):
    """A CNAME is the only data at its owner but for DNSSEC's."""
    assert lines(server.ask("alias.plain.test.", "TYPE65401").answer) == [
        "alias.plain.test. 3600 CNAME www.plain.test."
    ]
