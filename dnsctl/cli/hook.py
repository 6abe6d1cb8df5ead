"""`dnsctl hook`: install git hooks, and do what they do.

Exit codes of `hook run`: 1 where a commit or a push should not be made, or was not released; else 0.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import typer

from dnsctl.cli import output
from dnsctl.cli.context import Context
from dnsctl.load.revision import Revision, Source
from dnsctl.load.settings.file import load_config
from dnsctl.load.staged import StagedFiles, staged_changes
from dnsctl.model.finding import Severity
from dnsctl.model.processors import usable_processors
from dnsctl.model.repo import CONFIG
from dnsctl.publish.staged import check_staged
from dnsctl.publish.work_tree import Checked, check
from dnsctl.setup.hooks import POST_RECEIVE, PRE_COMMIT, PRE_PUSH, install_hooks

_INDEX = "GIT_INDEX_FILE"


def install(
    context: Context, hooks: tuple[str, ...], bare: Path | None, *, force: bool, as_json: bool
) -> None:
    """Install `hooks`, and print where."""
    found = install_hooks(context.root, hooks, bare, force=force)
    if as_json:
        output.json_result(
            {"hooks": [{"hook": each.hook, "file": str(each.path), "fate": each.fate} for each in found]}
        )
        return
    for each in found:
        output.line(output.visible(f"{each.fate}  {each.path}"))
    if POST_RECEIVE in hooks and bare is None:
        output.say("to take pushes of the branch that is checked out:")
        output.say(f"  git -C {context.root} config receive.denyCurrentBranch updateInstead")


def run_hook(context: Context, hook: str, bare: Path | None) -> None:
    """Do what `hook` does."""
    if _INDEX in os.environ:  # relative to where git started us
        os.environ[_INDEX] = str(Path(os.environ[_INDEX]).absolute())
    runs: dict[str, Callable[[], None]] = {
        PRE_COMMIT: lambda: _pre_commit(context),
        PRE_PUSH: lambda: _pre_push(context, sys.stdin),
        POST_RECEIVE: lambda: _post_receive(context, bare, sys.stdin),
    }
    runs[hook]()


def _pre_commit(context: Context) -> None:
    """Check what is staged."""
    staged = StagedFiles(context.root)
    try:
        if not _has_zones(staged):
            return
        changed, deleted = staged_changes(context.root)
        config = load_config(staged, fleet=False)
        now = datetime.now(UTC)
        with output.stages() as progress:
            checked = check_staged(
                staged, config, changed, deleted, now, usable_processors(), progress, context.keys
            )
    finally:
        staged.close()
    _judge(checked, "staged", "to commit it all the same: git commit --no-verify")


def _pre_push(context: Context, lines: Iterable[str]) -> None:
    """Check each commit that a branch is pushed to."""
    for commit in dict.fromkeys(_pushed(lines)):
        source = Revision(context.root, commit)
        try:
            if not _has_zones(source):
                continue
            with output.stages() as progress:
                checked = check(
                    source,
                    load_config(source, fleet=False),
                    None,
                    datetime.now(UTC),
                    usable_processors(),
                    progress,
                    context.keys,
                )
        finally:
            source.close()
        _judge(checked, f"in commit {commit[:12]}", "to push it all the same: git push --no-verify")


def _pushed(lines: Iterable[str]) -> Iterable[str]:
    """Yield the commits that git tells `pre-push` of: local ref and id, remote ref and id; no deletions."""
    for line in lines:
        words = line.split()
        if len(words) == 4 and words[2].startswith("refs/heads/") and words[1].strip("0"):
            yield words[1]


def _has_zones(source: Source) -> bool:
    """True where the commit is one of an operations repo, and not of a branch with something else."""
    return any(each.path == CONFIG for each in source.entries(""))


def _judge(checked: Checked, where: str, otherwise: str) -> None:
    """Print what was found; exit with 1 for an error."""
    output.findings(checked.findings, sys.stderr)
    errors = checked.count(Severity.ERROR)
    if errors:
        output.say(f"{output.plural(errors, 'error')} {where}; {otherwise}")
        raise typer.Exit(1)


def _post_receive(context: Context, bare: Path | None, lines: Iterable[str]) -> None:
    """Release the branch that was pushed, if it is the one that is released from."""
    from dnsctl.control.deploying import (  # noqa: PLC0415
        HEADS,
        calls_for_release,
        follow,
        released_branch,
        updates,
    )

    branch = released_branch(context.root, context.config())
    received = updates(lines)
    if not calls_for_release(received, branch):
        what = ", ".join(each.ref.removeprefix(HEADS) for each in received)
        output.say(f"dnsctl: {what}: nothing is released, only branch {branch} is")
        return
    if bare is not None:
        follow(context.root, bare, branch)
    _release(context, HEADS + branch)


def _release(context: Context, ref: str) -> None:
    """Push what `ref` is once no other push runs: what came meanwhile is with it."""
    from dnsctl.cli.context.opened import opened  # noqa: PLC0415 - for this hook alone, and much
    from dnsctl.cli.output.ended import finish, told  # noqa: PLC0415
    from dnsctl.cli.output.leaving import shown  # noqa: PLC0415
    from dnsctl.control.push import Request, push  # noqa: PLC0415

    started = time.monotonic()
    with opened(context, "", wait=True) as host, told() as progress:
        request = Request(ref, reason="git push", shows=shown(host))
        result = replace(push(host, request, progress), notes=tuple(host.notes))
    finish(result, time.monotonic() - started, as_json=False)
