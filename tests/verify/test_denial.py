"""Proofs of denial: the examples of RFC 4035 Appendix B and RFC 5155 Appendix B, and what must not pass."""

import dns.rrset
import pytest

from dnsctl.model.name import Name, from_text
from dnsctl.model.rrset import Type
from dnsctl.verify.decoders import Record
from dnsctl.verify.denial import Claim, proof_of

ORIGIN = from_text("example.")
NSEC = {  # RFC 4035 Appendix A
    "apex": "example. NSEC a.example. NS SOA MX RRSIG NSEC DNSKEY",
    "a": "a.example. NSEC ai.example. NS DS RRSIG NSEC",
    "ai": "ai.example. NSEC b.example. A HINFO AAAA RRSIG NSEC",
    "b": "b.example. NSEC ns1.example. NS RRSIG NSEC",
    "ns1": "ns1.example. NSEC ns2.example. A RRSIG NSEC",
    "ns2": "ns2.example. NSEC *.w.example. A RRSIG NSEC",
    "wild": "*.w.example. NSEC x.w.example. MX RRSIG NSEC",
    "x.y.w": "x.y.w.example. NSEC xx.example. MX RRSIG NSEC",
    "xx": "xx.example. NSEC example. A HINFO AAAA RRSIG NSEC",
}
NSEC3 = {  # RFC 5155 Appendix A: what the hash is of, hash, next hash, types
    name: f"{owner}.example. NSEC3 1 1 12 AABBCCDD {rest}"
    for name, owner, rest in (
        (
            "apex",
            "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom",
            "2t7b4g4vsa5smi47k61mv5bv1a22bojr MX DNSKEY NS SOA NSEC3PARAM RRSIG",
        ),
        ("ns1", "2t7b4g4vsa5smi47k61mv5bv1a22bojr", "2vptu5timamqttgl4luu9kg21e0aor3s A RRSIG"),
        ("a", "35mthgpgcu1qg68fab165klnsnk3dpvl", "b4um86eghhds6nea196smvmlo4ors995 NS DS RRSIG"),
        ("x.w", "b4um86eghhds6nea196smvmlo4ors995", "gjeqe526plbf1g8mklp59enfd789njgi MX RRSIG"),
        ("y.w", "ji6neoaepv8b5o6k4ev33abha8ht9fgc", "k8udemvp1j2f7eg6jebps17vp3n8i58h"),
        ("w", "k8udemvp1j2f7eg6jebps17vp3n8i58h", "kohar7mbb8dc2ce8a9qvl8hon4k53uhi"),
        ("q04", "q04jkcevqvmu85r014c7dkba38o0ji5r", "r53bq7cc2uvmubfu5ocmm6pers9tk9en A RRSIG"),
        ("wild", "r53bq7cc2uvmubfu5ocmm6pers9tk9en", "t644ebqk9bibcna874givr6joj62mlhv MX RRSIG"),
    )
}


def record(text: str) -> Record:
    owner, kind, rdata = text.split(" ", 2)
    rrset = dns.rrset.from_text(owner, 3600, "IN", kind, rdata)
    return Record(Name(rrset.name.to_wire()), int(rrset.rdtype), 1, 3600, rrset[0].to_wire())


def check(records, claim, qname, qtype="A", **options):
    proof = proof_of(ORIGIN, [record(each) for each in records])
    return proof.check(claim, from_text(qname), int(Type[qtype]), **options)


@pytest.mark.parametrize(
    ("records", "claim", "qname", "qtype"),
    [
        (["b", "apex"], Claim.NAME, "ml.example.", "A"),
        (["ns1"], Claim.TYPE, "ns1.example.", "MX"),
        (["ns2"], Claim.TYPE, "w.example.", "A"),
        (["x.y.w", "wild"], Claim.TYPE, "a.z.w.example.", "AAAA"),
        (["b"], Claim.DS, "b.example.", "DS"),
        (["b"], Claim.TYPE, "b.example.", "DS"),
        (["xx", "apex"], Claim.NAME, "zz.example.", "A"),
    ],
    ids=[
        "name",
        "type",
        "empty non-terminal",
        "wildcard",
        "unsigned cut",
        "DS at a cut",
        "last of the chain",
    ],
)
def test_nsec_proof_of_rfc4035_holds(records, claim, qname, qtype):
    assert check([NSEC[each] for each in records], claim, qname, qtype) is None


def test_nsec_proof_behind_a_wildcard_answer_holds():
    assert check([NSEC["x.y.w"]], Claim.CLOSER, "a.z.w.example.", "MX", source_labels=2) is None


@pytest.mark.parametrize(
    ("records", "claim", "qname", "qtype", "missing"),
    [
        (["b"], Claim.NAME, "ml.example.", "A", "covers the wildcard *.example."),
        (["apex"], Claim.NAME, "ml.example.", "A", "no NSEC covers ml.example."),
        (["ns2", "apex"], Claim.NAME, "w.example.", "A", "empty non-terminal"),
        (["ns1"], Claim.TYPE, "ns1.example.", "A", "the bitmap holds A"),
        (["b"], Claim.TYPE, "b.example.", "A", "parent's side of a cut"),
        (["apex"], Claim.TYPE, "example.", "DS", "child's apex"),
        (["a"], Claim.DS, "a.example.", "DS", "the bitmap holds DS"),
        (["ai"], Claim.DS, "ai.example.", "DS", "knows no cut"),
        (["x.y.w"], Claim.TYPE, "a.z.w.example.", "AAAA", "no NSEC matches the wildcard"),
        (["x.y.w", "wild"], Claim.TYPE, "a.z.w.example.", "MX", "the bitmap holds MX"),
        (["b", "apex"], Claim.NAME, "x.b.example.", "A", "no NSEC covers x.b.example."),
        ([], Claim.NAME, "ml.example.", "A", "neither NSEC nor NSEC3"),
        (["b", "apex"], Claim.NAME, "example.net.", "A", "is not in"),
    ],
)
def test_nsec_proof_that_falls_short_is_refused(records, claim, qname, qtype, missing):
    assert missing in check([NSEC[each] for each in records], claim, qname, qtype)


def test_name_below_an_nsec_with_dname_is_not_denied_by_it():
    dname = "b.example. NSEC ns1.example. DNAME RRSIG NSEC"
    assert "no NSEC covers" in check([dname, NSEC["apex"]], Claim.NAME, "x.b.example.")


def test_cname_in_the_bitmap_denies_no_type():
    assert "CNAME" in check(["ns1.example. NSEC ns2.example. CNAME RRSIG NSEC"], Claim.TYPE, "ns1.example.")


def test_wildcard_answer_over_an_existing_closer_name_is_refused():
    text = "x.y.w.example. NSEC b.z.w.example. MX RRSIG NSEC"
    assert "z.w.example" in check([text], Claim.CLOSER, "c.z.w.example.", "MX", source_labels=2)


@pytest.mark.parametrize(
    ("records", "claim", "qname", "qtype"),
    [
        (["apex", "x.w", "a"], Claim.NAME, "a.c.x.w.example.", "A"),
        (["ns1"], Claim.TYPE, "ns1.example.", "MX"),
        (["y.w"], Claim.TYPE, "y.w.example.", "A"),
        (["a", "apex"], Claim.DS, "c.example.", "DS"),
        (["w", "q04", "wild"], Claim.TYPE, "a.z.w.example.", "AAAA"),
    ],
    ids=["name", "type", "empty non-terminal", "opt-out", "wildcard"],
)
def test_nsec3_proof_of_rfc5155_holds(records, claim, qname, qtype):
    assert check([NSEC3[each] for each in records], claim, qname, qtype) is None


def test_nsec3_proof_behind_a_wildcard_answer_holds():
    assert check([NSEC3["q04"]], Claim.CLOSER, "a.z.w.example.", "MX", source_labels=2) is None


@pytest.mark.parametrize(
    ("records", "claim", "qname", "qtype", "missing"),
    [
        (["x.w", "a"], Claim.NAME, "a.c.x.w.example.", "A", "none covers the next closer"),
        (["apex", "a"], Claim.NAME, "a.c.x.w.example.", "A", "none covers the next closer"),
        (["apex", "x.w"], Claim.NAME, "a.c.x.w.example.", "A", "covers the wildcard"),
        (["ns1"], Claim.NAME, "ns1.example.", "A", "it exists"),
        (["ns1"], Claim.TYPE, "ns1.example.", "A", "the bitmap holds A"),
        (["a"], Claim.DS, "a.example.", "DS", "the bitmap holds DS"),
        (["w", "q04", "wild"], Claim.TYPE, "a.z.w.example.", "MX", "the bitmap holds MX"),
    ],
)
def test_nsec3_proof_that_falls_short_is_refused(records, claim, qname, qtype, missing):
    assert missing in check([NSEC3[each] for each in records], claim, qname, qtype)


def test_no_data_without_the_wildcards_nsec3_holds_by_opt_out_only():
    """What opt-out covers may be an empty non-terminal above unsigned cuts (RFC 5155 §7.1)."""
    records = [NSEC3["w"], NSEC3["q04"]]
    plain = [each.replace("NSEC3 1 1", "NSEC3 1 0") for each in records]
    assert check(records, Claim.TYPE, "a.z.w.example.", "AAAA") is None
    assert "matches the wildcard" in check(plain, Claim.TYPE, "a.z.w.example.", "AAAA")


def test_unsigned_cut_without_opt_out_is_refused():
    plain = [NSEC3[each].replace("NSEC3 1 1", "NSEC3 1 0") for each in ("a", "apex")]
    assert "no opt-out" in check(plain, Claim.DS, "c.example.", "DS")


@pytest.mark.parametrize(
    "records",
    [
        [NSEC3["ns1"], NSEC3["a"].replace(" 12 ", " 5 ")],
        [NSEC3["ns1"].replace("NSEC3 1 1", "NSEC3 2 1")],
        [NSEC3["ns1"].replace("NSEC3 1 1", "NSEC3 1 3")],
        [NSEC3["ns1"].replace(".example.", ".sub.example.")],
    ],
    ids=["two parameters", "unknown hash", "unknown flag", "not below the apex"],
)
def test_malformed_nsec3_is_refused(records):
    with pytest.raises(ValueError, match="NSEC3"):
        check(records, Claim.TYPE, "ns1.example.", "MX")


def test_both_kinds_in_one_answer_are_refused():
    assert "NSEC and NSEC3" in check([NSEC["ns1"], NSEC3["ns1"]], Claim.TYPE, "ns1.example.", "MX")
