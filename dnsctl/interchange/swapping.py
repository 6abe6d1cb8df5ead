"""Files of a directory replaced by others, all or none. Whoever comes next takes back what was not finished.

Before the first move, a plan of all moves stands in the directory `aside`, on the disk; it is removed after
the last one. While it is there, `take_back` undoes what was done of it. What somebody has changed since then
is left as it is, and named.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from dnsctl.files import durable
from dnsctl.load.zone_files import PLAN

NEW: Final = "new"  # directories in the one aside
KEPT: Final = "kept"


class Step(NamedTuple):
    """One move: `made`, a name in new/, goes to `target`, and what is there to `kept`, a name in kept/.

    Either name may be empty. `target` is a path from where `aside` stands; `digest` is that of what is made.
    """

    made: str
    target: str
    kept: str
    digest: str


def planned(aside: Path, targets: Sequence[Path], old: Sequence[Path]) -> tuple[Step, ...]:
    """Return the steps that move what is in new/ of `aside` to `targets`, by name, and take away `old`."""
    saved = {path: str(count) for count, path in enumerate(old)}
    steps = [
        Step(path.name, _from(aside, path), saved.pop(path, ""), _digest(aside / NEW / path.name))
        for path in targets
    ]
    return (*steps, *(Step("", _from(aside, path), kept, "") for path, kept in saved.items()))


def swap(aside: Path, steps: Sequence[Step]) -> None:
    """Take all steps, or none where one fails. Raises OSError."""
    durable.write(aside / PLAN, json.dumps(steps).encode())
    try:
        for step in steps:
            _take(aside, step)
        _sync(aside, steps)
    except BaseException:
        take_back(aside)
        raise
    (aside / PLAN).unlink()
    durable.sync_directory(aside)


def _take(aside: Path, step: Step) -> None:
    made, target, kept = _places(aside, step)
    if step.made and step.kept and target.is_file() and made.is_file():
        kept.hardlink_to(target)  # so that a reader finds the old file or the new one
        made.replace(target)
        return
    if step.kept:
        target.rename(kept)
    if step.made:
        if os.path.lexists(target):  # which a rename would replace
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        made.rename(target)


def take_back(aside: Path) -> tuple[list[str], list[str]]:
    """Undo the steps of a plan that is there; return which targets are as before, and which are left.

    Left are those that were changed since. Where it is killed, it may be done again. Raises OSError.
    """
    try:
        steps = [Step(*each) for each in json.loads((aside / PLAN).read_bytes())]
    except (FileNotFoundError, ValueError, TypeError):  # nothing was done of a plan that is not whole
        return [], []
    undone: list[str] = []
    left: list[str] = []
    for step in reversed(steps):
        made, target, kept = _places(aside, step)
        placed = bool(step.made) and not os.path.lexists(made) and os.path.lexists(target)
        saved = bool(step.kept) and os.path.lexists(kept)
        if not placed and not saved:
            continue
        name = os.path.normpath(target)
        if placed and _digest(target) != step.digest:
            left.append(name)
            continue
        if placed and not (saved and target.is_file() and kept.is_file()):
            target.rename(made)
        if saved:
            kept.replace(target)
        undone.append(name)
    _sync(aside, steps)
    (aside / PLAN).unlink()
    return undone, left


def _places(aside: Path, step: Step) -> tuple[Path, Path, Path]:
    """Return where what is made, the target, and what is kept stand, whether they are there or not."""
    return aside / NEW / step.made, aside.parent / step.target, aside / KEPT / step.kept


def _sync(aside: Path, steps: Sequence[Step]) -> None:
    """Have the directories of all targets on the disk."""
    for place in {_places(aside, step)[1].parent for step in steps}:
        durable.sync_directory(place)


def _from(aside: Path, path: Path) -> str:
    return os.path.relpath(path, aside.parent)


def _digest(path: Path) -> str:
    """Return what tells whether a file, or what is in a directory, was changed."""
    made = hashlib.sha256()
    for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
        made.update(f"{each.relative_to(path)}\0".encode("utf-8", "surrogateescape"))
        if each.is_file():
            made.update(hashlib.sha256(each.read_bytes()).digest())
    return made.hexdigest()
