"""Signatures by SSH keys, judged by a list as of ssh-keygen(1), "ALLOWED SIGNERS".

valid-after and valid-before of the list are compared with now: the date in a commit is written by its maker.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from pathlib import Path

from dnsctl.load.signatures.program import run
from dnsctl.load.signatures.signed import Signed
from dnsctl.load.signatures.signer import Fault, Signer

_NAMESPACE = "git"  # of signatures that git makes
_KEY = re.compile(r"with \S+ key (SHA256:[A-Za-z0-9+/]+)")


def judge_ssh(signed: Signed, listed: bytes, home: Path) -> Signer | Fault:
    """Return the signer, if on the list `listed`; `home`: an empty directory. Raises RevisionError."""
    signers, signature = home / "signers", home / "signature"
    signers.write_bytes(listed)
    signature.write_bytes(signed.signature)
    key = _made_by(home, signature, signed.payload)
    if key is None:
        return Fault("has a wrong signature")
    found = run(home, ("ssh-keygen", "-Y", "find-principals", "-s", signature, "-f", signers))
    names = [
        each
        for each in filter(None, found.lines)
        if found.good and _is_of(home, each, signers, signature, signed.payload)
    ]
    if names:
        return Signer(names[0], frozenset((*names, key)))
    if key in _fingerprints(listed):
        return Fault(f"is signed by {key}, whom the list does not allow that now")
    return Fault(f"is signed by {key}, which is not on the list")


def _made_by(home: Path, signature: Path, payload: bytes) -> str | None:
    """Return the fingerprint of the key that made a signature of git's; None where none did."""
    command = ("ssh-keygen", "-Y", "check-novalidate", "-n", _NAMESPACE, "-s", signature)
    done = run(home, command, payload)
    found = _KEY.search("\n".join(done.lines))
    return found.group(1) if done.good and found is not None else None


def _is_of(home: Path, principal: str, signers: Path, signature: Path, payload: bytes) -> bool:
    """True where the list lets `principal` sign for git, and now."""
    options = ("-n", _NAMESPACE, "-f", signers, "-I", principal, "-s", signature)
    return run(home, ("ssh-keygen", "-Y", "verify", *options), payload).good


def _fingerprints(listed: bytes) -> frozenset[str]:
    found = set()
    for word in listed.split():
        if word.startswith(b"AAAA"):
            try:
                digest = hashlib.sha256(base64.b64decode(word, validate=True)).digest()
            except binascii.Error:
                continue
            found.add("SHA256:" + base64.b64encode(digest).decode().rstrip("="))
    return frozenset(found)
