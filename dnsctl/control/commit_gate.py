"""Guards on the commit itself: `branch`, which one it is on, and `signature`, who vouches for it.

The dnsctl.yaml of the last release counts, and the list of signers in it, so that no commit admits itself.
Where it has no such setting, and before the first release, the commit's own limits it already. A rollback
goes back to what was released, and is not asked.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from dnsctl.control.released import config_of
from dnsctl.errors import RevisionError
from dnsctl.load.ancestry import is_on_branch
from dnsctl.load.revision import Revision
from dnsctl.load.signature import judge_signature
from dnsctl.model.guard_names import BRANCH, SIGNATURE
from dnsctl.publish.guards import GuardVerdict
from dnsctl.release.manifest import Manifest


def judge_commit(root: Path, released: Manifest | None, pushed: str | None) -> tuple[GuardVerdict, ...]:
    """Return the verdicts of the guards on the commit `pushed`."""
    before = released.commit if released is not None else None
    if pushed is None or pushed == before:
        return ()
    commits = (each for each in (before, pushed) if each is not None)
    rules = [(each, config) for each in commits if (config := config_of(root, each)) is not None]
    branch = next((each.branch for _, each in rules if each.branch is not None), None)
    signers = next(
        ((commit, each.commits.allowed_signers) for commit, each in rules if each.commits.allowed_signers),
        None,
    )
    return (
        *(_branch(root, branch, pushed) if branch is not None else ()),
        *(_signature(root, *signers, pushed) if signers is not None else ()),
    )


def _branch(root: Path, branch: str, pushed: str) -> Iterator[GuardVerdict]:
    found = is_on_branch(root, branch, pushed)
    what = f"{pushed[:12]} is not on branch {branch}, which dnsctl.yaml says is released from"
    if found is None:
        message = f"{what}; this clone does not have that branch"
        yield GuardVerdict(BRANCH, None, message, f"fetch it: git fetch origin {branch}")
    elif not found:
        yield GuardVerdict(BRANCH, None, what, f"merge it into {branch} and push from there")


def _signature(root: Path, vouching: str, path: str, pushed: str) -> Iterator[GuardVerdict]:
    """Yield the verdict on who signed `pushed`, by the list at `path` in the commit `vouching`."""
    where = f"{path} of {vouching[:12]}"
    advice = f"have one whom {where} names sign it with SSH: git commit --amend --no-edit --gpg-sign"
    source = Revision(root, vouching)
    try:
        listed = source.read(path)
    except RevisionError as error:
        message = f"who may sign cannot be read, {path} in {vouching[:12]}: {error.what}"
        yield GuardVerdict(SIGNATURE, None, message, "release a commit with that file")
        return
    finally:
        source.close()
    with tempfile.NamedTemporaryFile(prefix="dnsctl-signers-") as file:
        file.write(listed)
        file.flush()
        fault = judge_signature(root, pushed, Path(file.name))
    if fault:
        yield GuardVerdict(SIGNATURE, None, f"{pushed[:12]} {fault}; {where} says who may sign", advice)
