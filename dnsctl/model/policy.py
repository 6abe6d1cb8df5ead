"""DNSSEC policy of a zone: what to sign with and for how long (defaults: RFC 9276, RFC 8624)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import Literal

from dnsctl.model.key import KeyRole
from dnsctl.model.serial import SerialPolicy

_ROLES: dict[str, tuple[KeyRole, ...]] = {"csk": ("csk",), "ksk+zsk": ("ksk", "zsk")}


class Algorithm(IntEnum):
    """DNSSEC algorithm numbers this project signs with (RFC 8624 §3.1; 18: draft-westerbaan-dnssec-mldsa)."""

    RSASHA256 = 8
    ECDSAP256SHA256 = 13
    ECDSAP384SHA384 = 14
    ED25519 = 15
    ED448 = 16
    MLDSA44 = 18

    @property
    def is_experimental(self) -> bool:
        """True where most validators do not know the algorithm, and take the zone for insecure."""
        return self is Algorithm.MLDSA44

    @property
    def signature_octets(self) -> int:
        """The length of a signature; of RSA, by the 2048 bits of the keys that are made here."""
        return _SIGNATURE_OCTETS[self]


_SIGNATURE_OCTETS = {
    Algorithm.RSASHA256: 256,
    Algorithm.ECDSAP256SHA256: 64,  # RFC 6605 §4
    Algorithm.ECDSAP384SHA384: 96,
    Algorithm.ED25519: 64,  # RFC 8080 §4
    Algorithm.ED448: 114,
    Algorithm.MLDSA44: 2420,  # FIPS 204, table 2
}


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    """Validity of signatures. `refresh`: renew when less is left; `jitter`: how far expiry is spread.

    `interval`: how often renewals are made at least. What follows for a zone is in `validity`.
    """

    lifetime: timedelta = timedelta(days=14)
    refresh: timedelta = timedelta(days=7)
    inception_offset: timedelta = timedelta(hours=1)
    jitter: timedelta = timedelta(hours=12)
    interval: timedelta = timedelta(days=1)

    @property
    def renewed_every(self) -> timedelta:
        """The interval, or half of a `refresh` that is shorter than two of them."""
        return min(self.interval, self.refresh / 2)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """After which time a key of each role is rolled without being asked; None: only when asked."""

    csk: timedelta | None = None
    ksk: timedelta | None = None
    zsk: timedelta | None = timedelta(days=90)

    def of(self, role: KeyRole) -> timedelta | None:
        return {"csk": self.csk, "ksk": self.ksk, "zsk": self.zsk}[role]


@dataclass(frozen=True, slots=True)
class Policy:
    """How one zone is signed. `keys`: one combined signing key, or a KSK and a ZSK (RFC 6781 §3.1).

    `beside`: an algorithm that signs everything as well, with keys of its own. A zone is signed with
    `algorithm` first, then rolled to both.
    `standby`: a second key of each role is published ahead, for an emergency. `foreign_keys`: whether DNSKEY,
    CDS and CDNSKEY of the zone file are published (RFC 8901, RFC 8078 §4). `cds`: whether CDS and CDNSKEY
    tell the parent which DS to have (RFC 7344). `zonemd`: whether the zone has a digest of itself (RFC 8976).
    """

    name: str = "standard"
    algorithm: Algorithm = Algorithm.ECDSAP256SHA256
    beside: Algorithm | None = None
    keys: Literal["csk", "ksk+zsk"] = "csk"
    denial: Literal["nsec", "nsec3"] = "nsec"
    opt_out: bool = False
    lifetimes: Lifetimes = Lifetimes()
    standby: bool = False
    signatures: SignaturePolicy = SignaturePolicy()
    dnskey_ttl: int = 3600  # seconds
    serial: SerialPolicy = "unixtime"
    foreign_keys: Literal["allow", "refuse"] = "refuse"
    cds: Literal["publish", "signal", "off"] = "publish"
    zonemd: Literal["publish", "off"] = "off"

    @property
    def algorithms(self) -> tuple[Algorithm, ...]:
        """What signs the zone in the end; `algorithm` first."""
        return (self.algorithm,) if self.beside is None else (self.algorithm, self.beside)

    @property
    def asks_for(self) -> str:
        """Which keys of which algorithms, as messages name them."""
        return f"{self.keys} of {' and '.join(each.name for each in self.algorithms)}"

    @property
    def roles(self) -> tuple[KeyRole, ...]:
        """What keys the zone needs, one of each role."""
        return _ROLES[self.keys]
