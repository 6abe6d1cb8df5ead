"""Guards on the commit itself: `branch`, which one it is on, and `signature`, who vouches for it.

The dnsctl.yaml of the last release counts, and the list of signers in it, so that no commit admits itself;
before the first release, those of the commit. A rollback goes back to what was released, and is not asked.
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
    config, vouching = config_of(root, before), before
    if config is None or vouching is None:
        config, vouching = config_of(root, pushed), pushed
    if config is None:
        return ()
    signers = config.commits.allowed_signers
    return (
        *(_branch(root, config.branch, pushed) if config.branch is not None else ()),
        *(_signature(root, signers, vouching, pushed) if signers is not None else ()),
    )


def _branch(root: Path, branch: str, pushed: str) -> Iterator[GuardVerdict]:
    found = is_on_branch(root, branch, pushed)
    what = f"{pushed[:12]} is not on branch {branch}, which dnsctl.yaml says is released from"
    if found is None:
        message = f"{what}; this clone does not have that branch"
        yield GuardVerdict(BRANCH, None, message, f"fetch it: git fetch origin {branch}")
    elif not found:
        yield GuardVerdict(BRANCH, None, what, f"merge it into {branch} and push from there")


def _signature(root: Path, path: str, vouching: str, pushed: str) -> Iterator[GuardVerdict]:
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
