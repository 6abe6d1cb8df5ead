"""Which zones a release need not look at: they were found at rest, and nothing that decides on them changed.

A zone is at rest if it is served as its files and its keys ask, and waits for nothing. It stays so as long
as its files are the same objects in git, its entry in the image is made from the same source, its directory
of keys was not written to, and its signatures are not due. Where one zone is not at rest, all zones of ours
above it and below these are looked at with it: DS between them follow keys. Pure, except that it reads the
image and the times of directories.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from dnsctl.image.layout import ZoneEntry, apex_of, zone_prefix
from dnsctl.image.reader import Reader
from dnsctl.model.name import ROOT, Name, ancestors
from dnsctl.model.validity import Period, due, timing
from dnsctl.publish.intent import Intent, ZoneIntent
from dnsctl.publish.memory import Rest
from dnsctl.sign.keyfile import directory_name
from dnsctl.sign.keystore import Keystore

SIGNAL = "signal"  # of `cds` in a policy: what follows in other zones is decided with all of them


def at_work(intent: Intent, keystore: Keystore, parent: Reader, now: datetime) -> Intent:
    """Return `intent` without the zones that a release of it leaves as they are: these are `carried`."""
    known = intent.known
    if known is None:
        return intent
    stamps = keystore.stamps(now)
    intent = replace(intent, stamps=stamps)
    rests = {origin: each for origin in intent.same if (each := known.zones[origin].rest) is not None}
    if not rests:
        return intent
    by_prefix = {zone_prefix(origin): origin for origin in rests}
    resting: set[Name] = set()
    moving = {origin for origin in intent.zones if origin not in rests}
    for prefix, entry in parent.zone_items():
        origin = by_prefix.get(prefix)
        if origin is None:
            moving.add(apex_of(prefix))
        elif _is_at_rest(rests[origin], json.loads(entry), stamps.get(directory_name(origin), ""), now):
            resting.add(origin)
    moving.update(rests.keys() - resting)
    related = _related(moving, intent.zones, resting)
    zones = {origin: intent.zones[origin] for origin in intent.zones if origin in moving or origin in related}
    if any(each.policy is not None and each.policy.cds == SIGNAL for each in zones.values()):
        return intent  # names that follow it may come into any zone
    return replace(intent, zones=zones, carried=frozenset(resting - related))


def stamp_of(intent: Intent, origin: Name) -> str | None:
    """Return the stamp of a zone's keys as `at_work` saw it; None where it could not tell changes since."""
    return intent.stamps.get(directory_name(origin), "" if intent.known is not None else None)


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
        return Rest(entry.source, -1, 0, stamp)
    if policy.cds == SIGNAL:
        return None
    refresh = timing(policy, wanted.zone.rrsets()).refresh
    return Rest(entry.source, refresh, int(policy.signatures.lifetime.total_seconds()), stamp)


def _is_at_rest(rest: Rest, entry: Mapping[str, object], stamp: str | None, now: datetime) -> bool:
    if entry["source"] != rest.source or stamp != rest.stamp:
        return False
    if rest.refresh < 0:
        return True
    inception, expiry = entry.get("inception"), entry["expiry"]
    if not isinstance(inception, int) or not isinstance(expiry, int):
        return False  # made before both were kept
    return not due(rest.lifetime, Period(inception, expiry), rest.refresh, now.timestamp())


def _related(moving: Iterable[Name], zones: Mapping[Name, ZoneIntent], resting: set[Name]) -> set[Name]:
    """Return those of `resting` that are above a zone of `moving`, or below the topmost of these."""
    tops = {_topmost(origin, zones) for origin in moving}
    return {origin for origin in resting if any(each in tops for each in _up(origin))} if tops else set()


def _topmost(origin: Name, zones: Mapping[Name, ZoneIntent]) -> Name:
    return next((each for each in reversed([*ancestors(origin, ROOT)]) if each in zones), origin)


def _up(origin: Name) -> Iterator[Name]:
    yield origin
    yield from ancestors(origin, ROOT)
