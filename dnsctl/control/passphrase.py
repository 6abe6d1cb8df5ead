"""Make a random passphrase for a keystore without one; never a second one while the first encrypts keys."""

from __future__ import annotations

import secrets
from pathlib import Path

from dnsctl.errors import PassphraseError
from dnsctl.files import durable
from dnsctl.sign.passphrase import locked

OCTETS = 32  # random


def ensure_passphrase(path: Path, keys: Path, shown: str = "") -> bool:
    """Write a random passphrase to `path`, mode 0600; False where there is one. `shown` names it in messages.

    Raises PassphraseError where it cannot be written, and where a file in `keys` needs one that is missing.
    """
    where = shown or str(path)
    if path.exists():
        return False
    if shut := next(locked(keys), None):
        raise PassphraseError(
            f"is missing, and {shut.relative_to(keys.parent)} is encrypted with it",
            where=where,
            advice="restore the passphrase from its backup; a new one opens nothing",
        )
    try:
        durable.make_directory(path.parent, 0o700)
        return durable.create(path, f"{secrets.token_urlsafe(OCTETS)}\n".encode(), 0o600)
    except OSError as error:
        raise PassphraseError(
            f"cannot be made: {error.strerror}", where=where, advice="choose a place that can be written"
        ) from None
