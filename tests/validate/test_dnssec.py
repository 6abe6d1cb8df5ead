"""DNSSEC data by hand: refused where we sign, served where somebody else did."""

from dataclasses import replace

import pytest

from dnsctl.model.name import from_text
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.model.rrset import rdata_text
from dnsctl.validate.run import validate
from tests.sign.same_tag import same_tag
from tests.validate.scenes import rules, zone

SIGNATURE = "{} RRSIG {} 13 2 3600 20300101000000 20200101000000 1 example.com. AAAA\n"
DNSKEY = f"@ DNSKEY 257 3 13 {'A' * 86}==\n"


@pytest.mark.parametrize(
    "text",
    [
        SIGNATURE.format("@", "SOA"),
        "@ NSEC ns1 SOA NS\n",
        "@ NSEC3PARAM 1 0 0 -\n",
        "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom NSEC3 1 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR A\n",
        DNSKEY,
    ],
)
def test_dnssec_data_is_refused_where_we_sign_and_fine_where_somebody_did(text: str):
    assert rules(text, signed=True) == {"dnssec-by-hand"}
    assert rules(text, signed=False) == set()


def test_zonemd_by_hand_is_warned_of_and_signed_elsewhere_is_fine():
    zonemd = "@ ZONEMD 1 1 1 " + "AB" * 48 + "\n"
    assert rules(zonemd) == {"zonemd-by-hand"}
    assert rules(zonemd + SIGNATURE.format("@", "ZONEMD")) == set()


def test_two_keys_of_other_signers_that_share_a_tag_are_an_error_where_we_sign():
    one, other, _ = (each.public for each in same_tag(from_text("example.com."), "zsk", 3))
    text = "".join(f"@ DNSKEY {rdata_text(48, each.rdata)}\n" for each in (one, other))
    made = zone("example.com.", text)

    def found(policy: Policy | None):
        return validate({made.origin: made}, lambda _: {}, lambda _: policy).findings

    (told,) = found(Policy(foreign_keys="allow"))
    assert told.rule == "dnskey-tag-shared"
    assert (
        told.message
        == f"2 DNSKEYs of algorithm 13 share key tag {one.tag}: validators take one for the other"
    )
    assert told.position == next(each.position for each in made.nodes[made.origin] if each.rdtype == 48)
    assert found(None) == ()


def test_experimental_algorithm_is_warned_of_once_and_more_so_where_it_signs_alone():
    policy = Policy(algorithm=Algorithm.MLDSA44)
    scope_zone = zone("example.com.", "www A 192.0.2.1\n")
    told = validate({scope_zone.origin: scope_zone}, lambda _: {}, lambda _: policy).findings
    assert [each.message for each in told if each.rule == "algorithm-experimental"] == [
        "policy standard signs with MLDSA44 (18), which is experimental: validators "
        "that do not know it treat the zone as insecure, and most answers need TCP"
    ]
    beside = replace(Policy(), beside=Algorithm.MLDSA44)
    told = validate({scope_zone.origin: scope_zone}, lambda _: {}, lambda _: beside).findings
    assert [each.message for each in told if each.rule == "algorithm-experimental"] == [
        "policy standard signs with MLDSA44 (18), which is experimental: most answers need TCP"
    ]
    settled = validate({scope_zone.origin: scope_zone}, lambda _: {}, lambda _: Policy()).findings
    assert "algorithm-experimental" not in {each.rule for each in settled}
