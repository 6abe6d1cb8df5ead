"""An earlier release as it was made: its manifest, and the files of its commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

from dnsctl.errors import RefusalRule, ReleaseRefusedError
from dnsctl.load.ancestry import has_commit
from dnsctl.load.revision import Revision
from dnsctl.model.repo import Repo
from dnsctl.release.archive import Archive, activated
from dnsctl.release.manifest import Manifest


@contextmanager
def files_at(root: Path, generation: int) -> Iterator[tuple[Revision, date]]:
    """Yield the files that a release was made from, and the day it was made. Raises ReleaseRefusedError."""
    manifest = released_as(root, generation)
    source = Revision(root, manifest.commit or "")
    try:
        yield source, datetime.fromtimestamp(manifest.created, UTC).date()
    finally:
        source.close()


def released_as(root: Path, generation: int) -> Manifest:
    """Return the manifest of a release whose commit is in this clone. Raises ReleaseRefusedError."""
    manifest = activated(Archive(Repo(root).state.archive), generation)
    if manifest is None or manifest.commit is None:
        raise ReleaseRefusedError(
            f"generation {generation} is not in the archive of this host",
            advice="`dnsctl log` lists those that are",
            rule=RefusalRule.NOT_ARCHIVED,
        )
    if not has_commit(root, manifest.commit):
        raise ReleaseRefusedError(
            f"the commit of generation {generation}, {manifest.commit[:12]}, is not in this clone",
            advice="`git fetch` it from the clone that has it",
            rule=RefusalRule.REVISION,
        )
    return manifest
