"""Zones that a commit asks to be unsigned: signed until no cache holds a DS, and then no longer."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dnsctl.control import push as pushing
from dnsctl.control.ds_gate import judge_ds_seen
from dnsctl.control.host import control_host
from dnsctl.control.in_step import wanted_ds
from dnsctl.control.observations import Observed, remember
from dnsctl.control.push import Request, push
from dnsctl.control.unsigning import kept_signed
from dnsctl.control.zone_rolls import Goal, ZoneRoll, zone_roll
from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.file import load_config
from dnsctl.model.key import PublicKey
from dnsctl.model.name import to_text
from dnsctl.model.observation import NodeView, ParentView
from dnsctl.model.parental import DELETE
from dnsctl.model.policy import Algorithm, Lifetimes, Policy, SignaturePolicy
from dnsctl.model.repo import HostFiles
from dnsctl.model.rrset import Type, rdata_text
from dnsctl.publish.changeset import Fate, changeset_of
from dnsctl.publish.intent import Intent
from dnsctl.publish.keys import live_keys, settle, settle_roll
from dnsctl.publish.pipeline import Release, certify
from dnsctl.publish.renewal import renewal_of
from dnsctl.publish.rolling import Rolled, rolled
from dnsctl.sign.keyfile import KeyState
from dnsctl.verify.consistency import verify_fleet
from dnsctl.verify.report import Fault, Report
from tests.control.operations import NODES, Operations, made, zone
from tests.passphrase import PASSPHRASE
from tests.publish.host import NOW, SIMPLE, STANDARD, Host, adopt, intent, master_text, name
from tests.publish.test_delegations import LOW, MIDDLE, ZONES, ds, events, fates, of_keys, with_policy
from tests.release.releases import release_key

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LAST = Policy(lifetimes=Lifetimes(None, None, None))
SPLIT = Policy(keys="ksk+zsk", denial="nsec3", algorithm=Algorithm.ED25519)
GOAL = Goal(None, LAST)
SAME, OTHER = (PublicKey(name(LOW), each, 257, bytes(range(64))) for each in (13, 8))
NOBODYS = PublicKey(name(LOW), 13, 257, bytes(64))


class Fleet(Host):
    """A control host with one node, and the parent of `origin`."""

    def __init__(self, root: Path, origin: str = LOW) -> None:
        super().__init__(root)
        self.origin = name(origin)
        self.state = HostFiles(root / "state")
        self.observed = Observed()

    def wanted(self, wanted: Intent, now: datetime, *, at_once: bool = False) -> Intent:
        with self.image.reader() as reader:
            return kept_signed(wanted, reader, self.keystore, self.state, now, lambda _: at_once)

    def unsign(self, now: datetime, text: str = SIMPLE) -> Release | None:
        """Push the zone with `dnssec: none`; None where nothing changes."""
        made = self.wanted(intent({LOW: text}, None), now)
        return self.push(made, now) if self.build(made, now) is not None else None

    def look(self, now: datetime, *there: tuple[bytes, ...] | None) -> None:
        """See what the node serves, and what each server of the parent has."""
        origin = self.origin
        with self.image.reader() as reader:
            keys = live_keys(self.keystore, reader, origin)
            asked = tuple(sorted(one.public.ds() for one in keys.signing if keys.use(one).ds))
        seen = self.served[origin]
        node = NodeView("ns1", "dc1", now, seen.keys, seen.dnskey_ttl, seen.data_ttl)
        views = [
            ParentView(f"ns{n}.", "dc1", now, each, 7200, "" if each is not None else "timed out")
            for n, each in enumerate(there)
        ]
        served = self.observed.served.after([node], now)
        self.observed = Observed(self.observed.ds.decided(asked, now).after(views, now), served)
        remember(self.state, origin, self.observed)

    def push(self, wanted: Intent, now: datetime = NOW) -> Release:
        release = super().push(wanted, now)
        self.served = release.served
        return release

    def roll(self, now: datetime) -> ZoneRoll:
        with self.image.reader() as reader:
            return zone_roll(reader, self.keystore, self.state, self.origin, GOAL, now)

    def step(self, now: datetime) -> Release:
        """Take the next step, as the daemon does."""
        told = self.roll(now).plan
        assert told.step is not None, told.wait
        with self.image.reader() as reader:
            steps = [Rolled(told.keys, told.step, LAST)]
            wanted = rolled(reader, steps, lambda _: STANDARD, lambda _: True, None)
        release = self.push(wanted, now)
        settle_roll(self.keystore, told.step.keys, now)
        return release

    def asks(self) -> set[tuple[int, bytes]]:
        """Return what the zone's CDS and CDNSKEY say."""
        found = self.zone(LOW).nodes[name(LOW)]
        return {(one.rdtype, each) for one in found if one.rdtype in DELETE for each in one.rdatas}

    def publics(self) -> set[bytes]:
        return {one.public.rdata for one in self.keystore.list(name(LOW))}


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    made = Fleet(tmp_path / "host")
    made.push(intent({LOW: SIMPLE}))
    made.look(NOW, of_keys(made, LOW), of_keys(made, LOW))
    return made


def test_zone_with_a_ds_stays_signed_and_asks_its_parent_to_remove_it(fleet: Fleet) -> None:
    release = fleet.unsign(NOW + DAY)
    assert release is not None
    assert fleet.zone(LOW).signed
    assert fleet.asks() == set(DELETE.items())
    (zone,) = release.zones
    assert (zone.records, release.guards, release.new_keys) == ((), (), ())
    (told,) = (each for each in zone.events if each.name == "unsigning")
    assert "stays signed until its DS is gone: ask the parent to withdraw the DS of csk " in told.message
    assert told.message.endswith("`dnsctl status` says what is waited for")
    with fleet.image.reader() as reader:
        assert wanted_ds(reader, fleet.keystore, name(LOW)) == ()


def test_parent_that_was_never_looked_at_may_have_a_ds(tmp_path: Path) -> None:
    blind = Fleet(tmp_path / "blind")
    blind.push(intent({LOW: SIMPLE}))
    release = blind.unsign(NOW + DAY)
    assert release is not None
    (told,) = (each.message for each in release.zones[0].events if each.name == "unsigning")
    assert (
        "and you know that no server has a DS, nor had one for its TTL, push with `--allow ds-change`" in told
    )
    assert told.endswith("if you are wrong, validators refuse all of the zone")
    blind.unsign(NOW + 30 * DAY, SIMPLE + "a A 192.0.2.3\n")
    assert blind.zone(LOW).signed
    waits = blind.roll(NOW + 30 * DAY).plan.wait
    assert waits is not None
    assert "for a look at the DS at every name server of the parent" in waits.told


@pytest.mark.parametrize("policy", [STANDARD, SPLIT, Policy(cds="off")])
def test_daemon_unsigns_it_when_no_cache_can_hold_the_ds(tmp_path: Path, policy: Policy) -> None:
    fleet = Fleet(tmp_path / "host")
    fleet.push(intent({LOW: SIMPLE}, policy))
    there = of_keys(fleet, LOW)
    fleet.look(NOW, there, there)
    fleet.unsign(NOW + DAY)
    keys = fleet.publics()
    fleet.look(NOW + DAY + HOUR, (), there)
    waits = fleet.roll(NOW + DAY + HOUR).plan.wait
    assert waits is not None
    assert "for ns1. from dc1 to drop the DS of key" in waits.reason
    assert waits.step.action == "unsign"
    gone = NOW + DAY + 2 * HOUR
    fleet.look(gone, (), ())
    waits = fleet.roll(gone + 2 * HOUR - timedelta(seconds=1)).plan.wait
    assert waits is not None
    assert waits.until == gone + 2 * HOUR
    release = fleet.step(gone + 2 * HOUR)
    assert not fleet.zone(LOW).signed
    assert not fleet.zone(LOW).get(name(LOW), Type.DNSKEY)
    assert fleet.asks() == set()
    assert {each.guard for each in release.guards} == set()
    assert {one.state for one in fleet.keystore.list(name(LOW))} == {KeyState.ACTIVE}
    after = fleet.unsign(gone + 3 * HOUR)
    assert after is not None
    assert [each.rdtype for each in after.zones[0].records] == [Type.SOA], "its expire was lowered by signing"
    fleet.push(intent({LOW: SIMPLE}, policy), gone + 4 * HOUR)
    assert fleet.publics() == keys, "it is signed again with its keys"
    assert fleet.asks() == set(), "and its DS is asked for later"


def test_push_unsigns_it_where_no_cache_holds_a_ds(fleet: Fleet) -> None:
    fleet.unsign(NOW + DAY)
    fleet.look(NOW + DAY, (), ())
    release = fleet.unsign(NOW + DAY + 2 * HOUR, SIMPLE + "a A 192.0.2.3\n")
    assert release is not None
    assert not fleet.zone(LOW).signed
    assert release.guards == ()
    assert "unsigned" in events(release, LOW)


def test_server_of_the_parent_that_is_silent_keeps_it_signed(fleet: Fleet) -> None:
    fleet.unsign(NOW + DAY)
    fleet.look(NOW + DAY, (), None)
    assert fleet.unsign(NOW + 9 * HOUR + DAY) is None
    waits = fleet.roll(NOW + DAY + HOUR).plan.wait
    assert waits is not None
    assert "for an answer of ns1. from dc1 (timed out) about the DS" in waits.reason


@pytest.mark.parametrize("theirs", [SAME, OTHER, NOBODYS], ids=["same algorithm", "another", "nobody's"])
@pytest.mark.parametrize("beside_ours", [True, False])
def test_ds_that_leads_to_no_key_of_ours_keeps_it_signed(
    tmp_path: Path, theirs: PublicKey, beside_ours: bool
) -> None:
    """Such as one of another signer's key (RFC 8901): its DNSKEY RRset leads to ours."""
    fleet = Fleet(tmp_path / "host")
    text = SIMPLE if theirs is NOBODYS else SIMPLE + f"@ DNSKEY {rdata_text(Type.DNSKEY, theirs.rdata)}\n"
    fleet.push(intent({LOW: text}))
    (key,) = fleet.keystore.list(name(LOW))
    there = (theirs.ds(), key.public.ds()) if beside_ours else (theirs.ds(),)
    fleet.look(NOW, tuple(sorted(there)))
    fleet.unsign(NOW + DAY, text)
    fleet.observed = Observed()  # another control host goes on, which does not know what was asked for before
    fleet.look(NOW + DAY, (theirs.ds(),))
    now = NOW + 5 * DAY
    fleet.look(now, (theirs.ds(),))
    waits = fleet.roll(now).plan.wait
    assert waits is not None, "the daemon would unsign it"
    assert waits.told.startswith(f"for ns0. from dc1 to drop the DS of key {theirs.tag}")
    assert fleet.unsign(now, text) is None, "the push would unsign it"
    forced = fleet.build(fleet.wanted(intent({LOW: text}, None), now, at_once=True), now)
    assert forced is not None
    with fleet.image.reader() as reader:
        (told,) = judge_ds_seen(fleet.state, reader, forced.zones, now)
    assert f"its parent has the DS {theirs.tag}, and no key would sign it" in told.message
    fleet.look(now + HOUR, ())
    assert fleet.unsign(now + 2 * HOUR, text) is None
    fleet.unsign(now + 3 * HOUR, text)
    assert not fleet.zone(LOW).signed


def test_second_push_and_plan_change_nothing_and_records_go_on_changing(fleet: Fleet) -> None:
    release = fleet.unsign(NOW + DAY)
    assert release is not None
    assert fleet.unsign(NOW + DAY + HOUR) is None
    more = fleet.unsign(NOW + DAY + HOUR, SIMPLE + "a A 192.0.2.3\n")
    assert more is not None
    assert [len(each.records) for each in more.zones] == [1]
    (told,) = (each for each in more.zones[0].events if each.name == "unsigning")
    assert "it waits for" in told.message
    assert fleet.asks() == set(DELETE.items())


def test_zone_that_is_to_stay_signed_after_all_says_so(fleet: Fleet) -> None:
    fleet.unsign(NOW + DAY)
    release = fleet.push(intent({LOW: SIMPLE}), NOW + 2 * DAY)
    assert "stays-signed" in events(release, LOW)
    assert fleet.zone(LOW).signed
    assert fleet.asks().isdisjoint(DELETE.items())
    more = fleet.push(intent({LOW: SIMPLE + "a A 192.0.2.3\n"}), NOW + 3 * DAY)
    assert "stays-signed" not in events(more, LOW)


def test_plan_tells_the_same_as_the_push(fleet: Fleet) -> None:
    wanted = fleet.wanted(intent({LOW: SIMPLE}, None), NOW + DAY)
    with fleet.image.reader() as reader:
        told = changeset_of(wanted, fleet.keystore, reader, NOW + DAY)
    release = fleet.push(wanted, NOW + DAY)
    assert told.zones[0].events == release.zones[0].events
    assert told.zones[0].records == release.zones[0].records == ()


def test_push_with_a_policy_again_takes_it_back(fleet: Fleet) -> None:
    fleet.unsign(NOW + DAY)
    (key,) = fleet.keystore.list(name(LOW))
    release = fleet.push(intent({LOW: SIMPLE}), NOW + DAY + HOUR)
    assert release.guards == ()
    assert fleet.zone(LOW).signed
    assert fleet.asks() == set()
    with fleet.image.reader() as reader:
        back = zone_roll(
            reader, fleet.keystore, fleet.state, name(LOW), Goal(STANDARD, STANDARD), NOW + DAY + HOUR
        )
    assert back.plan.step is not None
    assert (back.plan.step.action, back.plan.step.keys.wanted_ds) == ("ask", (key.public,))


def test_signatures_are_renewed_until_it_is_unsigned(fleet: Fleet) -> None:
    fleet.unsign(NOW + DAY)
    before = fleet.zone(LOW).get(name("www." + LOW), Type.A).signatures
    now = NOW + 9 * DAY
    with fleet.image.reader() as reader:
        renewal = renewal_of(reader, fleet.keystore, None, lambda _: LAST, lambda _: False, now)
    release = fleet.push(renewal.intent, now)
    assert fates(release) == {LOW: Fate.RENEWED}
    assert fleet.zone(LOW).get(name("www." + LOW), Type.A).signatures != before
    assert fleet.asks() == set(DELETE.items())
    assert fleet.unsign(now + HOUR) is None


def test_shape_of_the_signed_zone_stays_what_it_was(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "host")
    fleet.push(intent({LOW: SIMPLE}, replace(SPLIT, dnskey_ttl=600)))
    fleet.look(NOW, of_keys(fleet, LOW))
    made = intent({LOW: SIMPLE}, None)
    lasting = replace(LAST, signatures=SignaturePolicy(lifetime=timedelta(days=30)))
    fleet.push(fleet.wanted(replace(made, last_policy=lasting), NOW + DAY), NOW + DAY)
    zone = fleet.zone(LOW)
    assert zone.nsec3 is not None
    assert zone.get(name(LOW), Type.DNSKEY).ttl == 600
    assert {one.public.algorithm for one in fleet.keystore.list(name(LOW))} == {15}


def test_parent_of_ours_loses_the_ds_in_the_same_release(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "host")
    fleet.push(intent(ZONES))
    fleet.look(NOW, of_keys(fleet, LOW))
    wanted = with_policy(intent(ZONES), LOW, None)
    release = fleet.push(fleet.wanted(wanted, NOW + DAY), NOW + DAY)
    assert set(fates(release)) == {MIDDLE, LOW}
    assert events(release, MIDDLE) == ["ds"]
    assert ds(fleet, MIDDLE, LOW) == ()
    assert fleet.zone(LOW).signed
    assert release.guards == ()
    assert fleet.build(fleet.wanted(wanted, NOW + DAY + HOUR), NOW + DAY + HOUR) is None


def test_step_of_the_daemon_withdraws_it_at_a_parent_of_ours_as_well(tmp_path: Path) -> None:
    """What a push did not do: such as one of an earlier version, which left the zone signed."""
    fleet = Fleet(tmp_path / "host")
    fleet.push(intent(ZONES))
    fleet.look(NOW, of_keys(fleet, LOW))
    release = fleet.step(NOW + DAY)
    assert set(fates(release)) == {MIDDLE, LOW}
    assert fleet.asks() == set(DELETE.items())
    assert ds(fleet, MIDDLE, LOW) == ()


def test_parent_of_ours_that_is_unsigned_by_the_daemon_keeps_no_ds_of_zones_below_it(tmp_path: Path) -> None:
    """As a push of that zone leaves none: it would stand there while the keys below are rolled."""
    fleet = Fleet(tmp_path / "host", MIDDLE)
    fleet.push(intent(ZONES))
    fleet.look(NOW, of_keys(fleet, MIDDLE))
    wanted = with_policy(intent(ZONES), MIDDLE, None)
    fleet.push(fleet.wanted(wanted, NOW + DAY), NOW + DAY)
    assert ds(fleet, MIDDLE, LOW) == of_keys(fleet, LOW), "it is signed still"
    fleet.look(NOW + DAY, ())
    fleet.step(NOW + DAY + 3 * HOUR)
    assert not fleet.zone(MIDDLE).signed
    assert ds(fleet, MIDDLE, LOW) == ()
    later = NOW + DAY + 4 * HOUR
    left = fleet.push(fleet.wanted(wanted, later), later)
    assert [(to_text(each.origin), [one.rdtype for one in each.records]) for each in left.zones] == [
        (MIDDLE, [Type.SOA])
    ], "a push has nothing to add, but the expire that signing had lowered"


def test_push_that_was_killed_after_its_decision_still_asks_for_no_ds(fleet: Fleet) -> None:
    release = fleet.build(fleet.wanted(intent({LOW: SIMPLE}, None), NOW + DAY), NOW + DAY)
    assert release is not None
    (key,) = release.unasked
    fleet.keystore.record(key, key.state, replace(key.roll, ds=False), NOW + DAY)
    adopt(release, certify(release.manifest, (release_key(),), NOW + DAY), fleet.image, fleet.archive)
    with fleet.image.reader() as reader:
        settle(fleet.keystore, reader, NOW + DAY)
    assert fleet.unsign(NOW + DAY + HOUR) is None
    assert fleet.roll(NOW + DAY + HOUR).keys.wanted_ds == ()


def test_who_allows_it_by_name_unsigns_at_once(fleet: Fleet) -> None:
    wanted = fleet.wanted(intent({LOW: SIMPLE}, None), NOW + DAY, at_once=True)
    release = fleet.build(wanted, NOW + DAY)
    assert release is not None
    assert [each.guard for each in release.guards] == ["ds-change"]
    fleet.push(wanted, NOW + DAY)
    assert not fleet.zone(LOW).signed


def test_zone_that_keys_elsewhere_sign_is_left_to_the_guards(tmp_path: Path) -> None:
    other, fleet = Host(tmp_path / "other"), Fleet(tmp_path / "host")
    other.push(intent({LOW: SIMPLE}))
    fleet.push(intent({LOW: master_text(other.zone(LOW))}))
    release = fleet.build(fleet.wanted(intent({LOW: SIMPLE}, None), NOW + DAY), NOW + DAY)
    assert release is not None
    assert [each.guard for each in release.guards] == ["ds-change"]


def test_unsigned_zone_stays_as_it_is(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "host")
    fleet.push(intent({LOW: SIMPLE}, None))
    wanted = intent({LOW: SIMPLE}, None)
    assert fleet.wanted(wanted, NOW + DAY) is wanted


def test_push_that_is_taken_back_unsigns_only_what_it_began_to_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing: set[int] = set()

    def finding(nodes: object, reader: object, **options: object) -> Report:
        report = verify_fleet(nodes, reader, **options)  # type: ignore[arg-type]
        assert report.consistent
        owner = name("www.example.com.")
        fault = Fault("ns2", "192.0.2.1:53", owner, "data", owner, 1, "192.0.2.99", "192.0.2.66")
        found = {each: getattr(report, each) for each in report.__slots__}
        return Report(**found | {"faults": (fault,)}) if report.generation in failing else report

    def pushed(repo: Operations, dnssec: str, address: str = "192.0.2.80") -> tuple[str, bool]:
        """Push the zone; return how that ended, and whether it is served signed."""
        config = (repo.root / "dnsctl.yaml").read_text()
        repo.write("dnsctl.yaml", re.sub("dnssec: [a-z]+", f"dnssec: {dnssec}", config))
        repo.write("zones/example.com.yaml", zone(address))
        repo.commit(dnssec)
        with control_host(repo.root, load_config(WorkTree(repo.root)), PASSPHRASE) as host:
            result = push(host, Request())
            with host.image.reader() as reader:
                return result.ending, reader.signed_zone(name("example.com.")).signed

    monkeypatch.setattr(pushing, "verify_fleet", finding)
    with made(tmp_path / "ops", "none") as repo:
        repo.start(*NODES)
        assert pushed(repo, "none") == ("served", False)
        failing.add(2)
        assert pushed(repo, "standard") == ("rolled back", False)
        assert pushed(repo, "standard", "192.0.2.81") == ("served", True)
        assert pushed(repo, "none") == ("served", True), "its parent was not looked at yet"
        failing.add(6)
        assert pushed(repo, "none", "192.0.2.82") == ("rolled back", True)
