"""Rolls of keys: every zone's next step, in one release; or what it waits for.

`advance` looks at the nodes, asks `rollover` for each zone's next step, and releases all steps that are safe
together, as a push does. Which DS the parents have is read from what was observed last (`observing`), with
its age. What a roll wants is in `.state` files; how far it is, in what is served.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from dnsctl.control.host import ControlHost
from dnsctl.control.push import Request, Result, build_intent, check_request, ended, level
from dnsctl.control.released import config_of, signing_policy
from dnsctl.control.served import look
from dnsctl.control.zone_rolls import Goal, ZoneRoll, goals, is_at_rest, rolling_zones, zone_roll
from dnsctl.errors import DnsctlError
from dnsctl.image.reader import Reader
from dnsctl.model.guard_names import GUARDS
from dnsctl.model.name import Name
from dnsctl.model.policy import Policy
from dnsctl.model.repo import Repo
from dnsctl.publish.intent import Intent, Progress, no_progress
from dnsctl.publish.keys import live_keys, settle_roll
from dnsctl.publish.rolling import Rolled, rolled, tells_parent
from dnsctl.publish.uses import is_covered
from dnsctl.rollover.aim import Make
from dnsctl.rollover.keyset import RolledKey
from dnsctl.rollover.planning import Wait, plan
from dnsctl.rollover.timetable import not_yet_made
from dnsctl.sign.keyfile import RollState
from dnsctl.sign.keystore import Keystore, NewKey

_WRITTEN = "for the CDS of its zone file, which are not ours to change, to ask for the new DS instead"


def advance(
    host: ControlHost,
    request: Request,
    progress: Progress = no_progress,
    *,
    zones: frozenset[Name] | None = None,
    hurry: bool = False,
) -> tuple[Result, Mapping[Name, Wait]]:
    """Take the next step of each roll that may take one; return how that ended, and what others wait for.

    `zones`: only these; `hurry`: caches do not count (see `rollover.planning.plan`). Guards do not judge it:
    no record changes, and what a DS leads to was judged here. Raises DnsctlError where nothing has changed.
    """
    check_request(request)
    now, recovered = datetime.now(UTC), 0
    steps: list[Rolled] = []
    waits: dict[Name, Wait] = {}
    release = None
    if moving := _moving(host, zones, now, hurry=hurry):
        if not request.dry_run:
            recovered = level(host, progress)
            moving = _moving(host, zones, now, hurry=hurry)
        with host.image.reader() as reader:
            if not request.dry_run:
                look(host, reader, moving, now)
            steps, waits = _chosen(host, reader, moving, now, hurry=hurry)
            intent = _intent(host, reader, steps)
        release = build_intent(host, intent, progress) if steps else None
    allowed = replace(request, allow=tuple(GUARDS), reason=request.reason or "a step of a roll")
    result = ended(host, release, "roll", allowed, recovered, progress)
    if result.ending in ("served", "partly", "not verified"):
        _settle(host, steps, now)
    return result, waits


def _moving(
    host: ControlHost, zones: frozenset[Name] | None, now: datetime, *, hurry: bool
) -> dict[Name, Goal]:
    """Return the zones (of `zones`) whose keys are not at rest, with the goal of the release."""
    state = Repo(host.root).state
    found: dict[Name, Goal] = {}
    with host.image.reader() as reader:
        goal_of = goals(host.root, _commit(host, reader))
        for origin in rolling_zones(reader, host.keystore):
            goal = goal_of(origin) if zones is None or origin in zones else None
            if goal is not None and not is_at_rest(
                zone_roll(reader, host.keystore, state, origin, goal, now, hurry=hurry)
            ):
                found[origin] = goal
    return found


def _chosen(
    host: ControlHost, reader: Reader, moving: Mapping[Name, Goal], now: datetime, *, hurry: bool
) -> tuple[list[Rolled], dict[Name, Wait]]:
    """Return the steps that are safe now, and what other zones wait for."""
    steps: list[Rolled] = []
    waits: dict[Name, Wait] = {}
    state = Repo(host.root).state
    for origin, goal in moving.items():
        found = zone_roll(reader, host.keystore, state, origin, goal, now, hurry=hurry)
        step = _step(host.keystore, found, now, hurry=hurry)
        if isinstance(step, Rolled) and not _is_told(reader, step):
            waits[origin] = Wait(step.step, _WRITTEN)
        elif isinstance(step, Rolled):
            steps.append(step)
        elif step is not None:
            waits[origin] = step
    return steps, waits


def _intent(host: ControlHost, reader: Reader, steps: Iterable[Rolled]) -> Intent:
    commit = _commit(host, reader)
    config = config_of(host.root, commit)

    def policy_of(origin: Name) -> Policy | None:
        is_ours = is_covered(live_keys(host.keystore, reader, origin).uses.values())
        return signing_policy(config, host.keystore, origin) if config is not None and is_ours else None

    def follows(origin: Name) -> bool:
        return config is not None and config.parent_policy(origin).ours == "follow"

    return rolled(reader, steps, policy_of, follows, commit)


def _settle(host: ControlHost, steps: Iterable[Rolled], now: datetime) -> None:
    for each in steps:
        try:
            settle_roll(host.keystore, each.keys, now)
        except DnsctlError as error:
            host.notes.append(f"the state of a key could not be kept: {error}")


def _commit(host: ControlHost, reader: Reader) -> str | None:
    manifest = host.manifest(reader.generation)
    return manifest.commit if manifest is not None else None


def _step(keystore: Keystore, found: ZoneRoll, now: datetime, *, hurry: bool) -> Rolled | Wait | None:
    """Return the step that a zone takes, with keys made for it; or what it waits for."""
    told = found.plan
    drafts: tuple[NewKey, ...] = ()
    made: tuple[RolledKey, ...] = ()
    if told.make:
        drafts = tuple(_drafted(keystore, found, told.make, now))
        made = tuple(
            RolledKey(one.stored.public, one.stored.role, standby=one.stored.roll.standby, since=now)
            for one in drafts
        )
        keys = replace(told.keys, keys=(*told.keys.keys, *made))
        told = plan(keys, found.goal.policy, found.seen, now, hurry=hurry)
    if told.step is None:
        return None if told.wait is None else not_yet_made(told.wait, made)
    used = {each.public for each in told.step.keys.used}
    kept = tuple(one for one in drafts if one.stored.public in used)
    return Rolled(told.keys, told.step, found.goal.until, kept)


def _drafted(keystore: Keystore, found: ZoneRoll, make: Iterable[Make], now: datetime) -> Iterator[NewKey]:
    made: list[NewKey] = []
    for each in make:
        wanted = replace(found.goal.until, algorithm=each.algorithm)
        draft = keystore.draft(found.keys.zone, wanted, each.role, now, made, found.seen.foreign)
        roll = RollState(
            replaces=each.replaces.tag if each.replaces is not None else None, standby=each.standby, ds=False
        )
        made.append(replace(draft, stored=replace(draft.stored, roll=roll)))
    yield from made


def _is_told(reader: Reader, step: Rolled) -> bool:
    """False where a step is to tell the parent, and the zone's file does that itself."""
    changes = step.before.wanted_ds != step.keys.wanted_ds
    return not changes or tells_parent(reader.signed_zone(step.origin), step.before)
