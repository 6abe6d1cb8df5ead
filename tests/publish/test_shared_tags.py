"""A key pair that somebody put into keys/, with the tag of the zone's own: nothing is signed by it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from dnsctl.control.zone_rolls import Goal, zone_roll
from dnsctl.errors import KeystoreError
from dnsctl.image.reader import Reader
from dnsctl.model.key import PublicKey
from dnsctl.model.policy import Policy
from dnsctl.model.repo import HostFiles
from dnsctl.model.rrset import Type
from dnsctl.model.zone import SignedZone
from dnsctl.publish.changeset import changeset_of
from dnsctl.publish.intent import Intent
from dnsctl.publish.renewal import Renewal, renewal_of
from dnsctl.sign.keyfile import KeyState
from dnsctl.sign.keystore import Keystore, SigningKey
from dnsctl.sign.rrsig import is_valid
from tests.publish.host import NOW, SIMPLE, Host, intent, name
from tests.sign.same_tag import new_key, put_by_hand, same_tag

COM = "example.com."
ORIGIN = name(COM)
MORE = SIMPLE + "ftp A 192.0.2.9\n"
PASSPHRASE = b"passphrase"
POLICIES = {"csk": Policy(), "zsk": Policy(keys="ksk+zsk")}
LATER = NOW + timedelta(hours=1)
DUE = NOW + timedelta(days=8)


@pytest.fixture(params=POLICIES)
def policy(request: pytest.FixtureRequest) -> Policy:
    return POLICIES[request.param]


def pair(policy: Policy) -> tuple[SigningKey, ...]:
    return same_tag(ORIGIN, "zsk" if policy.keys == "ksk+zsk" else "csk")


@pytest.fixture
def host(tmp_path: Path, policy: Policy) -> Host:
    """A host that serves example.com., signed by the first of the pair."""
    made = Host(tmp_path)
    made.keystore.store([new_key(tmp_path / "keys", pair(policy)[0])])
    made.push(intent({COM: SIMPLE}, policy))
    return made


def refused(host: Host, wanted: Intent) -> str:
    """Return what build says, and plan as well; neither writes anything."""
    before = host.table()
    with pytest.raises(KeystoreError) as built:
        host.build(wanted, LATER)
    with host.image.reader() as reader, pytest.raises(KeystoreError) as planned:
        changeset_of(wanted, host.keystore, reader, LATER)
    assert str(planned.value) == str(built.value)
    assert host.table() == before
    return str(built.value)


def valid_and_not(zone: SignedZone) -> tuple[int, int]:
    keys = [PublicKey.of(ORIGIN, rdata) for rdata in zone.get(ORIGIN, Type.DNSKEY).rdatas]
    found = [
        any(is_valid(one, signature, key) for key in keys)
        for one in zone.rrsets()
        for signature in one.signatures
    ]
    return found.count(True), found.count(False)


@pytest.mark.parametrize("state", [KeyState.ACTIVE, KeyState.GENERATED])
def test_pair_beside_the_zones_own_is_refused_as_what_it_is(
    host: Host, policy: Policy, tmp_path: Path, state: KeyState
) -> None:
    own, twin = pair(policy)
    path = put_by_hand(tmp_path / "keys", twin, PASSPHRASE, "-2", state)
    told = refused(host, intent({COM: MORE}, policy))
    assert told.startswith(f"{path}: its key tag {own.public.tag} is that of ")
    assert told.endswith(f"move {path.name.removesuffix('.key')}.* out of keys/")
    for each in path.parent.glob("*-2.*"):
        each.unlink()
    host.push(intent({COM: MORE}, policy), LATER)
    assert valid_and_not(host.zone(COM))[1] == 0


def test_pair_in_place_of_the_zones_own_is_refused_as_what_it_is(
    host: Host, policy: Policy, tmp_path: Path
) -> None:
    """Files of one tag have one name, so that copying them over is all it takes."""
    own, twin = pair(policy)
    path = put_by_hand(tmp_path / "keys", twin, PASSPHRASE)
    told = refused(host, intent({COM: MORE}, policy))
    assert told.startswith(f"{path}: its key tag {own.public.tag} is that of another key, which the zone is")
    assert "restore the key that is served from its backup" in told


def test_unchanged_zone_is_refused_as_well(host: Host, policy: Policy, tmp_path: Path) -> None:
    put_by_hand(tmp_path / "keys", pair(policy)[1], PASSPHRASE, "-2")
    refused(host, intent({COM: SIMPLE}, policy))


def test_two_pairs_of_one_tag_sign_no_zone_that_is_new(tmp_path: Path) -> None:
    host, (own, twin) = Host(tmp_path), same_tag(ORIGIN, "csk")
    host.keystore.store([new_key(tmp_path / "keys", own)])
    put_by_hand(tmp_path / "keys", twin, PASSPHRASE, "-2")
    assert "is that of" in refused(host, intent({COM: SIMPLE}))


def renewal(host: Host, reader: Reader, policy: Policy) -> Renewal:
    return renewal_of(reader, host.keystore, None, lambda _: policy, lambda _: False, DUE)


def test_renewal_goes_on_with_the_key_that_is_served(host: Host, policy: Policy, tmp_path: Path) -> None:
    """Nobody may be there to move files: signatures must not run out for it."""
    put_by_hand(tmp_path / "keys", pair(policy)[1], PASSPHRASE, "-2")
    with host.image.reader() as reader:
        found = renewal(host, reader, policy)
    assert (list(found.intent.zones), found.unable) == ([ORIGIN], ())
    before = valid_and_not(host.zone(COM))
    host.push(found.intent, DUE)
    assert valid_and_not(host.zone(COM)) == before


def test_renewal_with_a_copy_of_the_key_under_another_name_signs_once(
    host: Host, policy: Policy, tmp_path: Path
) -> None:
    put_by_hand(tmp_path / "keys", pair(policy)[0], PASSPHRASE, "-copy")
    with host.image.reader() as reader:
        found = renewal(host, reader, policy)
    before = valid_and_not(host.zone(COM))
    host.push(found.intent, DUE)
    assert valid_and_not(host.zone(COM)) == before


def test_renewal_of_a_zone_whose_key_was_replaced_says_by_what(
    host: Host, policy: Policy, tmp_path: Path
) -> None:
    put_by_hand(tmp_path / "keys", pair(policy)[1], PASSPHRASE)
    with host.image.reader() as reader:
        found = renewal(host, reader, policy)
    assert not found.intent.zones
    ((origin, why),) = found.unable
    assert origin == ORIGIN
    assert "is that of another key, which the zone is served with" in why


def test_keys_that_share_a_tag_are_not_rolled(host: Host, policy: Policy, tmp_path: Path) -> None:
    put_by_hand(tmp_path / "keys", pair(policy)[1], PASSPHRASE, "-2")
    long_after, state = NOW + timedelta(days=365), HostFiles(tmp_path / "state")
    keystore = Keystore(tmp_path / "keys", lambda: PASSPHRASE)
    with host.image.reader() as reader:
        found = zone_roll(reader, keystore, state, ORIGIN, Goal(policy, policy), long_after)
    assert found.plan.is_settled
    assert "is that of" in str(found.fault)
