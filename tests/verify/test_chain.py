"""The chain from the DS down, over signatures that dnspython made: every one must hold, not just one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import dns.dnssec
import dns.name
import dns.rrset
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa

from dnsctl.model.name import Name, from_text
from dnsctl.model.rrset import Type
from dnsctl.verify.anchor import anchors_in
from dnsctl.verify.chain import ChainBrokenError, trust

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ORIGIN = from_text("example.com.")
APEX = dns.name.from_text("example.com.")
MAKERS: dict[int, Callable[[], Any]] = {
    13: lambda: ec.generate_private_key(ec.SECP256R1()),
    14: lambda: ec.generate_private_key(ec.SECP384R1()),
    15: ed25519.Ed25519PrivateKey.generate,
    16: ed448.Ed448PrivateKey.generate,
    18: mldsa.MLDSA44PrivateKey.generate,
    8: lambda: rsa.generate_private_key(65537, 2048),
}


class Key:
    def __init__(self, algorithm: int = 13, flags: int = 257) -> None:
        self.private = MAKERS[algorithm]()
        self.dnskey = dns.dnssec.make_dnskey(self.private.public_key(), algorithm, flags)
        self.wire = self.dnskey.to_wire()
        self.ds = dns.dnssec.make_ds(APEX, self.dnskey, "SHA256").to_wire()

    def sign(self, owner: str, rdtype: str, *rdatas: str, now: datetime = NOW, wires: tuple[bytes, ...] = ()):
        if wires:
            rdatas = tuple(f"\\# {len(each)} {each.hex()}" for each in wires)
        rrset = dns.rrset.from_text(owner, 300, "IN", rdtype, *rdatas)
        rrsig = dns.dnssec.sign(
            rrset,
            self.private,
            APEX,
            self.dnskey,
            inception=now - timedelta(hours=1),
            expiration=now + timedelta(days=14),
        )
        return [each.to_wire() for each in rrset], rrsig.to_wire()


def chain_of(*keys: Key, anchors: list[Key] | None = None, now: datetime = NOW):
    wires = tuple(each.wire for each in keys)
    signatures = [
        each.sign("example.com.", "DNSKEY", wires=wires)[1] for each in keys if each.dnskey.flags & 1
    ]
    ds = [each.ds for each in (anchors if anchors is not None else keys)]
    return trust(ORIGIN, wires, signatures, ds, now)


@pytest.mark.parametrize("algorithm", [8, 13, 14, 15, 16, 18])
def test_signed_rrset_validates_from_the_ds(algorithm):
    key = Key(algorithm)
    rdatas, signature = key.sign("www.example.com.", "A", "192.0.2.1", "192.0.2.2")
    assert chain_of(key).check(from_text("www.example.com."), Type.A, rdatas, [signature]) is None


def test_zone_signing_key_is_trusted_through_the_key_signing_key():
    ksk, zsk = Key(), Key(flags=256)
    rdatas, signature = zsk.sign("www.example.com.", "A", "192.0.2.1")
    chain = chain_of(ksk, zsk, anchors=[ksk])
    assert chain.check(from_text("www.example.com."), Type.A, rdatas, [signature]) is None


def test_name_made_from_a_wildcard_validates():
    key = Key()
    rdatas, signature = key.sign("*.example.com.", "A", "192.0.2.1")
    chain = chain_of(key)
    assert chain.check(from_text("any.thing.example.com."), Type.A, rdatas, [signature]) is None
    assert chain.check(from_text("example.com."), Type.A, rdatas, [signature]) is not None


def test_one_broken_signature_beside_a_good_one_is_found():
    key = Key()
    owner = from_text("www.example.com.")
    rdatas, good = key.sign("www.example.com.", "A", "192.0.2.1")
    bad = good[:-1] + bytes((good[-1] ^ 1,))
    assert chain_of(key).check(owner, Type.A, rdatas, [good]) is None
    assert "signature of key" in chain_of(key).check(owner, Type.A, rdatas, [good, bad])


def test_signature_by_a_key_that_is_not_published_counts_for_nothing():
    key, stranger = Key(), Key()
    owner = from_text("www.example.com.")
    rdatas, good = key.sign("www.example.com.", "A", "192.0.2.1")
    _, other = stranger.sign("www.example.com.", "A", "192.0.2.1")
    assert chain_of(key).check(owner, Type.A, rdatas, [good, other]) is None
    assert "no signature by a key" in chain_of(key).check(owner, Type.A, rdatas, [other])


def test_unsigned_rrset_is_not_valid():
    assert chain_of(Key()).check(from_text("www.example.com."), Type.A, [bytes(4)], []) == "no signature"


@pytest.mark.parametrize(
    ("days", "reason"), [(15, "expired"), (-1, "not yet valid")], ids=["too late", "too early"]
)
def test_clock_outside_the_signature_is_told(days, reason):
    key = Key()
    rdatas, signature = key.sign("www.example.com.", "A", "192.0.2.1", now=NOW + timedelta(days=-days))
    assert reason in chain_of(key).check(from_text("www.example.com."), Type.A, rdatas, [signature])


def test_signature_by_the_parent_is_refused():
    key = Key()
    rdatas, signature = key.sign("www.example.com.", "A", "192.0.2.1")
    signer = signature.index(b"\7example\3com\0")
    forged = signature[:signer] + b"\3com\0" + signature[signer + 13 :]
    assert "not the zone" in chain_of(key).check(from_text("www.example.com."), Type.A, rdatas, [forged])


def test_octets_that_are_no_signature_are_refused():
    assert "malformed" in chain_of(Key()).check(from_text("www.example.com."), Type.A, [bytes(4)], [b"\0\1"])


def test_ds_that_matches_no_key_breaks_the_chain():
    with pytest.raises(ChainBrokenError, match=r"no DNSKEY .* matches a DS"):
        chain_of(Key(), anchors=[Key()])


def test_no_ds_at_all_breaks_the_chain():
    with pytest.raises(ChainBrokenError, match=r"tags none"):
        chain_of(Key(), anchors=[])


def test_dnskeys_signed_by_another_key_than_the_ds_names_break_the_chain():
    """A key set that somebody else signed: the DS's own key is in it, but did not sign it."""
    ours, theirs = Key(), Key()
    wires = (ours.wire, theirs.wire)
    signature = theirs.sign("example.com.", "DNSKEY", wires=wires)[1]
    with pytest.raises(ChainBrokenError, match="no signature"):
        trust(ORIGIN, wires, [signature], [ours.ds], NOW)


def test_expired_dnskey_signature_breaks_the_chain():
    with pytest.raises(ChainBrokenError, match="expired"):
        chain_of(Key(), now=NOW + timedelta(days=20))


def test_sha1_ds_is_no_anchor():
    key = Key()
    ds = dns.dnssec.make_ds(APEX, key.dnskey, "SHA1", validating=True).to_wire()
    signature = key.sign("example.com.", "DNSKEY", wires=(key.wire,))[1]
    with pytest.raises(ChainBrokenError):
        trust(ORIGIN, [key.wire], [signature], [ds], NOW)


def test_anchors_are_read_from_public_key_files(tmp_path):
    ksk, zsk = Key(), Key(flags=256)
    directory = tmp_path / "example.com"
    directory.mkdir()
    for number, key in enumerate((ksk, zsk)):
        text = f"; This is a key of Example.COM.\nExample.COM. 3600 IN DNSKEY {key.dnskey.to_text()}\n"
        (directory / f"Kexample.com.+013+0000{number}.key").write_text(text)
    (directory / "Kexample.com.+013+00009.key").write_text("this is not a key (\n")
    assert anchors_in(tmp_path) == {Name(b"\7example\3com\0"): (ksk.ds,)}
