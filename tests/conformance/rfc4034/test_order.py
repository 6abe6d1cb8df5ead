"""RFC 4034 §2, §3, §4, §6: records of DNSSEC as they are served, and the canonical order."""

import dns.rdatatype

from tests.conformance.zones import lines, types


def test_section_3_rrsig_has_owner_class_and_ttl_of_what_it_covers(server):
    """The TTL of an RRSIG MUST match that of the RRset it covers."""
    found = server.ask("www.nsec.test.", do=True).answer
    assert {(str(one.name), one.ttl) for one in found} == {("www.nsec.test.", 3600)}


def test_section_3_1_5_negative_soa_and_its_rrsig_have_one_ttl(server):
    """So where the SOA of a denial has a TTL of its own."""
    found = server.ask("nowhere.nsec.test.", do=True).authority
    assert {one.ttl for one in found} == {300}


def test_section_4_1_1_last_nsec_names_the_apex(server):
    """The next name of the last NSEC is the apex."""
    found = server.ask("zzz.nsec.test.", do=True).authority
    assert any(one[0].next.to_text() == "nsec.test." for one in found if one.rdtype == dns.rdatatype.NSEC)


def test_section_4_1_2_nsec_lists_the_types_of_its_owner(server):
    """The bitmap of NSEC names each type that is there, NSEC and RRSIG too."""
    assert lines(server.ask("www.nsec.test.", "NSEC").answer)[0].endswith("A AAAA RRSIG NSEC")


def test_section_6_1_order_counts_zero_octets_and_dots_in_labels(server):
    r"""`nul\000l` and `do\.t` stand where their octets sort."""
    for name in (r"nul\000k.nsec.test.", r"do\.s.nsec.test."):
        message = server.ask(name, do=True)
        assert message.rcode() == 3
        assert types(message.authority).count("NSEC") == 2
