"""What comes next in a key rollover of a zone, and what is waited for (RFC 7583, RFC 6781 §4).

One function of keys, policy, what was seen, and the time; the table of moves stands below. ZSKs are rolled by
pre-publication, KSKs and CSKs by double signature, algorithms conservatively: signatures first, then DNSKEY,
then DS, and back in the reverse order. No roll has rules of its own: each step is the first move towards the
aim after which no cache can hold what does not validate (see `caches`). So nothing moves on the clock alone:
what was not seen to be gone may be in caches for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple

from dnsctl.model.json_value import Json
from dnsctl.model.key import KeyUse, ds_tags
from dnsctl.model.observation import DsMemory
from dnsctl.model.policy import Policy
from dnsctl.model.timestamp import stamp
from dnsctl.model.validity import moment
from dnsctl.rollover.aim import Aim, Make, aim_of
from dnsctl.rollover.caches import (
    Change,
    Danger,
    Observations,
    Part,
    Rdatas,
    dangers,
    last_of,
    names_key,
    served_now,
    tags,
)
from dnsctl.rollover.keyset import KeySet, RolledKey

Action = Literal["begin", "sign", "publish", "swap", "ask", "remove", "stop", "withdraw", "unsign"]


@dataclass(frozen=True, slots=True)
class Step:
    """A change of the keys that one release makes. `text`: what it does; `reason`: what for."""

    action: Action
    keys: KeySet
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """A step that has to wait. `until`: when it is safe; None: once something is seen."""

    step: Step
    reason: str
    until: datetime | None = None

    @property
    def told(self) -> str:
        """What is waited for, until when, and what comes then: `for caches to …, until …, to publish …`."""
        end = f", until {moment(self.until.timestamp())}" if self.until is not None else ""
        return f"{self.reason}{end}, to {self.step.text}"

    def to_json(self) -> dict[str, Json]:
        """Return what is waited for, until when, and what comes then."""
        until = None if self.until is None else stamp(self.until)
        return {"for": self.reason, "until": until, "step": self.step.text}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done now. `keys`: with who leaves; `make`: keys that are needed before anything else.

    `step` is safe now; `wait` is what is waited for where there is none. All empty: there is nothing to do.
    """

    keys: KeySet
    make: tuple[Make, ...] = ()
    step: Step | None = None
    wait: Wait | None = None

    @property
    def is_settled(self) -> bool:
        return not self.make and self.step is None and self.wait is None


def plan(
    keys: KeySet, policy: Policy | None, seen: Observations, now: datetime, *, hurry: bool = False
) -> Plan:
    """Return the next step of `keys` towards `policy` (None: unsigned), and why, or what it waits for.

    `hurry`: only what is served now counts, not what caches hold: for an emergency, and told twice.
    """
    seen = served_now(seen, now) if hurry else seen
    aim = aim_of(keys, policy, now)
    if aim.make:
        return Plan(aim.keys, aim.make)
    first: Wait | None = None
    for step in _steps(aim, unsigned=policy is None):
        wait = wait_of(aim.keys, step, seen, now)
        if wait is None:
            return Plan(aim.keys, step=step)
        first = first or wait
    return Plan(aim.keys, wait=first)


def asked_ds(keys: KeySet) -> Rdatas:
    """Return the DS set that the parent is asked for."""
    return tuple(sorted(each.ds() for each in keys.wanted_ds))


def wait_of(keys: KeySet, step: Step, seen: Observations, now: datetime) -> Wait | None:
    """Return what `step` has to wait for; None where it is safe at `now`."""
    then = step.keys
    if _ends_chains(keys, then) and (missing := _missing_ds(then, seen, now)):
        return Wait(step, missing)
    found = dangers(Change(keys.zone, keys.served, asked_ds(keys), then.served, asked_ds(then)), seen, now)
    if not found:
        return None
    if step.action == "unsign":  # our own keys stay until then: the DS has to go first
        found = tuple(each for each in found if each.cause.kind == "ds") or found
    last = last_of(found)
    return Wait(step, _reason(keys, last, seen), last.until)


def _ends_chains(keys: KeySet, then: KeySet) -> bool:
    """True where a key that a DS may lead to stops signing the DNSKEY RRset."""
    signing = {each.public for each in then.keys if each.use.signs_keys}
    return any(each.use.signs_keys and each.public not in signing for each in keys.keys)


# -- Moves ---


class _Move(NamedTuple):
    action: Action
    uses: Callable[[Aim], Iterable[tuple[RolledKey, KeyUse]]]
    text: str  # of the step; {on} and {off}: keys that begin and end to do something


def _steps(aim: Aim, *, unsigned: bool) -> Iterator[Step]:
    """Yield what could be done, in the order of the table: what is ready is used before more is made so."""
    for action, uses, text in _WITHDRAWAL if unsigned else _MOVES:
        every = [(key, use) for key, use in uses(aim) if use != key.use]
        for chosen in _choices(every) if action in ("publish", "remove", "stop") else [every]:
            if chosen:
                step = _step(aim, action, chosen, text)
                if _keys_are_signed(step.keys) or not _keys_are_signed(aim.keys):
                    yield step


def _choices(every: list[tuple[RolledKey, KeyUse]]) -> Iterator[list[tuple[RolledKey, KeyUse]]]:
    """Yield all, those of each algorithm, and each alone: some have to wait for what others need not."""
    yield every
    algorithms = dict.fromkeys(key.public.algorithm for key, _ in every)
    if len(algorithms) > 1:
        for algorithm in algorithms:
            yield [each for each in every if each[0].public.algorithm == algorithm]
    if len(every) > 1:
        for each in every:
            yield [each]


def _keys_are_signed(keys: KeySet) -> bool:
    """True where each algorithm of the DNSKEY RRset signs it (RFC 4035 §2.2)."""
    published = [each for each in keys.keys if each.use.published]
    signing = {each.public.algorithm for each in published if each.use.signs_keys}
    return all(each.public.algorithm in signing for each in published)


def _step(aim: Aim, action: Action, chosen: list[tuple[RolledKey, KeyUse]], text: str) -> Step:
    then = aim.keys.with_uses(chosen)
    coming = [key for key, _ in chosen if aim.use(key)]
    going = [key for key, _ in chosen if not aim.use(key)]
    told = text.format(on=_listed(coming), off=_listed(going))
    if action in ("swap", "ask") and going and coming:
        told += f" instead of {_listed(going)}"
    causes = going or [each for each in aim.keys.used if not aim.use(each)]
    reason = f"{_listed(causes[:1])} leaves: {aim.why(causes[0])}" if causes else "the policy asks for it"
    return Step(action, then, told, reason)


def _listed(keys: Iterable[RolledKey]) -> str:
    return " and ".join(str(each) for each in keys) or "nothing"


def _begin(aim: Aim) -> Iterator[tuple[RolledKey, KeyUse]]:
    """Sign a zone that is unsigned; the DS comes later."""
    if any(each.use.published or each.use.signs for each in aim.keys.keys):
        return
    for key in aim.keys.keys:
        yield key, replace(aim.use(key), ds=False)


def _sign(aim: Aim) -> Iterator[tuple[RolledKey, KeyUse]]:
    """Sign with an algorithm that is new to the zone before its key is published (RFC 6781 §4.1.4)."""
    published = {each.public.algorithm for each in aim.keys.keys if each.use.published}
    for key in aim.keys.keys:
        if published and aim.use(key).signs_data and key.public.algorithm not in published:
            yield key, replace(key.use, signs_data=True)


def _publish(aim: Aim) -> Iterator[tuple[RolledKey, KeyUse]]:
    for key in aim.keys.keys:
        if aim.use(key).published and not key.use.published:
            yield key, replace(key.use, published=True, signs_keys=aim.use(key).signs_keys)


def _sign_keys(aim: Aim) -> Iterator[tuple[RolledKey, KeyUse]]:
    """Sign the DNSKEY RRset with keys that are in it already, such as one that another server published."""
    for key in aim.keys.keys:
        if key.use.published and aim.use(key).signs_keys and not key.use.signs_keys:
            yield key, replace(key.use, signs_keys=True)


def _swap(aim: Aim) -> Iterator[tuple[RolledKey, KeyUse]]:
    """Sign data with the new keys that are published instead of old ones of the same algorithm."""
    on = [each for each in aim.keys.keys if aim.use(each).signs_data and each.use.published]
    for key in on:
        yield key, replace(key.use, signs_data=True)
    algorithms = {each.public.algorithm for each in on}
    for key in aim.keys.keys:
        if key.public.algorithm in algorithms and not aim.use(key).signs_data:
            yield key, replace(key.use, signs_data=False)


def _ask(aim: Aim) -> Iterator[tuple[RolledKey, KeyUse]]:
    """Ask the parent for the DS of the new keys instead of that of old ones.

    An old DS stays until a new one of its algorithm comes, where one will: whoever knows that algorithm only
    would take the zone for insecure (RFC 4035 §5.2).
    """
    new = [each for each in aim.keys.keys if aim.use(each).ds]
    ready = {each.public for each in new if each.use.signs_keys and each.use.published}
    lacking = {each.public.algorithm for each in new} - {each.algorithm for each in ready}
    for key in aim.keys.keys if ready else ():
        stays = key.use.ds and key.public.algorithm in lacking
        yield key, replace(key.use, ds=key.public in ready or stays)


def _remove(aim: Aim) -> Iterator[tuple[RolledKey, KeyUse]]:
    """Take keys out of the DNSKEY RRset; what they signed of another algorithm stays for a while."""
    for key in aim.keys.keys:
        if not aim.use(key).published and not key.use.ds:
            yield key, replace(key.use, published=False, signs_keys=False)


def _stop(aim: Aim) -> Iterator[tuple[RolledKey, KeyUse]]:
    for key in aim.keys.keys:
        if key.use.signs_data and not aim.use(key).signs_data and not key.use.published:
            yield key, replace(key.use, signs_data=False)


def _withdraw(aim: Aim) -> Iterator[tuple[RolledKey, KeyUse]]:
    for key in aim.keys.keys:
        yield key, replace(key.use, ds=False)


def _unsign(aim: Aim) -> Iterator[tuple[RolledKey, KeyUse]]:
    if not aim.keys.wanted_ds:
        for key in aim.keys.keys:
            yield key, KeyUse()


_MOVES: tuple[_Move, ...] = (
    _Move("begin", _begin, "sign the zone with {on}"),
    _Move("sign", _sign, "sign all data with {on}, too, before it is published"),
    _Move("swap", _swap, "sign data with {on}"),
    _Move("ask", _ask, "ask the parent for the DS of {on}"),
    _Move("publish", _publish, "publish {on}"),
    _Move("publish", _sign_keys, "sign the DNSKEY RRset with {on}"),
    _Move("remove", _remove, "remove {off} from the DNSKEY RRset"),
    _Move("stop", _stop, "drop the signatures of {off}"),
)
_WITHDRAWAL: tuple[_Move, ...] = (
    _Move("withdraw", _withdraw, "ask the parent to withdraw the DS of {off}"),
    _Move("unsign", _unsign, "remove all signatures, and {off} from the zone"),
)


# -- Reasons to wait ---


def _missing_ds(then: KeySet, seen: Observations, now: datetime) -> str:
    """Return where the DS that is asked for is not seen; empty where every server has it, or none ever had.

    A DS that the parent lost altogether must not make a roll go on: it may come back, and the old one.
    """
    memory = seen.ds
    if seen.unseen_ds(now):
        if silent := _silent(memory):
            return f"for an answer of {silent} about the DS"
        return "for a look at the DS at every name server of the parent"
    if not any(each.what for each in memory.versions):
        return ""
    for key in then.wanted_ds:
        lacking = [each for each in memory.views if not names_key(then.zone, each.ds or (), key.rdata)]
        if lacking:
            return f"for the DS of key {key.tag} at {_at(each.place for each in lacking)}"
    return ""


def _reason(keys: KeySet, danger: Danger, seen: Observations) -> str:
    cause = danger.cause
    if cause.kind == "ds":
        return _ds_reason(keys, cause, seen)
    what = f"the DNSKEY RRset of key tags {tags(cause.held)}"
    if cause.kind == "data":
        what = f"data signed by {tags(cause.held)}" if cause.held else "unsigned data"
    elif not cause.held:
        what = "the answer that there is no DNSKEY"
    ttl = seen.served.dnskey_ttl if cause.kind == "keys" else seen.served.data_ttl
    if cause.unknown:
        since = "since the nodes were first looked at" if cause.until else "until all nodes were looked at"
        return f"for caches to drop what was served before (TTL {ttl} s), {since}"
    if cause.until is not None:
        return f"for caches to drop {what} (TTL {ttl} s)"
    behind = [each for each in seen.served.views if each.served != keys.served]
    if behind:
        places = _at(f"{each.place}{_fault(each.fault)}" for each in behind)
        return f"for {places} to be seen with the last release, instead of {what}"
    return f"for a look at every node, whether one still serves {what}"


def _ds_reason(keys: KeySet, cause: Part, seen: Observations) -> str:
    memory = seen.ds
    tagged = ds_tags(cause.held)
    if cause.until is not None:
        since = " since it was first looked at" if cause.unknown else ""
        return f"for caches to drop the DS of key {tagged} (TTL {memory.ttl} s){since}"
    if cause.unknown:
        return f"for a look at the DS at {_silent(memory) or 'every name server of the parent'}"
    having = [each.place for each in memory.views if each.ds == cause.held or each.ds is None]
    if having:
        return f"for {_at(having)} to drop the DS of key {tagged}"
    if cause.held in memory.superseded:
        wanted = f"the DS of key {ds_tags(memory.asked)}" if memory.asked else "no DS"
        return f"for every server of the parent to show {wanted}: until then it may take that of key {tagged}"
    return f"for a look at the parent, whether one of its servers still has the DS of key {tagged}"


def _silent(memory: DsMemory) -> str:
    """Return which servers of the parent gave no usable answer, each with why; empty where all did."""
    return _at(each.place + _fault(each.fault) for each in memory.silent)


def _at(places: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(places))


def _fault(fault: str) -> str:
    return f" ({fault})" if fault else ""
