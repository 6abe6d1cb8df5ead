"""Signatures are judged from their octets as dnspython's own validator judges them."""

import random
from datetime import UTC, datetime, timedelta

import dns.dnssec
import dns.exception
import dns.name
import dns.rdatatype
import dns.rrset
import pytest

from dnsctl.model.name import Name, from_text
from dnsctl.verify.chain import Chain
from dnsctl.verify.signature import SignatureError, read, signed_name
from tests.verify.test_chain import APEX, NOW, ORIGIN, Key

DATA = {
    "A": ("192.0.2.1", "192.0.2.2"),
    "TXT": ('"one" "two"', '"three"'),
    "MX": ("10 Mail.Example.NET.", "0 b.example.net."),
    "SRV": ("0 0 443 WWW.example.com.",),
    "NSEC": ("WWW.example.com. A MX RRSIG NSEC TYPE1234",),
    "CNAME": ("Other.example.com.",),
}
OWNERS = ("example.com.", "a.example.com.", "*.example.com.", "b.a.example.com.", "*.a.example.com.")


@pytest.fixture(scope="module")
def keys() -> list[Key]:
    return [Key(), Key(15, flags=256), Key(13, flags=257 | 128), Key(13, flags=0)]


def judged(key: Key, owner: str, kind: str, rdatas: list[bytes], signature: bytes, now: datetime) -> bool:
    chain = Chain(ORIGIN, [key.dnskey], now)
    return chain.check(from_text(owner), dns.rdatatype.from_text(kind), rdatas, [signature]) is None


def judged_by_dnspython(
    key: Key, owner: str, kind: str, rdatas: list[bytes], signature: bytes, now: datetime
) -> bool:
    texts = [f"\\# {len(each)} {each.hex()}" for each in (*rdatas, signature)]
    rrset = dns.rrset.from_text(owner, 300, "IN", kind, *texts[:-1])
    rrsig = dns.rrset.from_text(owner, 300, "IN", "RRSIG", texts[-1])[0]
    try:
        dns.dnssec.validate_rrsig(
            rrset, rrsig, {APEX: dns.rrset.from_rdata(APEX, 300, key.dnskey)}, now=now.timestamp()
        )
    except (dns.exception.DNSException, ValueError):
        return False
    return True


def test_drawn_signatures_are_judged_as_dnspython_judges_them(keys: list[Key]) -> None:
    chance = random.Random(7)
    verdicts = []
    for _ in range(150):
        key, signed, kind = chance.choice(keys), chance.choice(OWNERS), chance.choice(list(DATA))
        flags = int(key.dnskey.flags)
        maker = key if flags & 256 else keys[0]  # dnspython signs with a zone's key only
        rdatas, signature = maker.sign(signed, kind, *DATA[kind])
        if maker is not key:  # as a key with other flags, of the same tag, would have made it
            signature = signature[:16] + dns.dnssec.key_id(key.dnskey).to_bytes(2, "big") + signature[18:]
        at = chance.randrange(len(signature))
        if chance.random() < 0.4 and not 18 <= at < 31:  # the signer is judged beforehand
            signature = signature[:at] + bytes((signature[at] ^ 1,)) + signature[at + 1 :]
        served = chance.choice(("c.d.example.com.", signed, signed, signed))
        now = NOW + timedelta(days=chance.choice((0, 0, 0, 30, -30)))
        case = (key, served, kind, rdatas, signature, now)
        if int.from_bytes(signature[:2], "big") == dns.rdatatype.from_text(kind):
            verdicts.append(judged(*case))
            assert verdicts[-1] == judged_by_dnspython(*case), (flags, signed, served, kind, at, now)
    assert 20 < sum(verdicts) < len(verdicts) - 20


@pytest.mark.parametrize(
    ("owner", "labels", "signed"),
    [
        ("www.example.com.", 3, "www.example.com."),
        ("www.example.com.", 2, "*.example.com."),
        ("a.b.example.com.", 2, "*.example.com."),
        ("*.example.com.", 2, "*.example.com."),
        ("*.b.example.com.", 2, "*.example.com."),  # a name with an asterisk, made from another wildcard
        ("com.", 0, "*."),
    ],
)
def test_name_that_is_signed_has_as_many_labels_as_the_signature_says(
    owner: str, labels: int, signed: str
) -> None:
    assert signed_name(from_text(owner), labels) == from_text(signed)


def test_signature_for_more_labels_than_the_owner_has_does_not_hold() -> None:
    with pytest.raises(SignatureError, match="more labels"):
        signed_name(Name(b"\3com\0"), 2)


@pytest.mark.parametrize("octets", [b"", bytes(17), bytes(18), bytes(18) + b"\3com"])
def test_octets_that_end_early_are_no_signature(octets: bytes) -> None:
    with pytest.raises(ValueError, match="cut short"):
        read(octets)


def test_signature_that_covers_another_type_is_refused(keys: list[Key]) -> None:
    rdatas, signature = keys[0].sign("www.example.com.", "TXT", '"one"')
    chain = Chain(ORIGIN, [keys[0].dnskey], datetime.fromtimestamp(NOW.timestamp(), UTC))
    reason = chain.check(from_text("www.example.com."), dns.rdatatype.A, rdatas, [signature])
    assert reason is not None
    assert "covers TXT" in reason
