"""A signed object of git as what was signed, and the signature over it, taken apart as git does.

A commit has its signature in a header, a tag at its end (git's Documentation/gitformat-signature.txt).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from dnsctl.load.revision import git

SSH: Final = b"-----BEGIN SSH SIGNATURE-----"
OPENPGP: Final = b"-----BEGIN PGP SIGNATURE-----"
_SHA1 = 40  # digits of an object's id
_HEADER: Final = b"gpgsig"  # whatever the signature is made with


class Signed(NamedTuple):
    """What was signed. `signature`: empty where nobody did."""

    payload: bytes
    signature: bytes


def signed_commit(root: Path, commit: str) -> Signed:
    """Return the commit of this full id. Raises RevisionError."""
    return _commit_apart(git(root, "cat-file", "commit", commit), len(commit))


def signed_tag(root: Path, tag: str) -> Signed:
    """Return the tag object of this full id. Raises RevisionError."""
    content = git(root, "cat-file", "tag", tag)
    starts = [at for mark in (SSH, OPENPGP) if (at := content.rfind(b"\n" + mark)) >= 0]
    if not starts:
        return Signed(content, b"")
    start = max(starts) + 1
    return Signed(content[:start], content[start:])


def _commit_apart(content: bytes, digits: int) -> Signed:
    """Take the header with the signature out, and those for ids by another hash, as git does."""
    wanted = _HEADER if digits == _SHA1 else _HEADER + b"-sha256"
    head, blank, message = content.partition(b"\n\n")
    kept: list[bytes] = []
    signature: list[bytes] = []
    into: list[bytes] | None = kept
    for line in head.split(b"\n"):
        name, _, value = line.partition(b" ")
        if name:  # else the line continues the one before
            into = signature if name == wanted else None if name.startswith(_HEADER) else kept
        if into is not None:
            into.append(value if into is signature else line)
    return Signed(b"\n".join(kept) + blank + message, b"".join(each + b"\n" for each in signature))
