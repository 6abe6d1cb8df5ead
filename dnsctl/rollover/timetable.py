"""When the steps of a roll come, if the world follows at once: for people, before anything is done.

Each step of `planning` is taken as soon as it is safe; nodes and parent are taken to show it at the next
look. A roll in the real world waits for what is seen, so that the times are the earliest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dnsctl.model.key import KeyUse, PublicKey
from dnsctl.model.observation import NodeView, ParentView
from dnsctl.model.policy import Algorithm, Lifetimes, Policy
from dnsctl.rollover.aim import Make
from dnsctl.rollover.caches import Observations
from dnsctl.rollover.keyset import KeySet, RolledKey
from dnsctl.rollover.planning import Plan, Wait, asked_ds, plan
from dnsctl.sign.keyfile import flags

LOOK = timedelta(minutes=15)  # between two looks at nodes and parent
_LONGEST = timedelta(days=90)  # more is not shown
_MOST = 200  # steps and looks


@dataclass(frozen=True, slots=True)
class Entry:
    """A step. `at`: the earliest time; `reason`: what it is for, or what it has to wait for."""

    at: datetime
    text: str
    reason: str


def timetable(
    keys: KeySet, policy: Policy | None, seen: Observations, now: datetime, ttls: tuple[int, int]
) -> tuple[Entry, ...]:
    """Return the steps that `keys` have to take, earliest times first. `ttls`: of DNSKEY and data, seconds.

    A key that is yet to be made has no tag, and is called new.
    """
    entries: list[Entry] = []
    keys = plan(keys, policy, seen, now).keys  # from here on, no key grows old
    policy = None if policy is None else replace(policy, lifetimes=Lifetimes(None, None, None))
    new: list[RolledKey] = []
    at, waited = now, ""
    for _ in range(_MOST):
        told = plan(keys, policy, seen, at)
        if told.make:
            made = _placeholders(told.keys, told.make)
            entries += [
                Entry(at, f"make {_called(one, made, 'a')}", each.reason)
                for one, each in zip(made, told.make, strict=True)
            ]
            keys, new = replace(told.keys, keys=(*told.keys.keys, *made)), [*new, *made]
        elif told.step is not None:
            entries.append(Entry(at, _named(told.step.text, new), _named(waited or told.step.reason, new)))
            keys, waited = told.step.keys, ""
            seen = _looked(keys, seen, at, ttls)
        elif told.wait is not None and at < now + _LONGEST:
            waited = f"after waiting {told.wait.reason}" if told.wait.until else waited
            at = max(told.wait.until or at + LOOK, at + timedelta(seconds=1))
            seen = _looked(keys, seen, at, ttls)
        else:
            break
    return tuple(entries)


def foreseen(told: Plan, policy: Policy | None, seen: Observations, now: datetime) -> Plan:
    """Return `told` once the keys that it asks for are made: with its step, or what that waits for."""
    if not told.make:
        return told
    made = _placeholders(told.keys, told.make)
    then = plan(replace(told.keys, keys=(*told.keys.keys, *made)), policy, seen, now)
    return replace(then, wait=None if then.wait is None else not_yet_made(then.wait, made))


def not_yet_made(wait: Wait, new: Iterable[RolledKey]) -> Wait:
    """Return `wait` without the tags of keys that are only drafts: others will be made."""
    new = tuple(new)
    step = replace(wait.step, text=_named(wait.step.text, new), reason=_named(wait.step.reason, new))
    return replace(wait, step=step, reason=_named(wait.reason, new))


def _named(text: str, new: Collection[RolledKey]) -> str:
    for each in new:
        text = text.replace(str(each), _called(each, new, "the")).replace(str(each.public.tag), "new")
    return text


def _called(key: RolledKey, new: Collection[RolledKey], article: str) -> str:
    """Return what a key without a tag is called; with its algorithm, where another one of its role comes."""
    algorithms = {each.public.algorithm for each in new if each.role == key.role}
    of = f" of {Algorithm(key.public.algorithm).name}" if len(algorithms) > 1 else ""
    return f"{article} new {key.role}{of}"


def _placeholders(keys: KeySet, make: Iterable[Make]) -> tuple[RolledKey, ...]:
    """Return keys that stand for those yet to be made."""
    made = []
    for number, each in enumerate(make):
        octets = hashlib.sha256(b"%d %d" % (len(keys.keys), number)).digest()
        public = PublicKey(keys.zone, int(each.algorithm), flags(each.role), octets)
        made.append(RolledKey(public, each.role, KeyUse(), standby=each.standby))
    return tuple(made)


def _looked(keys: KeySet, seen: Observations, at: datetime, ttls: tuple[int, int]) -> Observations:
    """Return what is seen once nodes and parent have followed."""
    nodes = [replace(each, at=at, served=keys.served, fault="") for each in seen.served.views]
    nodes = nodes or [NodeView("every node", "", at, keys.served)]
    nodes = [replace(each, dnskey_ttl=ttls[0], data_ttl=ttls[1]) for each in nodes]
    parents = [
        replace(each, at=at, ds=asked_ds(keys), ttl=each.ttl or seen.ds.ttl, fault="")
        for each in seen.ds.views
    ] or [ParentView("the parent", "", at, asked_ds(keys), 86400)]
    ds = seen.ds.decided(asked_ds(keys), at).after(parents, at)
    return replace(seen, served=seen.served.after(nodes, at), ds=ds)
