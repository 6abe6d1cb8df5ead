"""The guard `branch`: only what is on the branch that dnsctl.yaml names is released.

The dnsctl.yaml of the last release says which branch that is, so that no commit admits itself; before the
first release, the one of the commit. A rollback goes back to what was released, and is not asked.
"""

from __future__ import annotations

from pathlib import Path

from dnsctl.control.released import config_of
from dnsctl.load.ancestry import is_on_branch
from dnsctl.model.guard_names import BRANCH
from dnsctl.publish.guards import GuardVerdict
from dnsctl.release.manifest import Manifest


def judge_branch(root: Path, released: Manifest | None, pushed: str | None) -> tuple[GuardVerdict, ...]:
    """Return the verdict of the guard on the commit `pushed`; none where it is on the branch."""
    if pushed is None:
        return ()
    config = config_of(root, released.commit if released is not None else None) or config_of(root, pushed)
    branch = config.branch if config is not None else None
    if branch is None:
        return ()
    found = is_on_branch(root, branch, pushed)
    if found:
        return ()
    what = f"{pushed[:12]} is not on branch {branch}, which dnsctl.yaml says is released from"
    if found is None:
        message = f"{what}; this clone does not have that branch"
        return (GuardVerdict(BRANCH, None, message, f"fetch it: git fetch origin {branch}"),)
    return (GuardVerdict(BRANCH, None, what, f"merge it into {branch} and push from there"),)
