"""Which passphrase and salt the existing keys are encrypted with, before more are written.

A key that was encrypted with a mistyped passphrase cannot be opened later, and stops every push. So a
passphrase must open the private keys that are there already.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from dnsctl.errors import PassphraseError
from dnsctl.files import durable
from dnsctl.files.secrecy import read_key
from dnsctl.model import pkcs8
from dnsctl.model.repo import AUTHORITY, CONTROL, PASSPHRASE, KeyFiles

_OCTETS = 32  # random
_TRIED = 6  # keys; each with a salt of its own costs a tenth of a second


def locked(keys: Path) -> Iterator[Path]:
    """Yield the private keys below `keys` that a passphrase opens; those of nodes stand without one."""
    files = KeyFiles(keys)
    fixed = (files.release_private, files.pki.key(AUTHORITY), files.pki.key(CONTROL))
    yield from (path for path in fixed if path.exists())
    yield from sorted(keys.glob("*/K*.private.pem"))
    yield from sorted(files.sig0.glob("*/K*.private.pem"))


def keystore_salt(keys: Path) -> bytes:
    """Return the salt that the private keys below `keys` share, or one for the first of them."""
    for path in locked(keys):
        with contextlib.suppress(OSError):
            if salt := pkcs8.salt_of(read_key(path)):
                return salt
    return pkcs8.fresh_salt()


def check_passphrase(keys: Path, passphrase: bytes) -> None:
    """Raise PassphraseError where `passphrase` opens none of the private keys that are there.

    Where there are none, any will do. One that opens is enough: another may be damaged, or of another host.
    """
    shut: Path | None = None
    for path in islice(locked(keys), _TRIED):
        opens = _opens(path, passphrase)
        if opens:
            return
        if opens is False:
            shut = shut or path
    if shut is not None:
        raise PassphraseError(
            "the passphrase does not open this key, so nothing is written under it",
            where=str(shut),
            advice=f"check the `keystore` setting, {PASSPHRASE}, or the variable it names",
        )


def _opens(path: Path, passphrase: bytes) -> bool | None:
    """Return whether the key opens; None where that cannot be told: unreadable, damaged, not encrypted."""
    try:
        pkcs8.opened(read_key(path), passphrase)
    except ValueError as error:
        return False if "password" in str(error).lower() else None
    except (OSError, TypeError):
        return None
    return True


def ensure_passphrase(path: Path, keys: Path, shown: str = "") -> bool:
    """Write a random passphrase to `path`, mode 0600; False where there is one. `shown` names it in messages.

    Raises PassphraseError where it cannot be written, and where something in `keys` needs one that is gone.
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
        return durable.create(path, f"{secrets.token_urlsafe(_OCTETS)}\n".encode(), 0o600)
    except OSError as error:
        raise PassphraseError(
            f"cannot be made: {error.strerror}", where=where, advice="choose a place that can be written"
        ) from None
