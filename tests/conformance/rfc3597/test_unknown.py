"""RFC 3597 §3, §4, §5: types that the server does not know."""

import dns.message

from tests.conformance.zones import lines


def test_section_3_unknown_type_is_served_as_octets(server):
    r"""RRs of unknown type are handled as opaque data."""
    assert lines(server.ask("unknown.plain.test.", "TYPE65400").answer) == [
        r"unknown.plain.test. 3600 TYPE65400 \# 2 abcd"
    ]


def test_section_4_names_in_newer_types_are_not_compressed(server):
    """Only the rdata of RFC 1035's types MUST be compressed: not that of DNAME, RRSIG or NSEC."""
    wire = server.octets(
        dns.message.make_query("www.old.nsec.test.", "A", want_dnssec=True, payload=1232).to_wire()
    )
    assert wire.count(b"\x03new\x04nsec\x04test\x00") == 1
    assert b"\x04nsec\x04test\x00" in wire[wire.index(b"\x00\x2e") :]


def test_section_4_names_in_types_of_rfc_1035_are_compressed(server):
    """And those types' names are."""
    wire = server.octets(dns.message.make_query("plain.test.", "MX").to_wire())
    assert wire.count(b"\x05plain\x04test\x00") == 1
