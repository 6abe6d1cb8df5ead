"""Who made a signature, and how many people several signatures are of."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

_WILD = "*?"


class Signer(NamedTuple):
    """One on a list. `identities`: all that the list calls them, and the fingerprint of the key."""

    name: str
    identities: frozenset[str]


class Fault(NamedTuple):
    """Why a signature counts for nothing. `what` continues "the commit …"."""

    what: str


def count_people(signers: Iterable[Signer]) -> int:
    """Return how many people these are at least: who share an identity are one."""
    people: list[frozenset[str]] = []
    for each in signers:
        same = [person for person in people if _overlap(person, each.identities)]
        people = [person for person in people if person not in same]
        people.append(each.identities.union(*same))
    return len(people)


def is_same_person(one: Signer, other: Signer) -> bool:
    """True where the list does not tell them apart."""
    return _overlap(one.identities, other.identities)


def _overlap(some: frozenset[str], others: frozenset[str]) -> bool:
    """True where two names are equal, or one is a pattern, as ssh-keygen allows, that the other may match."""
    return any(
        one == other
        or fnmatchcase(one, other)
        or fnmatchcase(other, one)
        or (_is_wild(one) and _is_wild(other))
        for one in map(str.casefold, some)
        for other in map(str.casefold, others)
    )


def _is_wild(name: str) -> bool:
    return any(sign in name for sign in _WILD)
