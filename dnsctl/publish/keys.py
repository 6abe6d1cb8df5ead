"""Which keys sign a zone in a release: first what is served decides, then the keystore.

A key in the served DNSKEY RRset is in use, whatever state its file says: a push that was killed after the
decision has not marked it active yet. A key that is marked active and is not in that RRset is left over, and
signs nothing while the served keys can. Reads only the public side of the keystore; makes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dnsctl.errors import KeystoreError
from dnsctl.image.reader import Reader
from dnsctl.model.key import KeyRole, PublicKey, key_tag
from dnsctl.model.name import Name
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.zone import SignedZone
from dnsctl.publish.intent import ZoneIntent
from dnsctl.sign.keyfile import KeyState
from dnsctl.sign.keystore import Keystore, StoredKey, is_ahead, refuse_unwanted


@dataclass(frozen=True, slots=True)
class ZoneKeys:
    """The keys of one zone. `signing`: in the keystore; `missing`: roles that a new one must be made for.

    `lost`: tags of DNSKEYs that the zone is served with and that are not in the keystore, where others would
    take their place.
    """

    signing: tuple[StoredKey, ...] = ()
    missing: tuple[KeyRole, ...] = ()
    lost: tuple[int, ...] = ()

    @property
    def public(self) -> tuple[PublicKey, ...]:
        return tuple(one.public for one in self.signing)


def zone_keys(keystore: Keystore, wanted: ZoneIntent, parent: Reader | None = None) -> ZoneKeys:
    """Return what signs the zone; nothing where it is not signed here. `parent`: the image of what is served.

    Raises KeystoreError where a key in use is not what the policy asks for, or its private half is gone.
    """
    policy, origin = wanted.policy, wanted.zone.origin
    if policy is None:
        return ZoneKeys()
    stored = keystore.list(origin)
    served = parent is not None and parent.zone(origin) is not None
    published = _rdatas(parent.get(origin, Type.DNSKEY, origin)) if parent is not None and served else ()
    active = [one for one in stored if one.state is KeyState.ACTIVE]
    in_use = [one for one in stored if _is_live(one, published)] if served else active
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
    for one in signing:
        if not one.private_path.exists():
            raise KeystoreError("missing", where=str(one.private_path), advice="restore it from a backup")
    uncovered = not set(policy.roles) <= {one.role for one in in_use}
    lost = _lost(published, stored, wanted) if uncovered else ()
    return ZoneKeys(tuple(signing), tuple(missing), lost)


def live_keys(keystore: Keystore, served: SignedZone) -> tuple[StoredKey, ...]:
    """Return the keys of the keystore that a zone is served with."""
    published = _rdatas(served.get(served.origin, Type.DNSKEY))
    return tuple(one for one in keystore.list(served.origin) if _is_live(one, published))


def settle(keystore: Keystore, reader: Reader, now: datetime, zones: Iterable[Name] | None = None) -> None:
    """Mark as active the keys that sign in the release that `reader` holds; of `zones`, or of all."""
    stored = keystore.list() if zones is None else [one for each in zones for one in keystore.list(each)]
    for one in stored:
        if one.state is KeyState.GENERATED:
            origin = one.public.zone
            if _is_live(one, _rdatas(reader.get(origin, Type.DNSKEY, origin))):
                keystore.activate(one, now)


def _is_live(one: StoredKey, published: Iterable[bytes]) -> bool:
    return one.state in (KeyState.ACTIVE, KeyState.GENERATED) and one.public.rdata in published


def _lost(published: Iterable[bytes], stored: Iterable[StoredKey], wanted: ZoneIntent) -> tuple[int, ...]:
    """Return the tags of what is published and neither in the keystore nor another signer's (RFC 8901)."""
    known = {one.public.rdata for one in stored}
    known.update(_rdatas(wanted.zone.get(wanted.zone.origin, Type.DNSKEY)))
    return tuple(sorted(key_tag(each) for each in published if each not in known))


def _rdatas(found: RRset | None) -> tuple[bytes, ...]:
    return found.rdatas if found is not None else ()
