"""git hooks of an operations repo: small scripts that call `dnsctl hook run`, and where git looks for them.

A hook that dnsctl did not write stays as it is, unless a person says otherwise; it is kept beside then.
"""

from __future__ import annotations

import os
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from dnsctl.errors import ConfigError, SystemRefusalError
from dnsctl.files import durable
from dnsctl.load.revision import git

PRE_COMMIT: Final = "pre-commit"
PRE_PUSH: Final = "pre-push"
POST_RECEIVE: Final = "post-receive"
HOOKS: Final = {
    PRE_COMMIT: "checks the zones whose files are staged",
    PRE_PUSH: "checks the commits that are pushed",
    POST_RECEIVE: "releases the branch that was pushed here",
}
_MARK = b"# dnsctl hook:"
_FORMER = b"# Refuse a commit whose zones have errors. To turn this on: git config core.hooksPath"
_ASIDE = ".before-dnsctl"
Fate = Literal["made", "replaced", "kept"]


@dataclass(frozen=True, slots=True)
class Installed:
    """A hook, and what became of its file."""

    hook: str
    path: Path
    fate: Fate


def script(hook: str, place: str, *arguments: str) -> bytes:
    """Return the script of a hook. `place`: shell words for the operations repo."""
    words = " ".join((hook, *arguments))
    return f"""#!/bin/sh
{_MARK.decode()} {hook}, {HOOKS[hook]}. `dnsctl hook install` makes it anew.
if ! command -v dnsctl >/dev/null; then
  echo "dnsctl is not in PATH: the hook {hook} does nothing" >&2
  exit {int(hook == POST_RECEIVE)}
fi
exec dnsctl -C {place} hook run {words} -- "$@"
""".encode()


def install_hooks(
    root: Path, hooks: tuple[str, ...], bare: Path | None, *, force: bool
) -> tuple[Installed, ...]:
    """Install `hooks` for the operations repo at `root`, all of them or none.

    `bare`: the bare repository that people push to, for `post-receive`. `force`: also in the place of what
    somebody else wrote. Raises ConfigError for such a file, and where all repositories share hooks.
    """
    wanted = {each: _wanted(root, each, bare) for each in hooks}
    foreign = [path for path, _ in wanted.values() if not (force or _is_ours(path))]
    if foreign:
        name = foreign[0].name
        raise ConfigError(
            "is a hook that dnsctl did not write",
            where=str(foreign[0]),
            advice=f'have it call `dnsctl hook run {name} "$@"`, or replace it with --force',
        )
    for path in {path.parent for path, _ in wanted.values()}:
        if not force:
            _refuse_shared(root if bare is None else bare, path)
    return tuple(Installed(hook, path, _write(path, content)) for hook, (path, content) in wanted.items())


def _wanted(root: Path, hook: str, bare: Path | None) -> tuple[Path, bytes]:
    if bare is not None:
        place = shlex.quote(str(root.resolve()))
        return _directory(bare) / hook, script(hook, place, "--from", shlex.quote(str(bare.resolve())))
    top = Path(os.fsdecode(git(root, "rev-parse", "--show-toplevel")).rstrip("\n"))
    prefix = root.resolve().relative_to(top.resolve())
    if hook == POST_RECEIVE:  # git runs it in its own directory
        return _directory(top) / hook, script(hook, shlex.quote(str(root.resolve())))
    below = "" if prefix == Path() else f"/{prefix}"
    return _directory(top) / hook, script(hook, f'"$(git rev-parse --show-toplevel)"{shlex.quote(below)}')


def _directory(top: Path) -> Path:
    """Return where git looks for hooks, as core.hooksPath says. Raises RevisionError."""
    return top / os.fsdecode(git(top, "rev-parse", "--git-path", "hooks")).rstrip("\n")


def _is_ours(path: Path) -> bool:
    """True where nothing is at `path`, or what dnsctl wrote."""
    if not path.is_symlink() and not path.exists():
        return True
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return not path.is_symlink() and any(each in content for each in (_MARK, _FORMER))


def _refuse_shared(repository: Path, directory: Path) -> None:
    told = git(repository, "config", "--show-scope", "--get", "core.hooksPath", check=False).split()
    if told and told[0] in (b"global", b"system"):
        raise ConfigError(
            "is the directory of the hooks of all repositories (core.hooksPath)",
            where=str(directory),
            advice="give this one its own: git config core.hooksPath .git/hooks; or --force",
        )


def _write(path: Path, content: bytes) -> Fate:
    """Write a hook; what somebody else wrote is kept beside it. Raises SystemRefusalError."""
    try:
        there = path.is_symlink() or path.exists()
        if there and not path.is_symlink() and path.read_bytes() == content:
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
            return "kept"
        if not _is_ours(path):
            path.rename(path.with_name(path.name + _ASIDE))
        durable.make_directory(path.parent)
        durable.write(path, content, 0o777 & ~durable.umask())
    except OSError as error:
        raise SystemRefusalError.of(error, path) from None
    return "replaced" if there else "made"
