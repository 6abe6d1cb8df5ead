"""Read the secret that a reference in dnsctl.yaml names; the secret itself never stands there.

`env:NAME`, `file:PATH` (relative to the operations repo), `credential:NAME` (systemd,
`$CREDENTIALS_DIRECTORY`) or `prompt`. The value is returned as octets without its final newline, and never
logged or kept.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from dnsctl.errors import PassphraseError
from dnsctl.files import secrecy

MAX_SECRET = 4096  # octets: a passphrase, not a file somebody named by mistake
_SETTING = "keystore.passphrase"
_MISSING = "in a clone, copy keys/ from the control host; in a new repo, run `dnsctl init`; or "
_FORMS = "write env:NAME, file:PATH, credential:NAME or prompt"
_REFERENCE = re.compile(r"prompt|env:[A-Za-z_][A-Za-z0-9_]*|file:.+|credential:[A-Za-z0-9_.@-]+")


class SharedSecretError(PassphraseError):
    """The file with the secret can be read by others than its owner."""


def check_reference(reference: str) -> str:
    """Return `reference` unchanged. Raises ValueError where it is none of the accepted forms."""
    if not _REFERENCE.fullmatch(reference):
        raise ValueError(f"is not a reference to a secret: {_FORMS}")
    return reference


def resolve(reference: str, root: Path, *, group: bool = False, given: str = _SETTING) -> bytes:
    """Return the secret that `reference` names. `group`: of a file, its group may read it too.

    `given`: the setting or the option that the reference was given by, for messages.

    Raises PassphraseError, which never holds the secret.
    """
    try:
        check_reference(reference)
    except ValueError:
        raise PassphraseError("the passphrase's reference is malformed", advice=_FORMS) from None
    kind, _, rest = reference.partition(":")
    if kind == "env":
        value = os.environb.get(os.fsencode(rest))
        if value is None:
            raise PassphraseError(
                f"environment variable {rest} is not set", advice="set it, or use file:PATH"
            )
    elif kind == "file":
        value = _read(root / rest, rest, lambda status: secrecy.fault(status, group=group), given)
    elif kind == "credential":
        value = _credential(rest, given)
    else:
        value = _ask(given)
    value = value.removesuffix(b"\n").removesuffix(b"\r")
    if not value:
        raise PassphraseError(f"the passphrase from {reference} is empty", advice="put one there")
    return value


def _credential(name: str, given: str) -> bytes:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise PassphraseError(
            f"no systemd credential {name}: CREDENTIALS_DIRECTORY is not set",
            advice=f"add LoadCredential={name}:PATH to the unit, or use file:PATH",
        )
    if name in (".", ".."):
        raise PassphraseError(f"{name} is not a credential's name", advice=_FORMS)
    return _read(
        Path(directory) / name, f"credential {name}", lambda status: "", given
    )  # systemd's own modes


def _read(path: Path, shown: str, fault: Callable[[os.stat_result], str], given: str) -> bytes:
    try:
        if not path.is_file():
            raise PassphraseError(
                "no such file with the passphrase",
                where=shown,
                advice=f"{_MISSING if given == _SETTING else ''}correct {given}",
            )
        with path.open("rb") as file:
            shared = fault(os.fstat(file.fileno()))
            value = file.read(MAX_SECRET + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no path"
        raise PassphraseError(
            f"the passphrase cannot be read: {reason}", where=shown, advice="check owner and mode (0600)"
        ) from None
    if shared:
        raise SharedSecretError(shared, where=shown, advice=f"chmod 600 {shown}")
    if len(value) > MAX_SECRET:
        raise PassphraseError(
            f"over {MAX_SECRET} octets", where=shown, advice="name the file that holds only the passphrase"
        )
    return value


def _ask(given: str) -> bytes:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise PassphraseError(
            "no terminal to ask for the passphrase",
            advice=f"use env:, file: or credential: in {given}",
        )
    try:
        whose = "Passphrase of the keystore" if given == _SETTING else f"Passphrase of {given}"
        return getpass.getpass(f"{whose}: ", stream=sys.stderr).encode()
    except EOFError:
        raise PassphraseError("no passphrase was given", advice="type it, or use file:PATH") from None
