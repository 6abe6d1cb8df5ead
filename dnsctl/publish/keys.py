"""Which keys sign a zone in a release: first what is served decides, then the keystore.

A key that is served is in use, whatever state its file says: a push that was killed after the decision has
not marked it active yet. A key that is marked active and is not served is left over, and signs nothing while
the served keys can. Where these do not fit the policy (another algorithm, other roles), they go on signing:
rolls change them, a step a release. Keys of a zone that was served unsigned have no DS at first: caches hold
unsigned answers, which a DS would make bogus, so that the parent is asked later, by a step of its own. Reads
only the public side of the keystore; makes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from dnsctl.errors import KeystoreError
from dnsctl.image.reader import Reader
from dnsctl.model.key import KeyRole, KeyUse, PublicKey, key_tag, signs_keys, whole_use
from dnsctl.model.name import Name
from dnsctl.model.observation import ServedKeys
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import RRset, Type
from dnsctl.publish.intent import ZoneIntent
from dnsctl.publish.uses import Uses, is_covered, served_keys, served_uses, tokens
from dnsctl.rollover.keyset import KeySet
from dnsctl.sign.keyfile import KeyState, RollState, flags
from dnsctl.sign.keystore import Keystore, StoredKey, is_ahead, refuse_unwanted
from dnsctl.sign.shared_tags import refuse_shared_tags


@dataclass(frozen=True, slots=True)
class ZoneKeys:
    """The keys of one zone. `signing`: in the keystore; `missing`: roles that a new one must be made for.

    `lost`: tags of DNSKEYs that the zone is served with and that are not in the keystore, where others would
    take their place. `uses`: of keys that do not do all that their role says, as while they are rolled.
    `begins`: the zone was served unsigned, so that its parent is asked for no DS yet.
    """

    signing: tuple[StoredKey, ...] = ()
    missing: tuple[KeyRole, ...] = ()
    lost: tuple[int, ...] = ()
    uses: Uses = field(default_factory=dict)
    begins: bool = False

    def use(self, one: StoredKey) -> KeyUse:
        first = self.first_use(one.role)
        return self.uses.get(one.public, replace(first, ds=False) if one.roll.ds is False else first)

    def first_use(self, role: KeyRole) -> KeyUse:
        """Return what a key of `role` does at first, that the zone was not served with before."""
        use = whole_use(role)
        return replace(use, ds=False) if self.begins else use

    @property
    def public(self) -> tuple[PublicKey, ...]:
        """The keys that are in the DNSKEY RRset."""
        return tuple(one.public for one in self.signing if self.use(one).published)

    @property
    def asked(self) -> tuple[PublicKey, ...]:
        """The keys that the parent should have a DS for; where none is told, all that may have one."""
        asked = tuple(one.public for one in self.signing if self.use(one).ds)
        if asked or self.is_unasked:
            return asked
        return tuple(one.public for one in self.signing if self.use(one).signs_keys)

    @property
    def is_unasked(self) -> bool:
        """True where the parent should have no DS of ours yet, or any more: a step of a roll asks for it."""
        pointed = [one for one in self.signing if self.use(one).signs_keys]
        return self.begins or (bool(pointed) and all(one.roll.ds is False for one in pointed))

    @property
    def tokens(self) -> list[bytes]:
        return tokens((one.public, self.use(one), whole_use(one.role)) for one in self.signing)


def zone_keys(keystore: Keystore, wanted: ZoneIntent, parent: Reader | None = None) -> ZoneKeys:
    """Return what signs the zone; nothing where it is not signed here. `parent`: the image of what is served.

    Raises KeystoreError where keys share a tag, a key in use is not what the policy asks for, or its private
    half is gone. A renewal goes on with the key that is served, whatever else is in the keystore.
    """
    policy, origin = wanted.policy, wanted.zone.origin
    if policy is None:
        return ZoneKeys()
    stored = keystore.list(origin)
    before = parent.zone(origin) if parent is not None else None
    if wanted.source and wanted.uses is None and parent is not None:
        keys = live_keys(keystore, parent, origin)
        return replace(keys, signing=_with_private(keys.signing))
    published = _rdatas(parent.get(origin, Type.DNSKEY, origin)) if parent is not None and before else ()
    refuse_shared_tags(stored, published)
    if wanted.uses is not None:
        rolled = [one for one in stored if wanted.uses.get(one.public)]
        return ZoneKeys(_with_private(rolled), uses=wanted.uses)
    uses = served_uses(parent, origin, stored) if parent is not None else {}
    in_use = [one for one in stored if one.public in uses]
    if is_covered(uses.values()):
        return ZoneKeys(_with_private(in_use), uses=uses)
    active = [one for one in stored if one.state is KeyState.ACTIVE]
    keys = _by_role(stored, active if before is None else in_use, active, policy)
    uncovered = not set(policy.roles) <= {one.role for one in in_use}
    lost = _lost(published, stored, wanted) if uncovered else ()
    return replace(keys, lost=lost, begins=before is not None and not before.signed)


def _by_role(
    stored: Iterable[StoredKey], in_use: list[StoredKey], active: list[StoredKey], policy: Policy
) -> ZoneKeys:
    """Return one key for each role: in use, left over, generated ahead, or missing."""
    refuse_unwanted(in_use, policy)
    signing = list(in_use)
    missing: list[KeyRole] = []
    for role in policy.roles:
        if any(one.role == role for one in in_use):
            continue
        left = [one for one in active if one.role == role and one.public.algorithm == policy.algorithm]
        ahead = [one for one in stored if is_ahead(one, policy, role)]
        if left or ahead:
            signing.append((left or ahead)[0])
        else:
            missing.append(role)
    return ZoneKeys(_with_private(signing), tuple(missing))


def _with_private(keys: Iterable[StoredKey]) -> tuple[StoredKey, ...]:
    found = tuple(keys)
    for one in found:
        if not one.private_path.exists():
            raise KeystoreError("missing", where=str(one.private_path), advice="restore it from a backup")
    return found


def coming_keys(wanted: ZoneIntent, keys: ZoneKeys) -> ServedKeys:
    """Return what will be served of the zone's keys. For a key that is yet to be made, one stands in that no
    DS and no signature knows.
    """
    origin, policy = wanted.zone.origin, wanted.policy
    uses = {one.public: keys.use(one) for one in keys.signing}
    if policy is not None:
        for role in keys.missing:
            stand_in = PublicKey(origin, int(policy.algorithm), flags(role), role.encode())
            uses[stand_in] = whole_use(role)
    told = served_keys(wanted.zone.get(origin, Type.DNSKEY), uses)
    own = (key.rdata for key, use in uses.items() if use.published)
    return replace(told, keys=tuple(sorted({*told.keys, *own})))


def live_keys(keystore: Keystore, served: Reader, origin: Name) -> ZoneKeys:
    """Return the keys of the keystore that a zone is served with, and what each does. Each key once."""
    stored = {one.public: one for one in keystore.list(origin)}
    uses = served_uses(served, origin, stored.values())
    return ZoneKeys(tuple(one for one in stored.values() if one.public in uses), uses=uses)


def unasked_keys(wanted: ZoneIntent, keys: ZoneKeys) -> tuple[StoredKey, ...]:
    """Return the keys whose `.state` must say that no DS is asked for, before they are served so."""
    if not keys.begins and not wanted.unsigning:
        return ()
    return tuple(
        one
        for one in keys.signing
        if signs_keys(one.role) and one.roll.ds is not False and not keys.use(one).ds
    )


def settle(keystore: Keystore, reader: Reader, now: datetime, zones: Iterable[Name] | None = None) -> None:
    """Write down the states that keys have in the release that `reader` holds; of `zones`, or of all.

    A key that is active and does all its work needs nothing, and is not looked up.
    """
    changed: list[tuple[StoredKey, KeyState, RollState]] = []
    for origin in zones or {one.public.zone for one in keystore.list() if one.state in _MOVING}:
        stored = keystore.list(origin)
        uses = served_uses(reader, origin, stored)
        asks = any(each.ds for each in uses.values())
        for one in stored:
            use = uses.get(one.public, KeyUse())
            state, roll = _state(one, use, asks=asks), _roll(one, use)
            if (state, roll) != (one.state, one.roll):
                changed.append((one, state, roll))
    keystore.record_all(changed, now)


def settle_roll(keystore: Keystore, keys: KeySet, now: datetime) -> None:
    """Write down what a step of a roll decided, which cannot all be told from what is served."""
    told = {each.public: each for each in keys.keys}
    asks = bool(keys.wanted_ds)
    for one in keystore.list(keys.zone):
        key = told.get(one.public)
        if key is None:
            continue
        leaves = now.replace(microsecond=0) if key.leaves and one.state is not KeyState.REMOVED else None
        roll = replace(one.roll, leaves=one.roll.leaves or leaves, standby=key.standby)
        planned = replace(one, roll=roll)
        state, roll = _state(planned, key.use, asks=asks), _roll(planned, key.use)
        if (state, roll) != (one.state, one.roll):
            keystore.record(one, state, roll, now)


_MOVING = frozenset((KeyState.GENERATED, KeyState.PUBLISHED, KeyState.READY, KeyState.RETIRED))


def _state(one: StoredKey, use: KeyUse, *, asks: bool) -> KeyState:
    """Return the state of a key that does `use` (RFC 7583 §3.1); one that does nothing is gone, or yet to
    come. `asks`: the parent is asked for a DS of some key; where it is not, no other took this one's place.
    """
    if one.roll.ended:
        return one.state
    if not use:
        is_gone = one.state is KeyState.RETIRED or one.roll.leaves is not None
        return KeyState.REMOVED if is_gone else one.state
    if one.roll.leaves is not None:
        return KeyState.ACTIVE if use == whole_use(one.role) else KeyState.RETIRED
    works = use == whole_use(one.role) or (use.published and use.signs_data)
    if not asks and use.published and one.state is KeyState.ACTIVE:
        return KeyState.ACTIVE
    if works and one.state is not KeyState.RETIRED:
        return KeyState.ACTIVE
    if use == whole_use(one.role):
        return KeyState.ACTIVE
    if one.state in (KeyState.ACTIVE, KeyState.RETIRED):
        return KeyState.RETIRED
    return KeyState.PUBLISHED


def _roll(one: StoredKey, use: KeyUse) -> RollState:
    """Return what is kept of a roll. That a DS was asked for is kept where it was not so from the start."""
    if one.roll.ds is None and use in (KeyUse(), whole_use(one.role)):
        return one.roll
    return replace(one.roll, ds=use.ds if signs_keys(one.role) else None)


def _lost(published: Iterable[bytes], stored: Iterable[StoredKey], wanted: ZoneIntent) -> tuple[int, ...]:
    """Return the tags of what is published and neither in the keystore nor another signer's (RFC 8901)."""
    known = {one.public.rdata for one in stored}
    known.update(_rdatas(wanted.zone.get(wanted.zone.origin, Type.DNSKEY)))
    return tuple(sorted(key_tag(each) for each in published if each not in known))


def _rdatas(found: RRset | None) -> tuple[bytes, ...]:
    return found.rdatas if found is not None else ()
