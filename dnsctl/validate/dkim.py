"""DKIM keys (RFC 6376 §3.6.1, RFC 8463): records that verifiers cannot use, and keys that are too short."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from dnsctl.model.name import is_wildcard, to_text
from dnsctl.model.rrset import RRset
from dnsctl.validate.rule import Fault, Scope
from dnsctl.validate.tag_list import parse, shown
from dnsctl.validate.texts import Kind, mail_texts

MIN_BITS = 1024  # RFC 8301 §3.2: verifiers MUST NOT take less
SAFE_BITS = 2048  # RFC 8301 §3.2: signers SHOULD use that many
_ED25519_OCTETS = 32  # RFC 8463 §4.2: the key alone, without ASN.1
_KNOWN = ("v", "g", "h", "k", "n", "p", "s", "t")


class DkimKey(NamedTuple):
    """What a record says. `faults`: of its form; `broken`: why the key is none; `bits`: of an RSA key."""

    faults: tuple[str, ...] = ()
    broken: str = ""
    revoked: bool = False
    bits: int = 0


def dkim_syntax(scope: Scope) -> Iterator[Fault]:
    for one, key in _keys(scope):
        if key.faults:
            message = f"DKIM record {to_text(one.owner)}: {'; '.join(key.faults)}"
            yield Fault(scope.at(one), message, "write v=DKIM1; k=…; p=… (RFC 6376 §3.6.1)")


def dkim_key_invalid(scope: Scope) -> Iterator[Fault]:
    for one, key in _keys(scope):
        if key.broken:
            yield Fault(
                scope.at(one),
                f"DKIM record {to_text(one.owner)}: {key.broken}; its signatures verify nowhere",
                "copy all of p= from the signer, as one text",
            )


def dkim_key_weak(scope: Scope) -> Iterator[Fault]:
    for one, key in _keys(scope):
        if 0 < key.bits < MIN_BITS:
            yield Fault(
                scope.at(one),
                f"DKIM record {to_text(one.owner)} has an RSA key of {key.bits} bits: it can be broken, and "
                "verifiers refuse it",
                f"make a key of {SAFE_BITS} bits at the signer, or remove this one (RFC 8301 §3.2)",
            )


def dkim_key_short(scope: Scope) -> Iterator[Fault]:
    for one, key in _keys(scope):
        if MIN_BITS <= key.bits < SAFE_BITS:
            yield Fault(
                scope.at(one),
                f"DKIM record {to_text(one.owner)} has an RSA key of {key.bits} bits",
                f"make a key of {SAFE_BITS} bits under another selector (RFC 8301 §3.2)",
            )


def dkim_revoked(scope: Scope) -> Iterator[Fault]:
    """At a wildcard it is meant: no selector has a key."""
    for one, key in _keys(scope):
        if key.revoked and not is_wildcard(one.owner):
            yield Fault(
                scope.at(one),
                f"DKIM record {to_text(one.owner)} has an empty p=: the key is revoked",
                "remove the record once no mail signed with the key is under way (RFC 6376 §3.6.1)",
            )


def _keys(scope: Scope) -> Iterator[tuple[RRset, DkimKey]]:
    for one, records in mail_texts(scope).of(Kind.DKIM):
        for record in records:
            yield one, dkim_key(record)


@lru_cache(1024)
def dkim_key(record: bytes) -> DkimKey:
    """Read a DKIM record."""
    tags = parse(record, "DKIM1")
    faults = [*tags.faults, *tags.unknown(_KNOWN)]
    kind = tags.values.get("k", "rsa")
    text = "".join(tags.values.get("p", "").split())
    if "p" not in tags.values:
        faults.append("it has no p=, the key")
    if kind not in ("rsa", "ed25519"):
        faults.append(f"k={shown(kind)} is neither rsa nor ed25519")
    hashes = [each.strip() for each in tags.values.get("h", "sha256").split(":")]
    if "sha256" not in hashes:
        faults.append("h= does not allow sha256")
    services = [each.strip() for each in tags.values.get("s", "*").split(":")]
    if not {"*", "email"} & set(services):
        faults.append("s= allows neither `*` nor email")
    broken, bits = _judge(kind, text) if text else ("", 0)
    return DkimKey(tuple(faults), broken, "p" in tags.values and not text, bits)


def _judge(kind: str, text: str) -> tuple[str, int]:
    """Return why `text` is not a key of type `kind`, and the bits of an RSA key."""
    try:
        octets = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return "p= is not whole base64", 0
    if kind == "ed25519":
        what = f"an Ed25519 key has {_ED25519_OCTETS} octets, this one {len(octets)}"
        return "" if len(octets) == _ED25519_OCTETS else what, 0
    return _rsa(octets) if kind == "rsa" else ("", 0)


def _rsa(octets: bytes) -> tuple[str, int]:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - few zones have a DKIM key
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415 - as above

    try:
        key = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        return "p= is not an RSA public key", 0
    return ("", key.key_size) if isinstance(key, RSAPublicKey) else ("p= is not an RSA public key", 0)
