"""The order of steps of each kind of roll, what is waited for, and the timetable that people see."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from dnsctl.model.key import KeyUse, whole_use
from dnsctl.model.observation import ParentView, ServedKeys
from dnsctl.model.policy import Algorithm, Lifetimes, Policy
from dnsctl.rollover.caches import Observations
from dnsctl.rollover.keyset import KeySet
from dnsctl.rollover.planning import plan
from dnsctl.rollover.timetable import timetable
from tests.rollover.world import HOUR, START, TICK, ZONE, Parent, World

_KEPT = Lifetimes(None, None, None)
_CSK = Policy(lifetimes=_KEPT)
_SPLIT = Policy(keys="ksk+zsk", lifetimes=_KEPT)


def _settled(policy, parent=None):
    """A zone that has been signed by `policy` for days, with its DS at the parent."""
    world = World(parent or Parent(), policy).run(100)
    assert world.last.is_settled
    return world


def _steps(world, ticks=200):
    """Return actions and keys of the steps that are taken from now on, with their ticks."""
    taken = []
    for _ in range(ticks):
        world.move()
        if world.last.step is not None:
            taken.append((world.tick - 1, world.last.step.action, world.last.step.text))
    assert world.last.is_settled, world.last
    assert not world.bogus
    return taken


def _seen(world):
    return Observations(world.served_seen, world.ds_seen)


def test_zsk_is_published_before_it_signs_and_stays_while_its_signatures_may_be_cached():
    world = _settled(_SPLIT)
    old = next(each for each in world.keys.used if each.role == "zsk")
    world.tell(lambda each: each == old, True)
    taken = _steps(world)
    assert [action for _, action, _ in taken] == ["publish", "swap", "remove"]
    (published, *_), (swapped, *_), (removed, *_) = taken
    assert swapped - published >= world.dnskey_ttl
    assert removed - swapped >= world.data_ttl
    assert taken[1][2].endswith(f"instead of {old}")


def test_ksk_is_rolled_by_double_signature():
    world = _settled(_SPLIT)
    old = next(each for each in world.keys.used if each.role == "ksk")
    world.tell(lambda each: each == old, True)
    before = world.tick
    taken = _steps(world)
    assert [action for _, action, _ in taken] == ["publish", "ask", "remove"]
    assert taken[1][0] - before >= world.dnskey_ttl
    assert taken[2][0] - taken[1][0] >= world.parent.ttl(0)
    assert all("zsk" not in text for *_, text in taken)


def test_ksk_that_another_server_published_signs_and_takes_over():
    world = _settled(_SPLIT)
    old = next(each for each in world.keys.used if each.role == "ksk")
    new = replace(world.make("ksk"), use=KeyUse(published=True))
    world.keys = replace(world.keys, keys=(*world.keys.keys, new))
    world.release(world.keys)
    world.tell(lambda each: each == old, True)
    taken = _steps(world)
    assert [action for _, action, _ in taken] == ["publish", "ask", "remove"]
    assert taken[0][2] == f"sign the DNSKEY RRset with {new}"
    assert [each.public for each in world.keys.used if each.role == "ksk"] == [new.public]


def test_csk_signs_data_and_gets_its_ds_apart():
    world = _settled(_CSK)
    world.tell(lambda each: True, True)
    assert [action for _, action, _ in _steps(world)] == ["publish", "swap", "ask", "remove"]


@pytest.mark.parametrize("policy", [_CSK, _SPLIT])
def test_algorithm_is_rolled_conservatively(policy):
    world = _settled(policy)
    world.policy = replace(policy, algorithm=Algorithm.ED25519)
    assert [action for _, action, _ in _steps(world)] == ["sign", "publish", "ask", "remove", "stop"]
    assert {each.public.algorithm for each in world.keys.used} == {Algorithm.ED25519}


@pytest.mark.parametrize(("before", "after"), [(_CSK, _SPLIT), (_SPLIT, _CSK)])
def test_key_roles_change(before, after):
    world = _settled(before)
    world.policy = after
    _steps(world)
    assert sorted(each.role for each in world.keys.used) == sorted(after.roles)


def test_ds_is_asked_for_once_no_cache_holds_unsigned_data():
    world = World(Parent(), None).run(50)
    world.policy = _CSK
    (begun, *_), (asked, *_) = taken = _steps(world)
    assert [action for _, action, _ in taken] == ["begin", "ask"]
    assert asked - begun >= world.data_ttl


def test_zone_is_unsigned_once_no_cache_holds_its_ds():
    world = _settled(_CSK, Parent(delay=(10, 30)))
    world.policy = None
    (withdrawn, *_), (unsigned, *_) = taken = _steps(world)
    assert [action for _, action, _ in taken] == ["withdraw", "unsign"]
    last = -(-(withdrawn + 1) // 30) * 30  # the second server polls every 30 ticks
    assert unsigned >= last + world.parent.ttl(0)


def test_key_that_was_retired_comes_back():
    world = _settled(_SPLIT)
    old = next(each for each in world.keys.used if each.role == "zsk")
    world.tell(lambda each: each == old, True)
    for _ in range(8):
        world.move()
    new = next(each for each in world.keys.used if each.role == "zsk" and each.public != old.public)
    assert new.use.signs_data
    world.tell(lambda each: each.role == "zsk", True)
    world.tell(lambda each: each.public == old.public, False)
    assert [action for _, action, _ in _steps(world)] == ["swap", "remove"]
    assert [each.public for each in world.keys.used if each.role == "zsk"] == [old.public]


def test_standby_key_takes_over_at_once():
    world = _settled(replace(_SPLIT, standby=True))
    (old,) = (each for each in world.keys.used if each.role == "zsk" and not each.standby)
    (spare,) = (each for each in world.keys.used if each.role == "zsk" and each.standby)
    assert spare.use == KeyUse(published=True)
    world.tell(lambda each: each == old, True)
    now = world.tick
    swapped = next(tick for tick, action, _ in _steps(world) if action == "swap")
    assert swapped <= now + 1
    assert len([each for each in world.keys.used if each.standby]) == 2


def test_policy_that_goes_back_brings_the_old_key_back():
    world = _settled(_CSK)
    (old,) = world.keys.used
    world.policy = replace(_CSK, algorithm=Algorithm.ED25519)
    world.run(12)
    assert len(world.keys.used) == 2
    world.policy = _CSK
    world.tell(lambda each: each.public != old.public, True)
    _steps(world)
    assert [each.public for each in world.keys.used] == [old.public]


def test_nothing_is_rolled_before_its_lifetime_ends():
    policy = Policy(keys="ksk+zsk", lifetimes=Lifetimes(ksk=None, zsk=timedelta(days=10)))
    world = World(Parent(), policy).run(230)
    assert world.rolls == 1
    assert world.run(40).rolls == 2


def test_roll_waits_for_the_server_of_the_parent_that_lacks_the_ds_and_says_so():
    world = _settled(_CSK, Parent(delay=(1, 10**6)))
    world.tell(lambda each: True, True)
    world.parent.sets[1] = world.parent.sets[0]
    world.run(100)
    assert world.last.step is None
    assert world.last.wait.until is None
    assert "for the DS of key" in world.last.wait.reason
    assert "ns1.parent.example. from dc1" in world.last.wait.reason
    assert not world.bogus


def test_roll_waits_for_a_silent_server_and_says_so():
    world = _settled(_CSK, Parent(silent=lambda tick: (0,) if tick > 99 else ()))
    world.tell(lambda each: True, True)
    world.run(100)
    assert "for an answer of ns0.parent.example. from dc1 (timed out)" in world.last.wait.reason


def test_roll_waits_for_the_node_that_is_behind_and_says_so():
    world = _settled(_SPLIT)
    world.lag = lambda tick: 1000
    world.tell(lambda each: each.role == "zsk", True)
    world.run(50)
    assert world.last.wait.reason.startswith("for ns2 (dc2) (behind) to be seen with the last release")


def test_wait_for_caches_has_an_end():
    world = _settled(_SPLIT)
    world.tell(lambda each: each.role == "zsk", True)
    world.run(2)
    wait = world.last.wait
    assert wait.step.action == "swap"
    assert wait.until == world.now - TICK + 3 * TICK
    assert "caches to drop the DNSKEY RRset" in wait.reason
    assert f"TTL {3 * HOUR} s" in wait.reason


def test_parent_that_was_never_asked_stops_a_roll_of_the_ksk_but_not_of_the_zsk():
    world = _settled(_SPLIT)
    blind = replace(_seen(world), ds=type(world.ds_seen)())
    (zsk,) = (each for each in world.keys.used if each.role == "zsk")
    new = replace(world.make("zsk"), use=KeyUse(published=True))
    keys = replace(world.keys, keys=(*world.keys.keys, new))
    keys = replace(keys, keys=tuple(replace(each, leaves=each == zsk) for each in keys.keys))
    world.release(keys)
    for _ in range(5):
        world.nodes = [keys.served] * 2
        world.tick += 1
        world.observe()
    assert plan(keys, _SPLIT, replace(blind, served=world.served_seen), world.now).step.action == "swap"
    unsigned = plan(
        world.keys.with_uses([(each, replace(each.use, ds=False)) for each in world.keys.keys]),
        None,
        blind,
        world.now,
    )
    assert unsigned.step is None
    assert "every name server of the parent" in unsigned.wait.reason


def test_look_at_the_parent_that_is_old_does_not_count():
    world = _settled(_CSK)
    world.policy = None
    keys = world.keys.with_uses([(each, replace(each.use, ds=False)) for each in world.keys.keys])
    gone = world.ds_seen
    for tick in (0, 10):
        views = [ParentView(each.server, each.site, world.now + tick * TICK, (), HOUR) for each in gone.views]
        gone = gone.after(views, world.now + tick * TICK)
    seen = Observations(world.served_seen, gone)
    assert plan(keys, None, seen, world.now + 11 * TICK).step.action == "unsign"
    assert plan(keys, None, seen, world.now + 35 * TICK).step is None


def test_ds_that_leads_nowhere_does_not_stop_a_roll_of_the_zsk():
    world = _settled(_SPLIT)
    world.ds_seen = world.ds_seen.after(
        [ParentView("ns0.parent.example.", "dc1", world.now, (b"\0\1\15\2" + bytes(32),), HOUR)], world.now
    )
    world.tell(lambda each: each.role == "zsk", True)
    told = plan(world.keys, _SPLIT, _seen(world), world.now)
    assert [each.role for each in told.make] == ["zsk"]
    keys = replace(world.keys, keys=(*world.keys.keys, world.make("zsk")))
    assert plan(keys, _SPLIT, _seen(world), world.now).step.action == "publish"


def test_emergency_that_is_told_twice_ignores_caches_but_not_what_is_served():
    world = _settled(_SPLIT)
    (zsk,) = (each for each in world.keys.used if each.role == "zsk")
    world.tell(lambda each: each == zsk, True)
    world.run(2)
    assert plan(world.keys, _SPLIT, _seen(world), world.now).wait is not None
    assert plan(world.keys, _SPLIT, _seen(world), world.now, hurry=True).step.action == "swap"
    world.tell(lambda each: each.role == "ksk", True)
    keys = replace(world.keys, keys=tuple(each for each in world.keys.keys if each.role == "ksk"))
    assert plan(keys, _SPLIT, _seen(world), world.now, hurry=True).step is None


def test_timetable_tells_steps_with_times_and_reasons():
    world = _settled(_CSK)
    world.tell(lambda each: True, True)
    entries = timetable(world.keys, _CSK, _seen(world), world.now, (3 * HOUR, 7 * HOUR))
    assert [each.text.split()[0] for each in entries] == ["make", "publish", "sign", "ask", "remove"]
    times = [each.at for each in entries]
    assert times == sorted(times)
    assert times[2] - times[1] == timedelta(hours=3)
    assert times[4] - times[3] >= timedelta(hours=4)
    assert entries[1].text == "publish the new csk"
    assert "leaves: a roll is asked for" in entries[0].reason
    assert "TTL" in entries[2].reason


def test_zone_with_nothing_to_do_has_an_empty_timetable():
    world = _settled(_CSK)
    assert timetable(world.keys, _CSK, _seen(world), world.now, (HOUR, HOUR)) == ()


def test_key_set_says_what_a_release_with_it_serves():
    world = World(Parent(), _SPLIT)
    ksk, zsk = (replace(each, use=whole_use(each.role)) for each in (world.make("ksk"), world.make("zsk")))
    new = replace(world.make("zsk"), use=KeyUse(signs_data=True))
    keys = KeySet(ZONE, (ksk, zsk, new, world.make("csk")))
    assert keys.served == ServedKeys(
        tuple(sorted((ksk.public.rdata, zsk.public.rdata))),
        (ksk.public.rdata,),
        tuple(sorted((zsk.public.rdata, new.public.rdata))),
    )
    assert keys.wanted_ds == (ksk.public,)
    assert keys.used == (ksk, zsk, new)
    assert START.tzinfo is not None
