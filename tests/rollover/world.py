"""A world to roll keys in, on a clock of its own: a parent, two nodes, and validators that cache everything.

What a validator accepts is written a second time, in `validators`, and caches are modelled by what was served
when and with which TTL, not by what `rollover` remembers. Times are in ticks, of an hour.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from math import prod
from typing import Any, Literal

from dnsctl.model.key import KeyUse, PublicKey
from dnsctl.model.name import from_text
from dnsctl.model.observation import DsMemory, NodeView, ParentView, ServedKeys, ServedMemory
from dnsctl.model.policy import Policy
from dnsctl.rollover.caches import Observations
from dnsctl.rollover.keyset import KeySet, RolledKey
from dnsctl.rollover.planning import Plan, asked_ds, plan
from tests.rollover.validators import WITHOUT_MLDSA, Rdatas, Shape, Verdict, shape_of, strict

ZONE = from_text("example.org.")
TICK = timedelta(hours=1)
START = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = 3600  # seconds
_STRANGER = bytes(32)  # the digest of nobody's key
Lie = Literal["", "nothing", "stranger"]


class Cache:
    """What resolvers anywhere may hold of one kind: each value until the last of its answers runs out."""

    def __init__(self) -> None:
        self._until: dict[object, int] = {}

    def serve(self, value: object, tick: int, ttl: int) -> None:
        """Serve `value` from `tick` until the next one. `ttl`: ticks."""
        self._until[value] = max(self._until.get(value, 0), tick + 1 + ttl)

    def next_drop(self, served: Iterable[object]) -> int | None:
        """Return when the next value is dropped that is not among `served`; None: never."""
        still = frozenset(served)
        return min((until for value, until in self._until.items() if value not in still), default=None)

    def held(self, tick: int) -> frozenset[Any]:
        self._until = {value: until for value, until in self._until.items() if until > tick}
        return frozenset(self._until)


@dataclass
class Parent:
    """Two name servers of a parent. `delay`: every so many ticks each takes what is asked for then.

    `silent`: who does not answer us at a tick; `turns_back`: who shows what it had before, at a tick; `lies`:
    what its second server says instead of the truth then: nothing, or the DS of a stranger beside the true
    ones; `ttl`: ticks at a tick.
    """

    delay: tuple[int, int] = (1, 1)
    silent: Callable[[int], tuple[int, ...]] = lambda tick: ()
    turns_back: Callable[[int, int], tuple[int, ...]] = lambda tick, changed: ()
    lies: Callable[[int], Lie] = lambda tick: ""
    ttl: Callable[[int], int] = lambda tick: 4
    sets: list[Rdatas] = field(default_factory=lambda: [(), ()])
    before: list[Rdatas] = field(default_factory=lambda: [(), ()])
    changed: list[int] = field(default_factory=lambda: [0, 0])
    asked: Rdatas = ()

    def move(self, tick: int) -> None:
        for server, delay in enumerate(self.delay):
            if tick % delay == 0 and self.asked != self.sets[server]:
                self.before[server], self.sets[server] = self.sets[server], self.asked
                self.changed[server] = tick

    def served(self, server: int, tick: int) -> Rdatas:
        shown = self.sets[server]
        if server in self.turns_back(tick, self.changed[server]):
            shown = self.before[server]
        lie = self.lies(tick) if server == 1 and shown else ""
        if lie == "nothing":
            return ()
        return tuple(sorted((*shown, shown[0][:4] + _STRANGER))) if lie else shown

    def input(self, tick: int) -> object:
        """Return all that validators and we get to see at `tick`, unless a server changes what it has."""
        shown = (self.served(0, tick), self.served(1, tick))
        return shown, self.silent(tick), self.ttl(tick)

    def moves(self, tick: int) -> bool:
        """True where a server takes at `tick` what is asked for."""
        return any(
            tick % delay == 0 and self.asked != self.sets[server] for server, delay in enumerate(self.delay)
        )

    def views(self, tick: int) -> list[ParentView]:
        at = START + tick * TICK
        return [
            ParentView(f"ns{server}.parent.example.", "dc1", at, None, 0, "timed out")
            if server in self.silent(tick)
            else ParentView(
                f"ns{server}.parent.example.", "dc1", at, self.served(server, tick), self.ttl(tick) * HOUR
            )
            for server in (0, 1)
        ]


@dataclass
class World:
    """A zone that is rolled. `lag`: ticks for which the second node misses a release that is made then.

    `wishes`: what persons do, at ticks that are multiples of `wish_every`; 0: never. `shapes`: the states of
    caches that were met. `insecure`: the first tick at which a validator that does not know ML-DSA may have
    taken the zone for insecure although it held a DS.
    """

    parent: Parent
    policy: Policy | None
    dnskey_ttl: int = 3
    data_ttl: int = 7
    lag: Callable[[int], int] = lambda tick: 0
    wishes: Callable[[World, int], None] = lambda world, tick: None
    wish_every: int = 1
    keys: KeySet = field(default_factory=lambda: KeySet(ZONE))
    tick: int = 0
    ds_seen: DsMemory = field(default_factory=DsMemory)
    served_seen: ServedMemory = field(default_factory=ServedMemory)
    nodes: list[ServedKeys] = field(default_factory=lambda: [ServedKeys(), ServedKeys()])
    catches_up: int = 0
    ticks: int = 0
    states: int = 0
    steps: int = 0
    rolls: int = 0
    bogus: list[str] = field(default_factory=list)
    insecure: int | None = None
    shapes: dict[Shape, None] = field(default_factory=dict)
    last: Plan | None = None
    was_settled: bool = True
    _made: int = 0
    _caches: tuple[Cache, Cache, Cache] = field(default_factory=lambda: (Cache(), Cache(), Cache()))
    _judged: dict[object, tuple[Verdict, Verdict]] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return START + self.tick * TICK

    def run(self, ticks: int) -> World:
        for _ in range(ticks):
            self.move()
        return self

    def move(self) -> None:
        """Let one tick pass."""
        self.wishes(self, self.tick)
        self.parent.move(self.tick)
        if self.tick >= self.catches_up:
            self.nodes[1] = self.nodes[0]
        self.observe()
        self.advance()
        self.judge()
        self.tick += 1

    def observe(self) -> None:
        self.ds_seen = self.ds_seen.after(self.parent.views(self.tick), self.now)
        looks = []
        for place, served in enumerate(self.nodes):
            behind = place == 1 and self.tick < self.catches_up
            ttls = (self.dnskey_ttl * HOUR, self.data_ttl * HOUR)
            looks.append(
                NodeView("ns2", "dc2", self.now, None, fault="behind")
                if behind
                else NodeView(f"ns{place + 1}", f"dc{place + 1}", self.now, served, *ttls)
            )
        self.served_seen = self.served_seen.after(looks, self.now)

    def advance(self) -> None:
        """Take one step, as a host does that keeps what it was told."""
        self.ds_seen = self.ds_seen.decided(asked_ds(self.keys), self.now)
        seen = Observations(self.served_seen, self.ds_seen)
        told = plan(self.keys, self.policy, seen, self.now)
        if told.make:
            made = tuple(self.make(each.role, each.standby, each.algorithm) for each in told.make)
            self.keys = replace(told.keys, keys=(*told.keys.keys, *made))
            told = plan(self.keys, self.policy, seen, self.now)
        self.last = told
        if told.is_settled:
            self.rolls += not self.was_settled
        self.was_settled = told.is_settled
        if told.step is None:
            return
        old = {each.public: each.use for each in told.keys.keys}
        self.keys = replace(
            told.step.keys,
            keys=tuple(
                replace(each, since=self.now) if each.use.signs and not old[each.public].signs else each
                for each in told.step.keys.keys
                if each.use or not each.leaves
            ),
        )
        self.steps += 1
        self.release(self.keys)

    def release(self, keys: KeySet) -> None:
        ttls = (self.dnskey_ttl * HOUR, self.data_ttl * HOUR)
        self.served_seen = self.served_seen.decided(keys.served, *ttls, self.now)
        self.nodes[0] = keys.served
        if lag := self.lag(self.tick):
            self.catches_up = max(self.catches_up, self.tick + lag)
        if self.tick >= self.catches_up:
            self.nodes[1] = keys.served
        self.ds_seen = self.ds_seen.decided(asked_ds(keys), self.now)
        self.parent.asked = asked_ds(keys)

    def make(self, role, standby: bool = False, algorithm: int | None = None) -> RolledKey:
        self._made += 1
        public = hashlib.sha256(b"%d" % self._made).digest() * 2
        flags = 256 if role == "zsk" else 257
        key = PublicKey(ZONE, int(algorithm or self.policy.algorithm), flags, public)
        return RolledKey(key, role, KeyUse(), self.now, standby=standby)

    def tell(self, which: Callable[[RolledKey], bool], leaves: bool) -> None:
        self.keys = replace(
            self.keys,
            keys=tuple(replace(each, leaves=leaves) if which(each) else each for each in self.keys.keys),
        )

    # -- Validators ---

    def judge(self) -> None:
        """Validate with everything that any resolver may hold now."""
        self._serve()
        self.ticks += 1
        held = [each.held(self.tick) for each in self._caches]
        for ds, (keys, signers), data in product(*held):
            self.states += 1
            told, without = self._verdicts(ds, keys, signers, data)
            if told == "bogus":
                self.bogus.append(
                    f"tick {self.tick}: DS {_short(ds)}, keys {_short(keys)}, data {_short(data)}"
                )
            if ds and without == "insecure" and self.insecure is None:
                self.insecure = self.tick

    def _verdicts(self, *state: Rdatas) -> tuple[Verdict, Verdict]:
        """Return what those say who know all algorithms, and those who do not know ML-DSA."""
        if (known := self._judged.get(state)) is not None:
            return known
        shape = shape_of(ZONE, *state)
        self.shapes[shape] = None
        self._judged[state] = strict(shape), strict(shape, WITHOUT_MLDSA)
        return self._judged[state]

    def _serve(self) -> None:
        for cache, (values, ttl) in zip(self._caches, self._served(self.tick), strict=True):
            for value in values:
                cache.serve(value, self.tick, ttl)

    def _served(self, tick: int) -> tuple[tuple[list[object], int], ...]:
        """Return what is served of DS, DNSKEY and data, each with its TTL in ticks."""
        return (
            ([self.parent.served(server, tick) for server in (0, 1)], self.parent.ttl(tick)),
            ([(each.keys, each.key_signers) for each in self.nodes], self.dnskey_ttl),
            ([each.data_signers for each in self.nodes], self.data_ttl),
        )

    # -- Ticks at which nothing can change ---

    def held(self) -> tuple[frozenset[Any], ...]:
        """Return what caches held at the tick before this one, of DS, DNSKEY and data."""
        return tuple(each.held(self.tick - 1) for each in self._caches)

    def next_drop(self) -> int | None:
        """Return the next tick at which a cache has dropped what is not served any more; None: never."""
        served = self._served(self.tick - 1)
        drops = [cache.next_drop(values) for cache, (values, _) in zip(self._caches, served, strict=True)]
        return min((each for each in drops if each is not None), default=None)

    def skip(self, ticks: int) -> None:
        """Let ticks pass that are the same as the last one in all respects."""
        self.tick += ticks - 1
        self._serve()
        self.tick += 1
        self.ticks += ticks
        self.states += ticks * prod(len(each) for each in self.held())


def _short(rdatas: Rdatas) -> list[str]:
    return [each[4:8].hex() for each in rdatas]


# -- Parents that are not as one would wish ---


def parents(seed: int) -> Iterator[tuple[str, Parent]]:
    """Yield parents by name: each with another fault."""
    draw = random.Random(seed)
    year = 24 * 366
    outages = {start + each for start in draw.sample(range(year), 60) for each in range(draw.randint(10, 50))}
    lies: dict[int, Lie] = {}
    for start in draw.sample(range(year), 90):
        lies |= dict.fromkeys(range(start, start + draw.randint(1, 40)), draw.choice(("nothing", "stranger")))

    def away(tick: int) -> tuple[int, ...]:
        return (0, 1) if (tick // 100) % 3 == 0 else ()

    def flaps(tick: int, changed: int) -> tuple[int, ...]:
        return (1,) if changed and tick - changed < 60 and tick % 4 >= 2 else ()

    def raised(tick: int) -> int:
        return (4, 24, 2, 48)[(tick // 37) % 4]

    yield "prompt", Parent()
    yield "slow", Parent(delay=(70, 75))
    yield "unreachable at times", Parent(silent=lambda tick: (1,) if tick % year in outages else ())
    yield "away for days", Parent(silent=away)
    yield "half updated", Parent(delay=(1, 90))
    yield "flapping at one server", Parent(turns_back=flaps, ttl=lambda tick: 6)
    yield "lying at one server", Parent(lies=lambda tick: lies.get(tick % year, ""))
    yield "changing its TTL", Parent(delay=(5, 9), ttl=raised)
