"""RFC 6840 §4, §5: clarifications of DNSSEC that concern who answers."""

from tests.conformance.zones import types


def test_section_4_3_no_data_is_not_proved_beside_an_alias(server):
    """A validator refuses a bitmap with CNAME: for a type that is not there the alias is followed."""
    assert types(server.ask("alias.nsec3.test.", "NSEC", do=True).answer)[0] == "CNAME"


def test_section_4_4_insecure_delegation_shows_ns_without_soa_and_ds(server):
    """The NSEC at a cut has NS, and neither SOA nor DS."""
    found = [
        one for one in server.ask("a.sub.nsec.test.", do=True).authority if str(one.name) == "sub.nsec.test."
    ]
    text = " ".join(str(one[0]) for one in found)
    assert " NS RRSIG NSEC" in text
    assert "SOA" not in text
    assert " DS" not in text


def test_section_5_7_ad_of_a_query_is_not_answered(server):
    """AD says that data was validated: an authoritative server has validated nothing."""
    assert not server.ask("www.nsec.test.", do=True).flags & 0x0020
