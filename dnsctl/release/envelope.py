"""Release keys, and what they sign: a payload, its purpose, and Ed25519 signatures, sealed as one file.

Format 1, canonical JSON: `{"format": 1, "payload": base64, "purpose": text, "signatures": [{"key": id,
"signature": base64}, ...]}` in order of key ids. Signed is `dnsctl-envelope-1 NUL purpose NUL payload`, so
that a signature made for an activation never passes for a manifest. A key's id is the first 16 hex digits
of the SHA-256 of its raw public half; ids only help to find the key, signatures decide.

The sealed bytes are what travels and what is archived. Knows nothing of what is inside.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypedDict

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from dnsctl.errors import KeystoreError, PassphraseError, RefusalRule, ReleaseError
from dnsctl.files import durable, secrecy
from dnsctl.model import pkcs8
from dnsctl.model.release_key import public_release_key
from dnsctl.model.repo import KEYS_README, KeyFiles
from dnsctl.release import canonical
from dnsctl.sign.passphrase import keystore_salt

Purpose = Literal["manifest", "activation"]

FORMAT = 1
SIGNATURE_LENGTH = 64  # octets, RFC 8032 §5.1.6
MAX_SIGNATURES = 64  # in one envelope
MAX_ENVELOPE = 64 * 2**20  # octets: a first release of 100,000 zones fits
_CONTEXT = b"dnsctl-envelope-1\0"


@dataclass(frozen=True)
class ReleaseKey:
    """One release key with its private half, decrypted. Only the control host has it."""

    public: bytes
    private: Ed25519PrivateKey = field(repr=False)

    @property
    def id(self) -> str:
        return key_id(self.public)


def key_id(public: bytes) -> str:
    """Return the id of a raw public key: 16 hex digits."""
    return hashlib.sha256(public).hexdigest()[:16]


def seal(payload: bytes, keys: Iterable[ReleaseKey], purpose: Purpose) -> bytes:
    """Return `payload` signed by each of `keys` for `purpose`; the same input gives the same bytes."""
    signed = _signed_bytes(payload, purpose)
    signatures = {key.id: key.private.sign(signed) for key in keys}
    if not signatures:
        raise ReleaseError("no release key to sign with", advice="name one in dnsctl.yaml, release: keys")
    sealed = canonical.encode(
        {
            "format": FORMAT,
            "payload": base64.b64encode(payload).decode(),
            "purpose": purpose,
            "signatures": [
                {"key": each, "signature": base64.b64encode(signatures[each]).decode()}
                for each in sorted(signatures)
            ],
        }
    )
    if len(sealed) > MAX_ENVELOPE:
        raise ReleaseError(f"sealed {purpose} of {len(sealed)} octets, at most {MAX_ENVELOPE} are accepted")
    return sealed


def open_envelope(data: bytes, public_keys: Iterable[bytes], threshold: int, purpose: Purpose) -> bytes:
    """Return the payload once `threshold` distinct keys of `public_keys` have signed it for `purpose`.

    Signatures of unknown keys are passed over; several by one key count once; one that is wrong does not
    count. Nothing of the payload is looked at before. Raises ReleaseError.
    """
    trusted = {key_id(public): public for public in public_keys}
    if not 1 <= threshold <= len(trusted):
        raise ReleaseError(
            f"{threshold} signatures are asked for of {len(trusted)} distinct release keys",
            advice="correct release: threshold and keys in dnsctl.yaml",
        )
    payload, signatures = _parse(data, purpose)
    signed = _signed_bytes(payload, purpose)
    good = {
        key for key, signature in signatures if key in trusted and _verifies(trusted[key], signature, signed)
    }
    if len(good) < threshold:
        known = sorted({key for key, _ in signatures if key in trusted})
        raise ReleaseError(
            f"{purpose} is signed by {len(good)} of the {threshold} release keys needed"
            f" (signatures by known keys: {', '.join(known) or 'none'})",
            advice="compare the release keys of this host with those of the control host",
            rule=RefusalRule.UNSEALED,
        )
    return payload


def unverified_payload(data: bytes, purpose: Purpose) -> bytes:
    """Return what is inside without checking any signature: for files that were checked when stored.

    Raises ReleaseError where it is not an envelope for `purpose`.
    """
    return _parse(data, purpose)[0]


class _EnvelopeFields(TypedDict):
    format: int
    payload: str
    purpose: str
    signatures: list[object]


class _SignatureFields(TypedDict):
    key: str
    signature: str


def _parse(data: bytes, purpose: Purpose) -> tuple[bytes, list[tuple[str, bytes]]]:
    what = f"sealed {purpose}"
    value = canonical.fields(
        canonical.decode(data, MAX_ENVELOPE, what),
        what,
        _EnvelopeFields,
    )
    if value["format"] != FORMAT:
        raise ReleaseError(f"{what} is of format {value['format']}, this dnsctl reads {FORMAT}")
    if value["purpose"] != purpose:
        raise ReleaseError(
            f"an envelope for {value['purpose'][:20]!r} where one for {purpose!r} belongs",
            rule=RefusalRule.OTHER_PURPOSE,
        )
    if len(value["signatures"]) > MAX_SIGNATURES:
        raise ReleaseError(f"{what} has {len(value['signatures'])} signatures, at most {MAX_SIGNATURES}")
    signatures = []
    for each in value["signatures"]:
        one = canonical.fields(each, f"{what}: signature", _SignatureFields)
        signatures.append((one["key"], _from_base64(one["signature"], what)))
    return _from_base64(value["payload"], what), signatures


def _from_base64(text: str, what: str) -> bytes:
    try:
        octets = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (ValueError, UnicodeEncodeError):
        raise ReleaseError(f"{what} holds malformed base64") from None
    if base64.b64encode(octets).decode() != text:  # unused bits set
        raise ReleaseError(f"{what} holds base64 that is not canonical")
    return octets


def _signed_bytes(payload: bytes, purpose: Purpose) -> bytes:
    return _CONTEXT + purpose.encode() + b"\0" + payload


def _verifies(public: bytes, signature: bytes, signed: bytes) -> bool:
    if len(signature) != SIGNATURE_LENGTH:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def ensure_release_key(keys_dir: Path, passphrase: bytes) -> bool:
    """Make `release.pem` (encrypted PKCS#8, mode 0600) and `release.pub` where there is none yet.

    True where one was made. A private half without its public half, as a crash can leave it, gets the
    public one again. Raises KeystoreError where only the public half is there: another host holds the
    private one, and a new pair would lock the fleet out. Raises PassphraseError for an empty passphrase.
    """
    files = KeyFiles(keys_dir)
    pem, pub = files.release_private, files.release_public
    if pem.exists():
        if not pub.exists():
            durable.write(pub, _public_text(load_release_key(pem, passphrase).public))
        return False
    if pub.exists():
        raise KeystoreError(
            "the public half is there, the private half release.pem is not",
            where=str(pub),
            advice="copy release.pem from the control host that has it",
        )
    if not passphrase:
        raise PassphraseError("an empty passphrase", where=str(pem), advice=f"see {KEYS_README}")
    private = Ed25519PrivateKey.generate()
    encrypted = pkcs8.encrypted(private, passphrase, keystore_salt(keys_dir))
    durable.make_directory(keys_dir, 0o700)
    if not durable.create(pem, encrypted, 0o600):
        return False
    durable.write(pub, _public_text(private.public_key().public_bytes_raw()))
    return True


def load_release_key(path: Path, passphrase: bytes) -> ReleaseKey:
    """Decrypt the private half at `path`. Raises PassphraseError, or KeystoreError with what is wrong.

    A `.pub` beside it must be its public half.
    """
    octets, shared = _read_key_file(path)
    if b"-----BEGIN ENCRYPTED PRIVATE KEY-----" not in octets:
        raise KeystoreError(
            "no encrypted PKCS#8 private key", where=str(path), advice="`dnsctl init` makes release keys"
        )
    if shared:
        raise KeystoreError(shared, where=str(path), advice=f"chmod 600 {path}")
    try:
        private = pkcs8.opened(octets, passphrase)
    except (ValueError, TypeError):
        raise PassphraseError(
            "the passphrase does not open this key",
            where=str(path),
            advice="check keystore: passphrase in dnsctl.yaml and what it refers to",
        ) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise KeystoreError("a private key that is not Ed25519", where=str(path))
    public = private.public_key().public_bytes_raw()
    beside = path.with_suffix(".pub")
    if beside.exists() and public_release_key(_read_key_file(beside)[0], str(beside)) != public:
        raise KeystoreError("is not the private half of the key beside it", where=str(path))
    return ReleaseKey(public, private)


def _public_text(public: bytes) -> bytes:
    lines = (
        f"# dnsctl release key {key_id(public)}, public half (Ed25519, base64).",
        "# Nodes accept releases signed by it. Not a secret; it may be committed.",
        base64.b64encode(public).decode(),
    )
    return ("\n".join(lines) + "\n").encode()


def _read_key_file(path: Path) -> tuple[bytes, str]:
    """Return the octets, and what is wrong with the file's mode where it holds a secret."""
    try:
        with path.open("rb") as file:
            return file.read(secrecy.MAX_KEY_FILE), secrecy.fault(os.fstat(file.fileno()))
    except OSError as error:
        raise KeystoreError(
            f"cannot be read: {error.strerror}", where=str(path), advice="`dnsctl init` makes release keys"
        ) from None
