"""Links between hosts that are cut, one way or both, or slow and lossy, while a release goes out."""

from __future__ import annotations

import random
import time

from bench.faults.events import Event, told
from bench.faults.fleet import Fleet
from bench.faults.network import CUT, LINKS, NODES, Condition, Way, both
from dnsctl.demo.rehearsal import Ran

_LONGEST = 4.0  # seconds that a cut lasts


def partition(fleet: Fleet, chance: random.Random, event: Event) -> Ran:
    """Cut some ways, before the push or in the middle of it, and heal them some seconds later."""
    assert fleet.network is not None
    ways = _ways(chance)
    before, lasts = chance.random() < 0.3, chance.random() * _LONGEST
    begins = 0.0 if before else chance.random() * fleet.usual()
    event.tell(f"{_listed(ways)} cut", f"{told(begins)} for {lasts:.1f} s")
    if before:
        fleet.network.let(ways, CUT)
    command = fleet.attempt(chance)
    if not before:
        time.sleep(begins)
        fleet.network.let(ways, CUT)
    time.sleep(lasts)
    fleet.network.heal()
    return command.wait()


def lone_site(fleet: Fleet, chance: random.Random, event: Event) -> Ran:
    """Part a site from all others and push without it; it catches up once it is back."""
    assert fleet.network is not None
    name = chance.choice(NODES)
    event.tell(f"{name} parted from all, pushed without")
    fleet.network.let(both([link for link in LINKS if name in link]), CUT)
    return fleet.attempt(chance, "--without", f"dc{name[-1]}", "--reason", "its links are cut").wait()


def slow(fleet: Fleet, chance: random.Random, event: Event) -> Ran:
    """Make some ways late, lossy and narrow for all of a push."""
    assert fleet.network is not None
    ways = both(LINKS) if chance.random() < 0.4 else _ways(chance)
    condition = Condition(
        delay=chance.choice((0.0, 0.02, 0.05, 0.15)),
        jitter=chance.choice((0.0, 0.02, 0.1)),
        loss=chance.choice((0.0, 0.01, 0.05, 0.15)),
        rate=chance.choice((0, 0, 200_000, 50_000, 20_000)),
    )
    event.tell(f"{_listed(ways)}: {condition}")
    fleet.network.let(ways, condition)
    return fleet.attempt(chance).wait()


def _ways(chance: random.Random) -> list[Way]:
    links = chance.sample(LINKS, chance.choice((1, 1, 2, 3)))
    return [way for way in both(links) if chance.random() < 0.8] or both(links)


def _listed(ways: list[Way]) -> str:
    return " ".join(f"{here}>{there}" for here, there in ways)
