"""What of a commit's own files differs in the work tree: dnsctl.yaml, zone files, and what these include.

Whatever else stands in the repo may change as it likes. Reads by git alone; no zone is parsed.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path

from dnsctl.load.revision import git, is_dirty
from dnsctl.load.settings.config import Config
from dnsctl.model.repo import KEPT_HERE

_INCLUDED = re.compile(r"""!include\b[ \t]*(?:"([^"]+)"|'([^']+)'|([^\s"'#,\]}]+))?""")


def uncommitted(root: Path, config: Config) -> tuple[str, ...]:
    """Return the files that differ from HEAD, or are new to git, and that a release depends on; by path.

    A file outside the directories of zones counts if an `!include` in HEAD names a file of its name.
    """
    changed = is_dirty(root, ("",))
    own = {path for path in changed if _is_under(path, config.released)}
    others = [path for path in changed if path not in own]
    if others:
        own |= _included(root, others)
    return tuple(sorted(own))


def _is_under(path: str, directories: tuple[str, ...]) -> bool:
    if path.split("/", maxsplit=1)[0] in KEPT_HERE:
        return False
    return any(not each or path == each or path.startswith(f"{each}/") for each in directories)


def _included(root: Path, paths: list[str]) -> set[str]:
    """Return those of `paths` that may be included: the name is in such a line, or stands on a later one."""
    found = git(root, "grep", "-h", "-I", "-F", "-e", "!include", "HEAD", "--", ".", check=False)
    names = {posixpath.basename("".join(each)) for each in _INCLUDED.findall(os.fsdecode(found))}
    return {path for path in paths if "" in names or posixpath.basename(path) in names}
