"""Zones that a commit asks to be unsigned: each stays signed until no cache holds a DS that leads to it.

A push asks the parent to remove the DS (RFC 8078 §4), and keeps the zone signed by the keys that it is served
with. `rolling` unsigns it, or a later push, once every server of the parent was seen to have no DS for as
long as the largest TTL seen. Changes no file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from dnsctl.control.zone_rolls import Goal, ZoneRoll, zone_roll
from dnsctl.image.reader import Reader
from dnsctl.model.key import KeyUse, PublicKey
from dnsctl.model.name import Name
from dnsctl.model.parental import withdrawal
from dnsctl.model.repo import HostFiles
from dnsctl.model.rrset import KEY_TYPES, Type
from dnsctl.publish.intent import Intent, ZoneIntent
from dnsctl.publish.renewal import as_served
from dnsctl.publish.uses import is_covered
from dnsctl.sign.keystore import Keystore, StoredKey

_HOW = (
    "`dnsctl control` unsigns it once every server of its parent was seen without a DS for the largest TTL"
    " seen; `dnsctl status` says what is waited for"
)
_UNSEEN = (
    ". Not every server of its parent was seen lately. Where that is so for good (`watch: off`), and you know"
    " that no server has a DS, nor had one for its TTL, push with `--allow ds-change`: if you are wrong,"
    " validators refuse all of the zone"
)


def kept_signed(
    intent: Intent,
    reader: Reader,
    keystore: Keystore,
    state: HostFiles,
    now: datetime,
    at_once: Callable[[Name], bool] = lambda _: False,
) -> Intent:
    """Return `intent` in which zones that may not be unsigned yet stay signed. `reader`: what is served.

    `at_once`: zones that are unsigned whatever the parent has. A zone that keys elsewhere sign is left to the
    guards.
    """
    kept = {
        origin: found
        for origin, wanted in intent.zones.items()
        if not wanted.signed and not at_once(origin)
        if (found := _kept(wanted, intent, reader, keystore, state, now)) is not None
    }
    return replace(intent, zones={**intent.zones, **kept}) if kept else intent


def _kept(
    wanted: ZoneIntent, intent: Intent, reader: Reader, keystore: Keystore, state: HostFiles, now: datetime
) -> ZoneIntent | None:
    """Return the zone as it is served next; None where it was not served signed by keys of `keystore`."""
    origin = wanted.zone.origin
    entry = reader.zone(origin)
    if entry is None or not entry.signed:
        return None
    found = zone_roll(reader, keystore, state, origin, Goal(None, intent.last_policy), now)
    if not is_covered(each.use for each in found.keys.used):
        return None
    told = found.plan
    if told.step is not None and told.step.action == "unsign":
        return replace(wanted, unsigning="signing ends: no server of its parent has a DS, and no cache")
    kept = _signed(wanted, intent, reader, keystore.list(origin), found)
    return replace(kept, unsigning=kept.unsigning + _UNSEEN) if found.seen.unseen_ds(now) else kept


def _signed(
    wanted: ZoneIntent, intent: Intent, reader: Reader, stored: tuple[StoredKey, ...], found: ZoneRoll
) -> ZoneIntent:
    """Return the zone, signed by the keys that it is served with, and asking for no DS."""
    zone, served, told = wanted.zone, reader.signed_zone(wanted.zone.origin), found.plan
    keys = told.step.keys if told.step is not None else told.keys
    uses: dict[PublicKey, KeyUse] = {each.public: each.use for each in keys.used}
    signing = tuple(one for one in stored if one.public in uses)
    policy = as_served(intent.last_policy, served, signing)
    apex = [one for one in zone.nodes[zone.origin] if one.rdtype not in KEY_TYPES - {Type.DNSKEY}]
    node = tuple(sorted((*apex, *withdrawal(zone.origin, policy.dnskey_ttl)), key=lambda one: one.rdtype))
    what = f"it waits {told.wait.told}" if told.wait is not None else str(found.fault or "")
    if told.step is not None:
        what = told.step.text
    return replace(
        wanted,
        zone=replace(zone, nodes={**zone.nodes, zone.origin: node}),
        policy=policy,
        uses=uses,
        unsigning=f"stays signed until its DS is gone: {what}; {_HOW}",
    )
