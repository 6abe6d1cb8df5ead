"""Signalling names (RFC 9615): where they come to stand, and that they follow the keys."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dnsctl.model.policy import Policy
from dnsctl.model.rrset import Type
from dnsctl.publish.changeset import Fate
from dnsctl.publish.intent import Intent, ZoneIntent
from tests.publish.host import NOW, SIMPLE, Host, intent, name
from tests.publish.test_delegations import events, fates, planned

DAY = timedelta(days=1)
HOST, ZONE = "example.net.", "example.com."
APEX = """\
@ SOA ns1.example.net. hostmaster 1 7200 1800 1209600 300
@ NS ns1.example.net.
@ NS ns2.example.net.
"""
SIGNAL = Policy(cds="signal")
OWNERS = [f"_dsboot.example.com._signal.ns{n}.example.net." for n in (1, 2)]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "host")


def wanted(
    policy: Policy = SIGNAL, more: str = "", host_policy: Policy | None = SIGNAL, of_host: str = ""
) -> Intent:
    made = intent({ZONE: APEX + "www A 192.0.2.1\n" + more, HOST: SIMPLE + of_host}, policy)
    zones = {**made.zones, name(HOST): ZoneIntent(made.zones[name(HOST)].zone, host_policy)}
    return Intent(zones, made.commit)


def at(host: Host, zone: str, owner: str) -> dict[int, tuple[bytes, ...]]:
    found = host.zone(zone).nodes.get(name(owner), ())
    return {one.rdtype: one.rdatas for one in found if one.rdtype in (Type.CDS, Type.CDNSKEY)}


def test_each_name_server_says_what_the_apex_says_and_it_is_signed(host: Host) -> None:
    release = host.push(wanted())
    apex = at(host, ZONE, ZONE)
    assert len(apex) == 2
    for owner in OWNERS:
        assert at(host, HOST, owner) == apex
        assert all(one.signatures for one in host.zone(HOST).nodes[name(owner)])
    assert release.guards == ()


def test_emptied_owner_beside_signals_is_guarded(host: Host) -> None:
    host.push(wanted(of_host="gone A 192.0.2.1\n"))
    made, gone = wanted(), name("gone." + HOST)
    zone = made.zones[name(HOST)]
    kept = replace(zone, zone=replace(zone.zone, emptied=frozenset((gone,))))
    told = planned(host, replace(made, zones={**made.zones, name(HOST): kept}))
    assert [each.emptied_owners for each in told.zones if each.origin == name(HOST)] == [(gone,)]


def test_name_servers_in_the_zone_itself_say_nothing(host: Host) -> None:
    host.push(wanted())
    assert not any(
        b"_dsboot" in owner and b"example\x03net" in owner[9:17] for owner in host.zone(HOST).nodes
    )
    assert {owner for owner in host.zone(HOST).nodes if owner.startswith(b"\x07_dsboot")} == set(
        map(name, OWNERS)
    )


@pytest.mark.parametrize(
    "made",
    [
        wanted(Policy()),
        wanted(host_policy=None),
        wanted(of_host="ns1 NS ns9.example.org.\n", more=""),
    ],
)
def test_no_signal_without_the_policy_or_a_signed_host(host: Host, made: Intent) -> None:
    host.push(made)
    assert at(host, HOST, OWNERS[0]) == {}


def test_second_push_changes_nothing_and_plan_tells_the_same_as_push(host: Host) -> None:
    host.push(wanted(Policy()))
    told = planned(host, wanted(), NOW + DAY)
    release = host.push(wanted(), NOW + DAY)
    assert fates(told) == fates(release)
    assert fates(told)[HOST] is Fate.CHANGED
    assert events(told, HOST) == events(release, HOST) == ["signals"]
    assert all(each.records == () for each in release.zones if each.origin == name(HOST))
    assert host.build(wanted(), NOW + 2 * DAY) is None


def test_request_to_withdraw_the_ds_is_signalled_as_well(host: Host) -> None:
    host.push(wanted())
    release = host.push(wanted(more="@ CDS 0 0 0 00\n@ CDNSKEY 0 3 0 AA==\n"), NOW + DAY)
    assert at(host, HOST, OWNERS[0]) == {Type.CDS: (bytes(5),), Type.CDNSKEY: (b"\0\0\3\0\0",)}
    assert "signals" in events(release, HOST)


def test_signals_go_with_the_policy(host: Host) -> None:
    host.push(wanted())
    release = host.push(wanted(Policy(), host_policy=Policy()), NOW + DAY)
    assert at(host, HOST, OWNERS[0]) == {}
    assert release.changes == 0
