"""The job `clean-up`: old evidence, and what killed commands left behind.

The archive keeps every release, so that `rollback` can go back to any: only what no release refers to is
removed. Nothing that is served, and no key, is ever touched.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from pathlib import Path

from dnsctl.control.daemon.job import Verdict, Work
from dnsctl.files import durable
from dnsctl.model.repo import Repo

_ALL = 2**31  # releases


def cleaned(work: Work) -> Verdict:
    """Remove what nobody needs. Raises ReleaseError for a damaged archive."""
    state = Repo(work.root).state
    with work.host() as host:  # nobody writes there meanwhile
        evidence = _old(state.evidence(0).parent, work.now, work.config.control.evidence)
        for each in evidence:
            with contextlib.suppress(OSError):
                each.unlink()
        durable.remove_unfinished(state.directory)
        objects = host.archive.prune(_ALL)
    return Verdict("well", f"removed: evidence of {len(evidence)} releases, {objects} files of the archive")


def _old(directory: Path, now: datetime, kept: timedelta) -> list[Path]:
    """Return the files in `directory` that were written longer ago than they are kept."""
    found = []
    for each in directory.glob("*.json"):
        with contextlib.suppress(OSError):
            if now.timestamp() - each.stat().st_mtime > kept.total_seconds():
                found.append(each)
    return found
