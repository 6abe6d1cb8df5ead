"""Octets under a passphrase in one file: scrypt (RFC 7914), then ChaCha20-Poly1305 (RFC 8439) in chunks.

    16  `dnsctl backup 1` and a line feed: the version of the format, which fixes the costs of scrypt
    16  salt
    16  check: the last 16 octets that scrypt gives; they tell a wrong passphrase from damage
     8  the first octets of the SHA-256 of all before: they tell damage of the head
    then chunks of 65,536 octets, each followed by a tag of 16; only the last one is shorter, or may be

The key is the first 32 octets that scrypt gives: of each file another, since its salt is. The nonce of a
chunk is its number, from 0, in 11 octets, and one that is 1 in the last chunk and else 0 (STREAM, Hoang et
al. 2015, as in age). So no chunk can be changed, moved, left out or appended unnoticed. The head is the
additional data of each chunk. Nothing is compressed: what comes out is never more than what went in.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from dnsctl.errors import BackupError, PassphraseError

# 128 MiB and a third of a second: the first of OWASP's choices. A backup lies where we do not know who reads
# it; keys in keys/ cost less (`model.pkcs8`), because OpenSSL is to read them.
SCRYPT_COST: Final = 2**17
SCRYPT_BLOCK: Final = 8
SCRYPT_PASSES: Final = 1
CHUNK: Final = 65536
_MAGIC = b"dnsctl backup 1\n"
_FAMILY = b"dnsctl backup "
_SALT = 16
_CHECK = 16
_DIGEST = 8
_TAG = 16
_KEY = 32
HEAD: Final = len(_MAGIC) + _SALT + _CHECK + _DIGEST


class Sealer:
    """Writes to `file` under a passphrase. What was not closed is not a backup."""

    def __init__(self, file: BinaryIO, passphrase: bytes) -> None:
        salt = secrets.token_bytes(_SALT)
        key, check = _derived(passphrase, salt)
        start = _MAGIC + salt + check
        self._file = file
        self._head = start + hashlib.sha256(start).digest()[:_DIGEST]
        self._cipher = ChaCha20Poly1305(key)
        self._count = 0
        self._pending = bytearray()
        file.write(self._head)

    def write(self, data: bytes) -> None:
        """Add octets."""
        self._pending += data
        while len(self._pending) > CHUNK:
            self._chunk(bytes(self._pending[:CHUNK]), last=False)
            del self._pending[:CHUNK]

    def close(self) -> None:
        """Write what is left, as the last chunk."""
        self._chunk(bytes(self._pending), last=True)
        self._pending.clear()

    def _chunk(self, plain: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._count, last=last), plain, self._head))
        self._count += 1


def refuse_other(head: bytes, where: str) -> None:
    """Raise BackupError where a file that begins with `head`, its first `HEAD` octets, is not a backup."""
    if not head.startswith(_MAGIC):
        if head.startswith(_FAMILY) or (head and _FAMILY.startswith(head)):
            whole = len(head) >= len(_MAGIC)
            what = "is a backup of a version that this dnsctl does not read" if whole else "is cut off"
            raise BackupError(what, where=where, advice="use a newer dnsctl" if whole else _ANOTHER)
        raise BackupError("is not a backup of dnsctl", where=where, advice="name a file of `dnsctl backup`")
    if len(head) < HEAD:
        raise BackupError("is cut off", where=where, advice=_ANOTHER)
    if hashlib.sha256(head[:-_DIGEST]).digest()[:_DIGEST] != head[-_DIGEST:]:
        raise BackupError("is damaged: its head is not what was written", where=where, advice=_ANOTHER)


def unsealed(file: BinaryIO, passphrase: bytes, where: str) -> Iterator[bytes]:
    """Yield the octets of `file` in pieces, each one as it was written.

    Only after the last piece is it known that none is missing. Raises BackupError naming `where` for what is
    not a backup, damaged or cut off; PassphraseError for a wrong passphrase.
    """
    head = file.read(HEAD)
    cipher = ChaCha20Poly1305(_opening(head, passphrase, where))
    count, chunk = 0, file.read(CHUNK + _TAG)
    while True:
        following = file.read(CHUNK + _TAG)
        last = not following
        try:
            yield cipher.decrypt(_nonce(count, last=last), chunk, head)
        except InvalidTag:
            raise _broken(cipher, count, chunk, head, where, last=last) from None
        if last:
            return
        count, chunk = count + 1, following


def _opening(head: bytes, passphrase: bytes, where: str) -> bytes:
    """Return the key that `passphrase` gives. Raises BackupError, PassphraseError."""
    refuse_other(head, where)
    start = head[:-_DIGEST]
    key, check = _derived(passphrase, start[len(_MAGIC) : len(_MAGIC) + _SALT])
    if not secrets.compare_digest(check, start[-_CHECK:]):
        raise PassphraseError(
            "the passphrase does not open this backup",
            where=where,
            advice="use the one that it was made under: --passphrase env:NAME, file:PATH or prompt",
        )
    return key


_ANOTHER = "take another copy, or an earlier backup"


def _broken(
    cipher: ChaCha20Poly1305, count: int, chunk: bytes, head: bytes, where: str, *, last: bool
) -> BackupError:
    """Say what is wrong with a chunk that does not open."""
    cut = last and len(chunk) < _TAG
    if last and not cut:
        try:
            cipher.decrypt(_nonce(count, last=False), chunk, head)
            cut = True
        except InvalidTag:
            pass
    at = HEAD + count * (CHUNK + _TAG)
    what = f"is cut off after {at + len(chunk)} octets" if cut else f"is damaged or cut off after octet {at}"
    return BackupError(what, where=where, advice=_ANOTHER)


def _nonce(count: int, *, last: bool) -> bytes:
    return count.to_bytes(11, "big") + bytes((last,))


def _derived(passphrase: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Return key and check."""
    if not passphrase:
        raise PassphraseError(
            "the passphrase of a backup is empty", advice="set one, at best 32 random octets"
        )
    octets = hashlib.scrypt(
        passphrase,
        salt=salt,
        n=SCRYPT_COST,
        r=SCRYPT_BLOCK,
        p=SCRYPT_PASSES,
        maxmem=2 * 128 * SCRYPT_COST * SCRYPT_BLOCK,
        dklen=_KEY + _CHECK,
    )
    return octets[:_KEY], octets[_KEY:]
