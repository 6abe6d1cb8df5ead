"""Ten years of rolls on a simulated clock, for each policy, kind of roll and fault of the parent.

    nice .venv/bin/python bench/years.py [--years 10] [--kind csk] [--seed 3] [--states FILE]

At every tick, of an hour, a validator validates with every mix of DS, DNSKEY RRset and data that a cache may
hold. First a short span is run with every tick, to show that skipping those at which nothing can change
(`tests/rollover/skipping.py`) comes to the same; last, each rule on time is left out in turn, and must be
missed. Exit code 1 where any of it fails. `--states` writes the states of caches that were met, as JSON:
a row for each key as `tests.rollover.validators.Row` has it. `bench/validators.py` shows them to Unbound.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.rollover.kinds import KINDS, cases, faults_of, world_of
from tests.rollover.rules import RULES, broken_without
from tests.rollover.skipping import remains, run_fast
from tests.rollover.validators import Shape
from tests.rollover.world import World, parents

DAY = 24  # ticks
CHECKED = 40 * DAY


def main() -> int:
    told = _arguments()
    kinds = [told.kind] if told.kind else list(KINDS)
    began = time.process_time()
    worlds = []
    faults = _unlike(kinds, told.seed)
    for kind in kinds:
        for name, parent in cases(kind, told.seed):
            world = run_fast(world_of(kind, parent, told.seed), round(told.years * 365 * DAY))
            worlds.append(world)
            wrong = faults_of(kind, world)
            faults += bool(wrong)
            print(f"{kind}, parent {name}: {_counted([world])}", *wrong[:3], sep="\n  ", flush=True)
    if not told.kind:
        faults += _not_caught(told.seed)
    shapes = sorted({shape for world in worlds for shape in world.shapes})
    if told.states:
        _write(told.states, shapes)
    print(f"\n{told.years:g} years, {len(worlds)} worlds: {_counted(worlds)}")
    spent = time.process_time() - began
    print(f"{len(shapes)} states differ in more than the names of keys; {spent:.0f} s of CPU")
    return int(faults > 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--years", type=float, default=10, help="years of each world")
    parser.add_argument("--kind", choices=KINDS, help="this kind of roll only, and no rule left out")
    parser.add_argument("--seed", type=int, default=3, help="of outages, lies and wishes")
    parser.add_argument("--states", type=Path, metavar="FILE", help="write the states of caches here")
    return parser.parse_args()


def _counted(worlds: list[World]) -> str:
    ticks, rolls, steps, states, bogus = (
        sum(each)
        for each in zip(
            *((one.ticks, one.rolls, one.steps, one.states, len(one.bogus)) for one in worlds), strict=True
        )
    )
    return (
        f"{ticks:,} ticks, {rolls:,} rolls, {steps:,} steps, {states:,} cache states, violations: {bogus:,}"
    )


def _unlike(kinds: list[str], seed: int) -> int:
    """Return how many worlds come out otherwise when no tick is skipped."""
    unlike = ticks = 0
    for kind in kinds:
        pairs = zip(parents(seed), parents(seed), strict=True)
        for (name, one), (_, other) in pairs:
            slow = world_of(kind, one, seed).run(CHECKED)
            ticks += slow.ticks
            if remains(slow) != remains(run_fast(world_of(kind, other, seed), CHECKED)):
                unlike += 1
                print(f"{kind}, parent {name}: skipping ticks changed what comes out")
    print(f"every tick against ticks skipped: {ticks:,} ticks, worlds that differ: {unlike}", flush=True)
    return unlike


def _not_caught(seed: int) -> int:
    missed = 0
    for rule in RULES:
        broken = broken_without(rule, seed)
        missed += broken is None
        told = "NOT CAUGHT" if broken is None else f"caught, parent {broken[0]}, {broken[1].bogus[0]}"
        print(f"without the rule on {rule}: {told}", flush=True)
    return missed


def _write(path: Path, shapes: list[Shape]) -> None:
    path.write_text("[\n" + ",\n".join(map(json.dumps, shapes)) + "\n]\n")


if __name__ == "__main__":
    sys.exit(main())
