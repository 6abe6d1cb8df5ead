"""The kinds of rolls: policies, and what persons wish meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from dnsctl.model.observation import DsMemory, ServedMemory
from dnsctl.model.policy import Algorithm, Lifetimes, Policy
from tests.rollover.world import Parent, World, parents

_CSK = Policy(lifetimes=Lifetimes(csk=timedelta(days=25)))
_SPLIT = Policy(keys="ksk+zsk", lifetimes=Lifetimes(ksk=timedelta(days=41), zsk=timedelta(days=15)))
_SPLIT_BESIDE = replace(_SPLIT, beside=Algorithm.MLDSA44)
Wishes = Callable[[World, int], None]


@dataclass(frozen=True)
class Kind:
    """A policy, and what is wished, by seed, at multiples of `every` ticks; 0: nothing ever.

    `stays_secure`: also for validators that do not know ML-DSA, wherever the zone has a DS.
    """

    policy: Policy | None
    wishes: Callable[[int], Wishes] = lambda seed: lambda world, tick: None
    every: int = 0
    stays_secure: bool = False


def world_of(kind: str, parent: Parent, seed: int) -> World:
    """Return a world in which keys are rolled in this way, and a node sometimes misses a release."""
    told = KINDS[kind]
    return World(
        parent,
        told.policy,
        wishes=told.wishes(seed),
        wish_every=told.every,
        lag=lambda tick: tick % 5 * 4,
    )


def cases(kind: str, seed: int) -> Iterator[tuple[str, Parent]]:
    """Yield the parents that a kind of roll can stand, by name.

    Who lost the memory of a larger TTL cannot know that a cache still counts by it.
    """
    for name, parent in parents(seed):
        if (kind, name) != ("memory lost", "changing its TTL"):
            yield name, parent


def faults_of(kind: str, world: World) -> list[str]:
    """Return what went wrong in a world of this kind."""
    if KINDS[kind].stays_secure and world.insecure is not None:
        return [*world.bogus, f"tick {world.insecure}: insecure for who does not know ML-DSA"]
    return world.bogus


def _turns(
    first: Policy | None, *policies: Policy | None, every: int = 24 * 17, stays_secure: bool = False
) -> Kind:
    """Change the policy from time to time."""

    def wishes(world: World, tick: int) -> None:
        world.policy = policies[(tick // every) % len(policies)]

    return Kind(first, lambda seed: wishes, every, stays_secure)


def _changes_of_mind(seed: int) -> Wishes:
    """A person retires keys and takes that back, at any moment."""
    draw = random.Random(seed)

    def wishes(world: World, tick: int) -> None:
        if tick % 61 or not world.keys.used:
            return
        key = draw.choice(world.keys.used)
        if not key.leaves:
            world.tell(lambda each: each == key, True)
        else:
            others = [each for each in world.keys.used if each.role == key.role]
            world.tell(lambda each: each in others, True)
            world.tell(lambda each: each.public == key.public, False)

    return wishes


def _forgets(seed: int) -> Wishes:
    """What was observed is lost now and then, as state/ may be."""

    def wishes(world: World, tick: int) -> None:
        if tick % 47 == 0:
            world.served_seen, world.ds_seen = ServedMemory(), DsMemory()

    return wishes


KINDS = {
    "csk": Kind(_CSK),
    "ksk and zsk": Kind(_SPLIT),
    "memory lost": Kind(_SPLIT, _forgets, 47),
    "standby keys": Kind(replace(_SPLIT, standby=True)),
    "algorithm": _turns(
        _CSK, Policy(), Policy(algorithm=Algorithm.ED25519), Policy(algorithm=Algorithm.RSASHA256)
    ),
    "algorithm of ksk and zsk": _turns(
        _SPLIT, Policy(keys="ksk+zsk"), Policy(keys="ksk+zsk", algorithm=Algorithm.ED25519)
    ),
    "every algorithm": _turns(_CSK, *(Policy(algorithm=each) for each in Algorithm), every=24 * 13),
    "roles": _turns(_CSK, Policy(), Policy(keys="ksk+zsk")),
    "roles and algorithm": _turns(
        _CSK, Policy(), Policy(keys="ksk+zsk", algorithm=Algorithm.ED25519), every=24 * 11
    ),
    "second algorithm": _turns(_CSK, _CSK, replace(_CSK, beside=Algorithm.MLDSA44), stays_secure=True),
    "second algorithm of ksk and zsk": _turns(
        _SPLIT_BESIDE, _SPLIT_BESIDE, _SPLIT, every=24 * 29, stays_secure=True
    ),
    "insecure and back": _turns(None, None, Policy()),
    "changes of mind": Kind(Policy(keys="ksk+zsk"), _changes_of_mind, 61),
    "changes of mind, csk": Kind(Policy(), _changes_of_mind, 61),
    "changes of mind, second algorithm": Kind(
        Policy(keys="ksk+zsk", beside=Algorithm.MLDSA44), _changes_of_mind, 61, stays_secure=True
    ),
}
