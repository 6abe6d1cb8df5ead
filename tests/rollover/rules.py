"""The rules on time that rolls keep, and how to leave each out: each with a kind of roll that then breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from dnsctl.model import observation
from dnsctl.model.observation import DsMemory, ServedMemory
from dnsctl.rollover.caches import Observations
from tests.rollover.kinds import KINDS, world_of
from tests.rollover.skipping import run_fast
from tests.rollover.validators import Shape, strict
from tests.rollover.world import Parent, World, parents

_DAYS = 100
_SEED = 11  # within so many days, each rule is missed


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


def _requests_are_forgotten(patch):
    patch.setattr(DsMemory, "decided", lambda self, asked, now: self)


RULES: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "TTL of DNSKEY": (_no_ttl(ServedMemory, "dnskey_ttl"), "ksk and zsk"),
    "TTL of data": (_no_ttl(ServedMemory, "data_ttl"), "ksk and zsk"),
    "TTL of DS": (_no_ttl(DsMemory, "ttl"), "ksk and zsk"),
    "largest TTL of DS": (_last_ttl, "algorithm"),
    "silence": (_silence_counts_as_agreement, "roles and algorithm"),
    "every server of the parent": (_one_server_is_enough, "ksk and zsk"),
    "observation of the parent": (_by_the_clock, "ksk and zsk"),
    "DS asked for while nobody sees": (_requests_are_forgotten, "changes of mind"),
    "what was before the memory": (_memory_is_whole, "memory lost"),
}


def broken_without(rule: str, seed: int) -> tuple[str, World] | None:
    """Return what breaks first without a rule: the parent's name, and the world; None: nothing does.

    Some faults need more than one accident, which not every seed has within the days that are tried.
    """
    leave_out, kind = RULES[rule]
    with pytest.MonkeyPatch.context() as patch:
        leave_out(patch)
        for number in dict.fromkeys((seed, _SEED)):
            for name, parent in parents(number):
                world = world_of(kind, parent, number)
                for _ in range(_DAYS):
                    run_fast(world, 24)
                    if world.bogus:
                        return name, world
    return None


def bogus_without(rule: str, seed: int, days: int, kinds: Iterable[str] = KINDS) -> set[Shape]:
    """Return the states of caches that a strict validator refuses, and that rolls come to without a rule."""
    leave_out, _ = RULES[rule]
    found: set[Shape] = set()
    with pytest.MonkeyPatch.context() as patch:
        leave_out(patch)
        for kind in kinds:
            for _, parent in parents(seed):
                world = run_fast(world_of(kind, parent, seed), 24 * days)
                found |= {shape for shape in world.shapes if strict(shape) == "bogus"}
    return found
