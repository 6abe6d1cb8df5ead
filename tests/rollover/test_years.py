"""Weeks of rolls in a world of its own: at each tick, a validator that holds anything old still validates.

`bench/years.py` runs ten years of each kind, with the same code.
"""

from __future__ import annotations

import pytest

from tests.rollover.kinds import KINDS, cases, faults_of, world_of
from tests.rollover.rules import RULES, broken_without
from tests.rollover.skipping import remains, run_fast
from tests.rollover.world import parents

_TICKS = 55 * 24


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timeout(120)
def test_no_validator_fails_whatever_it_holds(kind, capsys):
    known = dict(cases(kind, len(kind)))
    for name in list(known)[list(KINDS).index(kind) % 2 :: 2]:
        world = run_fast(world_of(kind, known[name], 3), _TICKS)
        with capsys.disabled():
            print(
                f"\n  {kind}, parent {name}: {world.ticks} ticks, {world.rolls} rolls, {world.steps} steps, "
                f"{world.states} cache states",
                end="",
            )
        assert not faults_of(kind, world), (name, faults_of(kind, world)[:3])
        assert world.steps >= 4 and (world.rolls >= 2 or "mind" in kind), (name, world.last)


@pytest.mark.parametrize("kind", KINDS)
def test_skipping_ticks_changes_nothing(kind):
    place = list(KINDS).index(kind)
    every = list(zip(parents(5), parents(5), strict=True))
    (name, one), (_, other) = every[place % len(every)]
    slow, fast = world_of(kind, one, 5).run(40 * 24), run_fast(world_of(kind, other, 5), 40 * 24)
    assert remains(fast) == remains(slow), name


@pytest.mark.parametrize("rule", RULES)
def test_rule_that_is_left_out_is_caught(rule):
    assert broken_without(rule, 11), f"rolls without the rule on {rule} broke nothing: worlds are too kind"
