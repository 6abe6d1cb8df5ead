"""What is in a backup: an index in JSON, then the octets of the files, one after the other.

    4  length of the index in octets, big-endian
       the index
       the files, in its order

The index has `format` (1), `created` and `host`, `root` (where the operations repo is in its git
repository), `branch` (what was checked out; a commit if no branch was), `remotes`, and `files`: each
with `path`, `mode` and `size`. `repo.bundle` is the git repository, a bundle of git; all other paths are in
the operations repo. A backup holds no links. A path that leads out, or stands twice, is refused.
Pure: octets in, octets out.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from dnsctl.errors import BackupError, RefusalRule
from dnsctl.model.repo import KEYS
from dnsctl.model.timestamp import from_stamp, stamp

BUNDLE: Final = "repo.bundle"
LENGTH: Final = 4  # octets of the index's length
MAX_INDEX: Final = 64 * 2**20  # octets: half a million files
_MAX_PATH = 4096
_FORMAT = 1
_PUBLIC = re.compile(r"keys/(?:README\.md|.+\.(?:key|pub|crt))")
_REF = re.compile(
    r"(?!-)(?!.*\.\.)[^\s~^:?*\[\\\x00-\x1f\x7f]+"
)  # of a branch or a remote: git-check-ref-format(1)
_NO_NAME = ("", ".", "..")
_GIT = (".git", "git~1")
_UNSEEN = dict.fromkeys(  # what HFS+ leaves out of names, so that it has other spellings of .git
    (*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF)
)


@dataclass(frozen=True, slots=True)
class Item:
    """A file in a backup. `path` from the root of the operations repo; `size` in octets."""

    path: str
    mode: int
    size: int


@dataclass(frozen=True, slots=True)
class Contents:
    """The index of a backup."""

    created: datetime
    host: str
    items: tuple[Item, ...]
    root: str = ""
    branch: str = ""
    remotes: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_repository(self) -> bool:
        return any(each.path == BUNDLE for each in self.items)

    @property
    def size(self) -> int:
        """Octets of all files."""
        return sum(each.size for each in self.items)

    def to_octets(self) -> bytes:
        """Return length and index."""
        index = {
            "format": _FORMAT,
            "created": stamp(self.created),
            "host": self.host,
            "root": self.root,
            "branch": self.branch,
            "remotes": dict(self.remotes),
            "files": [{"path": one.path, "mode": one.mode, "size": one.size} for one in self.items],
        }
        octets = json.dumps(index).encode()
        return len(octets).to_bytes(LENGTH, "big") + octets

    @classmethod
    def from_octets(cls, index: bytes, where: str) -> Contents:
        """Parse an index, without its length. Raises BackupError for one that `to_octets` does not make."""
        try:
            return cls._parsed(json.loads(index))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            reason = f"no {error.args[0]}" if isinstance(error, KeyError) else str(error)
            raise BackupError(
                f"its index is malformed: {reason}",
                where=where,
                advice="do not trust it: take another copy",
                rule=RefusalRule.BACKUP_HOSTILE,
            ) from None

    @classmethod
    def _parsed(cls, told: Mapping[str, Any]) -> Contents:
        if told["format"] != _FORMAT:
            raise ValueError(f"its format is {told['format']!r}, this dnsctl reads {_FORMAT}")
        root, branch = _text(told["root"]), _text(told["branch"])
        if root:
            _refuse_path(root)
        if branch and not _REF.fullmatch(branch):
            raise ValueError(f"{branch!r} is not a branch")
        remotes = {_text(name): _text(url) for name, url in told["remotes"].items()}
        for name, url in remotes.items():
            if not _REF.fullmatch(name) or url.startswith("-") or not url.isprintable():
                raise ValueError(f"{name!r} is not a remote")
        items = tuple(
            Item(_text(one["path"]), _count(one["mode"]), _count(one["size"])) for one in told["files"]
        )
        _refuse_items(items)
        created = from_stamp(_text(told["created"]))
        return cls(created, _text(told["host"]), items, root, branch, remotes)


def mode_of(item: Item) -> int:
    """Return the mode that a file is restored with: secrets for their owner alone, whatever they had."""
    if item.path.startswith(f"{KEYS}/"):
        return 0o644 if _PUBLIC.fullmatch(item.path) else 0o600
    return item.mode & 0o644 | 0o600


def _refuse_items(items: Iterable[Item]) -> None:
    """Raise ValueError for a path that leads out, stands twice, or is a directory of another."""
    seen: set[str] = set()
    directories: set[str] = set()
    for one in items:
        if one.path != BUNDLE:
            _refuse_path(one.path)
        if one.path in seen:
            raise ValueError(f"{one.path!r} stands twice")
        seen.add(one.path)
        parts = one.path.split("/")
        directories.update("/".join(parts[:count]) for count in range(1, len(parts)))
    if both := seen & directories:
        raise ValueError(f"{min(both)!r} is a file and a directory")


def _refuse_path(path: str) -> None:
    parts = path.split("/")
    if len(path) > _MAX_PATH or "\0" in path or any(map(_leads_out, parts)):
        raise ValueError(f"{path[:80]!r} leads out of the operations repo")


def _leads_out(part: str) -> bool:
    """True for a part that names no file, or that a file system takes for git's directory.

    Some ignore case, code points that are not seen, or what follows a name: spaces, dots, `:stream`.
    """
    plain = unicodedata.normalize("NFKC", part.translate(_UNSEEN)).casefold()
    return part in _NO_NAME or re.split(r"[:\\]", plain, maxsplit=1)[0].rstrip(" .") in _GIT


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**62:
        raise ValueError(f"{value!r} is not a number of octets or a mode")
    return value
