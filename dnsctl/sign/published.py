"""A DNSKEY RRset as a validator uses it: which keys may have signed what (RFC 4035 §5.3.1, RFC 5011 §2.1).

A key is looked up by algorithm and tag, as a signature names it, and may be one of several with that tag: the
one that verifies is it. Knows nothing of signatures: see `examine`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import dns.dnssectypes

from dnsctl.model.key import DNSKEY_PROTOCOL, REVOKE_FLAG, SEP_FLAG, ZONE_FLAG, key_tag
from dnsctl.model.rrset import RRset
from dnsctl.sign.algorithm import Check, KeyFieldError, checker

KeyId = tuple[int, int]  # algorithm and tag


def algorithm_text(algorithm: int) -> str:
    """Return the mnemonic of IANA's registry, or the number."""
    return dns.dnssectypes.Algorithm.to_text(algorithm)


def key_text(key: KeyId) -> str:
    """Return a key as messages name it: by its tag and algorithm."""
    return f"key {key[1]} ({algorithm_text(key[0])})"


@dataclass(frozen=True)
class PublishedKeys:
    """The keys of a zone. A place is that in the DNSKEY RRset.

    `places`: of the keys that may sign zone data. `revoked`: of those that sign the DNSKEY RRset only (RFC
    5011 §2.1). `unusable`: of those that no validator takes, with why. `checks`: by place; None where the
    algorithm is not known here, or the key not usable.
    """

    rdatas: tuple[bytes, ...]
    places: dict[KeyId, tuple[int, ...]]
    revoked: dict[KeyId, tuple[int, ...]]
    unusable: dict[KeyId, str]
    checks: tuple[Check | None, ...]

    @classmethod
    def of(cls, dnskey: RRset) -> PublishedKeys:
        """Read a DNSKEY RRset; keys that cannot be used are kept with the reason."""
        places: dict[KeyId, tuple[int, ...]] = {}
        revoked: dict[KeyId, tuple[int, ...]] = {}
        unusable: dict[KeyId, str] = {}
        checks: list[Check | None] = []
        for place, rdata in enumerate(dnskey.rdatas):
            key = (rdata[3], key_tag(rdata))
            check, why = _check_of(rdata)
            checks.append(check)
            if why:
                unusable[key] = why
                continue
            kind = revoked if flags_of(rdata) & REVOKE_FLAG else places
            kind[key] = (*kind.get(key, ()), place)
        return cls(dnskey.rdatas, places, revoked, unusable, tuple(checks))

    @property
    def algorithms(self) -> frozenset[int]:
        """The algorithms that each RRset must be signed with (RFC 4035 §2.2)."""
        return frozenset(algorithm for algorithm, _ in self.places)

    @property
    def unverifiable(self) -> frozenset[int]:
        """The algorithms that are not known here."""
        return frozenset(
            algorithm
            for (algorithm, _), found in (*self.places.items(), *self.revoked.items())
            if self.checks[found[0]] is None
        )

    @property
    def entry_points(self) -> frozenset[KeyId]:
        """The keys with the SEP flag, which a DS is expected to lead to (RFC 4034 §2.1.1)."""
        return frozenset(
            key
            for key, found in self.places.items()
            if any(flags_of(self.rdatas[place]) & SEP_FLAG for place in found)
        )

    def shared(self) -> Iterator[KeyId]:
        """Yield what names more than one key."""
        yield from (key for key, found in self.places.items() if len(found) > 1)

    def rdatas_of(self, key: KeyId) -> frozenset[bytes]:
        """Return the rdata of all keys with this algorithm and tag, revoked ones too."""
        return frozenset(
            self.rdatas[place] for place in (*self.places.get(key, ()), *self.revoked.get(key, ()))
        )


def flags_of(rdata: bytes) -> int:
    """Return the flags of DNSKEY rdata."""
    return int.from_bytes(rdata[:2], "big")


def _check_of(rdata: bytes) -> tuple[Check | None, str]:
    """Return what checks with a key, and why none may."""
    if not flags_of(rdata) & ZONE_FLAG:
        return None, "without the zone key flag, which validators do not use (RFC 4034 §2.1.1)"
    if rdata[2] != DNSKEY_PROTOCOL:
        return None, f"of protocol {rdata[2]}, where {DNSKEY_PROTOCOL} is right (RFC 4034 §2.1.2)"
    try:
        return checker(rdata[3], rdata[4:]), ""
    except KeyFieldError:
        return None, f"whose key field does not hold a public key of {algorithm_text(rdata[3])}"
