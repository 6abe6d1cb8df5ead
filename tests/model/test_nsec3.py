"""Hashed owner names: the vectors of RFC 5155, and NSEC3 rdata taken apart as dnspython wrote it."""

import dns.rdata
import pytest

from dnsctl.model.name import ROOT, from_text, to_text
from dnsctl.model.nsec3 import (
    HASH_OCTETS,
    fixed_fields,
    is_of,
    next_hash,
    nsec3_hash,
    nsec3_owner,
    owner_hash,
)
from dnsctl.model.type_bitmap import bitmap_types
from dnsctl.model.zone import Nsec3Parameters

ORIGIN = from_text("example.")
SALT, ITERATIONS = bytes.fromhex("aabbccdd"), 12
VECTORS = {  # RFC 5155 Appendix A
    "example.": "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom",
    "a.example.": "35mthgpgcu1qg68fab165klnsnk3dpvl",
    "ai.example.": "gjeqe526plbf1g8mklp59enfd789njgi",
    "ns1.example.": "2t7b4g4vsa5smi47k61mv5bv1a22bojr",
    "ns2.example.": "q04jkcevqvmu85r014c7dkba38o0ji5r",
    "w.example.": "k8udemvp1j2f7eg6jebps17vp3n8i58h",
    "*.w.example.": "r53bq7cc2uvmubfu5ocmm6pers9tk9en",
    "x.w.example.": "b4um86eghhds6nea196smvmlo4ors995",
    "y.w.example.": "ji6neoaepv8b5o6k4ev33abha8ht9fgc",
    "x.y.w.example.": "2vptu5timamqttgl4luu9kg21e0aor3s",
    "xx.example.": "t644ebqk9bibcna874givr6joj62mlhv",
    "2t7b4g4vsa5smi47k61mv5bv1a22bojr.example.": "kohar7mbb8dc2ce8a9qvl8hon4k53uhi",
}


@pytest.mark.parametrize(("name", "label"), VECTORS.items())
def test_hashes_are_those_of_rfc_5155(name, label):
    digest = nsec3_hash(from_text(name), SALT, ITERATIONS)
    assert len(digest) == HASH_OCTETS
    assert to_text(nsec3_owner(digest, ORIGIN)) == f"{label}.example."
    assert owner_hash(from_text(f"{label.upper()}.example."), ORIGIN) == digest


def test_without_iterations_and_salt_the_hash_is_one_sha1():
    digest = nsec3_hash(from_text("example."), b"", 0)  # RFC 9276 §3.1
    assert digest.hex() == "1db8efa7dcb348bda7893fca1d8badfdb6996b01"  # sha1sum of \7example\0


def test_below_the_root_the_hash_is_the_only_label():
    digest = bytes(range(20))
    owner = nsec3_owner(digest, ROOT)
    assert len(owner) == 34
    assert owner_hash(owner, ROOT) == digest


@pytest.mark.parametrize(
    "owner",
    ["www.example.", f"{'z' * 32}.example.", f"{'0' * 32}.example.net.", f"{'0' * 31}.example.", "example."],
)
def test_a_name_that_is_not_a_hash_is_told_apart(owner):
    assert owner_hash(from_text(owner), ORIGIN) is None


@pytest.mark.parametrize(("salt", "text"), [(b"", "-"), (SALT, "aabbccdd")])
def test_rdata_is_taken_apart_as_dnspython_wrote_it(salt, text):
    following = VECTORS["ns1.example."]
    rdata = dns.rdata.from_text("IN", "NSEC3", f"1 1 12 {text} {following} MX DNSKEY TYPE1234").to_wire()
    parameters = Nsec3Parameters(12, salt)
    assert rdata.startswith(fixed_fields(parameters, 1))
    digest, bitmap = next_hash(rdata)
    assert digest == nsec3_hash(from_text("ns1.example."), SALT, ITERATIONS)
    assert bitmap_types(bitmap) == {15, 48, 1234}
    assert is_of(rdata, parameters)
    assert not is_of(rdata, Nsec3Parameters(11, salt))
    assert not is_of(rdata, Nsec3Parameters(12, salt + b"x"))
    assert not is_of(b"\x02" + rdata[1:], parameters)
