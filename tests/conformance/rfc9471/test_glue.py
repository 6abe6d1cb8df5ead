"""RFC 9471: glue is not optional."""

import dns.flags

from tests.conformance.zones import lines


def test_section_3_1_all_in_domain_glue_is_sent(server):
    """All glue for in-domain name servers MUST be in a referral."""
    found = lines(server.ask("a.sub.plain.test.").additional)
    assert "ns.sub.plain.test. 3600 A 192.0.2.2" in found
    assert "ns.sub.plain.test. 3600 AAAA 2001:db8::2" in found


def test_section_3_1_tc_is_set_where_glue_does_not_fit(server):
    """TC=1 MUST be set where not all in-domain glue fits over UDP."""
    small = server.ask("a.wide.plain.test.", stream=False, use_edns=0, payload=1232)
    assert small.flags & dns.flags.TC
    assert len(lines(server.ask("a.wide.plain.test.").additional)) == 40


def test_section_3_2_sibling_glue_is_sent(server):
    """Glue of sibling delegations SHOULD be in a referral."""
    assert "ns.sibling.plain.test. 3600 A 192.0.2.3" in lines(server.ask("a.sub.plain.test.").additional)
