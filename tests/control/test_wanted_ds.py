"""Which DS a parent is asked for, by what is released and by how far a roll is."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dnsctl.control.in_step import same_keys, wanted_ds
from dnsctl.model.key import PublicKey
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import Type, rdata_text
from tests.publish.host import NOW, SIMPLE, Host, intent, master_text, name

ZONE = "child.example."
QUIET = Policy(cds="off")
OTHER = PublicKey(name(ZONE), 13, 257, bytes(range(64)))
FOREIGN = f"@ DNSKEY {rdata_text(Type.DNSKEY, OTHER.rdata)}\n"


def released(tmp_path: Path, text: str, policy: Policy | None) -> Host:
    host = Host(tmp_path)
    host.push(intent({ZONE: text}, policy))
    return host


def wanted(host: Host) -> tuple[bytes, ...] | None:
    with host.image.reader() as reader:
        return wanted_ds(reader, host.keystore, name(ZONE))


def ours(host: Host) -> bytes:
    (key,) = (one for one in host.keystore.list(name(ZONE)) if one.role != "zsk")
    return key.public.ds()


@pytest.mark.parametrize("policy", [Policy(), QUIET, Policy(keys="ksk+zsk"), replace(QUIET, keys="ksk+zsk")])
def test_ds_of_our_key_is_wanted_with_cds_and_without(tmp_path: Path, policy: Policy) -> None:
    host = released(tmp_path, SIMPLE, policy)
    assert wanted(host) == (ours(host),)


@pytest.mark.parametrize("policy", [Policy(), QUIET])
def test_ds_of_another_signer_is_wanted_as_well(tmp_path: Path, policy: Policy) -> None:
    host = released(tmp_path, SIMPLE + FOREIGN, policy)
    assert wanted(host) == tuple(sorted((ours(host), OTHER.ds())))


def test_withdrawal_is_wanted_only_where_cds_ask_for_it(tmp_path: Path) -> None:
    host = released(tmp_path, SIMPLE + "@ CDS 0 0 0 00\n@ CDNSKEY 0 3 0 AA==\n", Policy())
    assert wanted(host) == ()


def test_key_that_leaves_does_not_leave_the_zone_without_a_ds(tmp_path: Path) -> None:
    host = released(tmp_path, SIMPLE, QUIET)
    (key,) = host.keystore.list(name(ZONE))
    host.keystore.record(key, key.state, replace(key.roll, leaves=NOW), NOW + timedelta(days=1))
    assert wanted(host) is None


def test_nothing_is_known_to_be_wanted_of_an_unsigned_zone(tmp_path: Path) -> None:
    assert wanted(released(tmp_path, SIMPLE, None)) is None


def test_pre_signed_zone_wants_the_ds_of_what_signs_its_keys(tmp_path: Path) -> None:
    signer = released(tmp_path / "signer", SIMPLE, QUIET)
    host = released(tmp_path / "here", master_text(signer.zone(ZONE)), Policy())
    assert wanted(host) == (ours(signer),)


def test_sets_of_ds_are_the_same_where_they_lead_to_the_same_keys(tmp_path: Path) -> None:
    zone, key = name(ZONE), OTHER
    assert same_keys(zone, (key.ds(4),), (key.ds(2),), (key.rdata,))
    assert not same_keys(zone, (), (key.ds(),), (key.rdata,))
    assert not same_keys(
        zone, (key.ds(), PublicKey(zone, 13, 257, bytes(64)).ds()), (key.ds(),), (key.rdata,)
    )
    assert same_keys(zone, (), (), (key.rdata,))
