"""What a release would do to each zone, found without making a key or a signature, and without a passphrase.

A zone is carried over untouched if its source digest is the parent's and its signatures are valid for longer
than the refresh window; otherwise it is new, changed, or renewed (fresh signatures only), and gets a later
serial. `plan` shows a changeset and `build` carries it out, so that both judge by the same rules. Pure,
except that it reads the parent's image and the public side of the keystore.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from dnsctl.image.layout import ZoneEntry, zone_prefix
from dnsctl.image.reader import Reader
from dnsctl.model.guard_names import KEYS_MISSING
from dnsctl.model.key import SEP_FLAG, key_tag, signs_keys
from dnsctl.model.name import Name
from dnsctl.model.observation import ServedKeys
from dnsctl.model.parental import DELETE, is_delete
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.rrset_size import RECORD
from dnsctl.model.rrsig import SIGNER_AT, parse
from dnsctl.model.validity import timing, why_due
from dnsctl.model.zone import SignedZone, ValidatedZone
from dnsctl.publish.changes import RecordChange, ZoneChanges, zone_changes
from dnsctl.publish.delegations import secure_entry_points
from dnsctl.publish.derived import with_derived
from dnsctl.publish.dnssec_event import DnssecEvent
from dnsctl.publish.ds_changes import (
    derived_changes,
    ds_events,
    first_ds_waits,
    signal_events,
    way_to_unsigned,
)
from dnsctl.publish.effects import Apexes, Effect, effects, removal_effects
from dnsctl.publish.intent import Intent, Progress, ZoneIntent, no_progress
from dnsctl.publish.keys import ZoneKeys, coming_keys, zone_keys
from dnsctl.publish.known import Rest
from dnsctl.publish.other_signers import refuse_shared_with_ours
from dnsctl.publish.resting import gone, rest_of, stamp_of
from dnsctl.publish.serials import serial_for
from dnsctl.publish.served_zone import previous_of
from dnsctl.publish.source import source_of
from dnsctl.sign.keystore import Keystore

RENEWAL, UNSIGNED, UNSIGNING = "renewal", "unsigned", "unsigning"  # names of events
STAYS_SIGNED = "stays-signed"


class Fate(Enum):
    """What a release does to a zone."""

    CARRIED = "unchanged"
    NEW = "new"
    CHANGED = "changed"
    RENEWED = "signatures renewed"
    REMOVED = "removed"


@dataclass(frozen=True)
class ZoneChangeset:
    """What a release does to one zone. Serials are None where they are not known, as between two commits.

    `rrsets_*` leave out what signing derives, except for a removed zone. `emptied_owners`: they lose all
    their records while the zone file still has their names. `derived`: changes of DS that follow the keys of
    other zones, which nobody wrote. `key_signers`: DNSKEYs that will sign the DNSKEY RRset; None while a key
    has yet to be made. `keys`: what is served of its keys, with stand-ins for such; None where that is not
    known, as between two commits.
    """

    origin: Name
    fate: Fate
    serial_before: int | None = None
    serial: int | None = None
    records: tuple[RecordChange, ...] = field(default=(), repr=False)
    rrsets_before: int = 0
    emptied: bool = False
    emptied_owners: tuple[Name, ...] = ()
    events: tuple[DnssecEvent, ...] = ()
    effects: tuple[Effect, ...] = field(default=(), repr=False)
    derived: tuple[RecordChange, ...] = field(default=(), repr=False)
    key_signers: tuple[bytes, ...] | None = field(default=(), repr=False)
    keys: ServedKeys | None = field(default=None, repr=False)

    @property
    def renewal(self) -> str:
        """Return why only signatures are renewed; empty where something else changes, or nothing."""
        return next((each.message for each in self.events if each.name == RENEWAL), "")


@dataclass(frozen=True)
class Changeset:
    """All zones that are not carried over, in canonical order of load, removed ones last.

    `resting`: zones that were found at rest.
    """

    zones: tuple[ZoneChangeset, ...]
    carried: int
    resting: Mapping[Name, Rest] = field(default_factory=dict, repr=False)

    @property
    def changes(self) -> int:
        """Number of RRsets added, deleted and updated."""
        return sum(len(zone.records) for zone in self.zones)


def changeset_of(
    intent: Intent,
    keystore: Keystore,
    parent: Reader | None,
    now: datetime,
    progress: Progress = no_progress,
) -> Changeset:
    """Compare `intent` with the parent release's image; None: there is no release yet."""
    found: list[ZoneChangeset] = []
    resting: dict[Name, Rest] = {}
    apexes = apexes_of(intent, parent)
    refuse_shared_with_ours(intent.zones, keystore)
    keys_of = {origin: zone_keys(keystore, wanted, parent) for origin, wanted in intent.zones.items()}
    intent = with_derived(intent, keys_of, {}, parent, now)
    for done, (origin, wanted) in enumerate(intent.zones.items()):
        progress("compare", done, len(intent.zones))
        keys = keys_of[origin]
        before = entry_before(parent, origin) if parent is not None else None
        fate = fate_of(wanted, keys, before, now)
        if fate is not Fate.CARRIED:
            previous = previous_of(wanted.zone, before, parent) if parent is not None else None
            found.append(zone_changeset(wanted, keys, fate, before, previous, now, apexes))
        elif before is not None and (rest := rest_of(wanted, before, stamp_of(intent, origin))) is not None:
            resting[origin] = rest
    progress("compare", len(intent.zones), len(intent.zones))
    carried = len(intent.zones) - len(found) + len(intent.carried)
    return Changeset((*found, *removed_zones(intent, parent)), carried, resting)


def removed_zones(intent: Intent, parent: Reader | None) -> tuple[ZoneChangeset, ...]:
    """Return the zones that the parent serves and `intent` no longer has."""
    if parent is None or intent.partial:
        return ()
    left = [
        entry for each in gone(intent, intent.carried, parent) if (entry := parent.zone(each)) is not None
    ]
    apexes = apexes_of(intent, parent)
    return tuple(
        ZoneChangeset(
            each.origin,
            Fate.REMOVED,
            each.serial,
            rrsets_before=each.rrsets,
            effects=tuple(removal_effects(each.origin, apexes)),
        )
        for each in left
    )


def apexes_of(intent: Intent, parent: Reader | None) -> Apexes:
    """Return which zones the parent release has, and which the next one will have."""

    def before(name: Name) -> bool:
        return parent is not None and parent.zone_bytes(zone_prefix(name)) is not None

    def after(name: Name) -> bool:
        return name in intent.zones or name in intent.carried or (intent.partial and before(name))

    return Apexes(before, after)


def entry_before(parent: Reader, origin: Name) -> ZoneEntry | None:
    """Return the parent's entry of a zone. An inception that is not in it is taken from the SOA.

    Each release of a zone that is signed here has another serial, so that the SOA's signature is of the last.
    """
    entry = parent.zone(origin)
    if entry is None or not entry.signed or entry.inception is not None:
        return entry
    soa = next((one for one in parent.rrsets(origin) if one.rdtype == Type.SOA), None)
    inceptions = [parse(signature).inception for signature in soa.signatures] if soa else []
    return replace(entry, inception=max(inceptions, default=None))


def fate_of(wanted: ZoneIntent, keys: ZoneKeys, before: ZoneEntry | None, now: datetime) -> Fate:
    """Return what a release does to the zone. Reads every RRset of it, and nothing of the parent's."""
    if before is None:
        return Fate.NEW
    if keys.missing or wanted.signals_unknown or any(one.unknown for one in wanted.below):
        return Fate.CHANGED
    if source_of(wanted, keys.tokens) != before.source:
        return Fate.CHANGED
    return Fate.RENEWED if why_renewed(wanted, before, now) else Fate.CARRIED


def why_renewed(wanted: ZoneIntent, before: ZoneEntry, now: datetime) -> str:
    """Return why the zone's signatures are renewed at `now`; empty where they last longer."""
    if wanted.policy is None:
        return ""
    refresh = timing(wanted.policy, wanted.zone.facts.largest_ttl).refresh
    return why_due(wanted.policy, before.period, refresh, now.timestamp())


def zone_changeset(
    wanted: ZoneIntent,
    keys: ZoneKeys,
    fate: Fate,
    before: ZoneEntry | None,
    previous: SignedZone | None,
    now: datetime,
    apexes: Apexes,
) -> ZoneChangeset:
    """Return what a release does to one zone that is not carried over; `previous` is the parent's."""
    signed_here = not wanted.presigned and (wanted.policy is not None or bool(before and before.signed))
    longest_expire = timing(wanted.policy, wanted.zone.facts.largest_ttl).expire if wanted.policy else None
    changes = zone_changes(
        previous,
        wanted.zone,
        signed_here=signed_here,
        longest_expire=longest_expire,
        derived_ds={one.child for one in wanted.below if not one.written},
    )
    return ZoneChangeset(
        origin=wanted.zone.origin,
        fate=fate,
        serial_before=before.serial if before is not None else None,
        serial=serial_for(wanted, before.serial if before is not None else None, now),
        records=changes.records,
        rrsets_before=changes.before,
        emptied=_is_emptied(wanted, changes),
        emptied_owners=_emptied_owners(wanted, changes),
        events=tuple(_events(wanted, keys, fate, before, previous, now)),
        effects=tuple(effects(previous, wanted.zone, changes.records, apexes, _signature_octets(wanted))),
        derived=tuple(derived_changes(wanted, previous)),
        key_signers=_key_signers(wanted, keys),
        keys=coming_keys(wanted, keys),
    )


def _key_signers(wanted: ZoneIntent, keys: ZoneKeys) -> tuple[bytes, ...] | None:
    if any(map(signs_keys, keys.missing)):
        return None
    if wanted.presigned:
        return tuple(secure_entry_points(wanted, ()))
    return tuple(one.public.rdata for one in keys.signing if keys.use(one).signs_keys)


def compare(before: Intent, after: Intent) -> Changeset:
    """Compare what two commits ask for, without keys, serials or an image."""
    apexes = Apexes(before.zones.__contains__, after.zones.__contains__)
    found: list[ZoneChangeset] = []
    for origin, wanted in after.zones.items():
        old = before.zones.get(origin)
        changes = zone_changes(old.zone if old else None, wanted.zone, signed_here=False)
        events = tuple(_policy_events(old, wanted)) if old is not None else ()
        if old is None or changes.records or events:
            found.append(
                ZoneChangeset(
                    origin,
                    Fate.NEW if old is None else Fate.CHANGED,
                    records=changes.records,
                    rrsets_before=changes.before,
                    emptied=_is_emptied(wanted, changes),
                    emptied_owners=_emptied_owners(wanted, changes),
                    events=events,
                    effects=tuple(
                        effects(
                            old.zone if old else None,
                            wanted.zone,
                            changes.records,
                            apexes,
                            _signature_octets(wanted),
                        )
                    ),
                )
            )
    removed = tuple(
        ZoneChangeset(
            origin,
            Fate.REMOVED,
            rrsets_before=sum(1 for _ in old.zone.rrsets()),
            effects=tuple(removal_effects(origin, apexes)),
        )
        for origin, old in before.zones.items()
        if origin not in after.zones
    )
    return Changeset((*found, *removed), len(after.zones) - len(found))


def _signature_octets(wanted: ZoneIntent) -> int:
    """Return the octets of RRSIG rdata that each RRset will have, as in `effects`; 0: not signed here."""
    if wanted.policy is None:
        return 0
    fixed = SIGNER_AT + len(wanted.zone.origin) + RECORD
    return sum(fixed + each.signature_octets for each in wanted.policy.algorithms) - RECORD


def _policy_events(old: ZoneIntent, wanted: ZoneIntent) -> Iterator[DnssecEvent]:
    if wanted.signed != old.signed:
        yield _signing_event(wanted)
    elif (wanted.policy, wanted.presigned) != (old.policy, old.presigned):
        told = wanted.policy.name if wanted.policy is not None else "the signer it comes from"
        yield DnssecEvent("policy", f"signing now follows {told}", wanted.presigned != old.presigned)


def _wants_no_ds(zone: SignedZone | ValidatedZone) -> bool:
    """True where its CDS or CDNSKEY ask the parent to delete the DS (RFC 8078 §4)."""
    found = (zone.get(zone.origin, rdtype) for rdtype in DELETE)
    return any(is_delete(one.rdtype, each) for one in found if one is not None for each in one.rdatas)


def _signing_event(wanted: ZoneIntent, *, is_new: bool = False) -> DnssecEvent:
    """Report that signing starts or ends. Where it starts here, a DS is asked for later, by a roll; CDS that
    come with the zone, or keys of another signer, a parent may act on while caches hold unsigned answers.
    """
    if not wanted.signed:
        return DnssecEvent(UNSIGNED, f"signing ends; {way_to_unsigned(wanted)}", True)
    policy, zone = wanted.policy, wanted.zone
    how = "as it came, pre-signed" if policy is None else f"{policy.algorithm.name}, {policy.denial}"
    asks = any(zone.get(zone.origin, each) is not None for each in DELETE)
    return DnssecEvent("signed", f"signing starts ({how})", not is_new and (policy is None or asks))


def _is_emptied(wanted: ZoneIntent, changes: ZoneChanges) -> bool:
    """True where RRsets go and only SOA and NS of the apex are left."""
    return changes.before > changes.after and all(
        one.owner == wanted.zone.origin and one.rdtype in (Type.SOA, Type.NS) for one in wanted.zone.rrsets()
    )


def _emptied_owners(wanted: ZoneIntent, changes: ZoneChanges) -> tuple[Name, ...]:
    """Return the owners that lose all their records while the file still has their names."""
    deleted = {one.owner for one in changes.records if one.kind == "delete"}
    return tuple(sorted(owner for owner in wanted.zone.emptied & deleted if owner not in wanted.zone.nodes))


def _events(
    wanted: ZoneIntent,
    keys: ZoneKeys,
    fate: Fate,
    before: ZoneEntry | None,
    previous: SignedZone | None,
    now: datetime,
) -> Iterator[DnssecEvent]:
    was = before is not None and before.signed
    policy = wanted.policy
    if wanted.unsigning:
        yield DnssecEvent(UNSIGNING if wanted.signed else UNSIGNED, wanted.unsigning)
    elif wanted.signed != was:
        yield _signing_event(wanted, is_new=before is None)
    elif wanted.signed and previous is not None and _wants_no_ds(previous) and not _wants_no_ds(wanted.zone):
        yield DnssecEvent(STAYS_SIGNED, "is not to be unsigned any more, and asks for the DS of its keys")
    yield from ds_events(wanted)
    if keys.begins:
        yield from first_ds_waits(wanted, now)
    yield from signal_events(wanted, previous)
    if keys.lost:
        yield DnssecEvent(KEYS_MISSING, _lost(keys), True)
    if keys.missing:
        roles = " and a new ".join(keys.missing)
        made = "are made, neither" if len(keys.missing) > 1 else "is made, none"
        yield DnssecEvent("new-key", f"a new {roles} {made} is in the keystore", was and not keys.lost)
    elif wanted.roll:
        yield DnssecEvent("roll", wanted.roll)
    elif wanted.signed and was and previous is not None:
        yield from _key_changes(wanted, keys, previous)
        if not wanted.unsigning:
            yield from _roll_ahead(wanted, keys)
    if policy is not None and was and previous is not None:
        nsec3 = previous.nsec3
        was_denied = _denial("nsec" if nsec3 is None else "nsec3", nsec3 is not None and nsec3.opt_out)
        denial = _denial(policy.denial, policy.opt_out)
        if was_denied != denial:
            yield DnssecEvent("denial", f"denial of existence changes from {was_denied} to {denial}")
    if fate is Fate.RENEWED and before is not None:
        yield DnssecEvent(RENEWAL, f"signatures are renewed: {why_renewed(wanted, before, now)}")


def _denial(denial: str, opt_out: bool) -> str:
    return f"{denial} with opt-out" if opt_out else denial


def _lost(keys: ZoneKeys) -> str:
    tags = ", ".join(str(tag) for tag in keys.lost)
    return (
        f"it is served signed by key {tags}, which is not in keys/: another would break the chain of trust;"
        " restore keys/ from its copy"
    )


def _key_changes(wanted: ZoneIntent, keys: ZoneKeys, previous: SignedZone) -> Iterator[DnssecEvent]:
    """Report whether the DNSKEY RRset changes, and whether that matters to a DS at the parent."""
    published = _dnskeys(previous.get(previous.origin, Type.DNSKEY))
    given = _dnskeys(wanted.zone.get(wanted.zone.origin, Type.DNSKEY))  # all of them, or other signers'
    coming = given | {key.rdata for key in keys.public}
    if published == coming:
        return
    tags = " to ".join(
        ", ".join(str(key_tag(each)) for each in sorted(which)) or "none" for which in (published, coming)
    )
    sep_goes = any(_is_sep(each) for each in published - coming)  # one that comes, no DS leads to yet
    yield DnssecEvent("key-set", f"the DNSKEY set changes, key tags {tags}", sep_goes)


def _roll_ahead(wanted: ZoneIntent, keys: ZoneKeys) -> Iterator[DnssecEvent]:
    """Tell of keys in use that are not what the policy asks for: they go on signing until they are rolled."""
    policy = wanted.policy
    if policy is None or wanted.source:
        return
    misfits = [
        f"{one.role} {one.public.tag} of algorithm {one.public.algorithm}"
        for one in keys.signing
        if one.public.algorithm not in policy.algorithms or one.role not in policy.roles
    ]
    if misfits:
        yield DnssecEvent(
            "roll",
            f"policy {policy.name} asks for {policy.asks_for}: "
            f"{' and '.join(misfits)} will be rolled, a step a release",
        )
    elif policy.beside is not None and policy.beside not in {one.public.algorithm for one in keys.signing}:
        what = f"{policy.beside.name} is added, a step a release"
        yield DnssecEvent("roll", f"policy {policy.name} asks for {policy.asks_for}: {what}")


def _dnskeys(found: RRset | None) -> frozenset[bytes]:
    return frozenset(found.rdatas) if found is not None else frozenset()


def _is_sep(dnskey: bytes) -> bool:
    return bool(int.from_bytes(dnskey[:2], "big") & SEP_FLAG)
