"""RFC 9077 §3: the TTL of NSEC and NSEC3."""

import dns.rdatatype
import pytest


@pytest.mark.parametrize("origin", ["nsec.test.", "nsec3.test.", "optout.test."])
@pytest.mark.parametrize("name", ["nowhere", "b.empty", "x.wild", "a.sub"])
def test_section_3_ttl_is_the_lesser_of_minimum_and_the_soas(server, origin, name):
    """The TTL of NSEC and NSEC3 MUST be the lesser of MINIMUM and the TTL of the SOA."""
    message = server.ask(f"{name}.{origin}", do=True)
    denial = [one for one in message.authority if one.rdtype in (dns.rdatatype.NSEC, dns.rdatatype.NSEC3)]
    assert denial
    assert {one.ttl for one in denial} == {300}
