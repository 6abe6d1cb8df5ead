"""The public half of a release key, in every form that people have it in. Pure: octets in, octets out.

Base64 on one line, of the 32 octets as `dnsctl init` writes it, or of what PEM wraps; PEM, as
`openssl pkey -pubout` writes it; or the line of OpenSSH. Lines that begin with `#` are comments. It is the
one reader of nodes and control host: `load.settings.fleet` reads the files with it.
"""

from __future__ import annotations

import binascii
import codecs

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    load_der_public_key,
    load_pem_public_key,
    load_ssh_public_key,
)

from dnsctl.errors import KeystoreError

PUBLIC_LENGTH = 32  # octets, RFC 8032 §5.1.5
_ADVICE = "copy the public half there: base64 of 32 octets as `dnsctl init` writes it, PEM, or OpenSSH's line"


def public_release_key(data: bytes, where: str) -> bytes:
    """Return the 32 octets of the Ed25519 key in a file's `data`. Raises KeystoreError naming `where`."""
    lines = [line.strip() for line in data.removeprefix(codecs.BOM_UTF8).splitlines()]
    text = b"\n".join(line for line in lines if line and not line.startswith(b"#"))
    if b"PRIVATE KEY-----" in text:
        raise KeystoreError("is a private key, no public release key", where=where, advice=_ADVICE)
    try:
        if text.startswith((b"ssh-", b"ecdsa-", b"sk-")):
            key: object = load_ssh_public_key(text)
        elif b"-----BEGIN" in text:
            key = load_pem_public_key(text)
        else:
            octets = binascii.a2b_base64(text, strict_mode=True)
            bare = len(octets) == PUBLIC_LENGTH
            key = Ed25519PublicKey.from_public_bytes(octets) if bare else load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        raise KeystoreError(
            "is not a public key, so not a release key", where=where, advice=_ADVICE
        ) from None
    if not isinstance(key, Ed25519PublicKey):
        raise KeystoreError(
            "is not an Ed25519 key", where=where, advice="releases are signed with Ed25519 only"
        )
    return key.public_bytes_raw()
