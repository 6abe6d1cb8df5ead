"""Where the rolls of zones stand: their keys, what was seen of them, and what comes next. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dnsctl.control.concerns import Concern
from dnsctl.control.observations import recall
from dnsctl.control.released import config_of, is_signed_elsewhere
from dnsctl.errors import KeystoreError
from dnsctl.image.reader import Reader
from dnsctl.model.name import Name, to_text
from dnsctl.model.observation import ServedMemory
from dnsctl.model.policy import Policy
from dnsctl.model.repo import HostFiles, Repo
from dnsctl.model.rrset import Type
from dnsctl.model.validity import moment
from dnsctl.publish.uses import is_covered, key_set, served_uses, unknown_signers
from dnsctl.rollover.caches import Observations
from dnsctl.rollover.keyset import KeySet
from dnsctl.rollover.planning import Plan, Wait, plan
from dnsctl.rollover.timetable import foreseen
from dnsctl.sign.keystore import Keystore, StoredKey
from dnsctl.sign.shared_tags import shared_tags

TOO_LONG = timedelta(days=7)  # that a roll stands still until it is an alarm


@dataclass(frozen=True)
class Goal:
    """What the keys of a zone are to come to, as it was released. `policy`: None where it is to be unsigned;
    `until`: what it is signed by until then.
    """

    policy: Policy | None
    until: Policy


@dataclass(frozen=True)
class ZoneRoll:
    """One zone's keys, and what comes next for them. `goal`: that of the release.

    `fault`: why nothing does, where its keys in the keystore share a tag, or one that signs is not there.
    """

    keys: KeySet
    goal: Goal
    seen: Observations
    plan: Plan
    fault: KeystoreError | None = None


def goals(root: Path, commit: str | None) -> Callable[[Name], Goal | None]:
    """Return what gives the goal of a zone that was released from `commit`, and that keys of ours sign.

    None where that cannot be read, so that rolls wait for the next push: no other policy was released.
    """
    config = config_of(root, commit)

    def goal(origin: Name) -> Goal | None:
        if config is None:
            return None
        policy = config.policy(origin)
        if policy is not None:
            return Goal(policy, policy)
        if is_signed_elsewhere(root, commit, origin) is not False:
            return None
        return Goal(None, config.last_policy)

    return goal


def rolling_zones(reader: Reader, keystore: Keystore) -> Iterator[Name]:
    """Yield the zones that are served signed by keys of the keystore."""
    for entry in reader.zones():
        if entry.signed and keystore.list(entry.origin):
            yield entry.origin


def zone_roll(
    reader: Reader,
    keystore: Keystore,
    state: HostFiles,
    origin: Name,
    goal: Goal,
    now: datetime,
    *,
    hurry: bool = False,
) -> ZoneRoll:
    """Return what comes next for the keys of a zone, as far as it was observed. Writes nothing."""
    stored = keystore.list(origin)
    uses = served_uses(reader, origin, stored)
    keys = key_set(origin, stored, uses)
    known = recall(state, origin)
    dnskey = reader.get(origin, Type.DNSKEY, origin)
    served = dnskey.rdatas if dnskey else ()
    ours = {one.public.rdata for one in stored}
    seen = Observations(known.served, known.ds, frozenset(each for each in served if each not in ours))
    if (fault := next(shared_tags(stored, served), None)) is not None:
        return ZoneRoll(keys, goal, seen, Plan(keys), fault)
    if not is_covered(uses.values()):
        return ZoneRoll(keys, goal, seen, Plan(keys))
    if unknown := unknown_signers(reader, origin, stored):
        return ZoneRoll(keys, goal, seen, Plan(keys), _elsewhere(origin, unknown))
    return ZoneRoll(keys, goal, seen, plan(keys, goal.policy, seen, now, hurry=hurry))


def _elsewhere(origin: Name, tags: tuple[int, ...]) -> KeystoreError:
    """Return why a zone is not rolled here: another host made a key, and a step from here would drop it."""
    return KeystoreError(
        f"is signed by key {', '.join(map(str, tags))} as well, which is not in keys/: no roll goes on here",
        where=to_text(origin),
        advice="copy keys/ from the host that made it, or restore its backup; if it is lost, a push signs"
        " without it",
    )


def is_at_rest(found: ZoneRoll) -> bool:
    """True where nothing is to be done, and no node need be asked what caches may still hold."""
    return found.plan.is_settled and is_quiet(found.seen.served)


def is_quiet(served: ServedMemory) -> bool:
    """True where nothing but what is served now may be in a cache, as far as was observed."""
    return served.began is not None and [each.gone for each in served.versions] == [None]


def roll_concerns(
    root: Path, commit: str | None, reader: Reader, keystore: Keystore, now: float
) -> Iterator[Concern]:
    """Yield what rolls wait for, steps that are due, and keys that share a tag.

    `reader`: the last release, of `commit`. A roll that has waited for `TOO_LONG` for what has to be seen
    does not go on by itself.
    """
    at = datetime.fromtimestamp(now, UTC)
    goal_of = goals(root, commit)
    for origin in rolling_zones(reader, keystore):
        goal = goal_of(origin)
        if goal is None:
            continue
        found = zone_roll(reader, keystore, Repo(root).state, origin, goal, at)
        told, make = foreseen(found.plan, goal.policy, found.seen, at), found.plan.make
        if found.fault is not None:
            yield Concern("act", to_text(origin), str(found.fault))
        elif told.wait is not None:
            since = None if make else standing_since(keystore.list(origin), found.seen)
            yield _waiting(to_text(origin), told.wait, since, at)
        elif make:
            yield Concern("soon", to_text(origin), f"a roll is due: {make[0].reason}; {_WHO}")
        elif told.step is not None:
            yield Concern("soon", to_text(origin), f"a step of a roll is due, to {told.step.text}; {_WHO}")


def standing_since(stored: Iterable[StoredKey], seen: Observations) -> datetime | None:
    """Return when something last changed: the state of a key, what nodes serve, or what the parent has.

    A roll that waits has waited since then at least. What comes back after it was gone may not count.
    """
    times = [each for one in stored for each in (*astuple(one.times), one.roll.leaves) if each is not None]
    times += [each.first for each in seen.served.versions] + [each.first for each in seen.ds.versions]
    return max(times, default=None)


def _waiting(zone: str, wait: Wait, since: datetime | None, now: datetime) -> Concern:
    """Return what a roll waits for; to act on, where its end is not known and it has stood for too long."""
    what = f"a roll waits {wait.told}"
    if since is None:
        return Concern("soon", zone, what)
    what += f"; it stands since {moment(since.timestamp())}"
    if wait.until is None and now - since > TOO_LONG:
        return Concern("act", zone, f"{what}, for more than {TOO_LONG.days} days: look at what it waits for")
    return Concern("soon", zone, what)


_WHO = "`dnsctl control` takes it"
