"""RFC 4035 §3.1: what an authoritative server sends from a signed zone."""

import dns.flags
import dns.message
import dns.rdatatype
import pytest

from tests.conformance.zones import is_authoritative, lines, types


def owners(message, rdtype):
    return sorted(str(one.name) for one in message.authority if dns.rdatatype.to_text(one.rdtype) == rdtype)


def test_section_3_1_without_do_no_dnssec_records(server):
    """A query without DO MUST NOT get RRSIG, DNSKEY or NSEC that it did not ask for."""
    assert types(server.ask("www.nsec.test.").answer) == ["A"]


def test_section_3_1_1_rrsigs_come_with_each_rrset(server):
    """RRSIGs MUST be in the section of the RRset they cover."""
    message = server.ask("chain.nsec.test.", do=True)
    assert types(message.answer) == ["A", "CNAME", "CNAME", "RRSIG A", "RRSIG CNAME", "RRSIG CNAME"]
    assert types(server.ask("nowhere.nsec.test.", do=True).authority).count("RRSIG SOA") == 1


def test_section_3_1_1_message_without_room_for_rrsigs_is_truncated(server):
    """Where RRSIGs of the answer do not fit, TC MUST be set."""
    message = server.ask("nsec.test.", "DNSKEY", stream=False, want_dnssec=True, payload=512)
    whole = server.ask("nsec.test.", "DNSKEY", do=True)
    assert types(whole.answer) == ["DNSKEY", "RRSIG DNSKEY"]
    assert not message.flags & dns.flags.TC
    short = server.ask("large.nsec.test.", "TXT", stream=False, want_dnssec=True, payload=512)
    assert short.flags & dns.flags.TC


def test_section_3_1_3_1_no_data_is_proved_by_the_owners_nsec(server):
    """NODATA: the NSEC that matches the name."""
    message = server.ask("www.nsec.test.", "MX", do=True)
    assert owners(message, "NSEC") == ["www.nsec.test."]


def test_section_3_1_3_1_empty_non_terminal_is_proved_by_the_nsec_before(server):
    """An empty non-terminal has no NSEC: the one that covers it, whose next name is below it."""
    message = server.ask("b.empty.nsec.test.", do=True)
    assert owners(message, "NSEC") == [r"do\.t.nsec.test."]


def test_section_3_1_3_2_name_error_is_proved_for_name_and_wildcard(server):
    """NXDOMAIN: an NSEC that covers the name, and one that covers the wildcard."""
    message = server.ask("wwx.nsec.test.", do=True)
    assert owners(message, "NSEC") == ["nsec.test.", "www.nsec.test."]


def test_section_3_1_3_2_one_nsec_for_both_is_sent_once(server):
    """Where one NSEC proves both, it is there once."""
    message = server.ask("x.www.nsec.test.", do=True)
    assert owners(message, "NSEC") == ["www.nsec.test."]


def test_section_3_1_3_3_wildcard_answer_is_proved_to_be_the_closest(server):
    """An expanded wildcard comes with an NSEC that covers the name; the RRSIG is the wildcard's."""
    message = server.ask("x.wild.nsec.test.", "TXT", do=True)
    assert owners(message, "NSEC") == ["*.wild.nsec.test."]
    (signature,) = [one for one in message.answer if one.rdtype == dns.rdatatype.RRSIG]
    assert signature[0].labels == 3


def test_section_3_1_3_4_wildcard_no_data_is_proved_for_name_and_wildcard(server):
    """Wildcard NODATA: the NSEC of the wildcard, and one that covers the name; once where it is one."""
    message = server.ask("x.wild.nsec.test.", "A", do=True)
    assert owners(message, "NSEC") == ["*.wild.nsec.test."]


def test_section_3_1_4_signed_delegation_comes_with_its_ds(server):
    """A referral MUST have the DS with its RRSIGs, if there is one."""
    assert types(server.ask("a.secure.nsec.test.", do=True).authority) == ["DS", "NS", "RRSIG DS"]


def test_section_3_1_4_unsigned_delegation_comes_with_the_proof(server):
    """If there is no DS, the NSEC that proves so MUST be there; the NS RRset is not signed."""
    message = server.ask("a.sub.nsec.test.", do=True)
    assert types(message.authority) == ["NS", "NSEC", "RRSIG NSEC"]
    assert owners(message, "NSEC") == ["sub.nsec.test."]


def test_section_3_1_4_glue_is_not_signed(server):
    """Glue has no RRSIG."""
    assert "RRSIG A" not in types(server.ask("a.sub.nsec.test.", do=True).additional)


def test_section_3_1_4_1_ds_is_answered_at_the_parents_side(server):
    """A DS query is for the parent, also where the child is served here."""
    message = server.ask("child.plain.test.", "DS")
    assert is_authoritative(message)
    assert [str(one.name) for one in message.authority] == ["plain.test."]
    assert types(server.ask("secure.nsec.test.", "DS", do=True).answer) == ["DS", "RRSIG DS"]


def test_section_3_1_4_1_ds_of_an_apex_without_its_parent_is_no_data(server):
    """Without the parent, the answer comes from the child: no data."""
    message = server.ask("plain.test.", "DS")
    assert (message.rcode(), types(message.authority)) == (0, ["SOA"])


@pytest.mark.parametrize("flag", [dns.flags.AD, dns.flags.CD])
def test_section_3_1_6_ad_and_cd_are_as_an_authoritative_server_has_them(server, flag):
    """AD is clear in our responses; CD is not acted upon."""
    query = dns.message.make_query("www.nsec.test.", "A", want_dnssec=True, payload=1232)
    query.flags |= flag
    message = dns.message.from_wire(server.octets(query.to_wire()))
    assert not message.flags & dns.flags.AD
    assert len(lines(message.answer)) == 3


def test_section_2_5_alias_may_have_rrsig_and_nsec_beside_it(server):
    """Asked for by type, what stands beside a CNAME is answered, not followed."""
    assert types(server.ask("alias.nsec.test.", "NSEC").answer) == ["NSEC"]
