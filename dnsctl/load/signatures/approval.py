"""Approvals: signed tags by which somebody else vouches for a commit, so that it may be released.

A tag says which commit and which operations repo it is for, in a text that no other tag has by chance:

    object COMMIT
    type commit
    tag dnsctl-approval/…
    tagger …

    Approved for release by dnsctl

    Directory: DIRECTORY, from the root of the git repository; a dot for the root

All of it is signed, so that it does not matter what the tag is called, or who moved it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from dnsctl.errors import RevisionError
from dnsctl.load.revision import directory_of, git
from dnsctl.load.signatures.signed import signed_tag
from dnsctl.load.signatures.signer import Fault, Signer
from dnsctl.load.signatures.signers import SignerLists, judge_signature

TAGS: Final = "dnsctl-approval"  # tags of this name and below
_SUBJECT = "Approved for release by dnsctl"
_MOST = 64  # tags of one commit that are looked at
_TEXT = re.compile(
    r"object (?P<commit>[0-9a-f]+)\ntype commit\ntag \S+\ntagger [^\n]*\n\n"
    + re.escape(_SUBJECT)
    + r"\n\nDirectory: (?P<directory>[^\n]+)\n"
)


class Tag(NamedTuple):
    """A tag by which somebody approves a commit. `by`: who does, or why it counts for nothing."""

    name: str
    by: Signer | Fault


def approvals(root: Path, commit: str, lists: SignerLists) -> Iterator[Tag]:
    """Yield the tags on `commit`, a full id, that say they approve it. Raises RevisionError."""
    listing = git(
        root,
        "for-each-ref",
        f"--count={_MOST}",
        f"--points-at={commit}",
        "--format=%(objecttype) %(objectname) %(refname:lstrip=2)",
        f"refs/tags/{TAGS}/",
    )
    for line in filter(None, listing.decode("utf-8", "replace").split("\n")):
        kind, identity, name = line.split(" ", 2)
        yield Tag(name, _approver(root, identity, commit, lists) if kind == "tag" else Fault("is not signed"))


def make_approval(root: Path, commit: str) -> str:
    """Have git make a tag that approves `commit`, signed with the user's own settings; return its name.

    Raises RevisionError where git cannot sign.
    """
    name = f"{TAGS}/{commit[:12]}-{secrets.token_hex(4)}"
    text = f"{_SUBJECT}\n\nDirectory: {directory_of(root)}\n"
    arguments = ("--sign", "--cleanup=verbatim", f"--message={text}", name, commit)
    git(root, "tag", *arguments, patient=True)
    return name


def drop_approval(root: Path, name: str) -> None:
    """Remove a tag that was just made."""
    git(root, "tag", "--delete", name)


def _approver(root: Path, tag: str, commit: str, lists: SignerLists) -> Signer | Fault:
    try:
        signed = signed_tag(root, tag)
    except RevisionError as error:
        return Fault(f"cannot be read: {error.what}")
    found = _TEXT.fullmatch(signed.payload.decode("utf-8", "replace"))
    if found is None or found["commit"] != commit:
        return Fault("does not say that it approves this commit")
    if found["directory"] != directory_of(root):
        return Fault(f"approves what is in {found['directory']}, another operations repo")
    return judge_signature(signed, lists)
