"""Years of rolls in a world of its own: at each tick, a validator that holds anything old still validates."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from dnsctl.model import observation
from dnsctl.model.observation import DsMemory, ServedMemory
from dnsctl.model.policy import Algorithm, Lifetimes, Policy
from dnsctl.rollover.caches import Observations
from tests.rollover.world import Parent, World, parents

_LONG = int(os.environ.get("DNSCTL_ROLL_DAYS", "0"))  # ten years are 3650, with every parent: an hour
_DAYS = _LONG or 55
_CSK = Policy(lifetimes=Lifetimes(csk=timedelta(days=25)))
_SPLIT = Policy(keys="ksk+zsk", lifetimes=Lifetimes(ksk=timedelta(days=41), zsk=timedelta(days=15)))


def _never(world, tick):
    """Nobody wishes anything."""


def _turns(*policies, every=24 * 17):
    """Change the policy from time to time."""

    def wishes(world, tick):
        world.policy = policies[(tick // every) % len(policies)]

    return wishes


def _changes_of_mind(world, tick, draw=random.Random(3)):  # noqa: B008
    """A person retires keys and takes that back, at any moment."""
    if tick % 61 or not world.keys.used:
        return
    key = draw.choice(world.keys.used)
    if not key.leaves:
        world.tell(lambda each: each == key, True)
    else:
        others = [each for each in world.keys.used if each.role == key.role]
        world.tell(lambda each: each in others, True)
        world.tell(lambda each: each.public == key.public, False)


def _forgets(world, tick):
    """What was observed is lost now and then, as state/ may be."""
    if tick % 47 == 0:
        world.served_seen, world.ds_seen = ServedMemory(), DsMemory()


KINDS = {
    "csk": (_CSK, _never),
    "ksk and zsk": (_SPLIT, _never),
    "memory lost": (_SPLIT, _forgets),
    "standby keys": (replace(_SPLIT, standby=True), _never),
    "algorithm": (
        _CSK,
        _turns(Policy(), Policy(algorithm=Algorithm.ED25519), Policy(algorithm=Algorithm.RSASHA256)),
    ),
    "algorithm of ksk and zsk": (
        _SPLIT,
        _turns(Policy(keys="ksk+zsk"), Policy(keys="ksk+zsk", algorithm=Algorithm.ED25519)),
    ),
    "roles": (_CSK, _turns(Policy(), Policy(keys="ksk+zsk"))),
    "roles and algorithm": (
        _CSK,
        _turns(Policy(), Policy(keys="ksk+zsk", algorithm=Algorithm.ED25519), every=24 * 11),
    ),
    "insecure and back": (None, _turns(None, Policy())),
    "changes of mind": (Policy(keys="ksk+zsk"), _changes_of_mind),
    "changes of mind, csk": (Policy(), _changes_of_mind),
}


def _worlds(kind, ticks):
    """Yield what became of one kind of roll with each kind of parent."""
    policy, wishes = KINDS[kind]
    known = dict(parents(len(kind)))
    place = list(KINDS).index(kind)
    for number, (name, parent) in enumerate(known.items()):
        if _LONG or (number - place) % len(known) in (0, 3):
            yield name, World(parent, policy, wishes=wishes, lag=lambda tick: tick % 5 * 4).run(ticks)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timeout(7200 if _LONG else 120)
def test_no_validator_fails_whatever_it_holds(kind, capsys):
    for name, world in _worlds(kind, _DAYS * 24):
        with capsys.disabled():
            print(
                f"\n  {kind}, parent {name}: {world.ticks} ticks, {world.rolls} rolls, {world.steps} steps, "
                f"{world.states} cache states",
                end="",
            )
        assert not world.bogus, (name, world.bogus[:3])
        assert world.steps >= 4 and (world.rolls >= 2 or "mind" in kind), (name, world.last)


def _no_ttl(memory, kind):
    return lambda patch: patch.setattr(memory, kind, property(lambda self: 0))


def _last_ttl(patch):
    patch.setattr(DsMemory, "ttl", property(lambda self: min((each.ttl for each in self.views), default=0)))


def _silence_counts_as_agreement(patch):
    whole = observation._versions_after
    patch.setattr(
        observation,
        "_versions_after",
        lambda versions, shown, complete, now: whole(versions, shown, complete or bool(shown), now),
    )
    patch.setattr(Observations, "unseen_ds", lambda self, now: not self.ds.views)


def _one_server_is_enough(patch):
    whole = DsMemory.after
    patch.setattr(DsMemory, "after", lambda self, views, now: whole(self, views[:1], now))


def _by_the_clock(patch):
    """The parent is believed to have what it was asked for."""
    whole = World.observe

    def observe(world):
        truth = world.parent
        world.parent = Parent(sets=[truth.asked] * 2, asked=truth.asked, ttl=truth.ttl)
        whole(world)
        world.parent = truth

    patch.setattr(World, "observe", observe)


def _memory_is_whole(patch):
    whole = ServedMemory.after
    patch.setattr(
        ServedMemory,
        "after",
        lambda self, views, now: replace(whole(self, views, now), began=now - timedelta(days=99)),
    )


RULES = {
    "TTL of DNSKEY": (_no_ttl(ServedMemory, "dnskey_ttl"), "ksk and zsk"),
    "TTL of data": (_no_ttl(ServedMemory, "data_ttl"), "ksk and zsk"),
    "TTL of DS": (_no_ttl(DsMemory, "ttl"), "ksk and zsk"),
    "largest TTL of DS": (_last_ttl, "algorithm"),
    "silence": (_silence_counts_as_agreement, "roles and algorithm"),
    "every server of the parent": (_one_server_is_enough, "ksk and zsk"),
    "observation of the parent": (_by_the_clock, "ksk and zsk"),
    "what was before the memory": (_memory_is_whole, "memory lost"),
}


@pytest.mark.parametrize("rule", RULES)
def test_rule_that_is_left_out_is_caught(rule, monkeypatch):
    leave_out, kind = RULES[rule]
    leave_out(monkeypatch)
    policy, wishes = KINDS[kind]
    for _, parent in parents(len(kind)):
        world = World(parent, policy, wishes=wishes, lag=lambda tick: tick % 5 * 4)
        for _ in range(60 * 24):
            world.move()
            if world.bogus:
                return
    pytest.fail(f"rolls without the rule on {rule} broke nothing: the worlds are too kind")
