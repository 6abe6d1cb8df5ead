"""ML-DSA-44: the example of draft-westerbaan-dnssec-mldsa §6, and signatures that differ at each making."""

from datetime import timedelta

import dns.dnssec
import pytest

from dnsctl.errors import KeystoreError
from dnsctl.model.key import PublicKey
from dnsctl.model.name import from_text
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.model.rrset import Type
from dnsctl.sign.algorithm import KeyFieldError, checker, scheme
from dnsctl.sign.foreign import pem, private_text
from dnsctl.sign.keyfile import parse_private, private_pem
from dnsctl.sign.signer import sign_zone
from dnsctl.verify.chain import trust
from tests.build import validated
from tests.sign.scenery import NOW, SERIAL, TRAPS, keys_for, signing_key

ZONE = from_text("example.com.")
POLICY = Policy(algorithm=Algorithm.MLDSA44)
EXAMPLE = """\
Private-key-format: v1.3
Algorithm: 18 (MLDSA44)
PrivateKey: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
"""
EXAMPLE_DS = "e9b51202812cb1a22af04380e2f72d91c06c14eb1a918cf30037a8a9c67497e9264b4bfa"  # of tag 59829


def test_key_file_of_the_draft_gives_its_tag_and_ds() -> None:
    told = private_text.parse(EXAMPLE, "example")
    public = PublicKey(ZONE, 18, 257, scheme(18).field(told.private))
    assert (public.tag, public.ds().hex(), len(public.public)) == (59829, EXAMPLE_DS, 1312)


def test_no_file_is_made_for_servers_that_do_not_know_the_algorithm() -> None:
    private = signing_key(ZONE, Algorithm.MLDSA44, "csk").private
    with pytest.raises(KeystoreError, match=r"PowerDNS do not know algorithm 18 \(MLDSA44\)") as told:
        private_text.to_text(18, private, {}, "Kexample.com.+018+12345")
    assert (told.value.where, told.value.advice) == (
        "Kexample.com.+018+12345",
        "export it with --format pem",
    )


def test_seed_of_a_wrong_length_is_refused() -> None:
    with pytest.raises(KeystoreError, match="malformed private key"):
        private_text.parse(EXAMPLE.replace("AAECAwQF", ""), "example")


def test_key_in_pem_and_at_rest_is_the_same_key() -> None:
    private = signing_key(ZONE, Algorithm.MLDSA44, "csk").private
    field = scheme(18).field(private)
    algorithm, again = pem.parse(pem.to_octets(private), "key.pem")
    assert (algorithm, scheme(18).field(again)) == (18, field)
    at_rest = private_pem(private, b"correct horse", b"s" * 16)
    assert scheme(18).field(parse_private(at_rest, b"correct horse", "key")) == field
    assert at_rest.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")


@pytest.mark.parametrize("length", [0, 1311, 1313])
def test_key_field_of_another_length_is_no_key(length: int) -> None:
    with pytest.raises(KeyFieldError):
        checker(18, bytes(length))


def test_signatures_differ_at_each_making_so_fresh_ones_are_kept() -> None:
    zone, keys = validated("example.com.", TRAPS), keys_for(ZONE, POLICY)
    first = sign_zone(zone, keys, POLICY, NOW, SERIAL)
    remade = sign_zone(zone, keys, POLICY, NOW, SERIAL)
    assert first.nodes != remade.nodes
    later = NOW + timedelta(hours=1)
    assert sign_zone(zone, keys, POLICY, later, SERIAL, previous=first).nodes == first.nodes


def test_changed_rrset_and_its_denial_alone_are_signed_again() -> None:
    keys = keys_for(ZONE, POLICY)
    first = sign_zone(validated("example.com.", "a A 192.0.2.1\nb A 192.0.2.2\n"), keys, POLICY, NOW, SERIAL)
    changed = validated("example.com.", "a A 192.0.2.9\nb A 192.0.2.2\n")
    then = sign_zone(changed, keys, POLICY, NOW + timedelta(hours=1), SERIAL, previous=first)
    before = {(one.owner, one.rdtype): one.signatures for one in first.rrsets()}
    renewed = {key for one in then.rrsets() if before[key := (one.owner, one.rdtype)] != one.signatures}
    assert renewed == {(from_text("a.example.com."), Type.A)}


def test_zone_signed_beside_13_has_both_signatures_and_dnspython_verifies_them() -> None:
    keys = [*keys_for(ZONE, POLICY), *keys_for(ZONE, Policy())]
    signed = sign_zone(validated("example.com.", "a A 192.0.2.1\n"), keys, POLICY, NOW, SERIAL)
    found = signed.get(from_text("a.example.com."), Type.A)
    assert found is not None
    assert sorted((each[2], len(each)) for each in found.signatures) == [(13, 95), (18, 2451)]
    dnskey = signed.get(ZONE, Type.DNSKEY)
    assert dnskey is not None
    chain = trust(ZONE, dnskey.rdatas, dnskey.signatures, [one.public.ds() for one in keys], NOW)
    assert chain.check(found.owner, Type.A, found.rdatas, found.signatures) is None
    forged = tuple(each[:-1] + bytes([each[-1] ^ 1]) if each[2] == 18 else each for each in found.signatures)
    assert chain.check(found.owner, Type.A, found.rdatas, forged) is not None
    assert dns.dnssec.algorithm_to_text(18) == Algorithm.MLDSA44.name
