"""Signatures by OpenPGP keys, judged by a file of public keys: each key in it is of one who may sign.

gpg gets a keyring of its own, with these keys alone. Keys that have expired or are revoked by now sign
nothing, whenever the signature says that it was made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from dnsctl.load.signatures.program import Done, run
from dnsctl.load.signatures.signed import Signed
from dnsctl.load.signatures.signer import Fault, Signer

_STATUS = "[GNUPG:] "
_MAILBOX = re.compile(r"<([^<>]+)>\s*$")
_BINARY = "00"  # class of a signature over octets as they are (RFC 9580 §5.2.1.1)
_FAULTS = {  # by the word of gpg's doc/DETAILS: who is named after it
    "BADSIG": "has a wrong signature",
    "EXPSIG": "has a signature that has expired",
    "EXPKEYSIG": "is signed by a key that has expired",
    "REVKEYSIG": "is signed by a key that is revoked",
    "ERRSIG": "is signed by the key {key}, which is not on the list",
}


def judge_openpgp(signed: Signed, keys: bytes, home: Path) -> Signer | Fault:
    """Return the signer, if the key is in `keys`; `home`: an empty directory. Raises RevisionError."""
    _gpg(home, "--import", told=keys)
    owners = _owners(_gpg(home, "--with-colons", "--list-keys").lines)
    if not owners:
        return Fault("is signed with OpenPGP, and the list has no OpenPGP key")
    signature = home / "signature"
    signature.write_bytes(signed.signature)
    done = _gpg(home, "--status-fd", "1", "--verify", str(signature), "-", told=signed.payload)
    said = [each.removeprefix(_STATUS).split(" ") for each in done.lines if each.startswith(_STATUS)]
    verdicts = [each for each in said if each[0] == "GOODSIG" or each[0] in _FAULTS]
    valid = [each for each in said if each[0] == "VALIDSIG"]
    if len(verdicts) != 1 or (verdicts[0][0] == "GOODSIG" and (not done.good or len(valid) != 1)):
        return Fault("has a wrong signature")
    [(word, *about)] = verdicts
    if word != "GOODSIG":
        who = f", {unquote(' '.join(about[1:]))} ({about[0]})" if "EXPKEY" in word or "REVKEY" in word else ""
        return Fault(_FAULTS[word].format(key=about[0]) + who)
    primary = valid[0][-1]
    if valid[0][9] != _BINARY or primary not in owners:
        return Fault("has a wrong signature")
    return owners[primary]


def _gpg(home: Path, *arguments: str, told: bytes = b"") -> Done:
    options = ("--no-options", "--batch", "--no-tty", "--no-autostart", "--no-auto-key-retrieve")
    trust = ("--trust-model", "always", "--quiet")
    return run(home, ("gpg", "--homedir", home, *options, *trust, *arguments), told)


def _owners(colons: Iterable[str]) -> dict[str, Signer]:
    """Return the owner of each primary key, by its fingerprint, from gpg's list with colons."""
    owners: dict[str, Signer] = {}
    primary, expected = "", False
    for each in (line.split(":") for line in colons):
        if each[0] in ("pub", "sub"):
            expected = each[0] == "pub"
        elif each[0] == "fpr" and expected:
            primary, expected = each[9], False
            owners[primary] = Signer(primary, frozenset((primary,)))
        elif each[0] == "uid":
            name, before = _mailbox(each[9]), owners[primary]
            first = name if before.name == primary else before.name
            owners[primary] = Signer(first, before.identities | {name})
    return owners


def _mailbox(user: str) -> str:
    """Return the address in a user id, or all of it: gpg writes control characters and colons as `\\x3a`."""
    text = re.sub(r"\\x([0-9a-f]{2})", lambda each: chr(int(each.group(1), 16)), user)
    found = _MAILBOX.search(text)
    return found.group(1) if found is not None else text
