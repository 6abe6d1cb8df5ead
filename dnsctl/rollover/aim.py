"""What each key of a zone should come to do: what the policy asks for, less what leaves (RFC 6781 §4).

A key that does nothing yet and does not leave is a spare: it is taken before a new one is made. Which step
comes next, and when, is for `planning`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product

from dnsctl.model.key import KeyRole, KeyUse, PublicKey, signs_keys, whole_use
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.rollover.keyset import KeySet, RolledKey


@dataclass(frozen=True, slots=True)
class Make:
    """A key that is to be made. `replaces`: the one whose place it takes, if any."""

    role: KeyRole
    algorithm: Algorithm
    standby: bool
    replaces: PublicKey | None
    reason: str


@dataclass(frozen=True)
class Aim:
    """Where a key set goes. `keys`: with who leaves for its age, and who stands by; `uses`: what each will
    do.

    `reasons`: why a key leaves, where nobody told it to. What does not fit the policy leaves only as long as
    it does not, so that it comes back if the policy does.
    """

    keys: KeySet
    uses: Mapping[PublicKey, KeyUse]
    make: tuple[Make, ...] = ()
    reasons: Mapping[PublicKey, str] | None = None

    def use(self, key: RolledKey) -> KeyUse:
        return self.uses.get(key.public, KeyUse())

    def why(self, key: RolledKey) -> str:
        return (self.reasons or {}).get(key.public, "a roll is asked for")


def aim_of(keys: KeySet, policy: Policy | None, now: datetime) -> Aim:
    """Return where `keys` should go; `policy` is None for a zone that is to be unsigned."""
    if policy is None:
        return Aim(
            keys, {}, reasons=dict.fromkeys((each.public for each in keys.keys), "the zone is unsigned")
        )
    misfits, aged = dict(_misfits(keys, policy)), dict(_aged(keys, policy, now))
    reasons = aged | misfits
    told = replace(
        keys, keys=tuple(replace(each, leaves=each.leaves or each.public in aged) for each in keys.keys)
    )
    uses: dict[PublicKey, KeyUse] = {}
    make: list[Make] = []
    for algorithm, role in product(policy.algorithms, policy.roles):
        fit = [each for each in told.keys if _fits(each, algorithm, role) and not each.leaves]
        working = [each for each in fit if each.use and not each.standby] or _next(fit)
        uses |= {each.public: whole_use(role) for each in working}
        told = _called(told, working, standby=False)
        if not working:
            make.append(Make(role, algorithm, False, *_why_made(told, policy, algorithm, role, reasons)))
        if policy.standby:
            rest = [each for each in fit if each not in working and (each.standby or not each.use)]
            spare = rest[:1]
            uses |= {each.public: KeyUse(True, signs_keys(role)) for each in spare}
            told = _called(told, spare, standby=True)
            if not spare:
                told_why = f"policy {policy.name} asks for a standby key"
                make.append(Make(role, algorithm, True, None, told_why))
    return Aim(told, uses, tuple(make), reasons)


def _fits(key: RolledKey, algorithm: Algorithm, role: KeyRole) -> bool:
    return key.role == role and key.public.algorithm == algorithm


def _next(fit: list[RolledKey]) -> list[RolledKey]:
    """Return what takes the place of a key that leaves: one that stands by, or a spare."""
    return sorted(fit, key=lambda each: (not each.use, each.standby))[:1]


def _called(keys: KeySet, which: list[RolledKey], *, standby: bool) -> KeySet:
    publics = {each.public for each in which}
    return replace(
        keys,
        keys=tuple(replace(each, standby=standby) if each.public in publics else each for each in keys.keys),
    )


def _misfits(keys: KeySet, policy: Policy) -> Iterator[tuple[PublicKey, str]]:
    for each in keys.used:
        if each.role not in policy.roles or each.public.algorithm not in policy.algorithms:
            yield each.public, f"policy {policy.name} asks for {policy.asks_for}"


def _aged(keys: KeySet, policy: Policy, now: datetime) -> Iterator[tuple[PublicKey, str]]:
    busy = {each.role for each in keys.used if each.leaves}  # one roll after the other
    for each in keys.used:
        lifetime = policy.lifetimes.of(each.role)
        if lifetime is None or each.since is None or each.standby or each.role in busy:
            continue
        if now - each.since >= lifetime:
            days = lifetime.total_seconds() / 86400
            yield (
                each.public,
                f"it has reached the {days:g} days that policy {policy.name} gives a {each.role}",
            )


def _why_made(
    keys: KeySet, policy: Policy, algorithm: Algorithm, role: KeyRole, reasons: Mapping[PublicKey, str]
) -> tuple[PublicKey | None, str]:
    """Return whose place a new key takes, and why it is made."""
    others = {
        each for each in policy.algorithms if each is not algorithm
    }  # theirs have successors of their own
    leaving = [
        each
        for each in keys.used
        if (each.leaves or each.public in reasons) and each.public.algorithm not in others
    ]
    alike = [each for each in leaving if _fits(each, algorithm, role)]
    same = alike or [each for each in leaving if each.role == role] or leaving
    if not same:
        of = "" if policy.beside is None else f" of {algorithm.name}"
        return None, f"policy {policy.name} asks for a {role}{of}"
    old = same[0]
    return old.public, f"{old} leaves: {reasons.get(old.public, 'a roll is asked for')}"
