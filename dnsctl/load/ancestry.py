"""Whether one commit is an ancestor of another, according to the git repository of an operations repo."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from dnsctl.errors import RevisionError
from dnsctl.load.revision import git, resolve

_FORMAT = "%H%x00%an <%ae>%x00%cd%x00%s"
_DATE = "--date=format-local:%Y-%m-%d %H:%M UTC"


class Commit(NamedTuple):
    """One commit. `date`: when it was committed, in UTC."""

    id: str
    author: str
    date: str
    subject: str

    def __str__(self) -> str:
        return f'{self.id[:12]} of {self.author}, {self.date}, "{self.subject}"'


def has_commit(root: Path, commit: str) -> bool:
    """True where `commit`, a full id, is in the repository. Raises RevisionError where there is none."""
    try:
        return resolve(root, commit) == commit
    except RevisionError:
        resolve(root, "HEAD")  # no repository, no git: reported as that
        return False


def is_shallow(root: Path) -> bool:
    """True where the repository lacks history: `git clone --depth`."""
    return git(root, "rev-parse", "--is-shallow-repository").strip() == b"true"


def is_ancestor(root: Path, earlier: str, later: str) -> bool:
    """True where `later` descends from `earlier`, or is the same commit."""
    found = git(root, "rev-list", "--max-count=1", earlier, f"^{later}", "--")
    return not found.strip()


def is_on_branch(root: Path, branch: str, commit: str) -> bool | None:
    """True where `branch`, here or as last fetched, has `commit` in its history; None: there is none."""
    names = (f"refs/heads/{branch}", f"refs/remotes/*/{branch}")
    if git(root, "for-each-ref", "--count=1", f"--contains={commit}", *names).strip():
        return True
    return False if git(root, "for-each-ref", "--count=1", *names).strip() else None


def fork(root: Path, one: str, other: str) -> str | None:
    """Return the last commit that both descend from; None where they share none."""
    return git(root, "merge-base", one, other, check=False).decode("ascii", "replace").strip() or None


def only_in(root: Path, one: str, other: str) -> tuple[Commit, ...]:
    """Return the commits in the history of `one` and not in that of `other`, the newest first."""
    listing = git(root, "log", "-z", _DATE, f"--format={_FORMAT}", "--end-of-options", one, f"^{other}", "--")
    return _commits(listing)


def described(root: Path, commits: Iterable[str]) -> dict[str, Commit]:
    """Return those of `commits`, full ids, that are in the repository; none where there is none."""
    asked = "".join(f"{each}\n" for each in dict.fromkeys(commits)).encode()
    if not asked:
        return {}
    listing = git(
        root,
        "log",
        "-z",
        "--no-walk=unsorted",
        "--ignore-missing",
        "--stdin",
        _DATE,
        f"--format={_FORMAT}",
        check=False,
        asked=asked,
    )
    return {each.id: each for each in _commits(listing)}


def _commits(listing: bytes) -> tuple[Commit, ...]:
    fields = listing.decode("utf-8", "replace").split("\0")
    return tuple(Commit(*fields[at : at + 4]) for at in range(0, len(fields) - 3, 4))
