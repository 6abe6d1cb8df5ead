"""What a person wants of a zone's keys: that they leave, or stay after all; and the timetable of that.

A wish is written into `.state` files and changes nothing that is served: `rolling.advance` does, step by
step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from dnsctl.control.zone_rolls import ZoneRoll
from dnsctl.errors import KeystoreError
from dnsctl.model.key import KeyRole
from dnsctl.model.name import to_text
from dnsctl.rollover.keyset import KeySet, RolledKey
from dnsctl.rollover.timetable import Entry, timetable
from dnsctl.sign.keystore import Keystore


def leaving(found: ZoneRoll, role: KeyRole | None) -> tuple[RolledKey, ...]:
    """Return the keys (of `role`, or of all) that a roll begun now makes leave; none while one is under way,
    or the zone is to be unsigned.

    Raises KeystoreError where the zone has no such key in use.
    """
    used = [each for each in found.keys.used if role is None or each.role == role]
    if not used:
        what = f"{role} in use" if role is not None else "key in use that is in keys/"
        roles = " and ".join(dict.fromkeys(each.role for each in found.keys.used))
        raise KeystoreError(
            f"has no {what}",
            where=to_text(found.keys.zone),
            advice=f"its keys in use are: {roles}" if roles else "push it with a policy first",
        )
    if found.goal.policy is None:
        return ()
    working = [each for each in used if not each.standby and _is_wanted(found, each)]
    busy = {each.role for each in used if not _is_wanted(found, each)}
    return tuple(each for each in working if each.role not in busy)


def _is_wanted(found: ZoneRoll, key: RolledKey) -> bool:
    policy = found.goal.until
    fits = key.role in policy.roles and key.public.algorithm in policy.algorithms
    return fits and not key.leaves


def coming_back(found: ZoneRoll) -> tuple[tuple[RolledKey, ...], tuple[RolledKey, ...]]:
    """Return the keys that were told to leave and can stay, and those that were to take their places.

    Raises KeystoreError where there is none, or the zone is to be unsigned.
    """
    if found.goal.policy is None:
        raise KeystoreError(
            "is to be unsigned",
            where=to_text(found.keys.zone),
            advice="to have it stay signed, push it with a policy",
        )
    back = tuple(each for each in found.keys.used if each.leaves)
    if not back:
        raise KeystoreError(
            "no key that was told to leave is still in use",
            where=to_text(found.keys.zone),
            advice="what a policy began is taken back in dnsctl.yaml; a key that is gone stays so",
        )
    kinds = {_kind(each) for each in back}
    return back, tuple(each for each in found.keys.used if _kind(each) in kinds and not each.leaves)


def _kind(key: RolledKey) -> tuple[KeyRole, int]:
    return key.role, key.public.algorithm


def wished(keys: KeySet, go: tuple[RolledKey, ...], stay: tuple[RolledKey, ...] = ()) -> KeySet:
    """Return `keys` with those that are to leave, and those that stay after all."""
    going, staying = {each.public for each in go}, {each.public for each in stay}
    return replace(
        keys,
        keys=tuple(
            replace(each, leaves=each.public in going or (each.leaves and each.public not in staying))
            for each in keys.keys
        ),
    )


@contextmanager
def written(
    keystore: Keystore,
    keys: KeySet,
    go: tuple[RolledKey, ...],
    stay: tuple[RolledKey, ...],
    now: datetime,
) -> Iterator[None]:
    """Keep a wish in the `.state` files of the keys that it is about; not if the block fails."""
    publics = {each.public for each in (*go, *stay)}
    before = [one for one in keystore.list(keys.zone) if one.public in publics]
    going = {each.public for each in go}
    for one in before:
        leaves = now.replace(microsecond=0) if one.public in going else None
        keystore.record(one, one.state, replace(one.roll, leaves=leaves), now)
    try:
        yield
    except BaseException:
        for one in before:
            keystore.record(one, one.state, one.roll, now)
        raise


def timetable_of(found: ZoneRoll, keys: KeySet, ttls: tuple[int, int], now: datetime) -> tuple[Entry, ...]:
    """Return the earliest times of the steps of `keys`, which may hold wishes that are not written."""
    return timetable(keys, found.goal.policy, found.seen, now, ttls)
