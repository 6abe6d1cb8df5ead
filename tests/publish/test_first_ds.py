"""The first DS of a zone that was served unsigned: asked for by a step of its own, when no cache can mind."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dnsctl.control.in_step import wanted_ds
from dnsctl.model.key import KeyUse
from dnsctl.model.observation import NodeView, ParentView, ServedKeys
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import Type
from dnsctl.publish.changeset import Fate
from dnsctl.publish.intent import Intent
from dnsctl.publish.keys import live_keys, settle, settle_roll
from dnsctl.publish.pipeline import Release, certify
from dnsctl.publish.rolling import Rolled, rolled
from dnsctl.publish.uses import key_set
from dnsctl.rollover.caches import Change, Observations, dangers
from dnsctl.rollover.planning import Plan, plan
from dnsctl.sign.keyfile import KeyState
from tests.publish.host import NOW, SIMPLE, STANDARD, Host, adopt, intent, name
from tests.publish.test_delegations import (
    DAY,
    HOUR,
    LOW,
    MIDDLE,
    ZONES,
    ds,
    events,
    fates,
    of_keys,
    planned,
    with_policy,
)

SPLIT = Policy(keys="ksk+zsk")
QUIET = Policy(cds="off")
SECOND = timedelta(seconds=1)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "host")


def cds(host: Host, zone: str = LOW) -> tuple[bytes, ...]:
    found = host.zone(zone).get(name(zone), Type.CDS)
    return found.rdatas if found is not None else ()


def alone(policy: Policy | None) -> Intent:
    return intent({LOW: SIMPLE}, policy)


def seen(release: Release, now: datetime) -> Observations:
    """What was seen of a zone whose first signed release is `release`, in a fleet of one node."""
    origin = name(LOW)
    before, then = release.before[origin], release.served[origin]
    memory = Observations().served
    for told in (before, then):
        memory = memory.decided(told.keys, told.dnskey_ttl, told.data_ttl, NOW + DAY)
    view = NodeView("ns1", "dc1", now, then.keys, then.dnskey_ttl, then.data_ttl)
    return Observations(memory.after([view], now))


def next_step(host: Host, observed: Observations, now: datetime, policy: Policy = STANDARD) -> Plan:
    origin = name(LOW)
    with host.image.reader() as reader:
        stored = host.keystore.list(origin)
        keys = key_set(origin, stored, live_keys(host.keystore, reader, origin).uses)
    return plan(keys, policy, observed, now)


def take(
    host: Host, told: Plan, now: datetime, policy: Policy = STANDARD, *, follows: bool = True
) -> Release:
    """Release the step of a roll."""
    assert told.step is not None
    with host.image.reader() as reader:
        wanted = rolled(
            reader, [Rolled(told.keys, told.step, policy)], lambda _: STANDARD, lambda _: follows, None
        )
    release = host.push(wanted, now)
    settle_roll(host.keystore, told.step.keys, now)
    return release


@pytest.mark.parametrize("policy", [STANDARD, SPLIT])
def test_parent_that_takes_cds_at_once_finds_none_in_the_release_that_begins_to_sign(
    host: Host, policy: Policy
) -> None:
    host.push(alone(None))
    release = host.push(alone(policy), NOW + DAY)
    assert host.zone(LOW).signed
    assert cds(host) == ()
    assert host.zone(LOW).get(name(LOW), Type.CDNSKEY) is None
    assert "ds-waits" in events(release, LOW)
    then = release.served[name(LOW)]
    change = Change(name(LOW), ServedKeys(), (), then.keys, cds(host))
    assert dangers(change, Observations(), NOW + DAY) == ()
    would_be = replace(change, then_asked=of_keys(host, LOW))
    assert {each.cause.kind for each in dangers(would_be, Observations(), NOW + DAY)} == {"keys", "data"}
    with host.image.reader() as reader:
        assert wanted_ds(reader, host.keystore, name(LOW)) is None


@pytest.mark.parametrize("policy", [STANDARD, SPLIT, QUIET])
def test_ds_is_asked_for_when_no_cache_holds_unsigned_answers(host: Host, policy: Policy) -> None:
    slow = SIMPLE + "slow 7200 A 192.0.2.9\n"
    host.push(intent({LOW: slow}, None))
    release = host.push(alone(policy), NOW + DAY)  # what was slow is gone, and still in caches
    observed = seen(release, NOW + DAY + SECOND)
    waits = next_step(host, observed, NOW + DAY + 2 * HOUR, policy)
    assert waits.wait is not None
    assert waits.wait.step.action == "ask"
    assert waits.wait.until == NOW + DAY + 2 * HOUR + SECOND
    assert "unsigned data (TTL 7200 s)" in waits.wait.reason
    due = next_step(host, observed, NOW + DAY + 2 * HOUR + SECOND, policy)
    take(host, due, NOW + DAY + 2 * HOUR + SECOND, policy)
    assert cds(host) == (() if policy is QUIET else of_keys(host, LOW))
    assert {one.state for one in host.keystore.list(name(LOW))} == {KeyState.ACTIVE}
    with host.image.reader() as reader:
        assert wanted_ds(reader, host.keystore, name(LOW)) == of_keys(host, LOW)
    assert next_step(host, observed, NOW + 2 * DAY, policy).is_settled
    assert host.build(alone(policy), NOW + DAY + 3 * HOUR) is None, "a push after it has nothing to do"


def test_what_nobody_looked_at_is_waited_for(host: Host) -> None:
    host.push(alone(None))
    host.push(alone(STANDARD), NOW + DAY)
    told = next_step(host, Observations(), NOW + 30 * DAY)
    assert told.step is None
    assert told.wait is not None
    assert told.wait.until is None


def test_later_pushes_leave_the_ds_to_the_roll(host: Host) -> None:
    host.push(alone(None))
    host.push(alone(STANDARD), NOW + DAY)
    assert host.build(alone(STANDARD), NOW + DAY + HOUR) is None
    assert planned(host, alone(STANDARD), NOW + DAY + HOUR).zones == ()
    host.push(intent({LOW: SIMPLE + "a A 192.0.2.3\n"}), NOW + 2 * DAY)
    assert cds(host) == ()
    host.push(intent({LOW: SIMPLE + "a A 192.0.2.3\n"}), NOW + 10 * DAY)  # a renewal
    assert cds(host) == ()


def test_plan_tells_the_same_as_the_push(host: Host) -> None:
    host.push(with_policy(intent(ZONES), LOW, None))
    told = planned(host, intent(ZONES), NOW + DAY)
    release = host.push(intent(ZONES), NOW + DAY)
    assert fates(told) == fates(release) == {LOW: Fate.CHANGED}
    (one,), (other,) = told.zones, release.zones
    assert one.events == other.events


@pytest.mark.parametrize("state", [KeyState.GENERATED, KeyState.ACTIVE])
def test_key_that_was_there_before_waits_as_a_new_one_does(host: Host, state: KeyState) -> None:
    key = host.keystore.generate(name(LOW), STANDARD, "csk", NOW)
    host.keystore.record(key, state, key.roll, NOW)
    host.push(alone(None))
    release = host.push(alone(STANDARD), NOW + DAY)
    assert release.new_keys == ()
    assert [one.public for one in release.unasked] == [key.public]
    assert cds(host) == ()
    (stored,) = host.keystore.list(name(LOW))
    assert (stored.state, stored.roll.ds) == (KeyState.ACTIVE, False)
    assert host.build(alone(STANDARD), NOW + DAY + HOUR) is None


def test_push_that_was_killed_after_its_decision_leaves_the_ds_to_the_roll(host: Host) -> None:
    host.push(alone(None))
    release = host.build(alone(STANDARD), NOW + DAY)
    assert release is not None
    host.keystore.store(release.new_keys)
    adopt(release, certify(release.manifest, host.keys, NOW + DAY), host.image, host.archive)
    with host.image.reader() as reader:
        (use,) = live_keys(host.keystore, reader, name(LOW)).uses.values()
        assert use == KeyUse(published=True, signs_keys=True, signs_data=True)
        settle(host.keystore, reader, NOW + DAY)
    assert host.build(alone(STANDARD), NOW + DAY + HOUR) is None


def test_zone_that_is_new_has_its_cds_at_once(host: Host) -> None:
    release = host.push(alone(STANDARD))
    assert cds(host) == of_keys(host, LOW) != ()
    assert release.before == {}


def _signed_later(host: Host) -> Observations:
    host.push(with_policy(intent(ZONES), LOW, None))
    release = host.push(intent(ZONES), NOW + DAY)
    (event,) = (one for each in release.zones for one in each.events if one.name == "ds-waits")
    assert f"its DS in {MIDDLE} waits until 2026-11-22 13:00:00 UTC at the earliest" in event.message
    assert ds(host, MIDDLE, LOW) == ()
    return seen(release, NOW + DAY)


def test_ds_in_a_parent_of_ours_comes_in_the_release_that_asks_for_it(host: Host) -> None:
    observed = _signed_later(host)
    assert host.build(intent(ZONES), NOW + 2 * DAY) is None, "no push takes it ahead"
    release = take(host, next_step(host, observed, NOW + 2 * DAY), NOW + 2 * DAY)
    assert set(fates(release)) == {MIDDLE, LOW}
    assert ds(host, MIDDLE, LOW) == cds(host) == of_keys(host, LOW) != ()
    assert host.build(intent(ZONES), NOW + 2 * DAY + HOUR) is None, "a push has nothing to add to it"


def test_parent_of_ours_that_is_left_to_its_file_gets_no_ds_by_a_roll(host: Host) -> None:
    observed = _signed_later(host)
    release = take(host, next_step(host, observed, NOW + 2 * DAY), NOW + 2 * DAY, follows=False)
    assert set(fates(release)) == {LOW}
    assert ds(host, MIDDLE, LOW) == ()


def test_parent_that_took_a_ds_by_hand_does_not_stop_the_roll(host: Host) -> None:
    observed = _signed_later(host)
    views = [ParentView("ns1.parent.example.", "dc1", NOW + 2 * DAY, of_keys(host, LOW), 3600)]
    observed = replace(observed, ds=observed.ds.after(views, NOW + 2 * DAY))
    assert next_step(host, observed, NOW + 2 * DAY).step is not None
