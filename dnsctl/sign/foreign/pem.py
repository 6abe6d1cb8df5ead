"""Private keys in PEM, not encrypted: in Knot's KASP, and what `pdnsutil export-zone-key-pem` prints.

GnuTLS, and so Knot, writes every other key of P-256 with a zero octet in front of its number (RFC 5915 §3
allows none), which OpenSSL refuses: such keys are taken apart here. PEM does not say which DNSSEC algorithm
a key is for, nor its flags; but for RSA, its kind says the algorithm. Pure.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from dnsctl.errors import KeystoreError
from dnsctl.sign.algorithm import PrivateKey

_BLOCK = re.compile(
    rb"-----BEGIN (?:EC )?PRIVATE KEY-----\s+([A-Za-z0-9+/=\s]+)-----END (?:EC )?PRIVATE KEY-----"
)
_CURVES: dict[bytes, ec.EllipticCurve] = {
    bytes.fromhex("2a8648ce3d030107"): ec.SECP256R1(),  # 1.2.840.10045.3.1.7
    bytes.fromhex("2b81040022"): ec.SECP384R1(),  # 1.3.132.0.34
}
_SEQUENCE, _INTEGER, _OCTETS, _OBJECT = 0x30, 0x02, 0x04, 0x06  # tags, X.690 §8
_RSA_DEFAULT = 8  # RSASHA256; 5, 7 and 10 are not signed with any more (RFC 8624 §3.1)


def parse(octets: bytes, where: str) -> tuple[int, PrivateKey]:
    """Return the algorithm that a key is for, and the key. Raises KeystoreError naming `where`."""
    if b"ENCRYPTED" in octets:
        raise KeystoreError(
            "is encrypted", where=where, advice="decrypt it into a file of mode 0600: `openssl pkey -in FILE`"
        )
    try:
        private = load_pem_private_key(octets, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        found = _with_long_number(octets)
        if found is None:
            raise KeystoreError(
                f"not a private key in PEM: {error}".splitlines()[0][:120],
                where=where,
                advice="export it again",
            ) from None
        private = found
    algorithm = _algorithm(private)
    if algorithm is None or not isinstance(private, PrivateKey):
        raise KeystoreError(
            "a key of a kind that DNSSEC does not use here", where=where, advice="export it again"
        )
    return algorithm, private


def to_octets(private: PrivateKey) -> bytes:
    """Return the key as PKCS#8 in PEM, not encrypted."""
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _algorithm(private: object) -> int | None:
    if isinstance(private, rsa.RSAPrivateKey):
        return _RSA_DEFAULT
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return {"secp256r1": 13, "secp384r1": 14}.get(private.curve.name)
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return 15
    if isinstance(private, ed448.Ed448PrivateKey):
        return 16
    return 18 if isinstance(private, mldsa.MLDSA44PrivateKey) else None


def _with_long_number(octets: bytes) -> ec.EllipticCurvePrivateKey | None:
    """Return an ECDSA key whose number has a wrong length; None for all else."""
    match = _BLOCK.search(octets)
    try:
        der = binascii.a2b_base64(match[1]) if match else b""
        (_, outer), *_ = _values(der, _SEQUENCE)
        inner = list(_values(outer, None))
        oids = [value for tag, value in _values(inner[1][1], None) if tag == _OBJECT]
        (_, key), *_ = _values(inner[2][1], _SEQUENCE)
        number = next(value for tag, value in _values(key, None) if tag == _OCTETS)
        return ec.derive_private_key(int.from_bytes(number, "big"), _CURVES[oids[1]])
    except (ValueError, IndexError, KeyError, StopIteration):
        return None


def _values(der: bytes, wanted: int | None) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each DER value in `der` (X.690 §8.1). Raises ValueError, IndexError."""
    while der:
        tag, length, start = der[0], der[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(der[2:start], "big")
        if start + length > len(der) or (wanted is not None and tag != wanted):
            raise ValueError("not DER")
        yield tag, der[start : start + length]
        der = der[start + length :]


def is_pem(octets: bytes) -> bool:
    """True where octets look like PEM."""
    return b"-----BEGIN " in octets
