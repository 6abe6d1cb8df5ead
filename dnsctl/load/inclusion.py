"""What `$INCLUDE` and `!include` may name: so many files, by a path inside one directory."""

from __future__ import annotations

import posixpath

MAX_INCLUDE_DEPTH = 8
MAX_INCLUDES = 1000  # files, all in all


def included_path(name: str, within: str, base: str) -> str | None:
    """Return the path of file `name` as the file `within` has it; None where that is outside `base`.

    Paths are from the operations repo; an empty `base` is all of it. Links are not looked at: reading refuses
    those that lead out.
    """
    path = posixpath.normpath(posixpath.join(posixpath.dirname(within), name))
    if "\0" in name or posixpath.isabs(path) or path.split("/")[0] == "..":
        return None
    return path if path.startswith(f"{base}/" if base else "") else None
