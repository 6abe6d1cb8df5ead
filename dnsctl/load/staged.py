"""The files as they are staged for a commit, in git's index: not those of the work tree, nor of a commit.

Honours GIT_INDEX_FILE, by which `git commit` names the index of a commit of some files. git makes a tree of
the index for that, as the commit itself will.
"""

from __future__ import annotations

import os
from pathlib import Path

from dnsctl.load.revision import Revision, git

_DELETED = b"D"


class StagedFiles(Revision):
    """What is staged in the repository of `root`. Raises RevisionError, also for conflicts not yet merged."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, "", tree=git(root, "write-tree").decode("ascii").strip())

    def _where(self, path: str) -> str:
        return f"{path} as it is staged"


def staged_changes(root: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Return the files in `root` that the commit changes or adds, and those that it deletes."""
    listing = git(root, "diff", "--cached", "--name-status", "-z", "--no-renames", "--relative", "--", ".")
    fields = listing.split(b"\0")
    found = {os.fsdecode(path): status for status, path in zip(fields[::2], fields[1::2], strict=False)}
    deleted = frozenset(path for path, status in found.items() if status == _DELETED)
    return frozenset(found) - deleted, deleted
