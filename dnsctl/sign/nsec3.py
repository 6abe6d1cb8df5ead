"""Denial of existence with hashed names (RFC 5155), made with 0 iterations and no salt (RFC 9276 §3.1).

Invariant: the chain holds the hash of each authoritative owner and of each empty non-terminal once,
ascending, and the last one names the first. With opt-out, delegations without DS, and empty non-terminals
that lead only to such, are left out. Does not sign: see `rrsig`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from dnsctl.errors import NameSyntaxError, SigningError
from dnsctl.model.name import Name, ancestors, from_labels, labels, to_text
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.zone import Nsec3Parameters
from dnsctl.sign.nsec import type_bitmap

SHA1 = 1  # RFC 5155 §11: the only hash algorithm there is
HASH_OCTETS = 20
MAX_ITERATIONS = 500  # of zones signed elsewhere, as in RFC 5155 §10.3; RFC 9276 §3.1 says none
OPT_OUT = 0x01  # RFC 5155 §3.1.2.1


class Denied(NamedTuple):
    """An owner that the chain speaks of. `insecure`: a delegation without DS."""

    owner: Name
    types: tuple[int, ...]
    insecure: bool = False


def hashed(name: Name, parameters: Nsec3Parameters) -> bytes:
    """Return the hash of `name`, 20 octets (RFC 5155 §5)."""
    digest = hashlib.sha1(name + parameters.salt, usedforsecurity=False).digest()
    for _ in range(parameters.iterations):
        digest = hashlib.sha1(digest + parameters.salt, usedforsecurity=False).digest()
    return digest


def hash_owner(digest: bytes, origin: Name) -> Name:
    """Return the owner name of an NSEC3: the hash in base32hex as a label before the apex (RFC 5155 §3)."""
    return Name(b"\x20" + base64.b32hexencode(digest).lower() + origin)


def owner_hash(owner: Name, origin: Name) -> bytes | None:
    """Return the hash that stands in an NSEC3's owner name, or None where it is not such a name."""
    if len(owner) != 33 + len(origin) or owner[0] != 32 or not owner.endswith(origin):
        return None
    try:
        return base64.b32hexdecode(owner[1:33], casefold=True)
    except ValueError:
        return None


def is_of(rdata: bytes, parameters: Nsec3Parameters) -> bool:
    """True where NSEC3 rdata belongs to the chain with `parameters`."""
    return rdata[:1] == bytes((SHA1,)) and rdata[2:].startswith(_prefix(parameters, 0)[2:])


def next_hash(rdata: bytes) -> tuple[bytes, bytes]:
    """Split NSEC3 rdata into the next hash and the type bitmap (RFC 5155 §3.2)."""
    start = 5 + rdata[4]
    end = start + 1 + rdata[start]
    return rdata[start + 1 : end], rdata[end:]


def parameter_record(origin: Name, parameters: Nsec3Parameters, ttl: int) -> RRset:
    """Return the NSEC3PARAM of the apex. Its flags are 0, also with opt-out (RFC 5155 §4.1.2)."""
    return RRset(origin, Type.NSEC3PARAM, ttl, (_prefix(parameters, 0),))


def chain(
    denied: Iterable[Denied], origin: Name, parameters: Nsec3Parameters, ttl: int
) -> dict[bytes, RRset]:
    """Return hash to NSEC3 RRset, ascending. `denied` come in canonical order, without empty non-terminals.

    Raises SigningError where two names share a hash, or the apex is too long to hold hashes below it.
    """
    _refuse_long_apex(origin)
    bitmaps: dict[bytes, bytes] = {}
    names: set[Name] = set()  # of the chain; whatever has an ancestor here had its non-terminals added before
    for one in denied:
        if one.insecure and parameters.opt_out:
            continue
        _add(bitmaps, one.owner, parameters, type_bitmap(_listed(one)))
        names.add(one.owner)
        for above in ancestors(one.owner, origin)[:-1]:
            if above in names:
                break
            names.add(above)
            _add(bitmaps, above, parameters, b"")
    return _linked(bitmaps, origin, _prefix(parameters, OPT_OUT if parameters.opt_out else 0), ttl)


def _listed(one: Denied) -> tuple[int, ...]:
    """Add RRSIG where something at the owner is signed: at a delegation only DS can be (RFC 5155 §7.1)."""
    if not one.types or one.insecure:
        return one.types
    return (*one.types, Type.RRSIG)


def _add(bitmaps: dict[bytes, bytes], name: Name, parameters: Nsec3Parameters, bitmap: bytes) -> None:
    digest = hashed(name, parameters)
    if digest in bitmaps:
        raise SigningError(
            f"another name has the NSEC3 hash of {to_text(name)}", advice="use `denial: nsec` for this zone"
        )
    bitmaps[digest] = bitmap


def _linked(bitmaps: dict[bytes, bytes], origin: Name, prefix: bytes, ttl: int) -> dict[bytes, RRset]:
    order = sorted(bitmaps)
    linked: dict[bytes, RRset] = {}
    for place, digest in enumerate(order):
        following = order[place + 1] if place + 1 < len(order) else order[0]
        rdata = prefix + bytes((HASH_OCTETS,)) + following + bitmaps[digest]
        linked[digest] = RRset(hash_owner(digest, origin), Type.NSEC3, ttl, (rdata,))
    return linked


def _prefix(parameters: Nsec3Parameters, flags: int) -> bytes:
    """Return what NSEC3 and NSEC3PARAM begin with: hash algorithm, flags, iterations, salt."""
    return (
        bytes((SHA1, flags))
        + parameters.iterations.to_bytes(2, "big")
        + bytes((len(parameters.salt),))
        + parameters.salt
    )


def _refuse_long_apex(origin: Name) -> None:
    try:
        from_labels((b"0" * 32, *labels(origin)))
    except NameSyntaxError:
        raise SigningError(
            "the zone's name leaves no room for hashed names below it",
            where=to_text(origin),
            advice="use `denial: nsec` for this zone",
        ) from None
