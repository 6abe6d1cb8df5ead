"""RRSIG: making and checking signatures over wire form (RFC 4034 §3, §6.2; RFC 4035 §5.3).

An RRset of the model is canonical already, so what is signed is a concatenation: RRSIG rdata without the
signature, then each record. No object is made per record. Times are unix seconds modulo 2^32.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from datetime import datetime

from dnsctl.errors import SigningError
from dnsctl.model.key import PublicKey
from dnsctl.model.name import Name, label_count
from dnsctl.model.policy import SignaturePolicy
from dnsctl.model.rrset import CLASS_IN, RRset
from dnsctl.model.rrsig import COVERS, EXPIRATION, INCEPTION, TAG, parse
from dnsctl.model.serial import MODULUS
from dnsctl.model.validity import TOLERANCE
from dnsctl.sign.algorithm import scheme

_TIMED = struct.Struct("!HBBII")  # `COVERS`, and the expiration
_RECORD = struct.Struct("!HHI")  # type, class, TTL


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when signatures hold, and which old ones are still good. Unix seconds."""

    now: int
    inception: int
    expiration: int  # the latest: jitter takes up to `jitter` seconds off
    jitter: int
    keep_after: int  # an older signature stays while it expires after this

    @classmethod
    def of(
        cls, policy: SignaturePolicy, now: datetime, where: str = "", refresh: int | None = None
    ) -> Validity:
        """Return the validity at `now`. `refresh` (seconds): of this zone, where it is not the policy's.

        Inception is at least `TOLERANCE` back: so far behind may the clock of a host be that uses it.
        Raises SigningError where a new signature would be due at once.
        """
        moment = int(now.timestamp())
        lifetime, jitter = int(policy.lifetime.total_seconds()), int(policy.jitter.total_seconds())
        refresh = int(policy.refresh.total_seconds()) if refresh is None else refresh
        if lifetime - jitter <= refresh:
            raise SigningError(
                f"signatures live {lifetime} s less up to {jitter} s of jitter, and are renewed when "
                f"{refresh} s are left: each would be due as soon as it is made",
                where=where,
                advice="raise `lifetime`, or lower `refresh` or `jitter`",
            )
        inception = moment - max(int(policy.inception_offset.total_seconds()), TOLERANCE)
        return cls(moment, inception, moment + lifetime, jitter, moment + refresh)

    def expires(self, owner: Name, rdtype: int) -> int:
        """Return when a new signature at `owner` expires: spread by name and type, not by chance.

        The same input must give the same release on any host.
        """
        if self.jitter <= 0:
            return self.expiration
        return self.expiration - zlib.crc32(owner, rdtype) % (self.jitter + 1)


class Header:
    """Makes the RRSIG rdata up to the signature, for one key and one validity."""

    __slots__ = ("_algorithm", "_tail", "_validity")

    def __init__(self, public: PublicKey, validity: Validity) -> None:
        self._algorithm = public.algorithm
        self._validity = validity
        inception = validity.inception % MODULUS
        self._tail = struct.pack("!IH", inception, public.tag) + public.zone

    def octets(self, rrset: RRset, labels: int) -> bytes:
        """Return the octets for a new signature over `rrset`. `labels`: see `name.label_count`."""
        expires = self._validity.expires(rrset.owner, rrset.rdtype) % MODULUS
        return _TIMED.pack(rrset.rdtype, self._algorithm, labels, rrset.ttl, expires) + self._tail

    def keeps(self, signature: bytes, rrset: RRset, labels: int) -> bool:
        """True where an older `signature` over the same rdatas is by this key and not yet due for renewal."""
        validity = self._validity
        return (
            validity.keep_after < int.from_bytes(signature[EXPIRATION], "big") <= validity.expiration
            and int.from_bytes(signature[INCEPTION], "big") <= validity.now
            and signature.startswith(self._tail[4:], TAG.start)
            and signature.startswith(COVERS.pack(rrset.rdtype, self._algorithm, labels, rrset.ttl))
        )


def message(header: bytes, rrset: RRset) -> bytes:
    """Return what is signed: `header`, then the records in canonical form and order (RFC 4034 §3.1.8.1)."""
    head = rrset.owner + _RECORD.pack(rrset.rdtype, CLASS_IN, rrset.ttl)
    rdatas = rrset.rdatas
    if len(rdatas) == 1:  # nearly always
        return header + head + len(rdatas[0]).to_bytes(2, "big") + rdatas[0]
    return header + b"".join([head + len(rdata).to_bytes(2, "big") + rdata for rdata in rdatas])


def is_valid(rrset: RRset, signature: bytes, dnskey: PublicKey, now: datetime | None = None) -> bool:
    """Check one signature over `rrset`, as stored, with `dnskey` (RFC 4035 §5.3); its times only if `now` is
    given.

    The owner of a wildcard counts as it stands in the zone, not as expanded. Raises SigningError where the
    signature is malformed or of an algorithm that is not known here.
    """
    told = parse(signature)
    if (told.covered, told.algorithm, told.signer) != (rrset.rdtype, dnskey.algorithm, dnskey.zone):
        return False
    if told.labels != label_count(rrset.owner) or told.tag != dnskey.tag:
        return False
    if now is not None and not told.inception <= int(now.timestamp()) <= told.expiration:
        return False
    signed = message(signature[: told.start], rrset._replace(ttl=told.original_ttl))
    return scheme(dnskey.algorithm).checker(dnskey.public)(signature[told.start :], signed)
