"""Private keys at rest: PKCS#8 (RFC 5958), encrypted by a passphrase through scrypt (RFC 7914 §7).

PBES2 (RFC 8018) with scrypt and AES-256-CBC: what OpenSSL reads with the passphrase alone (`openssl pkey`).
All files of one keystore share a salt, so that a process derives once and opens hundreds of keys; each has an
initialization vector of its own. Earlier files (PBKDF2) are read, too. Pure: octets in, octets out.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import re
import secrets
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

# 16 MiB and five passes: what OWASP asks for within the 32 MiB that OpenSSL allows a file (SCRYPT_MAX_MEM)
SCRYPT_COST: Final = 2**14
SCRYPT_BLOCK: Final = 8
SCRYPT_PASSES: Final = 5
SALT_LENGTH: Final = 16  # octets
_IV_LENGTH: Final = 16  # octets, of AES
_KEY_LENGTH: Final = 32  # octets, of AES-256
_SEQUENCE, _INTEGER, _OCTETS, _OBJECT = 0x30, 0x02, 0x04, 0x06  # tags, X.690 §8
_PBES2 = bytes.fromhex("2a864886f70d01050d")  # 1.2.840.113549.1.5.13
_SCRYPT = bytes.fromhex("2b06010401da47040b")  # 1.3.6.1.4.1.11591.4.11
_AES_256_CBC = bytes.fromhex("60864801650304012a")  # 2.16.840.1.101.3.4.1.42
_PEM = re.compile(
    rb"-----BEGIN ENCRYPTED PRIVATE KEY-----\s+([A-Za-z0-9+/=\s]+)-----END ENCRYPTED PRIVATE KEY-----"
)


def fresh_salt() -> bytes:
    """Return a salt for a keystore that has none yet."""
    return secrets.token_bytes(SALT_LENGTH)


def encrypted(private: PrivateKeyTypes, passphrase: bytes, salt: bytes) -> bytes:
    """Return the PEM of `private` under a passphrase, which must not be empty, and the keystore's salt."""
    plain = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    iv = secrets.token_bytes(_IV_LENGTH)
    padder = PKCS7(8 * _IV_LENGTH).padder()
    encryptor = Cipher(algorithms.AES(_derived(passphrase, salt)), modes.CBC(iv)).encryptor()
    hidden = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    text = base64.b64encode(_tlv(_SEQUENCE, _algorithm(salt, iv) + _tlv(_OCTETS, hidden)))
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return b"\n".join(
        (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", *lines, b"-----END ENCRYPTED PRIVATE KEY-----", b"")
    )


def opened(pem: bytes, passphrase: bytes) -> PrivateKeyTypes:
    """Return the key in `pem`, of whichever encryption.

    Raises ValueError for damage, with `password` in its text where the passphrase is wrong, and TypeError
    for a key that is not encrypted.
    """
    parts = _parts(pem)
    if parts is None:
        try:
            return load_pem_private_key(pem, passphrase)
        except UnsupportedAlgorithm as error:
            raise ValueError(str(error)) from None
    salt, iv, hidden = parts
    decryptor = Cipher(algorithms.AES(_derived(passphrase, salt)), modes.CBC(iv)).decryptor()
    unpadder = PKCS7(8 * _IV_LENGTH).unpadder()
    try:
        plain = unpadder.update(decryptor.update(hidden) + decryptor.finalize()) + unpadder.finalize()
    except ValueError:
        raise ValueError("the password does not fit") from None
    if not plain.startswith(bytes((_SEQUENCE,))):
        raise ValueError("the password does not fit")
    try:
        return load_der_private_key(plain, None)
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None


def salt_of(pem: bytes) -> bytes | None:
    """Return the salt of a file that is encrypted as `encrypted` does; None for any other."""
    parts = _parts(pem)
    return parts[0] if parts is not None else None


@functools.lru_cache(maxsize=16)
def _derived(passphrase: bytes, salt: bytes) -> bytes:
    return hashlib.scrypt(
        passphrase,
        salt=salt,
        n=SCRYPT_COST,
        r=SCRYPT_BLOCK,
        p=SCRYPT_PASSES,
        maxmem=64 * 2**20,
        dklen=_KEY_LENGTH,
    )


def _algorithm(salt: bytes, iv: bytes) -> bytes:
    """Return the AlgorithmIdentifier (RFC 8018 §A.4, RFC 7914 §7.1)."""
    numbers = (SCRYPT_COST, SCRYPT_BLOCK, SCRYPT_PASSES)
    costs = b"".join(_tlv(_INTEGER, each.to_bytes(each.bit_length() // 8 + 1, "big")) for each in numbers)
    derivation = _tlv(_SEQUENCE, _tlv(_OBJECT, _SCRYPT) + _tlv(_SEQUENCE, _tlv(_OCTETS, salt) + costs))
    cipher = _tlv(_SEQUENCE, _tlv(_OBJECT, _AES_256_CBC) + _tlv(_OCTETS, iv))
    return _tlv(_SEQUENCE, _tlv(_OBJECT, _PBES2) + _tlv(_SEQUENCE, derivation + cipher))


def _parts(pem: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return salt, initialization vector and ciphertext; None where it is not exactly our form."""
    match = _PEM.search(pem)
    if match is None:
        return None
    try:
        der = binascii.a2b_base64(match[1])
    except binascii.Error:
        return None
    blank = _algorithm(bytes(SALT_LENGTH), bytes(_IV_LENGTH))
    salt_from = blank.index(_tlv(_OCTETS, bytes(SALT_LENGTH))) + 2
    start = 2 if len(der) > 1 and der[1] < 0x80 else 2 + (der[1] & 0x7F if len(der) > 1 else 0)
    algorithm = der[start : start + len(blank)]
    salt, iv = algorithm[salt_from : salt_from + SALT_LENGTH], algorithm[-_IV_LENGTH:]
    rest = der[start + len(blank) :]
    length_octets = 1 if len(rest) > 1 and rest[1] < 0x80 else 1 + (rest[1] & 0x7F if len(rest) > 1 else 0)
    hidden = rest[1 + length_octets :]
    whole = _tlv(_SEQUENCE, _algorithm(salt, iv) + _tlv(_OCTETS, hidden))
    if len(salt) != SALT_LENGTH or len(iv) != _IV_LENGTH or whole != der:
        return None
    return salt, iv, hidden


def _tlv(tag: int, value: bytes) -> bytes:
    """Return DER: tag, definite length, value."""
    size = len(value)
    if size < 0x80:
        return bytes((tag, size)) + value
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + value
