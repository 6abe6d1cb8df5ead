"""Hashed owner names, and how NSEC3 rdata is laid out (RFC 5155 §3 to §5).

Which names a zone's chain holds is not known here: see `sign.nsec3` and `sign.chain`. What answers are proved
with is in `serve.zone.denial`; `verify` has a hash of its own, on purpose.
"""

from __future__ import annotations

from base64 import b32hexdecode, b32hexencode
from hashlib import sha1

from dnsctl.model.name import Name
from dnsctl.model.zone import Nsec3Parameters

SHA1 = 1  # RFC 5155 §11: the only hash algorithm there is
HASH_OCTETS = 20
HASH_LABEL = 32  # octets of a hash in base32hex, the first label of an NSEC3's owner
OPT_OUT = 0x01  # RFC 5155 §3.1.2.1
MAX_ITERATIONS = 500  # of zones signed elsewhere, as in RFC 5155 §10.3; RFC 9276 §3.1 says none


def nsec3_hash(name: bytes, salt: bytes, iterations: int) -> bytes:
    """Return the hash of `name`, lower-case wire octets (RFC 5155 §5)."""
    digest = sha1(name + salt, usedforsecurity=False).digest()
    if not iterations:  # nearly always, and asked for by the million
        return digest
    for _ in range(iterations):
        digest = sha1(digest + salt, usedforsecurity=False).digest()
    return digest


def nsec3_owner(digest: bytes, origin: Name) -> Name:
    """Return the owner of an NSEC3: the hash in base32hex as a label before the apex (RFC 5155 §3)."""
    return Name(b"\x20" + b32hexencode(digest).lower() + origin)


def owner_hash(owner: Name, origin: Name) -> bytes | None:
    """Return the hash in an NSEC3's owner, or None where the name is not made of one."""
    if len(owner) != 1 + HASH_LABEL + len(origin) or owner[0] != HASH_LABEL or not owner.endswith(origin):
        return None
    try:
        return b32hexdecode(owner[1 : 1 + HASH_LABEL], casefold=True)
    except ValueError:
        return None


def fixed_fields(parameters: Nsec3Parameters, flags: int) -> bytes:
    """Return what NSEC3 and NSEC3PARAM begin with: hash algorithm, flags, iterations, salt (§3.2, §4.2)."""
    return (
        bytes((SHA1, flags))
        + parameters.iterations.to_bytes(2, "big")
        + bytes((len(parameters.salt),))
        + parameters.salt
    )


def next_hash(rdata: bytes) -> tuple[bytes, bytes]:
    """Split NSEC3 rdata into the next hash and the type bitmap (§3.2)."""
    start = 5 + rdata[4]
    end = start + 1 + rdata[start]
    return rdata[start + 1 : end], rdata[end:]


def is_of(rdata: bytes, parameters: Nsec3Parameters) -> bool:
    """True where NSEC3 rdata belongs to the chain with `parameters`, whatever its flags."""
    return rdata[:1] == bytes((SHA1,)) and rdata[2:].startswith(fixed_fields(parameters, 0)[2:])
