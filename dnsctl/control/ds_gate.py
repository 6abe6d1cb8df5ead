"""The gate between a release and the DS that was seen at the parents: no set of keys without a way to it.

What counts is every DS RRset that a server of the parent showed, and that a cache may still hold. Only what
was remembered is judged: a release waits for nobody else's server. A chain that is broken already stops
nothing: the release may be what mends it. The end of signing mends none, so that any DS stops it, also one
that leads to none of our keys: it may lead to another signer's (RFC 8901).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from dnsctl.control.observations import recall
from dnsctl.image.reader import Reader
from dnsctl.model.guard_names import DS_SEEN
from dnsctl.model.key import ds_tags
from dnsctl.model.name import to_text
from dnsctl.model.observation import Version, held_until
from dnsctl.model.parental import leads
from dnsctl.model.repo import HostFiles
from dnsctl.model.rrset import Type
from dnsctl.model.rrsig import signers_of
from dnsctl.model.validity import moment
from dnsctl.publish.changeset import Fate, ZoneChangeset
from dnsctl.publish.guards import GuardVerdict


def judge_ds_seen(
    state: HostFiles, served: Reader, zones: Iterable[ZoneChangeset], now: datetime
) -> Iterator[GuardVerdict]:
    """Yield a verdict for each zone of a release that some cache could no longer validate.

    `served`: the image of the last release.
    """
    for each in zones:
        if each.fate is Fate.REMOVED or each.key_signers is None:
            continue  # keys that are made at the push are judged there
        zone = each.origin
        memory = recall(state, zone).ds
        entry = served.zone(zone)
        before = signers_of(served.get(zone, Type.DNSKEY, zone)) if entry is not None else ()
        stays_unsigned = entry is not None and not entry.signed and not each.key_signers
        if stays_unsigned or (before and set(before) <= set(each.key_signers)):
            continue
        for version in memory.versions:
            if not version.what or leads(zone, version.what, each.key_signers):
                continue
            if before and each.key_signers and not leads(zone, version.what, before):
                continue
            until = held_until(version, memory.ttl)
            if until is None or until > now:
                message = _message(each, version, until, version.what in memory.superseded)
                yield GuardVerdict(DS_SEEN, zone, message, _advice(each, until))
                break


def _message(
    zone: ZoneChangeset, version: Version[tuple[bytes, ...]], until: datetime | None, superseded: bool
) -> str:
    what = "that DS leads to none of the keys that would sign" if zone.key_signers else "no key would sign it"
    has = "its parent may have taken" if superseded else "its parent has"
    where = has if until is None else f"until {moment(until.timestamp())} caches may hold"
    return f"{where} the DS {ds_tags(version.what)}, and {what}: validators would refuse all of it"


def _advice(zone: ZoneChangeset, until: datetime | None) -> str:
    if until is not None:
        return "push again after that time"
    if zone.key_signers:
        way = f"`dnsctl key ds {to_text(zone.origin)}`"
        return f"sign with the key that the DS leads to, or have the DS replaced first: {way}"
    return "have the DS removed first, and wait until caches have dropped it"
