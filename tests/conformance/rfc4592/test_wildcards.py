"""RFC 4592: the zone and the questions of §2.2.1, and what else it says of answers."""

import pytest

from tests.conformance.zones import is_authoritative, lines, types


@pytest.mark.parametrize(
    ("name", "rdtype", "rdata"),
    [
        ("host3", "MX", "10 host1.wildcard.test."),
        ("foo.bar", "TXT", '"this is a wildcard"'),
    ],
)
def test_section_2_2_1_synthesized(server, name, rdtype, rdata):
    """The responses that are synthesized from one of the wildcards."""
    message = server.ask(f"{name}.wildcard.test.", rdtype)
    assert lines(message.answer) == [f"{name}.wildcard.test. 3600 {rdtype} {rdata}"]
    assert is_authoritative(message)


@pytest.mark.parametrize(
    ("name", "rdtype", "rcode"),
    [
        ("host3", "A", 0),  # the wildcard has no A
        ("host1", "MX", 0),  # host1 exists
        ("sub.*", "MX", 0),  # sub.* exists
        ("_telnet._tcp.host1", "SRV", 3),  # _tcp.host1 is the closest encloser
        ("ghost.*", "MX", 3),  # * is the closest encloser
    ],
)
def test_section_2_2_1_not_synthesized(server, name, rdtype, rcode):
    """The responses that are not synthesized from any of the wildcards."""
    message = server.ask(f"{name}.wildcard.test.", rdtype)
    assert (message.rcode(), message.answer, types(message.authority)) == (rcode, [], ["SOA"])


def test_section_2_2_1_delegation_comes_before_the_wildcard(server):
    """`host.subdel` is below a cut: a referral."""
    assert types(server.ask("host.subdel.wildcard.test.").authority) == ["NS"]


def test_section_2_2_2_empty_non_terminal_exists(server):
    """`_tcp.host1` and `host2` exist: no data, and no wildcard in their place."""
    for name in ("_tcp.host1", "host2"):
        message = server.ask(f"{name}.wildcard.test.", "MX")
        assert (message.rcode(), message.answer) == (0, [])


def test_section_2_3_wildcard_asked_by_its_own_name_is_itself(server):
    """The asterisk label in QNAME is not special."""
    assert lines(server.ask("*.wildcard.test.", "MX").answer) == [
        "*.wildcard.test. 3600 MX 10 host1.wildcard.test."
    ]


def test_section_3_3_1_wildcard_stands_for_several_labels(server):
    """The source of synthesis is below the closest encloser, however far up that is."""
    assert lines(server.ask("a.b.c.wild.plain.test.", "TXT").answer) == [
        'a.b.c.wild.plain.test. 3600 TXT "wildcard"'
    ]


def test_section_4_5_wildcard_alias_is_followed(server):
    """A CNAME at a wildcard owner is used, and its target looked up."""
    assert types(server.ask("x.walias.plain.test.", "AAAA").answer) == ["AAAA", "CNAME"]


def test_section_2_2_1_wildcard_names_nothing_outside_its_zone(server):
    """A wildcard of the parent does not reach below a zone cut."""
    assert server.ask("x.sub.plain.test.").answer == []
