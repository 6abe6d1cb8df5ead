"""Signatures over wire form: taken apart, checked, refused."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataset
import dns.rrset
import pytest

from dnsctl.errors import SigningError
from dnsctl.model.name import from_text
from dnsctl.model.policy import Algorithm, Policy, SignaturePolicy
from dnsctl.model.rrset import RRset, Type, rrset
from dnsctl.model.rrsig import parse
from dnsctl.sign.algorithm import scheme
from dnsctl.sign.rrsig import Header, Validity, is_valid, message
from tests.sign.scenery import NOW, signing_key

ORIGIN = from_text("example.com.")
TEXT = rrset(from_text("a.example.com."), Type.TXT, 300, [b"\x01b", b"\x01a", b"\x02aa"])


def signed(one: RRset, algorithm: Algorithm = Algorithm.ECDSAP256SHA256, labels: int = 3) -> bytes:
    key = signing_key(ORIGIN, algorithm, "csk")
    header = Header(key.public, Validity.of(SignaturePolicy(), NOW)).octets(one, labels)
    return header + scheme(algorithm).signer(key.private)(message(header, one))


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_signature_validates_with_dnspython(algorithm: Algorithm) -> None:
    signature, key = signed(TEXT, algorithm), signing_key(ORIGIN, algorithm, "csk").public
    owner = dns.name.from_text("a.example.com.")
    records = dns.rrset.from_rdata_list(
        owner, 300, [dns.rdata.from_wire("IN", "TXT", one, 0, len(one)) for one in TEXT.rdatas]
    )
    rrsig = dns.rrset.from_rdata_list(
        owner, 300, [dns.rdata.from_wire("IN", "RRSIG", signature, 0, len(signature))]
    )
    dnskey = dns.rdata.from_wire("IN", "DNSKEY", key.rdata, 0, len(key.rdata))
    keys: dict[dns.name.Name, dns.node.Node | dns.rdataset.Rdataset] = {
        dns.name.from_text("example.com."): dns.rdataset.from_rdata_list(300, [dnskey])
    }
    dns.dnssec.validate(records, rrsig, keys, now=NOW.timestamp())


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_any_changed_octet_of_a_signature_is_refused(algorithm: Algorithm) -> None:
    signature, key = signed(TEXT, algorithm), signing_key(ORIGIN, algorithm, "csk").public
    assert is_valid(TEXT, signature, key, NOW)
    for place in {*range(0, 30, 3), parse(signature).start, len(signature) - 1}:
        broken = bytearray(signature)
        broken[place] ^= 0x01
        try:
            assert not is_valid(TEXT, bytes(broken), key, NOW), place
        except SigningError as error:
            assert "malformed" in str(error)  # a label length that leads past the end


def test_changed_record_owner_or_key_is_refused() -> None:
    signature, key = signed(TEXT), signing_key(ORIGIN, Algorithm.ECDSAP256SHA256, "csk").public
    assert not is_valid(TEXT._replace(rdatas=TEXT.rdatas[:2]), signature, key)
    assert not is_valid(TEXT._replace(owner=from_text("b.example.com.")), signature, key)
    assert not is_valid(TEXT._replace(rdtype=99), signature, key)
    other = signing_key(ORIGIN, Algorithm.ECDSAP256SHA256, "csk", 3).public
    assert not is_valid(TEXT, signature, other)
    assert not is_valid(TEXT, signature, dataclasses.replace(key, zone=from_text("com.")))


def test_ttl_that_was_lowered_in_transit_does_not_matter() -> None:
    key = signing_key(ORIGIN, Algorithm.ECDSAP256SHA256, "csk").public
    assert is_valid(TEXT._replace(ttl=17), signed(TEXT), key)


def test_signature_holds_from_inception_to_expiration() -> None:
    key = signing_key(ORIGIN, Algorithm.ECDSAP256SHA256, "csk").public
    signature = signed(TEXT)
    told = parse(signature)
    for moment, wanted in (
        (told.inception - 1, False),
        (told.inception, True),
        (told.expiration, True),
        (told.expiration + 1, False),
    ):
        at = NOW + timedelta(seconds=moment - int(NOW.timestamp()))
        assert is_valid(TEXT, signature, key, at) is wanted, moment


@pytest.mark.parametrize("octets", [b"", b"\0" * 18, b"\0" * 18 + b"\x07exam"])
def test_truncated_signature_is_told(octets: bytes) -> None:
    with pytest.raises(SigningError, match="malformed"):
        parse(octets)


def test_unknown_algorithm_is_refused_with_those_there_are() -> None:
    with pytest.raises(SigningError, match="algorithm 5 is not supported; use one of 8, 13, 14, 15, 16"):
        scheme(5)


def test_expiry_spread_depends_on_name_and_type_only() -> None:
    validity = Validity.of(Policy().signatures, NOW)
    names = [from_text(f"h{number}.example.com.") for number in range(500)]
    spread = [validity.expiration - validity.expires(name, 1) for name in names]
    assert spread == [validity.expiration - validity.expires(name, 1) for name in names]
    assert min(spread) >= 0
    assert max(spread) <= 12 * 3600
    hours = [sum(1 for one in spread if one // 3600 == hour) for hour in range(12)]
    assert min(hours) > 15, "about 42 expected in each hour"
    assert validity.expires(names[0], 1) != validity.expires(names[0], 28)


def test_no_jitter_means_one_expiry() -> None:
    policy = SignaturePolicy(jitter=timedelta(0))
    validity = Validity.of(policy, NOW)
    assert validity.expires(ORIGIN, 1) == validity.expires(ORIGIN, 2) == int(NOW.timestamp()) + 14 * 86400
