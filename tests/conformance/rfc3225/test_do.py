"""RFC 3225 §3: the DO bit."""

import dns.flags

from tests.conformance.zones import types


def test_section_3_do_is_copied_into_the_response(server):
    """The DO bit of the query MUST be copied in the response."""
    assert server.ask("www.nsec.test.", do=True).ednsflags & dns.flags.DO
    assert not server.ask("www.nsec.test.", use_edns=0).ednsflags & dns.flags.DO


def test_section_3_dnssec_records_need_do(server):
    """Without DO, no DNSSEC RRs MUST be sent unless explicitly asked for."""
    assert types(server.ask("www.nsec.test.", use_edns=0).answer) == ["A"]
    assert types(server.ask("nowhere.nsec.test.", use_edns=0).authority) == ["SOA"]
    assert types(server.ask("nsec.test.", "DNSKEY").answer) == ["DNSKEY"]
