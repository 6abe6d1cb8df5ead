"""Whether one signature over an RRset holds (RFC 4034 §3.1.8.1, RFC 4035 §5.3), from the octets of its RRSIG.

Shares nothing with what signs. dnspython reads the keys, verifies with them, and makes rdata canonical; what
is done once a signature is done here, on octets.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

import dns.dnssec
import dns.exception
from cryptography.exceptions import InvalidSignature
from dns.dnssecalgs import get_algorithm_cls_from_dnskey
from dns.dnssecalgs.base import GenericPublicKey
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.dnskeybase import Flag

from dnsctl.model.name import Name, label_count, name_end
from dnsctl.model.rrset import CLASS_IN, Type
from dnsctl.verify.decoders import RRSIG_HEAD

_PROTOCOL = 3  # RFC 4034 §2.1.2


class SignatureError(Exception):
    """The signature does not hold: why."""


class Signature(NamedTuple):
    """An RRSIG, times in seconds. `head`: what stands before the signer, which is lower-cased."""

    head: bytes
    covered: int
    algorithm: int
    labels: int
    original_ttl: int
    expiration: int
    inception: int
    key_tag: int
    signer: Name
    octets: bytes


def read(rdata: bytes) -> Signature:
    """Return the fields of an RRSIG's rdata. Raises ValueError where it is malformed."""
    try:
        covered, algorithm, labels, ttl, expiration, inception, tag = RRSIG_HEAD.unpack_from(rdata)
        end = name_end(rdata, RRSIG_HEAD.size)
    except (struct.error, IndexError):
        raise ValueError("an RRSIG that is cut short") from None
    head, signer = rdata[: RRSIG_HEAD.size], Name(rdata[RRSIG_HEAD.size : end].lower())
    times = (expiration, inception)
    return Signature(head, covered, algorithm, labels, ttl, *times, tag, signer, rdata[end:])


class ZoneKey:
    """A key that may validate RRsets of its zone; its public half is made once, when first asked for."""

    def __init__(self, dnskey: DNSKEY) -> None:
        self._dnskey = dnskey
        self.tag = dns.dnssec.key_id(dnskey)
        self.algorithm = int(dnskey.algorithm)

    @cached_property
    def _public(self) -> GenericPublicKey:
        try:
            return get_algorithm_cls_from_dnskey(self._dnskey).public_cls.from_dnskey(self._dnskey)
        except ValueError:
            raise SignatureError("invalid public key") from None

    def may_validate(self, rdtype: int) -> bool:
        """True unless the key is revoked, is not a zone's, or is of an algorithm that proves nothing.

        A revoked key may only validate the RRset that it is in (RFC 5011 §2.1).
        """
        flags = self._dnskey.flags
        return (
            bool(flags & Flag.ZONE)
            and self._dnskey.protocol == _PROTOCOL
            and (not flags & Flag.REVOKE or rdtype == Type.DNSKEY)
            and dns.dnssec.default_policy.ok_to_validate(self._dnskey)
        )

    def verifies(self, signature: bytes, signed: bytes) -> bool:
        """Raises UnsupportedAlgorithm of dnspython for a key that it cannot verify with."""
        try:
            self._public.verify(signature, signed)
        except (InvalidSignature, dns.exception.ValidationFailure, SignatureError):
            return False
        return True


def check(
    signature: Signature, owner: Name, rdatas: Iterable[bytes], keys: Iterable[ZoneKey], now: float
) -> None:
    """Check `signature` over an RRset with one of `keys`, which are those of its tag and algorithm.

    `rdatas` are in canonical form and order; `owner` may be made from a wildcard; `now` is in Unix seconds.
    Raises SignatureError, and UnsupportedAlgorithm of dnspython.
    """
    if signature.expiration < now:
        raise SignatureError("expired")
    if signature.inception > now:
        raise SignatureError("not yet valid")
    before = signed_name(owner, signature.labels) + struct.pack(
        "!HHI", signature.covered, CLASS_IN, signature.original_ttl
    )
    parts = [signature.head, signature.signer]
    for each in rdatas:
        parts += (before, len(each).to_bytes(2, "big"), each)
    signed = b"".join(parts)
    if not any(
        each.verifies(signature.octets, signed) for each in keys if each.may_validate(signature.covered)
    ):
        raise SignatureError("verify failure")


def signed_name(owner: Name, labels: int) -> Name:
    """Return the name that is signed where `owner` is served: the wildcard, of an owner made from one.

    Raises SignatureError where `owner` has less than `labels` (RFC 4035 §5.3.1, §5.3.2).
    """
    more = label_count(owner) - labels
    if more < 0:
        raise SignatureError("more labels than its owner has")
    if not more:
        return owner
    if owner[:2] == b"\x01*":
        more += 1
    at = 0
    for _ in range(more):
        at += 1 + owner[at]
    return Name(b"\x01*" + owner[at:])
