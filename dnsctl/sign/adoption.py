"""From a key pair of another server to a key of ours: what is checked before it is stored.

In this order: not revoked or retired there; its algorithm is one that we sign with; its private half belongs
to the public one; it is of this zone; its role, by its flags or as told, is one that the policy asks for.
Key tags are compared by the keystore, which knows those ever used. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from dnsctl.errors import KeystoreError, SigningError
from dnsctl.model.key import REVOKE_FLAG, SEP_FLAG, ZONE_FLAG, KeyRole, PublicKey, signs_keys
from dnsctl.model.name import Name, to_text
from dnsctl.model.policy import Policy
from dnsctl.sign.algorithm import scheme
from dnsctl.sign.foreign.key import ForeignKey
from dnsctl.sign.keyfile import KeyState, KeyTimes, directory_name, file_stem, flags
from dnsctl.sign.keystore import NewKey, SigningKey, StoredKey


def adopted(
    foreign: Iterable[ForeignKey], zone: Name, policy: Policy, role: KeyRole | None, root: Path, now: datetime
) -> tuple[NewKey, ...]:
    """Return keys of `zone` in state `generated`. `role`: as told for all; `root`: of the keystore.

    Raises KeystoreError naming the file.
    """
    return tuple(_adopted(one, zone, policy, role, root, now) for one in foreign)


def _adopted(
    one: ForeignKey, zone: Name, policy: Policy, role: KeyRole | None, root: Path, now: datetime
) -> NewKey:
    if one.ended:
        raise KeystoreError(
            "was retired, revoked or deleted there",
            where=one.where,
            advice="leave it; or give it other times there (dnssec-settime, keymgr set)",
        )
    field = public_field(one)
    known = one.public
    if known is not None:
        _refuse_public(known, one, zone, field)
    role = _role(one, policy, role)
    _refuse_unfit(one, role, policy)
    public = PublicKey(zone, one.algorithm, flags(role), field)
    created = min(one.created or now, now).replace(microsecond=0)
    path = root / directory_name(zone) / (file_stem(public) + ".key")
    stored = StoredKey(public, role, KeyState.GENERATED, KeyTimes(created), path)
    return NewKey(stored, SigningKey(public, role, one.private, created), policy.dnskey_ttl)


def public_field(one: ForeignKey) -> bytes:
    """Return the DNSKEY key field of the private half. Raises KeystoreError."""
    try:
        return scheme(one.algorithm).field(one.private)
    except SigningError as error:
        raise KeystoreError(error.what, where=one.where, advice=error.advice or _ANOTHER_PAIR) from None


_ANOTHER_PAIR = "the halves are of different keys: export both again"


def _refuse_public(known: PublicKey, one: ForeignKey, zone: Name, field: bytes) -> None:
    """Raise KeystoreError where the public half is of another key or zone, or cannot sign."""
    if known.zone != zone:
        raise KeystoreError(
            f"is a key of {to_text(known.zone)}", where=one.where, advice=f"name the files of {to_text(zone)}"
        )
    if known.flags & REVOKE_FLAG or not known.flags & ZONE_FLAG:
        what = "is revoked (RFC 5011)" if known.flags & REVOKE_FLAG else "is not a zone key (RFC 4034 §2.1.1)"
        raise KeystoreError(what, where=one.where, advice="it cannot sign: leave it")
    if known.algorithm != one.algorithm or known.public != field:
        raise KeystoreError(
            "the private half does not belong to the DNSKEY beside it", where=one.where, advice=_ANOTHER_PAIR
        )


def _role(one: ForeignKey, policy: Policy, told: KeyRole | None) -> KeyRole:
    """Return the role, by what was told, its server, or its flags. Raises KeystoreError."""
    known = one.public
    if told is not None:
        if known is not None and bool(known.flags & SEP_FLAG) != signs_keys(told):
            raise KeystoreError(
                f"its DNSKEY has flags {known.flags}, a {told} has {flags(told)}",
                where=one.where,
                advice="another flag is another key tag, and no DS would fit: leave --role out",
            )
        return told
    if one.role is not None:
        return one.role
    if known is None:
        raise KeystoreError(
            "does not say what the key signs",
            where=one.where,
            advice="add --role csk, ksk or zsk; or put its DNSKEY into a file of this name plus .key",
        )
    if not known.flags & SEP_FLAG:
        return "zsk"
    return "csk" if "csk" in policy.roles else "ksk"


def _refuse_unfit(one: ForeignKey, role: KeyRole, policy: Policy) -> None:
    """Raise KeystoreError where the zone's policy would not sign with the key."""
    if one.algorithm not in policy.algorithms or role not in policy.roles:
        raise KeystoreError(
            f"a {role} of algorithm {one.algorithm}, and policy {policy.name} asks for {policy.asks_for}",
            where=one.where,
            advice="give the zone a policy like the one that it is signed with now",
        )
