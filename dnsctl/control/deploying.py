"""What the hook `post-receive` is told of: which branch is released, and how it gets to this host.

The branch is the one that dnsctl.yaml names, else the one that is checked out. Where people push to a bare
repository, the operations repo follows it first, forward only: what is not committed there is never touched.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from dnsctl.control.commit_rules import branch_in_force
from dnsctl.errors import HostBusyError, RevisionError
from dnsctl.files import durable
from dnsctl.files.lock import lock_file, take
from dnsctl.load.revision import git
from dnsctl.load.settings.config import Config
from dnsctl.load.signatures.approval import TAGS
from dnsctl.model.repo import Repo

HEADS: Final = "refs/heads/"
APPROVALS: Final = f"refs/tags/{TAGS}/"
_PATIENCE: Final = 900.0  # seconds: what is waited for is another hook that merges


class Update(NamedTuple):
    """A line that git gives the hook: what `ref` was, and is now."""

    old: str
    new: str
    ref: str

    @property
    def is_deleted(self) -> bool:
        return not self.new.strip("0")


def updates(lines: Iterable[str]) -> tuple[Update, ...]:
    """Return what git tells `post-receive` and, with four words a line, nothing else."""
    return tuple(Update(*each.split(None, 2)) for each in (line.strip() for line in lines) if each)


def calls_for_release(received: Iterable[Update], branch: str) -> bool:
    """True where `branch` was pushed, or an approval, which its commit may have waited for."""
    refs = [each.ref for each in received if not each.is_deleted]
    return HEADS + branch in refs or any(each.startswith(APPROVALS) for each in refs)


def released_branch(root: Path, config: Config) -> str:
    """Return the branch that is released from. Raises RevisionError where none is."""
    named = branch_in_force(root) or config.branch
    if named is not None:
        return named
    found = git(root, "symbolic-ref", "--quiet", "--short", "HEAD", check=False).decode().strip()
    if not found:
        raise RevisionError(
            "no branch is checked out, so that none is released",
            where=str(root),
            advice="write `branch: main` into dnsctl.yaml",
        )
    return found


def follow(root: Path, bare: Path, branch: str) -> None:
    """Bring the operations repo to what `branch` of `bare` is now. Raises RevisionError where it cannot."""
    with _one_at_a_time(root):
        git(root, "fetch", "--quiet", "--no-tags", str(bare), f"+{APPROVALS}*:{APPROVALS}*")
        git(root, "fetch", "--quiet", "--no-tags", str(bare), f"{HEADS}{branch}")
        here = git(root, "symbolic-ref", "--quiet", "--short", "HEAD", check=False).decode().strip()
        if here != branch:
            raise RevisionError(
                f"does not have {branch} checked out",
                where=str(root),
                advice=f"git -C {root} checkout {branch}; then dnsctl push",
            )
        try:
            git(root, "merge", "--quiet", "--ff-only", "FETCH_HEAD")
        except RevisionError as error:
            raise RevisionError(
                f"cannot follow {branch} of {bare}: {error.what}",
                where=str(root),
                advice="commit or remove what was changed there, merge, then `dnsctl push`",
            ) from None
        _refuse_more(root, bare, branch)


def _refuse_more(root: Path, bare: Path, branch: str) -> None:
    """Raise RevisionError where the operations repo has commits that `branch` of `bare` lacks.

    Somebody took them back with a forced push, or made them here: releasing them is not what was asked for.
    """
    here, there = (git(root, "rev-parse", each).decode().strip() for each in ("HEAD", "FETCH_HEAD"))
    if here != there:
        raise RevisionError(
            f"has commits up to {here[:12]} that {branch} of {bare} lacks; nothing is released",
            where=str(root),
            advice=f"git -C {root} push {bare} {branch}; or, if they are not wanted, "
            f"git -C {root} reset --keep {there[:12]}; then `dnsctl push`",
        )


@contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    state = Repo(root).state
    durable.make_directory(state.directory)
    descriptor = lock_file(state.hook_lock)
    try:
        if not take(descriptor, _PATIENCE):
            raise HostBusyError(
                "another push is being received for too long", where=str(state.hook_lock), advice="try again"
            )
        yield
    finally:
        os.close(descriptor)
