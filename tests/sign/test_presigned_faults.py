"""What is wrong with a zone that came signed is found, one fault at a time, for NSEC, NSEC3 and opt-out."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from dnsctl.model.finding import Severity
from dnsctl.model.key import PublicKey
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.model.rrset import Type
from dnsctl.model.zone import SignedZone, ValidatedZone, nodes_of
from dnsctl.sign.presigned import Taken, take
from tests.build import validated
from tests.sign.mutations import (
    NSEC,
    NSEC3,
    OPT_OUT,
    ORIGIN,
    POLICIES,
    Mutation,
    Records,
    at_hash,
    bits,
    flipped,
    in_signature,
    name,
    parameters,
    put,
    records_of,
    replaced,
    signed_by,
    signed_too,
    text_of,
    untimely,
    with_flags,
    with_link,
    without_link,
)
from tests.sign.scenery import keys_for, signing_key

ORIGINAL_TTL = slice(4, 8)  # of RRSIG rdata, RFC 4034 §3.1
LABELS = slice(3, 4)
SIGNER = slice(18, 31)  # example.com.


def judged(records: Records, before: SignedZone | None = None) -> Taken:
    return take(validated("example.com.", text_of(records), apex=False), datetime.now(UTC), before)


def errors(taken: Taken) -> list[str]:
    return [f"{each.rule}: {each.message}" for each in taken.findings if each.severity is Severity.ERROR]


def warnings(taken: Taken) -> list[str]:
    return [f"{each.rule}: {each.message}" for each in taken.findings if each.severity is Severity.WARNING]


def without_signature(records: Records, _: Policy) -> None:
    records[name("www"), Type.A] = records[name("www"), Type.A]._replace(signatures=())


SIGNATURES: dict[str, tuple[Mutation, str]] = {
    "a flipped octet": (flipped(), "signature-invalid: www.example.com. A: the signature by key"),
    "a flipped octet over DNSKEY": (flipped("@", Type.DNSKEY), "signature-invalid: example.com. DNSKEY"),
    "a flipped octet over DS": (flipped("secure", Type.DS), "signature-invalid: secure.example.com. DS"),
    "a flipped octet over denial": (at_hash(flipped, "www"), "signature-invalid: "),
    "a wrong signer": (in_signature(SIGNER, name("@").replace(b"com", b"net")), "names example.net. as its"),
    "an original TTL too large": (in_signature(ORIGINAL_TTL, bytes((0, 1, 0, 0))), "the TTL is 65536, where"),
    "an original TTL too small": (in_signature(ORIGINAL_TTL, bytes(4)), "the TTL is 0, where 3600 stands"),
    "a TTL that was raised": (replaced("www", Type.A, ttl=7200), "the TTL is 3600, where 7200 stands"),
    "a TTL that was lowered": (replaced("www", Type.A, ttl=60), "the TTL is 3600, where 60 stands"),
    "too many labels": (in_signature(LABELS, b"\4"), "counts 4 labels in the owner, which has 3"),
    "too few labels": (in_signature(LABELS, b"\2"), "counts 2 labels in the owner, which has 3"),
    "labels of a wildcard": (in_signature(LABELS, b"\4", "*.w", Type.TXT), "counts 4 labels in the owner"),
    "an inception ahead": (untimely(30), "signature-time: www.example.com. A has only signatures that"),
    "an expiry behind": (untimely(-30), "signature-time: www.example.com. A has only expired signatures"),
    "rdata changed": (replaced("www", Type.A, rdatas=(b"\xc0\0\2\x63",)), "www.example.com. A: the signatu"),
    "rdata added": (
        replaced("www", Type.A, rdatas=(b"\xc0\0\2\1", b"\xc0\0\2\x63")),
        "signature-invalid: www.example.com. A",
    ),
    "no signature": (without_signature, "presigned-incomplete: www.example.com. A has no signature"),
}  # fmt: skip


@pytest.mark.parametrize("kind", POLICIES)
def test_zone_as_it_was_signed_has_nothing_to_tell(kind: str) -> None:
    taken = judged(records_of(POLICIES[kind]))
    assert taken.zone is not None
    assert taken.findings == ()


@pytest.mark.parametrize("kind", POLICIES)
@pytest.mark.parametrize("fault", SIGNATURES)
def test_fault_in_one_signature_is_the_one_error(kind: str, fault: str) -> None:
    records = records_of(POLICIES[kind])
    mutate, told = SIGNATURES[fault]
    mutate(records, POLICIES[kind])
    taken = judged(records)
    assert taken.zone is None
    found = errors(taken)
    assert len(found) == taken.errors == 1
    assert told in found[0]
    assert all(each.position.line == 1 for each in taken.findings)  # of `tests.build`


CHAINS: dict[str, tuple[Mutation, str]] = {
    "a type not listed": (bits("www", take=Type.A), "is wrong about A, not listed though there"),
    "a type listed and not there": (bits("www", add=Type.AAAA), "is wrong about AAAA, listed and not there"),
    "a wildcard's type not listed": (bits("*.w", take=Type.TXT), "is wrong about TXT, not listed though"),
    "a type unknown to us": (bits("*.w", add=65400), "is wrong about TYPE65400, listed and not there"),
    "RRSIG not listed": (bits("www", take=Type.RRSIG), "is wrong about RRSIG, not listed though there"),
    "a DS that is not there": (bits("insecure", add=Type.DS), "is wrong about DS, listed and not there"),
    "a DS not listed": (bits("secure", take=Type.DS), "is wrong about DS, not listed though there"),
    "a cut not listed": (bits("secure", take=Type.NS), "is wrong about NS, not listed though there"),
    "SOA at a cut": (bits("secure", add=Type.SOA), "is wrong about SOA, listed and not there"),
    "types of an empty non-terminal": (bits("non.terminals", add=Type.A), "terminals.example.com. is wrong"),
    "a chain that is not closed": (without_link("www", closed=False), "www.example.com. has no NSEC"),
    "a name left out": (without_link("www"), "www.example.com. has no NSEC"),
    "the last name left out": (without_link("*.w"), "*.w.example.com. has no NSEC"),
    "a secure cut left out": (without_link("secure"), "secure.example.com. has no NSEC"),
    "an insecure cut left out": (without_link("insecure"), "insecure.example.com. has no NSEC"),
    "an empty non-terminal left out": (
        without_link("non.terminals"),
        "the empty non-terminal non.terminals.example.com. has no NSEC3 (RFC 5155 §7.1)",
    ),
    "one above a wildcard left out": (without_link("w"), "empty non-terminal w.example.com. has no NSEC3"),
    "one above a cut left out": (without_link("below"), "empty non-terminal below.example.com. has no"),
    "a glue name": (with_link("ns.insecure"), ""),
}  # fmt: skip


@pytest.mark.parametrize("kind", POLICIES)
@pytest.mark.parametrize("fault", CHAINS)
def test_fault_in_the_chain_is_told(kind: str, fault: str) -> None:
    records = records_of(POLICIES[kind])
    mutate, told = CHAINS[fault]
    try:
        mutate(records, POLICIES[kind])
    except KeyError:
        assert kind != "nsec3"  # in the other chains there is no record for that name
        return
    taken = judged(records)
    assert taken.zone is None
    assert all(each.startswith("denial-chain: ") for each in errors(taken))
    assert any(told in each for each in errors(taken))


def test_nsec3_of_no_name_is_told() -> None:
    """A name with this hash could not be denied: it exists, says the record, and has nothing."""
    records = records_of(NSEC3)
    with_link("elsewhere")(records, NSEC3)
    assert "NSEC3 belongs to no name of the zone" in errors(judged(records))[0]


def test_nsec_that_stands_alone_is_a_warning() -> None:
    records = records_of(NSEC)
    with_link("zzz")(records, NSEC)
    taken = judged(records)
    assert taken.zone is not None
    assert warnings(taken) == [
        "nsec-alone: the NSEC of zzz.example.com. stands alone: the name exists, with nothing else"
    ]


def test_two_nsec_at_a_name_are_told() -> None:
    records = records_of(NSEC)
    one, other = records[name("www"), Type.NSEC], records[name("mail"), Type.NSEC]
    put(records, one._replace(rdatas=tuple(sorted((*one.rdatas, *other.rdatas)))), NSEC)
    zone = ValidatedZone(ORIGIN, nodes_of(records.values()), "zones/example.com.zone")
    assert "www.example.com. has 2 NSEC, where one is right" in errors(take(zone, datetime.now(UTC)))[0]


def test_delegation_may_be_left_out_only_under_an_opt_out_record() -> None:
    records = records_of(OPT_OUT)
    with_flags(0)(records, OPT_OUT)
    told = errors(judged(records))
    assert any("insecure.example.com. has no NSEC3" in each for each in told)
    assert any("only.insecure.below.example.com. has no NSEC3" in each for each in told)


def test_opt_out_with_every_delegation_in_the_chain_is_whole() -> None:
    records = records_of(NSEC3)
    with_flags(1)(records, NSEC3)
    taken = judged(records)
    assert taken.zone is not None
    assert taken.zone.nsec3 is not None
    assert taken.zone.nsec3.opt_out


def test_empty_non_terminal_above_opted_out_delegations_may_stay_in_the_chain() -> None:
    records = records_of(NSEC3)
    with_flags(1)(records, NSEC3)
    without_link("only.insecure.below")(records, NSEC3)
    assert errors(judged(records)) == []


def test_flags_that_validators_do_not_know_are_told() -> None:
    records = records_of(NSEC3)
    with_flags(2)(records, NSEC3)
    assert all("NSEC3 has unknown flags (RFC 5155 §8.2)" in each for each in errors(judged(records))[:10])


# -- Which chain ---


@pytest.mark.parametrize(
    ("policy", "rdatas", "told"),
    [
        (NSEC3, (), "example.com. has no NSEC, and no NSEC3PARAM that names a chain of NSEC3"),
        (NSEC3, (b"\1\1\0\0\0",), "example.com. has no NSEC, and no NSEC3PARAM that names a chain"),
        (NSEC3, (b"\1\0\0\0\0", b"\1\0\0\1\0"), "NSEC3PARAM names a chain of which there is no NSEC3"),
        (NSEC3, (b"\1\0\0\0\0", b"\1\0\0\0\1a"), "NSEC3PARAM names a chain of which there is no NSEC3"),
        (NSEC, (b"\1\0\0\0\0",), "NSEC3PARAM names a chain of which there is no NSEC3"),
    ],
)
def test_nsec3param_without_its_chain_is_told(policy: Policy, rdatas: tuple[bytes, ...], told: str) -> None:
    records = records_of(policy)
    parameters(*rdatas)(records, policy)
    assert any(told in each for each in errors(judged(records)))


def both_chains(*, named: bool, partial: bool = False) -> Records:
    """Return a zone with NSEC, and NSEC3 of which an NSEC3PARAM tells or not."""
    records, other = records_of(NSEC), records_of(NSEC3)
    hashed = [one for one in other.values() if one.rdtype == Type.NSEC3]
    records.update({(one.owner, one.rdtype): one for one in (hashed[:3] if partial else hashed)})
    if named:
        records[ORIGIN, Type.NSEC3PARAM] = other[ORIGIN, Type.NSEC3PARAM]
        bits("@", add=Type.NSEC3PARAM)(records, NSEC)
    return records


@pytest.mark.parametrize("partial", [False, True])
def test_zone_on_its_way_from_nsec_to_nsec3_is_served_by_nsec(*, partial: bool) -> None:
    taken = judged(both_chains(named=False, partial=partial))
    if not partial:  # the apex's NSEC3 lists NSEC3PARAM, which nothing relies on
        assert any("NSEC3 are not used" in each for each in warnings(taken))
    assert errors(taken) == []
    assert taken.zone is not None
    assert taken.zone.nsec3 is None
    assert taken.zone.nsec3_nodes  # they still go out in transfers
    assert not any(one.rdtype == Type.NSEC3 for one in taken.zone.rrsets())


def test_zone_with_both_chains_complete_is_served_by_nsec3() -> None:
    taken = judged(both_chains(named=True))
    assert errors(taken) == []
    assert taken.zone is not None
    assert taken.zone.nsec3 is not None
    assert [each.split(":")[0] for each in warnings(taken)] == ["denial-unused"]


def test_zone_whose_nsec3param_came_too_early_is_refused() -> None:
    assert errors(judged(both_chains(named=True, partial=True)))


def test_bogus_signature_over_an_unused_nsec3_does_not_leave() -> None:
    records = both_chains(named=False)
    unused = next(one for one in records.values() if one.rdtype == Type.NSEC3)
    records[unused.owner, Type.NSEC3] = unused._replace(
        signatures=tuple(each[:-1] + bytes((each[-1] ^ 1,)) for each in unused.signatures)
    )
    assert "NSEC3: the signature by" in errors(judged(records))[0]


# -- Keys ---


def with_keys(records: Records, *keys: PublicKey) -> Records:
    """Publish `keys` as well, the DNSKEY RRset signed by the KSK."""
    one = records[ORIGIN, Type.DNSKEY]
    rdatas = tuple(sorted({*one.rdatas, *(key.rdata for key in keys)}))
    records[ORIGIN, Type.DNSKEY] = signed_by(one._replace(rdatas=rdatas), keys_for(ORIGIN, NSEC)[0])
    return records


def test_signature_of_a_key_that_is_not_published_is_no_fault_beside_a_good_one() -> None:
    """RFC 4035 §5.3.1; RFC 6781 §4.1.4: a new algorithm signs before its key is published."""
    records = records_of(NSEC)
    other = signing_key(ORIGIN, Algorithm.ED25519, "zsk", 7)
    for key, one in list(records.items()):
        if one.signatures:
            both = (*one.signatures, *signed_by(one, other).signatures)
            records[key] = one._replace(signatures=tuple(sorted(both)))
    taken = judged(records)
    assert taken.zone is not None
    told = warnings(taken)
    assert len(told) == 1
    assert f"signatures by key {other.public.tag} (ED25519), which is not in the DNSKEY RRset" in told[0]


def test_signature_of_a_key_that_is_not_published_is_not_enough() -> None:
    records = records_of(NSEC)
    other = signing_key(ORIGIN, Algorithm.ED25519, "zsk", 7)
    records[name("www"), Type.A] = signed_by(records[name("www"), Type.A], other)
    assert errors(judged(records)) == [
        "presigned-incomplete: www.example.com. A has no signature of a published DNSKEY"
    ]


def test_bogus_signature_beside_a_good_one_is_told() -> None:
    records = records_of(NSEC)
    one = records[name("www"), Type.A]
    flipped()(records, NSEC)
    bad = records[name("www"), Type.A].signatures
    records[name("www"), Type.A] = one._replace(signatures=tuple(sorted((*one.signatures, *bad))))
    assert len(errors(judged(records))) == 1


def test_algorithm_that_signs_nothing_is_a_warning() -> None:
    other = signing_key(ORIGIN, Algorithm.ED25519, "zsk", 7)
    taken = judged(with_keys(records_of(NSEC), other.public))
    assert taken.zone is not None
    assert any(
        "RRsets have no signature of ED25519, an algorithm of a DNSKEY" in each for each in warnings(taken)
    )


def test_dnskey_not_signed_by_a_key_with_the_sep_flag_is_told() -> None:
    records = records_of(NSEC)
    records[ORIGIN, Type.DNSKEY] = signed_by(records[ORIGIN, Type.DNSKEY], keys_for(ORIGIN, NSEC)[1])
    assert "DNSKEY has no signature of a key with the SEP flag" in errors(judged(records))[0]


def test_dnskey_without_any_signature_is_told() -> None:
    records = records_of(NSEC)
    records[ORIGIN, Type.DNSKEY] = records[ORIGIN, Type.DNSKEY]._replace(signatures=())
    assert errors(judged(records)) == ["presigned-incomplete: example.com. DNSKEY has no signature"]


def test_revoked_key_signs_dnskey_and_counts_for_nothing_else() -> None:
    """RFC 5011 §2.1."""
    ksk, zsk = keys_for(ORIGIN, NSEC)
    old = signing_key(ORIGIN, Algorithm.ECDSAP256SHA256, "csk", 9)
    revoked = PublicKey(ORIGIN, 13, 0x0181, old.public.public)
    as_revoked = dataclasses.replace(old, public=revoked)
    records = with_keys(records_of(NSEC), revoked)
    dnskey = records[ORIGIN, Type.DNSKEY]
    records[ORIGIN, Type.DNSKEY] = signed_by(dnskey, ksk, as_revoked)
    assert judged(records).findings == ()
    records[name("www"), Type.A] = signed_by(records[name("www"), Type.A], as_revoked)
    assert errors(judged(records)) == [
        "presigned-incomplete: www.example.com. A has no signature of a published DNSKEY"
    ]
    records[name("www"), Type.A] = signed_by(records[name("www"), Type.A], as_revoked, zsk)
    assert "which is revoked: they count for nothing" in warnings(judged(records))[0]


def test_key_that_no_validator_uses_is_told() -> None:
    not_of_a_zone = PublicKey(ORIGIN, 13, 0, keys_for(ORIGIN, NSEC)[0].public.public)
    broken = PublicKey(ORIGIN, 13, 256, bytes(64))
    told = warnings(judged(with_keys(records_of(NSEC), not_of_a_zone, broken)))
    assert any("without the zone key flag" in each for each in told)
    assert any("does not hold a public key of ECDSAP256SHA256" in each for each in told)


def test_two_keys_with_one_tag_are_told_apart_by_what_verifies() -> None:
    """The tag is only a hint (RFC 4034 §8): here the key that is tried first is not the one that signed."""
    records = records_of(NSEC)
    (_, zsk) = keys_for(ORIGIN, NSEC)
    twin = _twin(zsk.public)
    assert twin.tag == zsk.public.tag
    taken = judged(with_keys(records, twin))
    assert taken.zone is not None
    assert any("several DNSKEYs are key" in each for each in warnings(taken))
    flipped()(records, NSEC)
    assert "does not verify" in errors(judged(records))[0]


def _twin(key: PublicKey) -> PublicKey:
    """Return another P-256 key with the tag of `key`."""
    for seed in range(1, 200_000):
        made = signing_key(ORIGIN, Algorithm.ECDSAP256SHA256, "zsk", seed).public
        if made.tag == key.tag and made != key:
            return made
    raise AssertionError("no twin")


def test_algorithm_that_is_not_known_here_is_named_and_not_refused() -> None:
    unknown = PublicKey(ORIGIN, 253, 256, b"\x07private\x07example\0key")
    records = with_keys(records_of(NSEC), unknown)
    one = records[name("www"), Type.A]
    header = one.signatures[0]
    by_unknown = header[:2] + b"\xfd" + header[3:16] + unknown.tag.to_bytes(2, "big") + header[18:31] + b"sig"
    records[name("www"), Type.A] = one._replace(signatures=tuple(sorted((*one.signatures, by_unknown))))
    taken = judged(records)
    assert taken.zone is not None
    assert any("signatures of PRIVATEDNS cannot be verified here" in each for each in warnings(taken))


# -- Beside the authoritative data ---


@pytest.mark.parametrize(("owner", "rdtype"), [("ns.insecure", Type.A), ("insecure", Type.NS)])
def test_signature_over_what_is_not_authoritative_is_a_warning(owner: str, rdtype: int) -> None:
    records = records_of(NSEC)
    signed_too(owner, rdtype)(records, NSEC)
    taken = judged(records)
    assert taken.zone is not None
    assert warnings(taken) == [
        "signature-not-needed: 1 RRsets are signed that are not authoritative (glue, NS of a delegation)"
    ]


def test_cds_signed_by_the_zsk_alone_is_a_warning() -> None:
    records = records_of(NSEC)
    ksk, zsk = keys_for(ORIGIN, NSEC)
    records[ORIGIN, Type.CDS] = signed_by(records[ORIGIN, Type.CDS], zsk)
    assert any("CDS is signed by key" in each for each in warnings(judged(records)))
    records[ORIGIN, Type.CDS] = signed_by(records[ORIGIN, Type.CDS], zsk, ksk)
    assert judged(records).findings == ()


# -- In bulk ---


def test_million_like_faults_are_a_few_findings_and_a_count() -> None:
    text = "".join(f"h{number} A 192.0.2.1\n" for number in range(40))
    records = records_of(NSEC, text=text)
    for number in range(40):
        flipped(f"h{number}")(records, NSEC)
    taken = judged(records)
    assert taken.errors == 40
    assert len(errors(taken)) == 11
    assert "30 more like these" in errors(taken)[-1]


def test_one_bogus_signature_among_thousands_is_found_by_several_processes() -> None:
    text = "".join(f"h{number} A 192.0.2.1\n" for number in range(2500))
    records = records_of(NSEC, text=text)
    flipped("h1234")(records, NSEC)
    seen: list[tuple[int, int]] = []
    zone = validated("example.com.", text_of(records), apex=False)
    taken = take(zone, datetime.now(UTC), workers=2, progress=lambda done, of: seen.append((done, of)))
    assert [each.split(": ")[1] for each in errors(taken)] == ["h1234.example.com. A"]
    assert seen[-1][0] == seen[-1][1] > 5000


def test_signatures_of_the_release_before_are_not_verified_again() -> None:
    records = records_of(NSEC)
    before = judged(records).zone
    assert before is not None
    text = "".join(f"h{number} A 192.0.2.1\n" for number in range(3))
    again = records_of(NSEC, datetime.now(UTC) + timedelta(minutes=1), text=text)
    asked: list[int] = []
    take(
        validated("example.com.", text_of(records), apex=False),
        datetime.now(UTC),
        before,
        progress=lambda done, of: asked.append(done),
    )
    assert asked[:-1] == []
    flipped("h1")(again, NSEC)
    assert len(errors(judged(again, before))) == 1


def test_signature_of_the_release_before_is_verified_again_once_its_key_is_another() -> None:
    """By key, not by tag: the octets alone do not tell what they were verified with."""
    records = records_of(NSEC)
    before = judged(records).zone
    assert before is not None
    zsk = keys_for(ORIGIN, NSEC)[1].public
    dnskey = records[ORIGIN, Type.DNSKEY]
    rdatas = tuple(sorted({*dnskey.rdatas, _twin(zsk).rdata} - {zsk.rdata}))
    records[ORIGIN, Type.DNSKEY] = signed_by(dnskey._replace(rdatas=rdatas), keys_for(ORIGIN, NSEC)[0])
    assert judged(records, before).errors > 5
