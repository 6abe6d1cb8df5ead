"""The DNSSEC algorithms: key pairs, the DNSKEY key field, raw signatures over octets.

Signed with: RSASHA256 (RFC 3110, RFC 5702), ECDSAP256SHA256 and ECDSAP384SHA384 (RFC 6605, nonces by RFC
6979), ED25519 and ED448 (RFC 8080), MLDSA44 (FIPS 204, draft-westerbaan-dnssec-mldsa). All but MLDSA44 are
deterministic: the same key and message give the same signature on any host. Checked are also those that
zones signed elsewhere come with: RSASHA1 and RSASHA512. Knows nothing of RRsets: see `rrsig`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dnsctl.errors import SigningError
from dnsctl.model.policy import Algorithm

PrivateKey = (
    ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | mldsa.MLDSA44PrivateKey
    | rsa.RSAPrivateKey
)
Sign = Callable[[bytes], bytes]
Check = Callable[[bytes, bytes], bool]  # (signature, message)

_RSA_BITS = 2048  # NIST SP 800-57: enough to 2030; a larger key makes larger answers
_RSA_EXPONENT = 65537
_PKCS1 = padding.PKCS1v15()
_SHA256 = SHA256()
_SHA1_INFO = bytes.fromhex("3021300906052b0e03021a05000414")  # RFC 8017 §9.2, note 1
_LEAST_FILLER = 8  # octets ff, RFC 8017 §9.2


class Scheme(NamedTuple):
    """What an algorithm can do. `field` is the DNSKEY key field of a private key (RFC 4034 §2.1.4)."""

    generate: Callable[[], PrivateKey]
    field: Callable[[PrivateKey], bytes]
    signer: Callable[[PrivateKey], Sign]
    checker: Callable[[bytes], Check]


class KeyFieldError(Exception):
    """The key field of a DNSKEY is not a public key of its algorithm."""


def checker(algorithm: int, field: bytes) -> Check | None:
    """Return a checker of signatures by a DNSKEY with key field `field`; None: `algorithm` is unknown.

    Raises KeyFieldError where the field does not hold a key of that algorithm.
    """
    make = _CHECKERS.get(algorithm)
    if make is None:
        return None
    try:
        return make(field)
    except (ValueError, IndexError, OverflowError):
        raise KeyFieldError from None


def scheme(algorithm: int) -> Scheme:
    """Return the scheme of `algorithm`. Raises SigningError for one this project does not sign with."""
    found = _SCHEMES.get(algorithm)
    if found is None:
        known = ", ".join(str(int(one)) for one in _SCHEMES)
        raise SigningError(f"DNSSEC algorithm {algorithm} is not supported", advice=f"use one of {known}")
    return found


def _mismatch(wanted: str) -> SigningError:
    return SigningError(f"the private key is not an {wanted} key")


class _Ecdsa(NamedTuple):
    """A curve with its hash. `octets`: of a coordinate, and of r and s each (RFC 6605 §4)."""

    name: str
    curve: ec.EllipticCurve
    digest: HashAlgorithm
    octets: int

    def scheme(self) -> Scheme:
        return Scheme(self._generate, self._field, self._signer, self.checker)

    def _generate(self) -> PrivateKey:
        return ec.generate_private_key(self.curve)

    def _own(self, private: PrivateKey) -> ec.EllipticCurvePrivateKey:
        if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name == self.curve.name:
            return private
        raise _mismatch(self.name)

    def _field(self, private: PrivateKey) -> bytes:
        public = self._own(private).public_key()
        # RFC 6605 §4: x and y, without the octet that X9.62 puts in front of an uncompressed point
        return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]

    def _signer(self, private: PrivateKey) -> Sign:
        sign, octets = self._own(private).sign, self.octets
        how = ec.ECDSA(self.digest, deterministic_signing=True)

        def signature(message: bytes) -> bytes:
            r, s = decode_dss_signature(sign(message, how))
            return r.to_bytes(octets, "big") + s.to_bytes(octets, "big")

        return signature

    def checker(self, field: bytes) -> Check:
        public = ec.EllipticCurvePublicKey.from_encoded_point(self.curve, b"\x04" + field)
        verify, how, octets = public.verify, ec.ECDSA(self.digest), self.octets

        def is_valid(signature: bytes, message: bytes) -> bool:
            if len(signature) != 2 * octets:
                return False
            r, s = int.from_bytes(signature[:octets], "big"), int.from_bytes(signature[octets:], "big")
            try:
                verify(encode_dss_signature(r, s), message, how)
            except InvalidSignature:
                return False
            return True

        return is_valid


_P256 = _Ecdsa("ECDSA P-256", ec.SECP256R1(), SHA256(), 32)
_P384 = _Ecdsa("ECDSA P-384", ec.SECP384R1(), SHA384(), 48)


def _ed25519_field(private: PrivateKey) -> bytes:
    if not isinstance(private, ed25519.Ed25519PrivateKey):
        raise _mismatch("Ed25519")
    return private.public_key().public_bytes_raw()


def _ed25519_signer(private: PrivateKey) -> Sign:
    if not isinstance(private, ed25519.Ed25519PrivateKey):
        raise _mismatch("Ed25519")
    return private.sign


def _ed25519_checker(field: bytes) -> Check:
    return _plain_checker(ed25519.Ed25519PublicKey.from_public_bytes(field))


def _ed448_field(private: PrivateKey) -> bytes:
    if not isinstance(private, ed448.Ed448PrivateKey):
        raise _mismatch("Ed448")
    return private.public_key().public_bytes_raw()


def _ed448_signer(private: PrivateKey) -> Sign:
    if not isinstance(private, ed448.Ed448PrivateKey):
        raise _mismatch("Ed448")
    return private.sign


def _ed448_checker(field: bytes) -> Check:
    return _plain_checker(ed448.Ed448PublicKey.from_public_bytes(field))


def _mldsa44_own(private: PrivateKey) -> mldsa.MLDSA44PrivateKey:
    if isinstance(private, mldsa.MLDSA44PrivateKey):
        return private
    raise _mismatch("ML-DSA-44")


def _mldsa44_field(private: PrivateKey) -> bytes:
    return _mldsa44_own(private).public_key().public_bytes_raw()


def _mldsa44_signer(private: PrivateKey) -> Sign:
    """Sign as pure ML-DSA with an empty context; each signature is another (FIPS 204 §3.4, hedged)."""
    return _mldsa44_own(private).sign


def _mldsa44_checker(field: bytes) -> Check:
    return _plain_checker(mldsa.MLDSA44PublicKey.from_public_bytes(field))


def _plain_checker(
    public: ed25519.Ed25519PublicKey | ed448.Ed448PublicKey | mldsa.MLDSA44PublicKey,
) -> Check:
    verify = public.verify

    def is_valid(signature: bytes, message: bytes) -> bool:
        try:
            verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return is_valid


def _rsa_field(private: PrivateKey) -> bytes:
    if not isinstance(private, rsa.RSAPrivateKey):
        raise _mismatch("RSA")
    numbers = private.public_key().public_numbers()
    exponent = numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big")
    # RFC 3110 §2: length of the exponent in one octet, or in three when it is longer than 255
    length = bytes([len(exponent)]) if len(exponent) < 256 else b"\0" + len(exponent).to_bytes(2, "big")
    return length + exponent + numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")


def _rsa_signer(private: PrivateKey) -> Sign:
    if not isinstance(private, rsa.RSAPrivateKey):
        raise _mismatch("RSA")
    sign = private.sign
    return lambda message: sign(message, _PKCS1, _SHA256)


def _rsa_numbers(field: bytes) -> rsa.RSAPublicNumbers:
    """Take the key field apart (RFC 3110 §2)."""
    start, length = (1, field[0]) if field[0] else (3, int.from_bytes(field[1:3], "big"))
    exponent = int.from_bytes(field[start : start + length], "big")
    modulus = int.from_bytes(field[start + length :], "big")
    if exponent < 3 or modulus <= exponent:
        raise ValueError
    return rsa.RSAPublicNumbers(exponent, modulus)


def _rsa_checker(digest: HashAlgorithm, field: bytes) -> Check:
    verify = _rsa_numbers(field).public_key().verify

    def is_valid(signature: bytes, message: bytes) -> bool:
        try:
            verify(signature, message, _PKCS1, digest)
        except InvalidSignature:
            return False
        return True

    return is_valid


_rsa_sha256_checker = partial(_rsa_checker, _SHA256)


def _rsa_sha1_checker(field: bytes) -> Check:
    """Check RSASHA1 by arithmetic (RFC 8017 §8.2.2): many hosts forbid OpenSSL to accept SHA-1."""
    numbers = _rsa_numbers(field)
    exponent, modulus = numbers.e, numbers.n
    size = (modulus.bit_length() + 7) // 8
    filler = size - len(_SHA1_INFO) - hashlib.sha1(usedforsecurity=False).digest_size - 3
    if filler < _LEAST_FILLER:
        raise ValueError
    head = b"\0\1" + b"\xff" * filler + b"\0" + _SHA1_INFO

    def is_valid(signature: bytes, message: bytes) -> bool:
        number = int.from_bytes(signature, "big")
        if len(signature) != size or number >= modulus:
            return False
        wanted = head + hashlib.sha1(message, usedforsecurity=False).digest()
        return pow(number, exponent, modulus).to_bytes(size, "big") == wanted

    return is_valid


_SCHEMES: dict[int, Scheme] = {
    Algorithm.RSASHA256: Scheme(
        lambda: rsa.generate_private_key(_RSA_EXPONENT, _RSA_BITS),
        _rsa_field,
        _rsa_signer,
        _rsa_sha256_checker,
    ),
    Algorithm.ECDSAP256SHA256: _P256.scheme(),
    Algorithm.ECDSAP384SHA384: _P384.scheme(),
    Algorithm.ED25519: Scheme(
        ed25519.Ed25519PrivateKey.generate, _ed25519_field, _ed25519_signer, _ed25519_checker
    ),
    Algorithm.ED448: Scheme(ed448.Ed448PrivateKey.generate, _ed448_field, _ed448_signer, _ed448_checker),
    Algorithm.MLDSA44: Scheme(
        mldsa.MLDSA44PrivateKey.generate, _mldsa44_field, _mldsa44_signer, _mldsa44_checker
    ),
}

# By IANA's numbers; 7 is RSASHA1 for zones with NSEC3 (RFC 5155 §2).
_CHECKERS: dict[int, Callable[[bytes], Check]] = {
    5: _rsa_sha1_checker,
    7: _rsa_sha1_checker,
    10: partial(_rsa_checker, SHA512()),
    **{algorithm: each.checker for algorithm, each in _SCHEMES.items()},
}
