"""A git commit of one file, whatever else is changed or staged."""

from __future__ import annotations

from pathlib import Path

from dnsctl.errors import RevisionError
from dnsctl.load.revision import git, head, is_dirty, literal


def refuse_uncommitted(root: Path, path: str) -> None:
    """Raise RevisionError where the file has changes that a commit would take along, or git knows none."""
    if is_dirty(root, (path,)):
        raise RevisionError(
            "has changes that are not committed",
            where=path,
            advice="commit them first: --commit is to hold one change",
        )


def commit_file(root: Path, path: str, subject: str, reason: str) -> str:
    """Commit the file at `path` alone; return the id of the commit. Raises RevisionError."""
    message = f"{subject}\n\n{reason}\n" if reason else f"{subject}\n"
    git(root, "commit", "--quiet", "--file=-", "--only", "--", literal(path), asked=message.encode())
    return head(root)
