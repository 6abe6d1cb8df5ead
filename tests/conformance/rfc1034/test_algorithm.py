"""RFC 1034 §4.3.2: the algorithm of a name server, without recursion."""

import dns.flags

from tests.conformance.zones import is_authoritative, lines


def test_section_3_6_2_alias_is_answered_with_its_target(server):
    """A CNAME is included, and the query restarted at its canonical name."""
    assert lines(server.ask("chain.plain.test.", "AAAA").answer) == [
        "alias.plain.test. 3600 CNAME www.plain.test.",
        "chain.plain.test. 3600 CNAME alias.plain.test.",
        "www.plain.test. 3600 AAAA 2001:db8::1",
    ]


def test_section_3_6_2_question_for_the_alias_itself_is_not_followed(server):
    """A query which matches the CNAME type returns just the CNAME."""
    assert lines(server.ask("chain.plain.test.", "CNAME").answer) == [
        "chain.plain.test. 3600 CNAME alias.plain.test."
    ]


def test_section_3_6_2_alias_loop_ends(server):
    """CNAME loops must not be an error of the server's; each record is sent once."""
    assert len(server.ask("loop1.plain.test.").answer) == 2


def test_section_4_2_1_glue_is_not_authoritative_data(server):
    """Glue is not part of the zone: a question for it is referred to the zone below the cut."""
    message = server.ask("ns.sub.plain.test.", "A")
    assert not is_authoritative(message)
    assert message.answer == []


def test_section_4_3_1_recursion_is_not_offered(server):
    """RA is clear where recursion is not available; RD is copied."""
    message = server.ask("www.plain.test.")
    assert message.flags & dns.flags.RD
    assert not message.flags & dns.flags.RA


def test_section_4_3_2_step_2_nearest_zone_answers(server):
    """The zone which is the nearest ancestor of QNAME answers."""
    assert lines(server.ask("www.child.plain.test.").answer) == ["www.child.plain.test. 3600 A 192.0.2.9"]


def test_section_4_3_2_step_3a_whole_rrset_is_answered(server):
    """All RRs which match QTYPE go into the answer section."""
    message = server.ask("www.plain.test.")
    assert is_authoritative(message)
    assert lines(message.answer) == ["www.plain.test. 3600 A 192.0.2.1", "www.plain.test. 3600 A 192.0.2.2"]


def test_section_4_3_2_step_3b_cut_is_referred_with_glue(server):
    """A match that would leave authoritative data is a referral: NS in authority, glue in additional."""
    message = server.ask("a.sub.plain.test.")
    assert not is_authoritative(message)
    assert message.answer == []
    assert lines(message.authority) == [
        "sub.plain.test. 3600 NS ns.sibling.plain.test.",
        "sub.plain.test. 3600 NS ns.sub.plain.test.",
    ]
    assert len(message.additional) == 3


def test_section_4_3_2_step_3b_data_at_a_cut_is_hidden(server):
    """What stands beside the NS of a delegation is not the parent's to answer."""
    message = server.ask("sub.plain.test.", "TXT")
    assert (is_authoritative(message), message.answer) == (False, [])


def test_section_4_3_2_step_3c_name_that_does_not_exist_is_a_name_error(server):
    """An authoritative name error where neither the name nor a `*` exists."""
    message = server.ask("nowhere.plain.test.")
    assert message.rcode() == 3
    assert is_authoritative(message)


def test_section_4_3_2_alias_out_of_the_zone_is_left_to_the_resolver(server):
    """The answer ends where the next name is in no zone of ours."""
    message = server.ask("outside.plain.test.")
    assert lines(message.answer) == ["outside.plain.test. 3600 CNAME www.elsewhere.test."]
    assert message.rcode() == 0
