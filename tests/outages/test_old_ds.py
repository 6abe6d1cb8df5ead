"""The old KSK is withdrawn while resolvers still hold its DS, because the parent had raised the DS's TTL."""

from __future__ import annotations

import pytest

from dnsctl.model.policy import Lifetimes, Policy
from tests.rollover.world import Parent, World

BEFORE, RAISED = 4, 48  # ticks
POLICY = Policy(keys="ksk+zsk", lifetimes=Lifetimes(None, None, None))


def days_of_a_roll(parent: Parent) -> tuple[World, int]:
    """Roll the KSK; return the world, and the ticks from the change of DS to the end of the old key."""
    world = World(parent, POLICY).run(100)
    old = next(each for each in world.keys.used if each.role == "ksk")
    world.tell(lambda each: each == old, True)
    asked = 0
    for _ in range(300):
        world.move()
        step = world.last.step
        if step is not None and step.action == "ask":
            asked = world.tick
        if step is not None and step.action == "remove":
            return world, world.tick - asked
    raise AssertionError(world.last)


@pytest.mark.parametrize("at", [90, 101, 104], ids=["before the roll", "as it begins", "while it goes on"])
def test_old_ksk_stays_for_the_largest_ttl_that_the_parent_was_seen_to_give(at: int) -> None:
    world, waited = days_of_a_roll(Parent(ttl=lambda tick: BEFORE if tick < at else RAISED))
    assert waited >= RAISED
    assert not world.bogus
    _, as_configured = days_of_a_roll(Parent())
    assert BEFORE <= as_configured < RAISED
