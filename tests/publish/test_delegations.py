"""DS of delegations between our own zones: they follow the child's keys in one release."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dnsctl.image.store import Image
from dnsctl.library import build_image, check_zones
from dnsctl.model.guard_names import DS_MISMATCH
from dnsctl.model.key import PublicKey
from dnsctl.model.name import to_text
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import Type, rdata_text
from dnsctl.publish.changeset import Changeset, Fate, changeset_of
from dnsctl.publish.intent import Intent, ZoneIntent
from dnsctl.publish.pipeline import Release
from tests.publish.host import NOW, SIMPLE, STANDARD, Host, intent, master_text, name

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TOP, MIDDLE, LOW = "example.", "example.com.example.", "lab.example.com.example."
ZONES = {
    TOP: SIMPLE + "example.com NS ns1\nexample.com NS ns2\n",
    MIDDLE: SIMPLE + "lab NS ns1\nlab NS ns2\n",
    LOW: SIMPLE,
}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "host")


def ds(host: Host, parent: str, child: str) -> tuple[bytes, ...]:
    found = host.zone(parent).get(name(child), Type.DS)
    return found.rdatas if found is not None else ()


def of_keys(host: Host, child: str) -> tuple[bytes, ...]:
    """Return the DS of the SEP keys that `child` is served with."""
    dnskey = host.zone(child).get(name(child), Type.DNSKEY)
    keys = [PublicKey.of(name(child), each) for each in (dnskey.rdatas if dnskey else ())]
    return tuple(sorted(each.ds() for each in keys if each.is_sep))


def planned(host: Host, wanted: Intent, now: datetime = NOW) -> Changeset:
    with host.image.reader() as reader:
        return changeset_of(wanted, host.keystore, reader, now)


def fates(changes: Changeset | Release) -> dict[str, Fate]:
    return {to_text(each.origin): each.fate for each in changes.zones}


def events(changes: Changeset | Release, zone: str) -> list[str]:
    found = next(each for each in changes.zones if each.origin == name(zone))
    return [each.name for each in found.events]


def with_policy(wanted: Intent, zone: str, policy: Policy | None) -> Intent:
    origin = name(zone)
    changed = ZoneIntent(wanted.zones[origin].zone, policy)
    return replace(wanted, zones={**wanted.zones, origin: changed})


@pytest.mark.parametrize("policy", [STANDARD, Policy(keys="ksk+zsk", denial="nsec3", opt_out=True)])
def test_chain_through_our_zones_is_whole_from_the_first_release(host: Host, policy: Policy) -> None:
    release = host.push(intent(ZONES, policy))
    assert ds(host, TOP, MIDDLE) == of_keys(host, MIDDLE) != ()
    assert ds(host, MIDDLE, LOW) == of_keys(host, LOW) != ()
    assert release.guards == ()
    assert {each.name for each in release.manifest.probes if each.rdtype == Type.DS} == {
        name(MIDDLE),
        name(LOW),
    }


def test_ds_is_signed_and_listed_in_the_denial_chain(host: Host) -> None:
    host.push(intent(ZONES))
    zone = host.zone(TOP)
    found = zone.get(name(MIDDLE), Type.DS)
    assert (found.ttl, len(found.signatures)) == (STANDARD.dnskey_ttl, 1)
    assert "DS" in rdata_text(Type.NSEC, zone.get(name(MIDDLE), Type.NSEC).rdatas[0])


def test_nothing_changes_at_the_second_push(host: Host) -> None:
    host.push(intent(ZONES))
    assert host.build(intent(ZONES), NOW + HOUR) is None
    assert planned(host, intent(ZONES), NOW + HOUR).zones == ()


def test_plan_tells_what_the_push_does(host: Host) -> None:
    for wanted, now in ((intent(ZONES), NOW), (intent(ZONES | {LOW: SIMPLE + "x A 192.0.2.7\n"}), NOW + DAY)):
        told = planned(host, wanted, now)
        release = host.push(wanted, now)
        assert fates(told) == fates(release)
        assert [len(each.records) for each in told.zones] == [len(each.records) for each in release.zones]
        assert all(
            events(told, to_text(each.origin)) == [e.name for e in each.events] for each in release.zones
        )


def test_child_that_is_new_takes_its_parent_along(host: Host) -> None:
    without = {TOP: ZONES[TOP], MIDDLE: ZONES[MIDDLE]}
    host.push(intent(without))
    told = planned(host, intent(ZONES), NOW + DAY)
    assert fates(told) == {MIDDLE: Fate.CHANGED, LOW: Fate.NEW}
    assert events(told, MIDDLE) == ["ds"]
    release = host.push(intent(ZONES), NOW + DAY)
    assert fates(release) == fates(told)
    assert ds(host, MIDDLE, LOW) == of_keys(host, LOW) != ()


def test_emptied_owner_of_a_parent_whose_ds_follow_is_guarded(host: Host) -> None:
    more = {**ZONES, TOP: ZONES[TOP] + "gone A 192.0.2.1\n"}
    host.push(intent(more))
    wanted, gone = intent(ZONES), name("gone." + TOP)
    top = wanted.zones[name(TOP)]
    kept = replace(top, zone=replace(top.zone, emptied=frozenset((gone,))))
    told = planned(host, replace(wanted, zones={**wanted.zones, name(TOP): kept}), NOW + DAY)
    assert [each.emptied_owners for each in told.zones if each.origin == name(TOP)] == [(gone,)]


def test_full_rebuild_gives_the_same_digests(host: Host, tmp_path: Path) -> None:
    host.push(intent({TOP: ZONES[TOP], MIDDLE: SIMPLE, LOW: SIMPLE}))
    host.push(intent({**ZONES, TOP: SIMPLE}), NOW + DAY)
    host.push(intent(ZONES), NOW + 9 * DAY)
    fresh = Host(tmp_path / "fresh")
    fresh.keystore = host.keystore
    fresh.push(intent(ZONES), NOW + 9 * DAY)
    for each in ZONES:
        assert ds(host, TOP, MIDDLE) == ds(fresh, TOP, MIDDLE) != ()
        stepped, at_once = host.zone(each), fresh.zone(each)
        assert [one[:4] for one in stepped.rrsets() if one.rdtype != Type.SOA] == [
            one[:4] for one in at_once.rrsets() if one.rdtype != Type.SOA
        ]


def test_renewal_leaves_the_ds_as_it_is(host: Host) -> None:
    host.push(intent(ZONES))
    before = ds(host, TOP, MIDDLE)
    release = host.push(intent(ZONES), NOW + 8 * DAY)
    assert set(fates(release).values()) == {Fate.RENEWED}
    assert ds(host, TOP, MIDDLE) == before != ()


def test_ds_that_the_operator_wrote_stays_as_it_is_where_it_leads_to_a_key(host: Host) -> None:
    host.push(intent({LOW: SIMPLE}))
    dnskey = host.zone(LOW).get(name(LOW), Type.DNSKEY).rdatas[0]
    sha384 = PublicKey.of(name(LOW), dnskey).ds(4)
    zones = {**ZONES, MIDDLE: ZONES[MIDDLE] + f"lab DS {rdata_text(Type.DS, sha384)}\n"}
    release = host.push(intent(zones), NOW + DAY)
    assert ds(host, MIDDLE, LOW) == (sha384,)
    assert release.guards == ()


@pytest.mark.parametrize("signed", [True, False])
def test_ds_that_the_operator_wrote_for_another_key_is_refused(host: Host, signed: bool) -> None:
    wrong = PublicKey(name(LOW), 13, 257, bytes(64)).ds()
    zones = {**ZONES, MIDDLE: ZONES[MIDDLE] + f"lab DS {rdata_text(Type.DS, wrong)}\n"}
    wanted = with_policy(intent(zones), LOW, STANDARD if signed else None)
    release = host.build(wanted)
    assert [each.guard for each in release.guards] == [
        DS_MISMATCH,
        DS_MISMATCH,
    ]  # at the parent, and the child
    assert "leads to no key" in release.guards[0].message


def test_ds_is_not_ours_where_the_settings_leave_it(host: Host) -> None:
    wanted = intent(ZONES)
    left = replace(wanted.zones[name(LOW)], ds_follows=False)
    host.push(replace(wanted, zones={**wanted.zones, name(LOW): left}))
    assert ds(host, MIDDLE, LOW) == ()
    assert ds(host, TOP, MIDDLE) != ()


def test_zone_that_is_no_longer_signed_is_refused_while_caches_hold_its_ds(host: Host) -> None:
    host.push(intent(ZONES))
    wanted = with_policy(intent(ZONES), LOW, None)
    release = host.build(wanted, NOW + DAY)
    verdict = next(each for each in release.guards if each.guard == "ds-change")
    assert verdict.zone == name(LOW)
    assert "caches hold its DS in example.com.example. for 3600 s" in verdict.message
    assert "CDS 0 0 0 00" in verdict.message
    host.push(wanted, NOW + DAY)  # allowed by name: it leaves no DS behind
    assert ds(host, MIDDLE, LOW) == ()
    assert not host.zone(LOW).signed


def test_ds_is_withdrawn_where_the_child_asks_for_it(host: Host) -> None:
    host.push(intent(ZONES))
    asking = {**ZONES, LOW: SIMPLE + "@ CDS 0 0 0 00\n@ CDNSKEY 0 3 0 AA==\n"}
    release = host.push(intent(asking), NOW + DAY)
    assert events(release, MIDDLE) == ["ds"]
    assert ds(host, MIDDLE, LOW) == ()
    assert host.zone(LOW).signed
    last = host.build(with_policy(intent(ZONES), LOW, None), NOW + 2 * DAY)
    assert "caches hold" not in "".join(each.message for each in last.guards)


def test_key_of_another_signer_gets_a_ds_beside_ours(host: Host) -> None:
    foreign = PublicKey(name(LOW), 13, 257, bytes(range(64)))
    zone_key = PublicKey(name(LOW), 13, 256, bytes(range(1, 65)))
    more = "".join(f"@ DNSKEY {rdata_text(Type.DNSKEY, each.rdata)}\n" for each in (foreign, zone_key))
    host.push(intent({**ZONES, LOW: SIMPLE + more}))
    found = ds(host, MIDDLE, LOW)
    assert (foreign.ds() in found, zone_key.ds() in found, len(found)) == (True, False, 2)
    assert found == of_keys(host, LOW)


def test_pre_signed_child_gets_the_ds_of_what_signs_its_keys(host: Host, tmp_path: Path) -> None:
    other = Host(tmp_path / "other")
    other.push(intent({LOW: SIMPLE}))
    text = master_text(other.zone(LOW))
    host.push(intent({**ZONES, LOW: text}))
    assert ds(host, MIDDLE, LOW) == of_keys(other, LOW) != ()


@pytest.mark.parametrize("hiding", ["example.com NS ns9\n", "com DNAME net\n"])
def test_delegation_that_is_hidden_gets_no_ds(host: Host, hiding: str) -> None:
    top = SIMPLE + hiding + "lab.example.com NS ns1\n"
    host.push(intent({TOP: top, LOW: SIMPLE}))
    assert ds(host, TOP, LOW) == ()


def test_unsigned_parent_gets_no_ds(host: Host) -> None:
    host.push(with_policy(intent(ZONES), MIDDLE, None))
    assert (ds(host, TOP, MIDDLE), ds(host, MIDDLE, LOW)) == ((), ())


def test_key_that_is_replaced_takes_the_ds_along_and_wants_leave(host: Host) -> None:
    host.push(intent(ZONES))
    old = ds(host, MIDDLE, LOW)
    for each in host.keystore.list(name(LOW)):
        for path in (each.path, each.private_path, each.state_path):
            path.unlink()
    told = planned(host, intent(ZONES), NOW + DAY)
    release = host.push(intent(ZONES), NOW + DAY)
    assert fates(release) == fates(told) == {MIDDLE: Fate.CHANGED, LOW: Fate.CHANGED}
    assert events(told, MIDDLE) == events(release, MIDDLE) == ["ds"]
    assert {each.guard for each in release.guards} == {"keys-missing"}
    assert ds(host, MIDDLE, LOW) == of_keys(host, LOW) != old


def test_policy_may_keep_cds_out_of_the_zone(host: Host) -> None:
    host.push(intent({LOW: SIMPLE}))
    assert all(host.zone(LOW).get(name(LOW), each) for each in (Type.CDS, Type.CDNSKEY))
    release = host.push(intent({LOW: SIMPLE}, Policy(cds="off")), NOW + DAY)
    assert fates(release) == {LOW: Fate.CHANGED}
    assert not any(host.zone(LOW).get(name(LOW), each) for each in (Type.CDS, Type.CDNSKEY))


def test_cds_names_the_keys_of_all_signers(host: Host) -> None:
    foreign = PublicKey(name(LOW), 13, 257, bytes(range(64)))
    host.push(intent({LOW: SIMPLE + f"@ DNSKEY {rdata_text(Type.DNSKEY, foreign.rdata)}\n"}))
    cds = host.zone(LOW).get(name(LOW), Type.CDS)
    assert cds.rdatas == of_keys(host, LOW)
    assert foreign.ds() in cds.rdatas


def test_zones_of_a_directory_are_delegated_with_their_ds_as_well(tmp_path: Path) -> None:
    (tmp_path / "zones").mkdir()
    text = "$TTL 300\n@ SOA ns1 hostmaster 1 7200 1800 1209600 300\n@ NS ns1.example.com.\n"
    address = "ns1.example.com. A 192.0.2.53\n"
    (tmp_path / "zones/example.com.zone").write_text(text + address + "sub NS ns1\n")
    (tmp_path / "zones/sub.example.com.zone").write_text(text + "www A 192.0.2.1\n")
    for _ in range(2):  # the second time with what was published before
        zones = check_zones(tmp_path / "zones", sign=True)
        build_image(zones, tmp_path / "image", keys=tmp_path / "keys", passphrase=b"passphrase")
        with Image.open(tmp_path / "image") as image, image.reader() as reader:
            child = reader.get(name("sub.example.com."), Type.DNSKEY, name("sub.example.com."))
            found = reader.get(name("sub.example.com."), Type.DS, name("example.com."))
        assert found.rdatas == (PublicKey.of(name("sub.example.com."), child.rdatas[0]).ds(),)
        assert len(found.signatures) == 1


def test_imported_key_without_a_time_of_its_own_does_not_hold_back_the_ds_for_ever(host: Host) -> None:
    host.push(with_policy(intent({MIDDLE: SIMPLE, LOW: SIMPLE}), MIDDLE, STANDARD))  # not delegated yet
    for each in host.keystore.list(name(LOW)):
        text = each.state_path.read_text().splitlines()
        kept = ["Active: -" if line.startswith("Active: ") else line for line in text]
        each.state_path.write_text("\n".join(kept) + "\n")
    host.push(intent({MIDDLE: ZONES[MIDDLE], LOW: SIMPLE}), NOW + DAY)
    assert ds(host, MIDDLE, LOW) == of_keys(host, LOW) != ()
