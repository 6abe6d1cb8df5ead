"""Which zones a release need not look at: they were found at rest, and nothing that decides on them changed.

A zone is at rest if it is served as its files and its keys ask, and waits for nothing. It stays so as long
as its files are the same objects in git, no release takes it, its directory of keys is not written to, and
its signatures are not due. Where one zone is not at rest, all zones of ours above it and below these are
looked at with it: DS between them follow keys. Pure, except that it reads the image and the times of
directories.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from dnsctl.image.layout import Table, ZoneEntry, zone_prefix
from dnsctl.image.reader import Reader
from dnsctl.model.name import ROOT, Name, ancestors, is_subdomain
from dnsctl.model.validity import Period, due, timing
from dnsctl.publish.intent import Intent, ZoneIntent
from dnsctl.publish.known import Remembered, Rest, Seen
from dnsctl.sign.keyfile import directory_name

SIGNAL = "signal"  # of `cds` in a policy: what follows in other zones is decided with all of them


Since = Callable[[str], Collection[Name] | None]  # which zones were released since a release, by its digest


def nobody_knows(_manifest: str) -> None:
    """Tell nothing of what was released since."""


def at_work(
    intent: Intent,
    stamps: Mapping[str, str | None],
    parent: Reader,
    now: datetime,
    since: Since = nobody_knows,
) -> Intent:
    """Return `intent` without the zones that a release of it leaves as they are: these are `carried`.

    `stamps`: of the directories of keys. Where `since` cannot tell which zones were released after they were
    found at rest, each is compared with its entry in the image.
    """
    known = intent.known
    if known is None:
        return intent
    seen = Seen(parent.manifest, stamps, now.timestamp())
    intent = replace(intent, seen=seen)
    resting = known.zones.resting() & intent.same
    if known.seen is None or not resting:
        return intent
    resting -= _of_keys(resting, _written_since(known.seen, seen))
    touched = since(known.seen.manifest) if known.seen.at <= seen.at < known.due else None
    resting = _at_rest(resting, known, parent, now) if touched is None else resting.difference(touched)
    moving = {*(intent.zones.keys() - resting), *gone(intent, resting, parent)}
    related = _related(moving, intent.zones, resting)
    zones = {origin: intent.zones[origin] for origin in intent.zones if origin in moving or origin in related}
    if any(each.policy is not None and each.policy.cds == SIGNAL for each in zones.values()):
        return intent  # names that follow it may come into any zone
    return replace(intent, zones=zones, carried=frozenset(resting - related))


def gone(intent: Intent, served: Collection[Name], parent: Reader) -> list[Name]:
    """Return the zones that the image has and `intent` has not. `served`: those of it that are in the image.

    Where the image holds as many as it should, its zones are not listed.
    """
    wanted = {*intent.zones, *intent.carried}
    others = sum(parent.zone_bytes(zone_prefix(each)) is not None for each in wanted.difference(served))
    if parent.count(Table.ZONES) == len(served) + others:
        return []
    return [each for each in parent.apexes() if each not in wanted]


def stamp_of(intent: Intent, origin: Name) -> str | None:
    """Return the stamp of a zone's keys as `at_work` saw it; None where it could not tell changes since."""
    return intent.seen.stamps.get(directory_name(origin), "") if intent.seen is not None else None


def rest_of(wanted: ZoneIntent, entry: ZoneEntry, stamp: str | None) -> Rest | None:
    """Return how a zone is at rest that a comparison found unchanged; None where it waits for something.

    `wanted`: with what follows the keys of other zones; `stamp`: of its keys, before these were read.
    """
    cuts = (*wanted.below, *((wanted.above,) if wanted.above is not None else ()))
    waits = any(one.by_roll or one.awaited is not None for one in cuts)
    if waits or stamp is None or wanted.unsigning or wanted.roll or wanted.signals:
        return None
    policy = wanted.policy
    if policy is None:
        return Rest(entry.source, -1, 0)
    if policy.cds == SIGNAL:
        return None
    refresh = timing(policy, wanted.zone.facts.largest_ttl).refresh
    ends = math.inf if entry.expiry is None else entry.expiry
    return Rest(entry.source, refresh, int(policy.signatures.lifetime.total_seconds()), ends - refresh)


def _written_since(before: Seen, now: Seen) -> set[str]:
    """Return the directories of keys that came, went or were written to."""
    return {name for name, _ in before.stamps.items() ^ now.stamps.items()} | {
        name for name, stamp in now.stamps.items() if stamp is None
    }


def _of_keys(zones: Iterable[Name], directories: Collection[str]) -> set[Name]:
    """Return those of `zones` whose keys are in one of `directories`."""
    return {origin for origin in zones if directory_name(origin) in directories} if directories else set()


def _at_rest(zones: Iterable[Name], known: Remembered, parent: Reader, now: datetime) -> set[Name]:
    """Return those of `zones` whose entry in the image is what it was, with signatures that are not due."""
    return {
        origin
        for origin in zones
        if (entry := parent.zone_bytes(zone_prefix(origin))) is not None
        if (rest := known.zones[origin].rest) is not None and _is_at_rest(rest, json.loads(entry), now)
    }


def _is_at_rest(rest: Rest, entry: Mapping[str, object], now: datetime) -> bool:
    if entry["source"] != rest.source:
        return False
    if rest.refresh < 0:
        return True
    inception, expiry = entry.get("inception"), entry["expiry"]
    if not isinstance(inception, int) or not isinstance(expiry, int):
        return False  # made before both were kept
    return not due(rest.lifetime, Period(inception, expiry), rest.refresh, now.timestamp())


def _related(moving: Iterable[Name], zones: Mapping[Name, ZoneIntent], resting: set[Name]) -> set[Name]:
    """Return those of `resting` that are above a zone of `moving`, or below the topmost of these."""
    tops = tuple({_topmost(origin, zones) for origin in moving})
    if not tops:
        return set()
    return {
        origin
        for origin in resting
        if origin.endswith(tops) and any(is_subdomain(origin, each) for each in tops)
    }


def _topmost(origin: Name, zones: Mapping[Name, ZoneIntent]) -> Name:
    return next((each for each in reversed(ancestors(origin, ROOT)) if each in zones), origin)
