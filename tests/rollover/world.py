"""A world to roll keys in, on a clock of its own: a parent, two nodes, and validators that cache everything.

What a validator accepts is written here a second time, and caches are modelled by what was served when and
with which TTL, not by what `rollover` remembers. Times are in ticks, of an hour.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from dnsctl.model.key import KeyUse, PublicKey
from dnsctl.model.name import from_text
from dnsctl.model.observation import DsMemory, NodeView, ParentView, ServedKeys, ServedMemory
from dnsctl.model.policy import Policy
from dnsctl.rollover.caches import Observations
from dnsctl.rollover.keyset import KeySet, RolledKey
from dnsctl.rollover.planning import Plan, asked_ds, plan

ZONE = from_text("example.org.")
TICK = timedelta(hours=1)
START = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = 3600  # seconds
Ds = tuple[bytes, ...]


class Cache:
    """What resolvers anywhere may hold of one kind: each value until the last of its answers runs out."""

    def __init__(self) -> None:
        self._until: dict[object, int] = {}

    def serve(self, value: object, tick: int, ttl: int) -> None:
        """Serve `value` from `tick` until the next one. `ttl`: ticks."""
        self._until[value] = max(self._until.get(value, 0), tick + 1 + ttl)

    def held(self, tick: int) -> frozenset[Any]:
        self._until = {value: until for value, until in self._until.items() if until > tick}
        return frozenset(self._until)


@dataclass
class Parent:
    """Two name servers of a parent. `delay`: every so many ticks each takes what is asked for then.

    `silent`: who does not answer us at a tick; `turns_back`: who shows what it had before, at a tick; `ttl`:
    ticks at a tick.
    """

    delay: tuple[int, int] = (1, 1)
    silent: Callable[[int], tuple[int, ...]] = lambda tick: ()
    turns_back: Callable[[int, int], tuple[int, ...]] = lambda tick, changed: ()
    ttl: Callable[[int], int] = lambda tick: 4
    sets: list[Ds] = field(default_factory=lambda: [(), ()])
    before: list[Ds] = field(default_factory=lambda: [(), ()])
    changed: list[int] = field(default_factory=lambda: [0, 0])
    asked: Ds = ()

    def move(self, tick: int) -> None:
        for server, delay in enumerate(self.delay):
            if tick % delay == 0 and self.asked != self.sets[server]:
                self.before[server], self.sets[server] = self.sets[server], self.asked
                self.changed[server] = tick

    def served(self, server: int, tick: int) -> Ds:
        if server in self.turns_back(tick, self.changed[server]):
            return self.before[server]
        return self.sets[server]

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
    """A zone that is rolled. `lag`: ticks for which the second node misses a release that is made then."""

    parent: Parent
    policy: Policy | None
    dnskey_ttl: int = 3
    data_ttl: int = 7
    lag: Callable[[int], int] = lambda tick: 0
    wishes: Callable[[World, int], None] = lambda world, tick: None
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
    last: Plan | None = None
    was_settled: bool = True
    _made: int = 0
    _caches: tuple[Cache, Cache, Cache] = field(default_factory=lambda: (Cache(), Cache(), Cache()))
    _judged: dict[object, bool] = field(default_factory=dict)

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
        seen = Observations(self.served_seen, self.ds_seen)
        told = plan(self.keys, self.policy, seen, self.now)
        if told.make:
            made = tuple(self.make(each.role, each.standby) for each in told.make)
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
        self.parent.asked = asked_ds(keys)

    def make(self, role, standby: bool = False) -> RolledKey:
        self._made += 1
        public = hashlib.sha256(b"%d" % self._made).digest() * 2
        flags = 256 if role == "zsk" else 257
        key = PublicKey(ZONE, int(self.policy.algorithm), flags, public)
        return RolledKey(key, role, KeyUse(), self.now, standby=standby)

    def tell(self, which: Callable[[RolledKey], bool], leaves: bool) -> None:
        self.keys = replace(
            self.keys,
            keys=tuple(replace(each, leaves=leaves) if which(each) else each for each in self.keys.keys),
        )

    # -- Validators ---

    def judge(self) -> None:
        """Validate with everything that any resolver may hold now."""
        ds_cache, key_cache, data_cache = self._caches
        for server in (0, 1):
            ds_cache.serve(self.parent.served(server, self.tick), self.tick, self.parent.ttl(self.tick))
        for served in self.nodes:
            key_cache.serve((served.keys, served.key_signers), self.tick, self.dnskey_ttl)
            data_cache.serve(served.data_signers, self.tick, self.data_ttl)
        self.ticks += 1
        held = [each.held(self.tick) for each in self._caches]
        for ds, (keys, signers), data in product(*held):
            self.states += 1
            state = (ds, keys, signers, data)
            if state not in self._judged:
                self._judged[state] = is_accepted(ds, keys, signers, data)
            if not self._judged[state]:
                self.bogus.append(
                    f"tick {self.tick}: DS {_short(ds)}, keys {_short(keys)}, data {_short(data)}"
                )


def is_accepted(ds: Ds, keys: Ds, signers: Ds, data: Ds) -> bool:
    """What a strict validator says (RFC 4035 §2.2, §5.2): insecure counts as accepted, bogus does not."""
    if not ds:
        return True
    anchored = [key for key in keys if key in signers and _digest(key) in {each[4:] for each in ds}]
    if {each[2] for each in ds} - {key[3] for key in anchored}:
        return False  # an algorithm that the DS RRset signals leads to no key
    algorithms = {key[3] for key in keys}
    signed = {key[3] for key in keys if key in data}
    return bool(algorithms) and algorithms <= signed


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(ZONE + key).digest()


def _short(rdatas: Ds) -> list[str]:
    return [each[4:8].hex() for each in rdatas]


# -- Parents that are not as one would wish ---


def parents(seed: int) -> Iterator[tuple[str, Parent]]:
    """Yield parents by name: each with another fault."""
    draw = random.Random(seed)
    outages = sorted(draw.sample(range(0, 24 * 366), 60))

    def silent(tick: int) -> tuple[int, ...]:
        now = tick % (24 * 366)
        return (1,) if any(start <= now < start + 30 for start in outages) else ()

    def away(tick: int) -> tuple[int, ...]:
        return (0, 1) if (tick // 100) % 3 == 0 else ()

    def flaps(tick: int, changed: int) -> tuple[int, ...]:
        return (1,) if changed and tick - changed < 60 and tick % 4 >= 2 else ()

    def raised(tick: int) -> int:
        return (4, 24, 2, 48)[(tick // 37) % 4]

    yield "prompt", Parent()
    yield "slow", Parent(delay=(70, 75))
    yield "unreachable at times", Parent(silent=silent)
    yield "away for days", Parent(silent=away)
    yield "half updated", Parent(delay=(1, 90))
    yield "flapping at one server", Parent(turns_back=flaps, ttl=lambda tick: 6)
    yield "changing its TTL", Parent(delay=(5, 9), ttl=raised)
