"""Rolls between ECDSA P-256 (13) and ML-DSA-44 (18), and both beside each other: who does not know 18, too.

A validator that knows none of a zone's algorithms takes it for insecure (RFC 4035 §5.2, RFC 6840 §5.2).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import cycle
from typing import Literal

import pytest

from dnsctl.model.policy import Algorithm, Lifetimes, Policy
from dnsctl.rollover.caches import Observations
from dnsctl.rollover.timetable import timetable
from tests.rollover.world import HOUR, Parent, World, parents

KEPT = Lifetimes(None, None, None)
MLDSA44, ECDSA = Algorithm.MLDSA44, Algorithm.ECDSAP256SHA256
TEN_DAYS = timedelta(days=10)
_SEED = 18

WORLDS = [(name, keys) for (name, _), keys in zip(parents(_SEED), cycle(("csk", "ksk+zsk")))]


def settled(policy: Policy, parent: Parent) -> World:
    """A zone that is signed by `policy`, with its DS at the parent."""
    world = World(parent, policy)
    until_settled(world)
    return world


def until_settled(world: World, ticks: int = 2000) -> list[str]:
    """Let time pass until nothing is left to do; return the steps that were taken."""
    taken: list[str] = []
    for _ in range(ticks):
        world.move()
        if world.last.step is not None:
            taken.append(world.last.step.action)
        if world.last.is_settled and world.tick > world.catches_up:
            break
    assert world.last.is_settled, world.last
    world.run(100)
    assert world.bogus == []
    return taken


def algorithms(world: World) -> set[int]:
    return {each.public.algorithm for each in world.keys.used}


@pytest.mark.parametrize(("parent", "keys"), WORLDS)
def test_roll_to_18_and_back_is_bogus_to_nobody(parent: str, keys: Literal["csk", "ksk+zsk"]) -> None:
    before = Policy(keys=keys, lifetimes=KEPT)
    world = settled(before, dict(parents(_SEED))[parent])
    assert world.insecure is None
    world.policy = replace(before, algorithm=MLDSA44)
    assert until_settled(world) == ["sign", "publish", "ask", "remove", "stop"]
    assert algorithms(world) == {MLDSA44}
    assert world.insecure is not None, "who does not know 18 takes the zone for insecure then"
    world.policy = before
    assert until_settled(world) == ["sign", "publish", "ask", "remove", "stop"]
    assert algorithms(world) == {ECDSA}


@pytest.mark.parametrize(("parent", "keys"), WORLDS)
def test_18_comes_beside_13_and_goes_and_nobody_takes_the_zone_for_insecure(
    parent: str, keys: Literal["csk", "ksk+zsk"]
) -> None:
    before = Policy(keys=keys, lifetimes=KEPT)
    world = settled(before, dict(parents(_SEED))[parent])
    (old, *_) = world.keys.used
    world.policy = replace(before, beside=MLDSA44)
    assert until_settled(world) == ["sign", "publish", "ask"]
    assert algorithms(world) == {ECDSA, MLDSA44}
    assert sorted(each.role for each in world.keys.used) == sorted(2 * before.roles)
    world.policy = before
    assert until_settled(world) == ["ask", "remove", "stop"]
    assert algorithms(world) == {ECDSA}
    assert old.public in {each.public for each in world.keys.used}, "the keys of 13 stay"
    assert world.insecure is None


@pytest.mark.parametrize("algorithm", [ECDSA, MLDSA44])
@pytest.mark.parametrize("keys", ["csk", "ksk+zsk"])
def test_key_of_one_algorithm_is_rolled_and_the_others_stay(
    keys: Literal["csk", "ksk+zsk"], algorithm: Algorithm
) -> None:
    world = settled(Policy(keys=keys, beside=MLDSA44, lifetimes=KEPT), Parent(delay=(5, 9)))
    before = {each.public for each in world.keys.used}
    world.tell(lambda each: each.public.algorithm == algorithm, True)
    until_settled(world)
    after = {each.public for each in world.keys.used}
    assert len(after) == len(before)
    assert before & after == {each for each in before if each.algorithm != algorithm}
    assert algorithms(world) == {ECDSA, MLDSA44}
    assert world.insecure is None


def test_timetable_names_the_algorithms_of_keys_that_come_together() -> None:
    before = Policy(lifetimes=KEPT)
    world = settled(before, Parent())
    world.tell(lambda each: True, True)
    (old,) = world.keys.used
    seen = Observations(world.served_seen, world.ds_seen)
    entries = timetable(world.keys, replace(before, beside=MLDSA44), seen, world.now, (3 * HOUR, 7 * HOUR))
    assert [(each.text, each.reason) for each in entries[:2]] == [
        ("make a new csk of ECDSAP256SHA256", f"{old} leaves: a roll is asked for"),
        ("make a new csk of MLDSA44", "policy standard asks for a csk of MLDSA44"),
    ]
    assert "publish the new csk of MLDSA44" in {each.text for each in entries}


def test_keys_that_grow_old_are_rolled_in_both_algorithms_with_a_standby_each() -> None:
    policy = Policy(keys="ksk+zsk", beside=MLDSA44, standby=True, lifetimes=replace(KEPT, zsk=TEN_DAYS))
    world = settled(policy, Parent())
    first = {each.public for each in world.keys.used if each.role == "zsk"}
    assert len(first) == 4
    world.run(24 * 35)
    now = {each.public for each in world.keys.used if each.role == "zsk"}
    assert not first & now
    assert world.rolls >= 3
    assert world.bogus == []
    assert world.insecure is None


@pytest.mark.parametrize("ticks", [64, 68, 72])
def test_ksk_and_zsk_of_an_algorithm_go_at_once_while_another_zsk_is_rolled(ticks: int) -> None:
    """A ZSK of 18 without its KSK would leave a DNSKEY RRset that 18 does not sign (RFC 4035 §2.2)."""
    world = settled(Policy(keys="ksk+zsk", beside=MLDSA44, lifetimes=KEPT), Parent(delay=(1, 90)))
    ksk, zsk = (each for each in world.keys.used if each.public.algorithm == MLDSA44)
    world.policy = Policy(keys="ksk+zsk", lifetimes=KEPT)
    world.run(1 + ticks)  # caches may soon have dropped the DS of 18
    world.tell(lambda each: each.role == "zsk", True)
    taken = []
    for _ in range(200):
        world.move()
        if world.last.step is not None:
            taken.append(world.last.step.text)
    assert f"remove {ksk} and {zsk} from the DNSKEY RRset" in taken
    assert world.last.is_settled
    assert world.bogus == []
    assert algorithms(world) == {ECDSA}
