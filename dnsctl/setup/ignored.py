"""Keep secrets out of git: .gitignore covers every secret file that dnsctl.yaml names, and git confirms it.

Links are followed: what counts is where a file really is. Invariant: no secret is written where `git add`
would take it, whatever dnsctl.yaml says.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from dnsctl.errors import ConfigError
from dnsctl.files import durable
from dnsctl.model.repo import CONFIG, KEYS, KEYS_README, PRE_COMMIT, STATE, ZONES_README
from dnsctl.setup.scaffold import GITIGNORE

_COVERED = (KEYS, STATE, ".git")  # top directories that GITIGNORE covers, or git itself
_COMMITTED = (CONFIG, ".gitignore", KEYS_README, ZONES_README, PRE_COMMIT)
_SPECIAL = re.compile(rb"([\\*?\[\] !#])")


def ignore(root: Path, secrets: Iterable[str]) -> bool:
    """Have .gitignore of `root` cover `secrets` (paths in it); True where it had to change.

    What a person wrote into it stays.
    """
    path = (root / ".gitignore").resolve()
    present = path.read_bytes() if path.exists() else b""
    wanted = (*GITIGNORE, *(line for each in secrets if (line := _line(root, each))))
    lines = present.splitlines()
    missing = [each for each in dict.fromkeys(wanted) if each not in lines]
    if not missing:
        return False
    start = b"\n" if present and not present.endswith(b"\n") else b""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~durable.umask()
    durable.write(path, present + start + b"\n".join(missing) + b"\n", mode)
    return True


def refuse_tracked(root: Path, secret: str) -> None:
    """Raise ConfigError for a secret that git has already, or that is a file of the repo itself."""
    path = (root / secret).resolve()
    if path.is_relative_to(root.resolve()) and str(path.relative_to(root.resolve())) in _COMMITTED:
        raise ConfigError(
            "is readable by everybody, and must not hold a secret", where=secret, advice=_ELSEWHERE
        )
    if path.is_dir():
        raise ConfigError("is a directory, not a file for a secret", where=secret, advice=_ELSEWHERE)
    if _git(path, "--literal-pathspecs", "ls-files", "--error-unmatch", "--", str(path)) == 0:
        raise ConfigError(
            "is tracked by git: every clone would have the secret",
            where=secret,
            advice=f"`git rm --cached {secret}`, name another file in dnsctl.yaml, and take a new secret",
        )


def refuse_taken(root: Path, secret: str) -> None:
    """Raise ConfigError where `git add` would take a secret although it should be ignored."""
    path = (root / secret).resolve()
    if not _in_work_tree(path):
        return
    outside = not path.is_relative_to(root.resolve())
    code = _git(path, "check-ignore", "--quiet", "--", str(path))  # takes paths, not pathspecs
    if code == 1 or (code != 0 and outside):  # without git, .gitignore of our own is what there is
        raise ConfigError("`git add` would take this secret", where=secret, advice=_ELSEWHERE)


_ELSEWHERE = "name a file below keys/ in dnsctl.yaml, or have git ignore this one"


def _line(root: Path, secret: str) -> bytes:
    """Return the line of .gitignore for a secret; empty where it is covered, or not in `root`."""
    path, top = (root / secret).resolve(), root.resolve()
    if not path.is_relative_to(top):
        return b""
    parts = path.relative_to(top).parts
    if not parts or (parts[0] in _COVERED and "/".join(parts) != KEYS_README):
        return b""
    return b"/" + _SPECIAL.sub(rb"\\\1", os.fsencode("/".join(parts)))


def _in_work_tree(path: Path) -> bool:
    if ".git" in path.parts:
        return False
    return any((parent / ".git").exists() for parent in path.parents)


def _git(path: Path, *arguments: str) -> int | None:
    """Return git's exit code, run in the nearest directory above `path`; None without git."""
    place = next(parent for parent in path.parents if parent.is_dir())
    try:
        return subprocess.run(
            ("git", *arguments),
            cwd=place,
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
        ).returncode
    except OSError:
        return None
