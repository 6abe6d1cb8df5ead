"""Make a control host from a backup: all of it, or nothing.

Everything is written aside, and moved into place when the whole backup was read and found right. A directory
that does not exist, or is empty, becomes the operations repo in one rename. In an operations repo that is
there, such as a fresh clone, git's files stay: records go into state/, and keys/ is exchanged last, in one
step. What was in keys/ before is kept in `state/replaced/`, which git ignores, so that a key that was made
after the backup is not lost.
"""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from dnsctl.control.backup.contents import BUNDLE, LENGTH, MAX_INDEX, Contents, Item, mode_of
from dnsctl.control.backup.sealed import HEAD, refuse_other, unsealed
from dnsctl.control.host import locked
from dnsctl.errors import BackupError, KeystoreError, RefusalRule, SystemRefusalError
from dnsctl.files import durable
from dnsctl.files.exchange import exchange
from dnsctl.load.revision import git
from dnsctl.model.release_key import public_release_key
from dnsctl.model.repo import CONFIG, KEYS, KEYS_README, KeyFiles, Repo

_ASIDE = f"{durable.TEMPORARY_PREFIX}restore-"  # git ignores it
_REPLACED = "replaced"
GIT: Final = ".git"
_README = Path(KEYS_README).name


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored to the operations repo at `root`. `replaced`: where keys/ of before is.

    `other_release_key`: its release key is not the one of before, such as in a backup of another fleet.
    """

    contents: Contents
    root: Path
    replaced: Path | None = None
    other_release_key: bool = False


def require_backup(source: Path) -> None:
    """Raise BackupError where `source` does not begin as a backup, and what opening it raises."""
    with _opened(source) as file:
        refuse_other(file.read(HEAD), str(source))


def contents_of(source: Path, passphrase: bytes) -> Contents:
    """Return what is in a backup, all of which is read. Raises BackupError, PassphraseError."""
    with _opened(source) as file:
        reader = _Reader(file, passphrase, source)
        for each in reader.contents.items:
            for _ in reader.octets(each):
                pass
        reader.finish()
    return reader.contents


def restore(
    source: Path, passphrase: bytes, target: Path, now: datetime, *, overwrite: bool = False
) -> Restored:
    """Restore a backup to `target`. `overwrite`: also what is in keys/ and state/ there already.

    Raises BackupError, PassphraseError, SystemRefusalError, RevisionError: nothing has changed then.
    """
    target = Path(os.path.normpath(target.absolute()))
    fresh = not target.exists() or (target.is_dir() and _is_empty(target))
    if not fresh and not Repo(target).config.is_file():
        raise BackupError(
            "is neither empty nor an operations repo",
            where=str(target),
            advice="name a directory that does not exist, or a clone of the operations repo",
        )
    beside = target if target.is_dir() else target.parent
    try:
        durable.make_directory(beside)
        _remove_left(beside, target)
        aside = beside / f"{_ASIDE}{target.name}-{secrets.token_hex(4)}"
        aside.mkdir(0o700)
    except OSError as error:
        raise SystemRefusalError.of(error, beside) from None
    try:
        with _opened(source) as file:
            reader = _Reader(file, passphrase, source)
            if fresh:
                return _whole(reader, aside, target)
            return _into(reader, aside, target, now, overwrite=overwrite)
    except OSError as error:
        raise SystemRefusalError.of(error) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _is_empty(directory: Path) -> bool:
    """True where nothing is in a directory but what a restore that was killed has left."""
    return all(each.name.startswith(_ASIDE) for each in directory.iterdir())


class _Reader:
    """A backup that is read from its beginning."""

    def __init__(self, file: BinaryIO, passphrase: bytes, source: Path) -> None:
        self.where = str(source)
        self._pieces = unsealed(file, passphrase, self.where)
        self._rest = b""
        size = int.from_bytes(self._exactly(LENGTH), "big")
        if size > MAX_INDEX:
            raise BackupError(
                f"its index would have {size} octets", where=self.where, advice="do not trust it"
            )
        self.contents = Contents.from_octets(self._exactly(size), self.where)
        if self.contents.size > os.fstat(file.fileno()).st_size - HEAD:
            raise BackupError(
                f"is cut off: its files have {self.contents.size} octets",
                where=self.where,
                advice="take another copy, or an earlier backup",
            )

    def octets(self, item: Item) -> Iterator[bytes]:
        """Yield the octets of the next file, which is `item`."""
        left = item.size
        while left:
            piece = self._rest or self._next()
            self._rest = piece[left:]
            yield piece[:left]
            left -= min(left, len(piece))

    def finish(self) -> None:
        """Raise BackupError unless all has been read, and nothing follows."""
        if self._rest or any(self._pieces):
            raise BackupError(
                "has more in it than its index says", where=self.where, advice="do not trust it"
            )

    def _next(self) -> bytes:
        try:
            return next(self._pieces)
        except StopIteration:
            raise BackupError(
                "has less in it than its index says", where=self.where, advice="do not trust it"
            ) from None

    def _exactly(self, size: int) -> bytes:
        found = bytearray(self._rest)
        while len(found) < size:
            found += self._next()
        self._rest = bytes(found[size:])
        return bytes(found[:size])


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[BinaryIO]:
    try:
        file = source.open("rb")
    except FileNotFoundError:
        raise BackupError(
            "no such file", where=str(source), advice="name a file of `dnsctl backup`"
        ) from None
    except OSError as error:
        raise SystemRefusalError.of(error, source) from None
    with file:
        yield file


def _whole(reader: _Reader, aside: Path, target: Path) -> Restored:
    """Make the operations repo aside, then move it to `target`."""
    contents = reader.contents
    clone = aside / "clone"
    clone.mkdir(0o755)
    place = clone / contents.root if contents.has_repository else clone
    _write(reader, aside / "files")
    if contents.has_repository:
        _clone(aside / "files" / BUNDLE, clone, contents)
        (aside / "files" / BUNDLE).unlink()
        _refuse_links(contents.items, place, clone, reader.where)
    _move_below(aside / "files", place)
    (place / KEYS).mkdir(exist_ok=True)
    (place / KEYS).chmod(0o700)
    _put(clone, target)
    return Restored(contents, target / contents.root if contents.has_repository else target)


def _put(clone: Path, target: Path) -> None:
    """Move what was made to `target`; into it, where there is an empty directory: a shell may stand in it."""
    if not target.exists():
        durable.move(clone, target)
        return
    moved: list[Path] = []
    try:
        for each in sorted(
            clone.iterdir(), key=lambda each: each.name == CONFIG
        ):  # what makes it a repo, last
            moved.append(target / each.name)
            durable.move(each, moved[-1])
    except OSError:
        for each in moved:
            shutil.rmtree(each, ignore_errors=True) if each.is_dir() else each.unlink(missing_ok=True)
        raise


def _refuse_links(items: Iterable[Item], place: Path, clone: Path, where: str) -> None:
    """Raise BackupError where a link in the git repository stands in the way of a file.

    Also of one that stays inside of it: git's own directory is there.
    """
    ways = {place / KEYS, *(directory for each in items for directory in (place / each.path).parents)}
    for way in sorted(ways):
        if way.is_relative_to(clone) and way.is_symlink():
            raise BackupError(
                f"a link in its git repository leads {way.relative_to(clone)} elsewhere",
                where=where,
                advice="do not trust it; if the link is yours, restore into a clone",
                rule=RefusalRule.BACKUP_HOSTILE,
            )


def _refuse_git(items: Iterable[Item], target: Path) -> None:
    """Raise BackupError where a link of an operations repo leads a file into git's directory."""
    known = target.resolve().parts.count(GIT)
    for directory in {target / KEYS, *((target / each.path).parent for each in items)}:
        if directory.resolve().parts.count(GIT) > known:
            raise BackupError(
                f"a link leads {directory.relative_to(target)} into git's own directory",
                where=str(target),
                advice="remove that link; do not trust who made it",
                rule=RefusalRule.BACKUP_HOSTILE,
            )


def _clone(bundle: Path, clone: Path, contents: Contents) -> None:
    git(clone, "init", "--quiet")
    git(clone, "fetch", "--quiet", "--update-head-ok", str(bundle), "+refs/*:refs/*")
    branch = f"refs/heads/{contents.branch}"
    if git(clone, "rev-parse", "--verify", "--quiet", branch, check=False):
        git(clone, "symbolic-ref", "HEAD", branch)
        git(clone, "reset", "--quiet", "--hard")
    else:  # no branch was checked out
        git(clone, "fetch", "--quiet", str(bundle), "HEAD")
        git(clone, "checkout", "--quiet", "--detach", "FETCH_HEAD")
    for name, url in contents.remotes.items():
        git(clone, "remote", "add", name, url)


def _into(reader: _Reader, aside: Path, target: Path, now: datetime, *, overwrite: bool) -> Restored:
    """Restore keys and records to an operations repo that is there."""
    contents = reader.contents
    mine = [each for each in contents.items if each.path != BUNDLE]
    _refuse_git(mine, target)
    if not overwrite:
        _refuse_present(mine, target)
    files = aside / "files"
    _write(reader, files)
    repo = Repo(target)
    with locked(repo.state):
        (files / BUNDLE).unlink(missing_ok=True)
        keys = files / KEYS
        keys.mkdir(0o700, exist_ok=True)
        replaced = _set_aside(repo, keys, now)
        before, after = _release_key(repo.keys), _release_key(KeyFiles(keys))
        for name in ("-wal", "-shm"):
            repo.state.records.with_name(repo.state.records.name + name).unlink(missing_ok=True)
        ready = aside / KEYS
        durable.move(keys, ready)
        _move_below(files, target)
        old = repo.keys.directory.resolve()
        if not old.exists():
            durable.move(ready, old)
        else:
            exchange(ready, old)
            if replaced is not None:
                durable.move(ready, replaced)
    return Restored(contents, target, replaced, before is not None and before != after)


def _release_key(keys: KeyFiles) -> bytes | None:
    """Return the public release key; None where there is none that can be read."""
    try:
        return public_release_key(keys.release_public.read_bytes(), str(keys.release_public))
    except (OSError, KeystoreError):
        return None


def _refuse_present(items: list[Item], target: Path) -> None:
    present = [each.path for each in items if each.path != KEYS_README and (target / each.path).exists()]
    keys = Repo(target).keys.directory
    other = [
        each for each in (keys.iterdir() if keys.is_dir() else ()) if each.name not in (_README, ".lock")
    ]
    if present or other:
        first = present[0] if present else f"{KEYS}/{other[0].name}"
        raise BackupError(
            "is there already, and nothing was restored",
            where=str(target / first),
            advice="restore to a directory that does not exist; or, with --overwrite, replace keys/ and what"
            " the backup has of state/",
        )


def _set_aside(repo: Repo, keys: Path, now: datetime) -> Path | None:
    """Return where keys/ of before is to be kept; None where it holds nothing of worth."""
    old = repo.keys.directory
    if not (keys / _README).exists() and (old / _README).is_file():
        shutil.copy2(old / _README, keys / _README)
    if not old.is_dir() or all(each.name in (_README, ".lock") for each in old.iterdir()):
        return None
    replaced = repo.state.directory / _REPLACED
    durable.make_directory(replaced, 0o700)
    return replaced / f"keys-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def _write(reader: _Reader, files: Path) -> None:
    """Write everything below `files`, with the modes that it shall have; fsynced."""
    files.mkdir(0o755)
    for item in reader.contents.items:
        path = files / item.path
        private = item.path.startswith(f"{KEYS}/")
        for parent in reversed(path.relative_to(files).parents[:-1]):
            (files / parent).mkdir(0o700 if private else 0o755, exist_ok=True)
        with durable.writing(path, mode_of(item)) as file:
            for piece in reader.octets(item):
                file.write(piece)
    reader.finish()


def _move_below(source: Path, target: Path) -> None:
    """Move every file below `source` to the same place below `target`; directories are made as they are."""
    for path in sorted(source.rglob("*")):
        to = target / path.relative_to(source)
        if path.is_dir():
            if not to.is_dir():
                to.mkdir(path.stat().st_mode & 0o777)
                durable.sync_directory(to.parent)
        else:
            durable.move(path, to)


def _remove_left(beside: Path, target: Path) -> None:
    """Remove what a restore that was killed has left."""
    for left in beside.glob(f"{_ASIDE}{glob.escape(target.name)}-*"):
        shutil.rmtree(left, ignore_errors=True)
