"""RRSIG rdata, taken apart (RFC 4034 §3.1). How a signature is made and checked: see `sign.rrsig`."""

from __future__ import annotations

import struct
from typing import NamedTuple

from dnsctl.errors import SigningError
from dnsctl.model.key import key_tag
from dnsctl.model.name import Name, name_end
from dnsctl.model.rrset import RRset

COVERS = struct.Struct("!HBBI")  # type covered, algorithm, labels, original TTL: what the RRset itself tells
EXPIRATION = slice(8, 12)
INCEPTION = slice(12, 16)
TAG = slice(16, 18)
SIGNER_AT = 18  # where the signer's name begins, and the signature behind it

_FIXED = struct.Struct("!HBBIIIH")


class Signature(NamedTuple):
    """RRSIG rdata, taken apart. `start` is where the raw signature begins."""

    covered: int
    algorithm: int
    labels: int
    original_ttl: int
    expiration: int
    inception: int
    tag: int
    signer: Name
    start: int


def parse(rdata: bytes) -> Signature:
    """Take RRSIG rdata apart. Raises SigningError where it is malformed."""
    try:
        covered, algorithm, labels, ttl, expires, inception, tag = _FIXED.unpack_from(rdata)
        start = name_end(rdata, SIGNER_AT)
    except (struct.error, IndexError):
        raise SigningError("malformed RRSIG") from None
    signer = Name(rdata[SIGNER_AT:start].lower())
    return Signature(covered, algorithm, labels, ttl, expires, inception, tag, signer, start)


def expiration(rdata: bytes) -> int:
    """Return the expiration of RRSIG rdata, in unix seconds (RFC 4034 §3.1.5)."""
    return int.from_bytes(rdata[EXPIRATION], "big")


def signers_of(dnskey: RRset | None) -> tuple[bytes, ...]:
    """Return the DNSKEYs that sign their own RRset, by algorithm and tag; none without one."""
    if dnskey is None:
        return ()
    signers = {(one.algorithm, one.tag) for one in map(parse, dnskey.signatures)}
    return tuple(each for each in dnskey.rdatas if (each[3], key_tag(each)) in signers)
