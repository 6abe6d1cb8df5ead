"""Years of a world in seconds: ticks at which nothing can change are skipped, and counted.

All that happens at a tick follows from what is there, from what is seen at the tick, and from how the clock
compares with times that are known. So a tick that left all as it was is followed by the same tick until the
parent shows something else, a person acts, a node catches up, a TTL runs out, or a key reaches its age.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from dnsctl.model.observation import DsMemory, ServedMemory
from tests.rollover.world import START, TICK, World


def run_fast(world: World, ticks: int) -> World:
    """Do what `World.run` does."""
    end = world.tick + ticks
    before: object = None
    while world.tick < end:
        world.move()
        after = _state(world)
        if after == before and (quiet := min(_next_event(world, end), end) - world.tick) > 0:
            world.skip(quiet)
        before = after
    return world


def remains(world: World) -> object:
    """Return all that a run leaves behind, but for when each place was last looked at."""
    looks = world.ds_seen.views, world.served_seen.views
    return (
        _state(world),
        (world.tick, world.catches_up, world.ticks, world.states, world.steps, world.rolls),
        (
            world.bogus,
            world.insecure,
            world.shapes,
            world.last,
            [[(each.place, each.fault) for each in one] for one in looks],
        ),
    )


def _state(world: World) -> object:
    """Return all that the next tick follows from, but for the clock."""
    ds, served, parent = world.ds_seen, world.served_seen, world.parent
    return (
        (world.keys, world.policy, world.was_settled, tuple(world.nodes), len(world.bogus), world.held()),
        (tuple(parent.sets), tuple(parent.before), parent.asked, parent.input(world.tick - 1)),
        (
            ds.versions,
            ds.began,
            ds._places,
            ds.asked,
            ds.superseded,
            [(each.place, each.ds, each.ttl) for each in ds.views],
        ),
        (served.versions, served.began, [(each.place, each.served) for each in served.views]),
    )


def _next_event(world: World, end: int) -> int:
    """Return the first tick from now on that may differ from the last one."""
    last = world.tick - 1
    times = [*_times(world.ds_seen), *_times(world.served_seen), *_ages(world)]
    events = [-((START - each) // TICK) for each in times]
    events += [world.catches_up, end]
    if (drop := world.next_drop()) is not None:
        events.append(drop)
    if world.wish_every:
        events.append((last // world.wish_every + 1) * world.wish_every)
    event = min(each for each in events if each > last)
    parent = world.parent
    same = parent.input(last)
    for tick in range(world.tick, event):
        if parent.moves(tick) or parent.input(tick) != same:
            return tick
    return event


def _times(memory: DsMemory | ServedMemory) -> Iterator[datetime]:
    """Yield when any TTL runs out that was seen, counted from any moment that is remembered."""
    ttls = {ttl for each in memory.versions for ttl in each.ttls}
    for moment in {memory.began, *(each.gone for each in memory.versions)} - {None}:
        for ttl in ttls:
            yield moment + timedelta(seconds=ttl)


def _ages(world: World) -> Iterator[datetime]:
    for key in world.keys.used:
        lifetime = world.policy and world.policy.lifetimes.of(key.role)
        if lifetime and key.since:
            yield key.since + lifetime
