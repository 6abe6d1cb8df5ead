"""What was given before or after a verb, whichever it is, and the operations repo that it works in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer

from dnsctl.model.repo import CONFIG

_GIT = ".git"


@dataclass(frozen=True)
class Given:
    """The global options, and how this process was started, if it may start again (see `anew`).

    `directory`: of `-C`; None where it is not given. `as_json`: `--json` stands before the verb.
    """

    program: tuple[str, ...] = ()
    directory: Path | None = None
    as_json: bool = False


def given(ctx: typer.Context) -> Given:
    """Return what was given so far."""
    return ctx.find_object(Given) or Given()


def named_root(ctx: typer.Context) -> Path:
    """Return the directory of `-C`, or the one we are in: for verbs that need no repo there."""
    return given(ctx).directory or Path()


def root_of(ctx: typer.Context) -> Path:
    """Return the operations repo that the directory of `-C` is in, or the one that we are in."""
    return found_root(named_root(ctx))


def found_root(start: Path = Path()) -> Path:
    """Return the operations repo that `start` is in, as a path from there; where there is none, `start`.

    It is looked for upwards, as git does: the nearest directory with a dnsctl.yaml, in the same git work tree
    and file system. Outside of a work tree only the directory itself counts, so that a dnsctl.yaml which
    somebody left in a directory above is never taken by chance.
    """
    if _holds(start, CONFIG):
        return start
    try:
        place = start.resolve(strict=True)
        device = place.stat().st_dev
    except OSError:  # removed, or it may not be read
        return start
    found = None
    for steps, each in enumerate((place, *place.parents)):
        try:
            if each.stat().st_dev != device:
                break
        except OSError:
            break
        if found is None and _holds(each, CONFIG):
            found = Path(start, *[".."] * steps)
        if _holds(each, _GIT):
            return found or start
    return start


def _holds(directory: Path, name: str) -> bool:
    try:
        return (directory / name).exists()
    except OSError:
        return False
