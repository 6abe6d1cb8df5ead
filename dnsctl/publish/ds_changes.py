"""What a release does to the DS of delegations between our own zones, in words and as records. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from dnsctl.model.guard_names import DS_MISMATCH
from dnsctl.model.key import ds_tags
from dnsctl.model.name import Name, to_text
from dnsctl.model.parental import SIGNALLED
from dnsctl.model.rrset import Type
from dnsctl.model.validity import moment
from dnsctl.model.zone import SignedZone
from dnsctl.publish.changes import HasNodes, RecordChange
from dnsctl.publish.delegations import forgotten
from dnsctl.publish.dnssec_event import DnssecEvent
from dnsctl.publish.intent import Delegation, ZoneIntent

DS_WAITS = "ds-waits"  # name of an event
_NOT_KNOWN = "the key that the push makes"


def ds_events(wanted: ZoneIntent) -> Iterator[DnssecEvent]:
    """Yield what happens to the DS at and above the zone's delegations."""
    for one in wanted.below:
        if one.broken:
            yield DnssecEvent(DS_MISMATCH, _mismatch(one))
        elif not one.written and (one.unknown or one.ds != one.before):
            yield _follows(one)
    above = wanted.above
    if above is None:
        return
    if above.broken:
        yield DnssecEvent(DS_MISMATCH, _mismatch(above))
    elif above.awaited is not None:
        until = moment(above.awaited.timestamp())
        way = (
            "`dnsctl control` publishes it after that"
            if above.by_roll
            else "the first push after that publishes it"
        )
        yield DnssecEvent(
            DS_WAITS,
            f"its DS in {to_text(above.parent)} waits until {until}"
            f"{' at the earliest' if above.by_roll else ''}, while caches may hold unsigned answers; {way}",
        )


def first_ds_waits(wanted: ZoneIntent, now: datetime) -> Iterator[DnssecEvent]:
    """Yield that a zone which was unsigned asks a parent of somebody else for no DS yet."""
    if wanted.above is None:
        until = moment(forgotten(wanted.zone, now).timestamp())
        yield DnssecEvent(
            DS_WAITS,
            f"its CDS wait until {until} at the earliest, while caches may hold unsigned answers; give no DS"
            " to its parent before `dnsctl key ds` says so",
        )


def signal_events(wanted: ZoneIntent, previous: SignedZone | None) -> Iterator[DnssecEvent]:
    """Yield that signalling names in the zone come, or follow the keys of the zones that they are about."""

    def rdatas(zone: HasNodes | None, owner: Name) -> set[tuple[int, tuple[bytes, ...]]]:
        nodes = zone.nodes.get(owner, ()) if zone is not None else ()
        return {(one.rdtype, one.rdatas) for one in nodes if one.rdtype in SIGNALLED}

    changed = sum(rdatas(previous, owner) != rdatas(wanted.zone, owner) for owner in wanted.signals)
    if changed or wanted.signals_unknown:
        which = "a signalling name follows" if changed <= 1 else f"{changed} signalling names follow"
        yield DnssecEvent("signals", f"{which} the keys of the zone it is about (RFC 9615)")


def way_to_unsigned(wanted: ZoneIntent) -> str:
    """Return what has to be done before `wanted` may be served unsigned."""
    one = wanted.above
    if one is None or not one.before:
        return "remove the DS at the parent first"
    name, over = to_text(one.child), to_text(one.parent)
    return (
        f"caches hold its DS in {over} for {one.ttl} s, and validators refuse all of {name} as long:"
        " first withdraw the DS (`CDS 0 0 0 00` at its apex, with `foreign-keys: allow`), push, and wait as"
        " long"
    )


def derived_changes(wanted: ZoneIntent, previous: SignedZone | None) -> Iterator[RecordChange]:
    """Yield the changes of DS that follow the keys of other zones, as far as those keys are known."""
    for one in wanted.below:
        before = previous.get(one.child, Type.DS) if previous is not None else None
        after = wanted.zone.get(one.child, Type.DS)
        if one.written or one.unknown or (before is None and after is None):
            continue
        if before is None or after is None:
            yield RecordChange("add" if before is None else "delete", one.child, Type.DS, before, after)
        elif (before.ttl, before.rdatas) != (after.ttl, after.rdatas):
            yield RecordChange("update", one.child, Type.DS, before, after)


def _follows(one: Delegation) -> DnssecEvent:
    child = to_text(one.child)
    coming = f"{ds_tags(one.ds)} and {_NOT_KNOWN}" if one.ds and one.unknown else ds_tags(one.ds)
    if one.unknown and not one.ds:
        coming = _NOT_KNOWN
    if not one.before:
        return DnssecEvent("ds", f"{child} gets the DS of {coming}")
    if not one.ds and not one.unknown:
        return DnssecEvent("ds", f"the DS of {child} goes, key tags {ds_tags(one.before)}")
    return DnssecEvent(
        "ds", f"the DS of {child} follows its keys, key tags {ds_tags(one.before)} to {coming}"
    )


def _mismatch(one: Delegation) -> str:
    child, over = to_text(one.child), to_text(one.parent)
    return (
        f"the DS of {child} that is written in {over} (key tags {ds_tags(one.ds)}) leads to no key that signs"
        f" {child}: validators refuse all of it; remove that DS, and the DS follows the keys by itself"
    )
