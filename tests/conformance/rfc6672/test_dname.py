"""RFC 6672: DNAME."""

import pytest

from tests.conformance.zones import lines, types


def test_section_2_2_name_below_is_substituted(server):
    """A name below the owner is redirected, its front labels kept."""
    assert "www.old.plain.test. 3600 CNAME www.new.plain.test." in lines(
        server.ask("www.old.plain.test.").answer
    )


def test_section_2_2_too_long_a_name_is_yxdomain(server):
    """YXDOMAIN where the substitution overflows a name; the DNAME is sent."""
    message = server.ask(f"{'x' * 63}.{'y' * 63}.toolong.plain.test.")
    assert (message.rcode(), types(message.answer)) == (6, ["DNAME"])


def test_section_2_3_owner_itself_is_not_redirected(server):
    """The DNAME owner is not redirected itself."""
    message = server.ask("old.plain.test.")
    assert (message.rcode(), message.answer, types(message.authority)) == (0, [], ["SOA"])


def test_section_3_1_cname_is_synthesized_with_the_ttl_of_the_dname(server):
    """A CNAME with the TTL of the DNAME is synthesized, the DNAME MUST come with it."""
    assert lines(server.ask("www.old.plain.test.").answer) == [
        "old.plain.test. 3600 DNAME new.plain.test.",
        "www.new.plain.test. 3600 A 192.0.2.4",
        "www.old.plain.test. 3600 CNAME www.new.plain.test.",
    ]


def test_section_3_2_query_for_the_dname_gets_it(server):
    """QTYPE DNAME at the owner is answered."""
    assert types(server.ask("old.plain.test.", "DNAME").answer) == ["DNAME"]


@pytest.mark.parametrize("origin", ["nsec.test.", "nsec3.test."])
def test_section_5_3_1_synthesized_cname_is_not_signed(server, origin):
    """The DNAME is signed, the CNAME made from it MUST NOT be."""
    found = types(server.ask(f"www.old.{origin}", do=True).answer)
    assert found == ["A", "CNAME", "DNAME", "RRSIG A", "RRSIG DNAME"]
