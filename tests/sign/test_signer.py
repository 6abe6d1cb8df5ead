"""sign_zone: what is signed by which key, how long, and what is kept from last time."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from dnsctl.errors import SigningError
from dnsctl.model.key import PublicKey
from dnsctl.model.name import Name, from_text
from dnsctl.model.policy import Algorithm, Policy, SignaturePolicy
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.rrsig import expiration, parse
from dnsctl.model.zone import SignedZone, ValidatedZone
from dnsctl.sign.rrsig import is_valid
from dnsctl.sign.signer import earliest_expiry, sign_zone, unsigned_zone
from tests.build import validated
from tests.sign.scenery import NOW, SERIAL, TRAPS, keys_for, signing_key

ORIGIN = from_text("example.com.")
STANDARD = Policy()
NSEC3 = Policy(denial="nsec3")
SPLIT = Policy(keys="ksk+zsk")


def name(text: str) -> Name:
    return from_text(text, ORIGIN)


def sign(
    zone: ValidatedZone, policy: Policy = STANDARD, previous: SignedZone | None = None, **more: object
) -> SignedZone:
    arguments = {"now": NOW, "serial": SERIAL, **more}
    return sign_zone(zone, keys_for(zone.origin, policy), policy, previous=previous, **arguments)  # type: ignore[arg-type]


def found(zone: SignedZone, owner: str, rdtype: int) -> RRset:
    one = zone.get(name(owner), rdtype)
    assert one is not None, f"{owner} has no {rdtype}"
    return one


def dnskeys(zone: SignedZone) -> dict[int, PublicKey]:
    return {
        (key := PublicKey.of(zone.origin, rdata)).tag: key for rdata in found(zone, "@", Type.DNSKEY).rdatas
    }


def all_rrsets(zone: SignedZone) -> list[RRset]:
    return [*zone.rrsets(), *zone.nsec3_nodes.values()]


def signature_count(zone: SignedZone) -> int:
    return sum(len(one.signatures) for one in all_rrsets(zone))


@pytest.fixture(scope="module")
def traps() -> ValidatedZone:
    return validated("example.com.", TRAPS)


@pytest.mark.parametrize("policy", [Policy(), NSEC3, SPLIT])
def test_every_signature_verifies_with_a_published_key(traps: ValidatedZone, policy: Policy) -> None:
    signed = sign(traps, policy)
    keys = dnskeys(signed)
    for one in all_rrsets(signed):
        for signature in one.signatures:
            assert is_valid(one, signature, keys[parse(signature).tag], NOW), one


def test_serial_is_set_and_soa_signed_with_it(traps: ValidatedZone) -> None:
    signed = sign(traps)
    assert found(signed, "@", Type.SOA).rdatas[0][-20:-16] == SERIAL.to_bytes(4, "big")
    assert signed.serial == SERIAL


def test_soa_expire_is_lowered_to_what_signatures_are_sure_to_last(traps: ValidatedZone) -> None:
    expire = found(sign(traps), "@", Type.SOA).rdatas[0][-8:-4]
    assert int.from_bytes(expire, "big") == 6 * 86400 - 3600  # 7 days at renewal, a day between them, the TTL
    short = Policy(signatures=SignaturePolicy(refresh=timedelta(days=1)))
    assert int.from_bytes(found(sign(traps, short), "@", Type.SOA).rdatas[0][-8:-4], "big") == 39600


def test_inception_lies_a_minute_back_at_least(traps: ValidatedZone) -> None:
    policy = Policy(signatures=SignaturePolicy(inception_offset=timedelta(0)))
    assert parse(found(sign(traps, policy), "@", Type.SOA).signatures[0]).inception == NOW.timestamp() - 60


def test_soa_expire_already_short_enough_is_left(traps: ValidatedZone) -> None:
    long = Policy(signatures=SignaturePolicy(lifetime=timedelta(days=60), refresh=timedelta(days=30)))
    assert int.from_bytes(found(sign(traps, long), "@", Type.SOA).rdatas[0][-8:-4], "big") == 14 * 86400


def test_ksk_signs_keys_and_zsk_the_rest() -> None:
    signed = sign(validated("example.com.", "www A 192.0.2.1\n"), SPLIT)
    roles = {tag: key.is_sep for tag, key in dnskeys(signed).items()}
    for one in signed.rrsets():
        by_ksk = one.rdtype in {Type.DNSKEY, Type.CDS, Type.CDNSKEY}
        assert [roles[parse(each).tag] for each in one.signatures] == [by_ksk], one


def test_cds_and_cdnskey_tell_of_the_ksk_only() -> None:
    signed = sign(validated("example.com.", ""), SPLIT)
    ksk = keys_for(ORIGIN, SPLIT)[0].public
    assert found(signed, "@", Type.CDS).rdatas == (ksk.ds(2),)
    assert found(signed, "@", Type.CDNSKEY).rdatas == (ksk.rdata,)


def test_dnskey_of_another_signer_is_published_too() -> None:
    other = signing_key(ORIGIN, Algorithm.ED25519, "zsk", 9).public
    zone = validated("example.com.", "")
    apex = (*zone.nodes[ORIGIN], RRset(ORIGIN, Type.DNSKEY, 60, (other.rdata,)))
    signed = sign(ValidatedZone(ORIGIN, {**zone.nodes, ORIGIN: apex}))
    assert other.rdata in found(signed, "@", Type.DNSKEY).rdatas
    assert found(signed, "@", Type.CDNSKEY).rdatas == (keys_for(ORIGIN, Policy())[0].public.rdata,)


def test_cds_of_the_operator_stands_alone() -> None:
    withdraw = b"\0\0\0\0\0"  # RFC 8078 §4
    zone = validated("example.com.", "")
    apex = (*zone.nodes[ORIGIN], RRset(ORIGIN, Type.CDS, 60, (withdraw,)))
    signed = sign(ValidatedZone(ORIGIN, {**zone.nodes, ORIGIN: apex}))
    assert found(signed, "@", Type.CDS).rdatas == (withdraw,)


def test_two_keys_with_one_tag_are_refused() -> None:
    key = keys_for(ORIGIN, Policy())[0]
    field = bytearray(key.public.public)
    field[0], field[2] = field[2], field[0]  # the tag is a sum over octets: swapping two high ones keeps it
    twin = PublicKey(ORIGIN, 13, 257, bytes(field))
    assert twin.tag == key.public.tag
    assert twin != key.public
    zone = validated("example.com.", "")
    apex = (*zone.nodes[ORIGIN], RRset(ORIGIN, Type.DNSKEY, 60, (twin.rdata,)))
    with pytest.raises(SigningError, match="share key tag"):
        sign(ValidatedZone(ORIGIN, {**zone.nodes, ORIGIN: apex}))


def test_delegation_is_signed_for_its_ds_and_denial_only(traps: ValidatedZone) -> None:
    signed = sign(traps)
    assert {one.rdtype: bool(one.signatures) for one in signed.nodes[name("secure")]} == {
        Type.NS: False, Type.TXT: False, Type.DS: True, Type.NSEC: True,
    }  # fmt: skip
    assert {one.rdtype: bool(one.signatures) for one in signed.nodes[name("insecure")]} == {
        Type.NS: False, Type.NSEC: True,
    }  # fmt: skip


@pytest.mark.parametrize("owner", ["ns.insecure", "below.ns.insecure", "under.dname"])
def test_glue_and_occluded_names_are_kept_without_signature_or_denial(
    traps: ValidatedZone, owner: str
) -> None:
    for policy in (Policy(), NSEC3):
        node = sign(traps, policy).nodes[name(owner)]
        assert [one.rdtype for one in node] == [one.rdtype for one in traps.nodes[name(owner)]]
        assert not any(one.signatures for one in node)


def test_name_that_ends_like_a_cut_inside_a_label_is_not_below_it() -> None:
    zone = validated("example.com.", "sub NS ns.example.net.\nx\\003sub A 192.0.2.1\n")
    (owner,) = (one for one in zone.nodes if b"x\x03sub" in one)
    assert sign(zone).get(owner, Type.A).signatures


def test_wildcard_signature_leaves_the_asterisk_out_of_its_labels(traps: ValidatedZone) -> None:
    signed = sign(traps)
    assert parse(found(signed, "*.w", Type.TXT).signatures[0]).labels == 3
    assert parse(found(signed, "*", Type.TXT).signatures[0]).labels == 2
    assert parse(found(signed, "www", Type.A).signatures[0]).labels == 3


def test_denial_ttl_is_the_lesser_of_soa_ttl_and_minimum() -> None:
    for soa_ttl, minimum, wanted in ((3600, 300, 300), (60, 300, 60)):
        zone = validated(
            "example.com.",
            f"@ {soa_ttl} SOA ns1 hostmaster 1 7200 1800 1209600 {minimum}\n@ 3600 NS ns.example.net.\n",
            apex=False,
        )
        assert found(sign(zone), "@", Type.NSEC).ttl == wanted
        assert {one.ttl for one in sign(zone, NSEC3).nsec3_nodes.values()} == {wanted}


def test_validity_follows_the_policy_and_expiry_is_spread(traps: ValidatedZone) -> None:
    signed = sign(traps)
    told = [parse(each) for one in signed.rrsets() for each in one.signatures]
    moment = int(NOW.timestamp())
    assert {one.inception for one in told} == {moment - 3600}
    latest = moment + 14 * 86400
    assert all(latest - 12 * 3600 <= one.expiration <= latest for one in told)
    assert len({one.expiration for one in told}) > len(told) * 3 // 4
    assert earliest_expiry(signed) == min(one.expiration for one in told)


def test_policy_whose_signatures_would_be_due_at_once_is_refused() -> None:
    policy = Policy(signatures=SignaturePolicy(lifetime=timedelta(days=7)))
    with pytest.raises(SigningError, match="due as soon as it is made"):
        sign(validated("example.com.", ""), policy)


@pytest.mark.parametrize("policy", [Policy(), NSEC3, SPLIT, Policy(algorithm=Algorithm.ED25519)])
def test_same_input_gives_the_same_octets(traps: ValidatedZone, policy: Policy) -> None:
    assert sign(traps, policy) == sign(traps, policy)


@pytest.mark.parametrize("policy", [STANDARD, NSEC3, SPLIT])
def test_unchanged_zone_keeps_every_signature(traps: ValidatedZone, policy: Policy) -> None:
    before = sign(traps, policy)
    asked: list[tuple[int, int]] = []
    later = NOW + timedelta(days=3)
    after = sign(traps, policy, before, now=later, progress=lambda *step: asked.append(step))
    assert after == before
    assert asked == []


def test_next_serial_costs_one_signature(traps: ValidatedZone) -> None:
    before = sign(traps, NSEC3)
    after = sign(traps, NSEC3, before, serial=SERIAL + 1, now=NOW + timedelta(days=3))
    assert changed(before, after) == {(ORIGIN, Type.SOA)}
    assert is_valid(
        found(after, "@", Type.SOA),
        found(after, "@", Type.SOA).signatures[0],
        keys_for(ORIGIN, NSEC3)[0].public,
    )


def changed(before: SignedZone, after: SignedZone) -> set[tuple[Name, int]]:
    old = {(one.owner, one.rdtype): one.signatures for one in all_rrsets(before)}
    return {
        (one.owner, one.rdtype)
        for one in all_rrsets(after)
        if one.signatures != old.get((one.owner, one.rdtype), ())
    }


def test_added_owner_renews_itself_and_its_neighbour_only() -> None:
    before = sign(validated("example.com.", "a A 192.0.2.1\nc A 192.0.2.3\n"))
    after = sign(validated("example.com.", "a A 192.0.2.1\nb A 192.0.2.2\nc A 192.0.2.3\n"), previous=before)
    assert changed(before, after) == {
        (name("b"), Type.A), (name("b"), Type.NSEC), (name("a"), Type.NSEC),
    }  # fmt: skip


def test_changed_ttl_or_rdata_is_signed_again() -> None:
    before = sign(validated("example.com.", "a A 192.0.2.1\nb 300 A 192.0.2.1\nc A 192.0.2.3\n"))
    after = sign(
        validated("example.com.", "a A 192.0.2.1\nb 301 A 192.0.2.1\nc A 192.0.2.4\n"), previous=before
    )
    assert changed(before, after) == {(name("b"), Type.A), (name("c"), Type.A)}


def test_signature_is_renewed_once_it_enters_the_refresh_window(traps: ValidatedZone) -> None:
    before = sign(traps)
    now = NOW + timedelta(days=7) - timedelta(hours=6)  # jitter: about half have less than 7 days left now
    after = sign(traps, previous=before, now=now)
    due = int((now + timedelta(days=7)).timestamp())
    old = {(one.owner, one.rdtype): one.signatures for one in before.rrsets()}
    renewed = changed(before, after)
    assert renewed == {place for place, each in old.items() if each and expiration(each[0]) <= due}
    assert 0 < len(renewed) < signature_count(before)
    left = earliest_expiry(after)
    assert left is not None
    assert left > due


def test_signature_from_the_future_is_not_kept(traps: ValidatedZone) -> None:
    before = sign(traps, now=NOW + timedelta(days=1))
    after = sign(traps, previous=before, now=NOW)
    assert all(
        parse(each).inception <= int(NOW.timestamp()) for one in after.rrsets() for each in one.signatures
    )


def test_new_key_signs_everything_again(traps: ValidatedZone) -> None:
    before = sign(traps)
    key = signing_key(ORIGIN, Algorithm.ECDSAP256SHA256, "csk", 7)
    after = sign_zone(traps, [key], Policy(), NOW, SERIAL, before)
    assert {parse(each).tag for one in after.rrsets() for each in one.signatures} == {key.public.tag}
    assert after == sign_zone(traps, [key], Policy(), NOW, SERIAL)


def test_signature_of_another_key_with_the_same_tag_is_not_kept() -> None:
    """The .de outage of May 2026: a tag says nothing about which key signed."""
    zone = validated("example.com.", "www A 192.0.2.1\n")
    key = keys_for(ORIGIN, Policy())[0]
    field = bytearray(key.public.public)
    field[0], field[2] = field[2], field[0]
    twin = PublicKey(ORIGIN, 13, 257, bytes(field))
    before = sign(zone)
    apex = tuple(
        one._replace(rdatas=(twin.rdata,)) if one.rdtype == Type.DNSKEY else one
        for one in before.nodes[ORIGIN]
    )
    forged = dataclasses.replace(before, nodes={**before.nodes, ORIGIN: apex})
    after = sign(zone, previous=forged, now=NOW + timedelta(days=3))
    assert {one[:2] for one in all_rrsets(before) if one.signatures} == changed(before, after)


def test_denial_changes_from_nsec_to_nsec3_and_back(traps: ValidatedZone) -> None:
    nsec, nsec3 = sign(traps), sign(traps, NSEC3)
    assert sign(traps, NSEC3, nsec) == nsec3
    assert sign(traps, previous=nsec3) == nsec
    assert not any(one.rdtype == Type.NSEC for one in nsec3.rrsets())
    assert not nsec.nsec3_nodes


def test_signatures_and_denial_of_the_input_are_not_taken_over(traps: ValidatedZone) -> None:
    signed = sign(traps)
    again = ValidatedZone(ORIGIN, signed.nodes)
    moved = sign(again, now=NOW + timedelta(days=1))
    assert moved == sign(ValidatedZone(ORIGIN, traps.nodes), now=NOW + timedelta(days=1))


def test_keys_that_cannot_sign_the_zone_are_refused(traps: ValidatedZone) -> None:
    ksk, zsk = keys_for(ORIGIN, SPLIT)
    for keys in ((), (ksk,), (zsk,)):
        with pytest.raises(SigningError, match="no key signs"):
            sign_zone(traps, keys, Policy(), NOW, SERIAL)
    other = keys_for(from_text("example.net."), Policy())
    with pytest.raises(SigningError, match="not of this zone"):
        sign_zone(traps, other, Policy(), NOW, SERIAL)


def test_private_half_that_does_not_match_its_public_one_is_refused(traps: ValidatedZone) -> None:
    key, other = keys_for(ORIGIN, Policy())[0], signing_key(ORIGIN, Algorithm.ECDSAP256SHA256, "csk", 8)
    with pytest.raises(SigningError, match="does not belong to the DNSKEY"):
        sign_zone(traps, [dataclasses.replace(key, private=other.private)], Policy(), NOW, SERIAL)


def test_unsigned_zone_gets_its_serial_and_nothing_else(traps: ValidatedZone) -> None:
    made = unsigned_zone(traps, SERIAL)
    assert (made.signed, made.serial, made.nsec3) == (False, SERIAL, None)
    assert earliest_expiry(made) is None
    soa = found(made, "@", Type.SOA).rdatas[0]
    assert soa[-20:-16] == SERIAL.to_bytes(4, "big")
    assert int.from_bytes(soa[-8:-4], "big") == 14 * 86400
    assert list(made.nodes) == list(traps.nodes)
    assert [one for one in made.rrsets() if one.rdtype != Type.SOA] == [
        one for one in traps.rrsets() if one.rdtype != Type.SOA
    ]


def test_owners_stay_in_canonical_order_and_types_ascending(traps: ValidatedZone) -> None:
    for policy in (Policy(), NSEC3):
        signed = sign(traps, policy)
        assert list(signed.nodes) == list(traps.nodes)
        assert list(signed.nsec3_nodes) == sorted(signed.nsec3_nodes)
        for node in signed.nodes.values():
            assert [one.rdtype for one in node] == sorted(one.rdtype for one in node)
