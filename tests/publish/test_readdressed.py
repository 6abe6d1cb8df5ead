"""Other addresses for ALIAS in a served zone: what a push of the same commit with them would have made."""

from datetime import timedelta
from pathlib import Path

import pytest

from dnsctl.model.name import from_text, to_text
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import RRset, Type
from dnsctl.publish.changeset import Fate
from dnsctl.publish.intent import Intent, ZoneIntent
from dnsctl.publish.readdressed import Addresses, differs, readdressed
from tests.publish.host import NOW, SIMPLE, Host, intent

ZONE, SHOP = "example.com.", from_text("shop.example.com.")
ORIGIN = from_text(ZONE)
A, AAAA = int(Type.A), int(Type.AAAA)
HOUR = timedelta(hours=1)
BEFORE = SIMPLE + "shop 300 A 192.0.2.7\nshop 300 AAAA 2001:db8::7\nshop TXT x\n"
AFTER = SIMPLE + "shop 120 A 192.0.2.8\nshop 120 A 192.0.2.9\nshop TXT x\n"
WANTED = Addresses(SHOP, (A, AAAA), (RRset(SHOP, A, 120, (b"\xc0\x00\x02\x08", b"\xc0\x00\x02\x09")),))
POLICIES = [Policy(), Policy(keys="ksk+zsk", denial="nsec3"), Policy(zonemd="publish"), None]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "host")


def made(host: Host, policy: Policy | None, wanted: Addresses = WANTED) -> ZoneIntent:
    with host.image.reader() as reader:
        zone, fault = readdressed(reader, host.keystore, ORIGIN, [wanted], policy)
    assert zone is not None, fault
    return zone


@pytest.mark.parametrize("policy", POLICIES)
def test_zone_is_served_with_other_addresses_and_is_else_what_it_was(
    host: Host, policy: Policy | None
) -> None:
    host.push(intent({ZONE: BEFORE, "example.org.": SIMPLE}, policy))
    release = host.push(Intent({ORIGIN: made(host, policy)}, "ab" * 20, partial=True), NOW + HOUR)
    assert [(each.origin, each.fate) for each in release.zones] == [(ORIGIN, Fate.CHANGED)]
    assert {(one.owner, one.rdtype) for one in release.zones[0].records} == {(SHOP, A), (SHOP, AAAA)}
    served = host.zone(ZONE)
    assert [one.rdtype for one in served.nodes[SHOP] if one.rdtype in (A, AAAA, Type.TXT)] == [A, Type.TXT]
    one = served.get(SHOP, A)
    assert one is not None and (one.ttl, one.rdatas) == (120, WANTED.rrsets[0].rdatas)
    assert len(one.signatures) == (policy is not None)


@pytest.mark.parametrize("policy", [POLICIES[0], POLICIES[1], POLICIES[3]])
def test_push_of_the_same_commit_with_these_addresses_finds_nothing_to_do(
    host: Host, policy: Policy | None
) -> None:
    host.push(intent({ZONE: BEFORE}, policy))
    host.push(Intent({ORIGIN: made(host, policy)}, "ab" * 20, partial=True), NOW + HOUR)
    assert host.build(intent({ZONE: AFTER}, policy), NOW + 2 * HOUR) is None
    later = host.build(intent({ZONE: BEFORE}, policy), NOW + 2 * HOUR)
    assert later is not None and later.changes == 2


def test_owner_that_was_not_there_is_put_in_its_place(host: Host) -> None:
    host.push(intent({ZONE: SIMPLE}))
    host.push(Intent({ORIGIN: made(host, Policy())}, "ab" * 20, partial=True), NOW + HOUR)
    owners = [to_text(each).partition(".")[0] for each in host.zone(ZONE).nodes]
    assert owners == ["example", "mail", "ns1", "ns2", "shop", "www"]


def test_only_what_is_served_otherwise_differs(host: Host) -> None:
    host.push(intent({ZONE: AFTER}))
    with host.image.reader() as reader:
        assert not differs(reader, ORIGIN, WANTED)
        assert differs(reader, ORIGIN, WANTED._replace(rrsets=(WANTED.rrsets[0]._replace(ttl=60),)))
        assert differs(reader, ORIGIN, WANTED._replace(owner=from_text("new.example.com.")))
        six = RRset(SHOP, AAAA, 120, (bytes(16),))
        assert differs(reader, ORIGIN, WANTED._replace(rrsets=(*WANTED.rrsets, six)))
        alone = Addresses(SHOP, (A,), WANTED.rrsets)
        assert not differs(reader, ORIGIN, alone)


def test_zone_whose_keys_are_gone_is_left_and_told(host: Host) -> None:
    host.push(intent({ZONE: BEFORE}))
    for each in host.keystore.list(ORIGIN):
        each.private_path.unlink()
    with host.image.reader() as reader:
        zone, fault = readdressed(reader, host.keystore, ORIGIN, [WANTED], Policy())
        assert zone is None and fault
        assert readdressed(reader, host.keystore, from_text("example.org."), [], None) == (
            None,
            "it is not served",
        )
