"""NSEC and NSEC3 chains: the places where signers have gone wrong."""

from __future__ import annotations

import pytest

from dnsctl.errors import SigningError
from dnsctl.model.name import ROOT, Name, from_text, is_subdomain, to_text
from dnsctl.model.nsec3 import next_hash, nsec3_hash
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import Type
from dnsctl.model.type_bitmap import bitmap_types
from dnsctl.model.zone import SignedZone, ValidatedZone
from dnsctl.sign.nsec import next_owner
from dnsctl.sign.signer import sign_zone
from tests.build import validated
from tests.sign.scenery import NOW, SERIAL, TRAPS, keys_for

ORIGIN = from_text("example.com.")


def sign(zone: ValidatedZone, denial: str = "nsec", opt_out: bool = False) -> SignedZone:
    policy = Policy(denial="nsec3" if denial == "nsec3" else "nsec", opt_out=opt_out)
    return sign_zone(zone, keys_for(zone.origin, policy), policy, NOW, SERIAL)


def nsec_types(zone: SignedZone, owner: str) -> set[int]:
    one = zone.get(from_text(owner, zone.origin), Type.NSEC)
    assert one is not None, f"{owner} has no NSEC"
    return set(bitmap_types(next_owner(one.rdatas[0])[1]))


def nsec3_types(zone: SignedZone, owner: str) -> set[int] | None:
    one = zone.nsec3_nodes.get(nsec3_hash(from_text(owner, zone.origin), b"", 0))
    return None if one is None else set(bitmap_types(next_hash(one.rdatas[0])[1]))


def test_wildcard_has_all_of_its_own_types_in_the_bitmap() -> None:
    """The Slack outage of September 2021: a wildcard's bitmap that lacked a type."""
    zone = validated("example.com.", TRAPS)
    assert nsec_types(sign(zone), "*.w") == {Type.TXT, Type.MX, Type.RRSIG, Type.NSEC}
    assert nsec3_types(sign(zone, "nsec3"), "*.w") == {Type.TXT, Type.MX, Type.RRSIG}


def test_apex_bitmap_lists_what_signing_added() -> None:
    added = {Type.SOA, Type.NS, Type.RRSIG, Type.DNSKEY, Type.CDS, Type.CDNSKEY}
    assert nsec_types(sign(validated("example.com.", "")), "@") == {*added, Type.NSEC}
    assert nsec3_types(sign(validated("example.com.", ""), "nsec3"), "@") == {*added, Type.NSEC3PARAM}


def test_bitmap_at_a_cut_hides_what_belongs_to_the_child() -> None:
    zone = validated("example.com.", TRAPS)
    signed = sign(zone)
    assert nsec_types(signed, "secure") == {Type.NS, Type.DS, Type.RRSIG, Type.NSEC}
    assert nsec_types(signed, "insecure") == {Type.NS, Type.RRSIG, Type.NSEC}
    hashes = sign(zone, "nsec3")
    assert nsec3_types(hashes, "secure") == {Type.NS, Type.DS, Type.RRSIG}
    assert nsec3_types(hashes, "insecure") == {Type.NS}


def test_types_over_255_stand_in_their_windows() -> None:
    zone = validated("example.com.", TRAPS)
    assert nsec_types(sign(zone), "unknown") == {256, 257, 65400, Type.RRSIG, Type.NSEC}


def test_empty_non_terminals_have_an_nsec3_without_types() -> None:
    signed = sign(validated("example.com.", TRAPS), "nsec3")
    for owner in (
        "empty.non.terminals",
        "non.terminals",
        "terminals",
        "w",
        "_tcp",
        "insecure.below",
        "below",
    ):
        assert nsec3_types(signed, owner) == set(), owner


@pytest.mark.parametrize("owner", ["ns.insecure", "below.ns.insecure", "under.dname"])
def test_names_below_a_cut_or_dname_are_in_no_chain(owner: str) -> None:
    zone = validated("example.com.", TRAPS)
    assert sign(zone).get(from_text(owner, ORIGIN), Type.NSEC) is None
    assert nsec3_types(sign(zone, "nsec3"), owner) is None


def test_dname_itself_is_in_the_chain() -> None:
    zone = validated("example.com.", TRAPS)
    assert nsec_types(sign(zone), "dname") == {Type.DNAME, Type.RRSIG, Type.NSEC}


def test_opt_out_leaves_insecure_delegations_and_what_leads_only_to_them() -> None:
    signed = sign(validated("example.com.", TRAPS), "nsec3", opt_out=True)
    for owner in ("insecure", "only.insecure.below", "insecure.below", "below"):
        assert nsec3_types(signed, owner) is None, owner
    assert nsec3_types(signed, "secure") == {Type.NS, Type.DS, Type.RRSIG}
    assert {one.rdatas[0][1] for one in signed.nsec3_nodes.values()} == {1}
    parameters = signed.get(ORIGIN, Type.NSEC3PARAM)
    assert parameters is not None
    assert parameters.rdatas == (b"\x01\x00\x00\x00\x00",), "no flag, 0 iterations, no salt"


def test_empty_non_terminal_above_a_secure_name_stays_under_opt_out() -> None:
    zone = validated("example.com.", "a.x NS ns.example.net.\nb.x A 192.0.2.1\n")
    assert nsec3_types(sign(zone, "nsec3", opt_out=True), "x") == set()


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_zone_of_a_single_name_closes_on_itself(denial: str) -> None:
    text = "@ SOA ns.example.net. hostmaster.example.net. 1 2 3 4 5\n@ NS ns.example.net.\n"
    signed = sign(validated("example.com.", text, apex=False), denial)
    assert len(signed.nodes) == 1
    if denial == "nsec":
        link = signed.get(ORIGIN, Type.NSEC)
        assert link is not None
        assert next_owner(link.rdatas[0])[0] == ORIGIN
    else:
        ((digest, link),) = signed.nsec3_nodes.items()
        assert next_hash(link.rdatas[0])[0] == digest


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_root_zone_is_signed(denial: str) -> None:
    text = ". SOA ns.example. hostmaster.example. 1 2 3 4 5\n. NS ns.example.\nexample. NS ns.example.\n"
    text += "ns.example. A 192.0.2.53\nex.ample. TXT x\n"
    signed = sign(validated(".", text, apex=False), denial)
    if denial == "nsec":
        walked, owner = [], ROOT
        while owner not in walked:
            walked.append(owner)
            link = signed.get(owner, Type.NSEC)
            assert link is not None
            owner = next_owner(link.rdatas[0])[0]
        assert [to_text(one) for one in walked] == [".", "ex.ample.", "example."]
    else:
        names = (".", "ample.", "ex.ample.", "example.")
        assert set(signed.nsec3_nodes) == {nsec3_hash(from_text(one), b"", 0) for one in names}
        assert all(is_subdomain(one.owner, ROOT) for one in signed.nsec3_nodes.values())


def test_zone_name_too_long_for_hashes_is_refused_with_advice() -> None:
    origin = Name((b"\x3f" + b"a" * 63) * 3 + b"\x1f" + b"b" * 31 + b"\0")
    text = "@ SOA ns.example.net. hostmaster.example.net. 1 2 3 4 5\n@ NS ns.example.net.\n"
    zone = validated(to_text(origin), text, apex=False)
    sign(zone)
    with pytest.raises(SigningError, match=r"no room .*; use `denial: nsec`"):
        sign(zone, "nsec3")
