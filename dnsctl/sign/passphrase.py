"""Whether a passphrase is the one that what is there is encrypted with; before more is written under it.

A key that is written under a mistyped passphrase opens nothing later, and stops every push. So the private
keys that are there already tell the right one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dnsctl.errors import PassphraseError

_FIXED = ("release.pem", "pki/ca.pem", "pki/control.pem")
_TRIED = 6  # keys; each costs some milliseconds
_MAX_KEY_FILE = 64 * 1024  # octets


def locked(keys: Path) -> Iterator[Path]:
    """Yield the private keys below `keys` that a passphrase opens; those of nodes stand without one."""
    yield from (path for path in (keys / each for each in _FIXED) if path.exists())
    yield from sorted(keys.glob("*/K*.private.pem"))


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
            advice="check the `keystore` setting, keys/passphrase, or the variable it names",
        )


def _opens(path: Path, passphrase: bytes) -> bool | None:
    """Return whether the key opens; None where that cannot be told: unreadable, damaged, not encrypted."""
    try:
        with path.open("rb") as file:
            pem = file.read(_MAX_KEY_FILE)
        load_pem_private_key(pem, passphrase)
    except ValueError as error:
        return False if "password" in str(error).lower() else None
    except (OSError, TypeError):
        return None
    return True
