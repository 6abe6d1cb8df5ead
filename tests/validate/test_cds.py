"""What CDS and CDNSKEY ask of the parent: judged, so that nothing asks for a broken chain of trust."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dnsctl.errors import SigningError
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.model.rrset import Type, rdata_text
from dnsctl.model.zone import SignedZone
from dnsctl.sign.keystore import SigningKey
from dnsctl.sign.rrsig import is_valid
from dnsctl.sign.signer import sign_zone
from dnsctl.validate.run import validate
from tests.build import validated
from tests.peers import need
from tests.sign.mutations import ORIGIN
from tests.sign.scenery import keys_for, master_text, signing_key
from tests.validate.scenes import rules, zone

KEY = keys_for(ORIGIN, Policy())[0].public
OTHER = signing_key(ORIGIN, Algorithm.ECDSAP256SHA256, "csk", 5).public
DNSKEY = f"@ DNSKEY {rdata_text(48, KEY.rdata)}\n"
CDS, CDS_OTHER = (f"@ CDS {rdata_text(59, each.ds())}\n" for each in (KEY, OTHER))
CDS_384 = f"@ CDS {rdata_text(59, KEY.ds(4))}\n"
CDNSKEY, CDNSKEY_OTHER = (f"@ CDNSKEY {rdata_text(60, each.rdata)}\n" for each in (KEY, OTHER))
DELETE, DELETE_KEY = "@ CDS 0 0 0 00\n", "@ CDNSKEY 0 3 0 AA==\n"

JUDGED: dict[str, tuple[str, set[str]]] = {
    "both for the key": (CDS + CDNSKEY, set()),
    "CDS alone": (CDS, set()),
    "CDNSKEY alone": (CDNSKEY, set()),
    "two digests of one key": (CDS + CDS_384 + CDNSKEY, set()),
    "of two keys": (CDS + CDNSKEY_OTHER, {"cds-mismatch", "cds-orphan"}),
    "one more on one side": (CDS + CDNSKEY + CDNSKEY_OTHER, {"cds-mismatch", "cds-standby"}),
    "an orphan": (CDS_OTHER + CDNSKEY_OTHER, {"cds-orphan"}),
    "an orphan alone": (CDS_OTHER, {"cds-orphan"}),
    "a key on its way": (CDS + CDS_OTHER + CDNSKEY + CDNSKEY_OTHER, {"cds-standby"}),
    "a wrong digest": (CDS.replace(CDS[-9:-1], "00000000"), {"cds-orphan"}),
    "withdrawn": (DELETE + DELETE_KEY, set()),
    "withdrawn by CDS alone": (DELETE, set()),
    "withdrawn by CDNSKEY alone": (DELETE_KEY, set()),
    "withdrawn beside a key": (DELETE + CDS, {"cds-delete"}),
    "withdrawn beside a CDNSKEY": (DELETE_KEY + CDNSKEY, {"cds-delete"}),
    "withdrawn on one side": (DELETE + CDNSKEY, {"cds-mismatch"}),
    "withdrawn in another form": ("@ CDS 1 0 0 00\n", {"cds-delete"}),
    "withdrawn with a key": ("@ CDNSKEY 257 3 0 AA==\n", {"cds-delete"}),
    "below the apex": ("www " + CDS[2:], {"cds-below-apex"}),
}


@pytest.mark.parametrize("case", JUDGED)
def test_what_the_parent_is_asked_for_is_judged(case: str) -> None:
    text, told = JUDGED[case]
    assert rules(DNSKEY + text) == told


@pytest.mark.parametrize("text", [CDS_OTHER, DELETE])
def test_zone_without_keys_asks_nobody(text: str) -> None:
    assert rules(text) == set()


def rules_with(text: str, policy: Policy) -> set[str]:
    made = zone("example.com.", text)
    found = validate({made.origin: made}, lambda _: {}, lambda _: policy).findings
    return {each.rule for each in found}


@pytest.mark.parametrize("text", [DNSKEY, CDS, DELETE + DELETE_KEY])
def test_keys_in_a_zone_that_is_signed_here_need_the_policys_leave(text: str) -> None:
    made = zone("example.com.", text)
    (told, *_) = validate({made.origin: made}, lambda _: {}, lambda _: Policy(name="ours")).findings
    assert told.rule == "dnssec-by-hand"
    assert "`policies: ours: {foreign-keys: allow}` in dnsctl.yaml" in told.advice
    assert rules_with(text, Policy(foreign_keys="allow")) == set()


def test_leave_for_keys_is_none_for_what_signing_makes() -> None:
    assert rules_with("@ NSEC ns1 SOA NS\n", Policy(foreign_keys="allow")) == {"dnssec-by-hand"}


def test_what_is_withdrawn_beside_keys_is_told_where_it_is_allowed_too() -> None:
    assert rules_with(DELETE + CDS, Policy(foreign_keys="allow")) == {"cds-delete"}


# -- Once signed ---


def signed(text: str, *keys: SigningKey) -> SignedZone:
    policy = Policy(foreign_keys="allow")
    made = validated("example.com.", text)
    return sign_zone(made, keys or keys_for(ORIGIN, policy), policy, datetime.now(UTC), 1)


def rdatas(zone: SignedZone, rdtype: int) -> tuple[bytes, ...]:
    found = zone.get(ORIGIN, rdtype)
    return found.rdatas if found is not None else ()


def test_delete_is_published_alone_and_signed() -> None:
    zone = signed(DELETE + DELETE_KEY)
    assert rdatas(zone, Type.CDS) == (bytes(5),)
    assert rdatas(zone, Type.CDNSKEY) == (b"\0\0\3\0\0",)
    cds = zone.get(ORIGIN, Type.CDS)
    assert cds is not None
    assert is_valid(cds, cds.signatures[0], KEY)


@pytest.mark.parametrize("text", [DELETE, CDS])
def test_nothing_is_added_to_what_the_zone_asks_for(text: str) -> None:
    """A CDNSKEY of ours beside a CDS that withdraws would ask for the opposite."""
    assert rdatas(signed(text), Type.CDNSKEY) == ()


def test_key_of_another_signer_is_published_beside_ours() -> None:
    """RFC 8901 §2.1.2: each signer publishes the keys of all."""
    other = f"@ DNSKEY {rdata_text(48, OTHER.rdata)}\n"
    zone = signed(other + CDS + CDS_OTHER)
    assert set(rdatas(zone, Type.DNSKEY)) == {KEY.rdata, OTHER.rdata}
    assert len(rdatas(zone, Type.CDS)) == 2


@pytest.mark.parametrize("text", [CDS_OTHER, CDNSKEY_OTHER])
def test_what_names_none_of_the_keys_that_sign_is_refused(text: str) -> None:
    with pytest.raises(SigningError, match="matches no DNSKEY of the zone: the parent would break the chain"):
        signed(text)


@pytest.mark.peer
@pytest.mark.parametrize("case", [each for each, (_, told) in JUDGED.items() if "cds-orphan" not in told])
def test_peers_agree_about_what_the_parent_is_asked_for(case: str, tmp_path: Path) -> None:
    """kzonecheck also refuses one without the other, which RFC 7344 lets pass."""
    text, told = JUDGED[case]
    path = tmp_path / "zone"
    path.write_text(master_text(signed(text)))
    knot = subprocess.run([need("kzonecheck"), "-o", "example.com.", str(path)], check=False, timeout=30)
    bind = subprocess.run([need("named-checkzone"), "example.com", str(path)], check=False, timeout=30)
    both = " CDS " in text and " CDNSKEY " in text
    assert bool(knot.returncode) == (bool(told) or not both)
    assert bool(bind.returncode) == ("cds-delete" in told)
