"""RFC 5155 §7.2: which NSEC3 RRsets a response has."""

import base64

import dns.dnssec
import dns.rdatatype
import pytest

from dnsctl.model.nsec3 import nsec3_hash
from dnsctl.serve.zone import denial
from tests.conformance.zones import types

_HEX32 = bytes.maketrans(b"0123456789ABCDEFGHIJKLMNOPQRSTUV", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


def digest(name):
    text = dns.dnssec.nsec3_hash(name, b"", 0, 1)
    return base64.b32decode(text.encode().translate(_HEX32))


def spans(message):
    """Return (hash of the owner, next hash) of each NSEC3 in a response."""
    return [
        (base64.b32decode(one.name.labels[0].upper().translate(_HEX32)), one[0].next)
        for one in message.authority
        if one.rdtype == dns.rdatatype.NSEC3
    ]


def matches(message, name):
    return any(owner == digest(name) for owner, _ in spans(message))


def covers(message, name):
    wanted = digest(name)
    return any(
        owner < wanted < following if owner < following else wanted > owner or wanted < following
        for owner, following in spans(message)
    )


def test_section_7_2_1_closest_encloser_is_proved(server):
    """An NSEC3 that matches the closest encloser and one that covers the next closer name."""
    message = server.ask("a.b.www.nsec3.test.", do=True)
    assert matches(message, "www.nsec3.test.")
    assert covers(message, "b.www.nsec3.test.")


@pytest.mark.parametrize("origin", ["nsec3.test.", "optout.test."])
@pytest.mark.parametrize(("above", "rdtype"), [("", "A"), ("www.", "A"), ("wild.", "A"), ("wild.", "TXT")])
def test_hashes_of_a_denial_are_few_however_long_the_name(server, monkeypatch, origin, above, rdtype):
    hashed = []

    def counted(name: bytes, salt: bytes, iterations: int) -> bytes:
        hashed.append(name)
        return nsec3_hash(name, salt, iterations)

    monkeypatch.setattr(denial, "nsec3_hash", counted)
    short = server.ask(f"a.{above}{origin}", rdtype, do=True)
    few = len(hashed)
    name = "a." * 115 + above + origin
    message = server.ask(name, rdtype, do=True)
    assert len(hashed) == 2 * few <= 6
    assert sorted(spans(message)) == sorted(spans(short))
    assert covers(message, f"a.{above}{origin}")


def test_section_7_2_1_closest_provable_encloser_may_be_further_up(server):
    """With opt-out the closest encloser may have no NSEC3: the closest provable one is proved"""
    name = "a.b.c.only.unsigned.optout.test."
    message = server.ask(name, do=True)
    assert message.rcode() == 3
    assert matches(message, "optout.test.")
    assert not matches(message, "unsigned.optout.test.")
    assert covers(message, "unsigned.optout.test.")


def test_section_7_2_2_name_error_denies_the_wildcard_too(server):
    """And one that covers the wildcard at the closest encloser."""
    message = server.ask("nowhere.nsec3.test.", do=True)
    assert message.rcode() == 3
    assert matches(message, "nsec3.test.")
    assert covers(message, "nowhere.nsec3.test.")
    assert covers(message, "*.nsec3.test.")


@pytest.mark.parametrize("name", ["www.nsec3.test.", "b.empty.nsec3.test."])
def test_section_7_2_3_no_data_is_proved_by_the_match(server, name):
    """The NSEC3 that matches QNAME; empty non-terminals have theirs."""
    message = server.ask(name, "MX", do=True)
    assert len(spans(message)) == 1
    assert matches(message, name)


def test_section_7_2_4_no_data_for_ds_in_an_opt_out_span(server):
    """Without an NSEC3 of its own: the closest provable encloser, and what covers the next closer name."""
    message = server.ask("sub.optout.test.", "DS", do=True)
    assert (message.rcode(), matches(message, "optout.test.")) == (0, True)
    assert covers(message, "sub.optout.test.")


def test_section_7_2_5_wildcard_no_data(server):
    """Closest encloser, next closer name, and the NSEC3 that matches the wildcard."""
    message = server.ask("x.wild.nsec3.test.", "A", do=True)
    assert matches(message, "wild.nsec3.test.")
    assert covers(message, "x.wild.nsec3.test.")
    assert matches(message, "*.wild.nsec3.test.")


def test_section_7_2_6_wildcard_answer(server):
    """Only the NSEC3 that covers the next closer name."""
    message = server.ask("x.y.wild.nsec3.test.", "TXT", do=True)
    assert len(spans(message)) == 1
    assert covers(message, "y.wild.nsec3.test.")


def test_section_7_2_7_referral_to_an_unsigned_zone(server):
    """The NSEC3 that matches the delegation, or the proof of opt-out."""
    assert matches(server.ask("a.sub.nsec3.test.", do=True), "sub.nsec3.test.")
    assert covers(server.ask("a.sub.optout.test.", do=True), "sub.optout.test.")


def test_section_7_2_8_owner_of_an_nsec3_is_no_name(server):
    """Asked for by its owner name, an NSEC3 does not exist."""
    owner = dns.dnssec.nsec3_hash("www.nsec3.test.", b"", 0, 1).lower()
    for rdtype in ("NSEC3", "A"):
        message = server.ask(f"{owner}.nsec3.test.", rdtype, do=True)
        assert (message.rcode(), message.answer) == (3, [])


def test_section_7_3_nsec3param_is_answered_at_the_apex(server):
    """NSEC3PARAM is data of the apex like any other."""
    assert types(server.ask("nsec3.test.", "NSEC3PARAM", do=True).answer) == [
        "NSEC3PARAM",
        "RRSIG NSEC3PARAM",
    ]
