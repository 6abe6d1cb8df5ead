"""Make a backup of this control host: what no node and no other clone has.

In it: the git repository with every branch and tag, all of keys/, other secrets that dnsctl.yaml names and
that stand in the operations repo, and of state/ the records and evidence. Image and archive are left to the
nodes. What was observed of parents and nodes is left out, too: a host that comes back would take it for what
was seen without a break, and a roll would go on too early. Without it, a roll waits.

Read while no push runs and nobody writes keys. A key that does not open stops it, so that no backup turns out
useless on the day it is needed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import stat
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from dnsctl.control.backup.contents import BUNDLE, Contents, Item
from dnsctl.control.backup.restoring import contents_of
from dnsctl.control.backup.sealed import CHUNK, Sealer
from dnsctl.control.host import locked
from dnsctl.control.telling import Tell
from dnsctl.errors import BackupError, KeystoreError, RevisionError, SystemRefusalError
from dnsctl.files import durable
from dnsctl.load.revision import git, head
from dnsctl.load.settings.config import Config
from dnsctl.load.uncommitted import uncommitted
from dnsctl.model.repo import KEYS, STATE, Repo
from dnsctl.sign import sig0_keys
from dnsctl.sign.keyfile import KeyState
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.passphrase import check_passphrase

_FROM_NODES = ("image", "archive", "nodes")  # in state/, what the fleet has
_OF_ITS_TIME = ("observations", "jobs.json")  # in state/, what is true only for who goes on looking
_NOT_KEPT = (".log", ".lock", "-wal", "-shm", "-journal")  # ends of names


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was written and read again. `octets`: size of the file; `notes`: what is not in it."""

    contents: Contents
    octets: int
    notes: tuple[str, ...]


@dataclass
class _Gathered:
    files: dict[str, Path] = field(default_factory=dict)  # by path in the backup
    notes: list[str] = field(default_factory=list)
    root: str = ""
    branch: str = ""
    remotes: dict[str, str] = field(default_factory=dict)


def make(
    root: Path,
    config: Config,
    keystore: Keystore,
    passphrases: tuple[bytes, bytes],
    target: Path,
    now: datetime,
    tell: Tell,
) -> Made:
    """Write a backup of the repo at `root` to `target`, and read it again.

    `passphrases`: the keystore's, and the backup's; `tell` is told what is waited for. Raises
    PassphraseError, KeystoreError where keys do not open; BackupError, SystemRefusalError where it cannot be
    written: then `target` is what it was.
    """
    keys = Repo(root).keys.directory
    check_passphrase(keys, passphrases[0])
    with (
        locked(Repo(root).state, tell=tell),
        keystore.still(),
        tempfile.TemporaryDirectory(prefix="dnsctl-backup-") as aside,
    ):
        _require_open_keys(keystore)
        found = _gathered(root, config, Path(aside))
        sources = sorted(found.files.items())
        items = tuple(Item(path, *_mode_and_size(source)) for path, source in sources)
        contents = Contents(
            now.replace(microsecond=0), socket.gethostname(), items, found.root, found.branch, found.remotes
        )
        try:
            with durable.writing(target, 0o600) as file:
                _write(file, passphrases[1], contents, [source for _, source in sources])
        except OSError as error:
            raise SystemRefusalError.of(error) from None
    _read_again(target, passphrases[1], contents)
    return Made(contents, target.stat().st_size, tuple(found.notes))


def _require_open_keys(keystore: Keystore) -> None:
    for each in sig0_keys.listed(keystore.root):
        sig0_keys.opened(keystore, each)
    for one in keystore.list():
        if one.private_path.exists():
            keystore.open(one)
        elif one.state is not KeyState.REMOVED:
            advice = "restore it from a backup"
            if one.state is KeyState.GENERATED:  # the making of it was killed, under an earlier dnsctl
                advice += f"; or, as it is in no zone, remove {one.path.name} and {one.state_path.name}"
            raise KeystoreError("missing", where=str(one.private_path), advice=advice)


def _write(file: BinaryIO, passphrase: bytes, contents: Contents, sources: Iterable[Path]) -> None:
    sealer = Sealer(file, passphrase)
    sealer.write(contents.to_octets())
    for item, source in zip(contents.items, sources, strict=True):
        written = 0
        with source.open("rb") as opened:
            while piece := opened.read(CHUNK):
                sealer.write(piece)
                written += len(piece)
        if written != item.size:
            raise BackupError("changed while it was read", where=item.path, advice="try again")
    sealer.close()


def _read_again(target: Path, passphrase: bytes, contents: Contents) -> None:
    if contents_of(target, passphrase) != contents:
        raise BackupError("is not what was written to it", where=str(target), advice="check that disk")


def _gathered(root: Path, config: Config, aside: Path) -> _Gathered:
    found = _Gathered()
    _gather_keys(root, config, found)
    _gather_state(root, aside, found)
    try:
        commit = head(root)
    except RevisionError as error:
        found.notes.append(f"the git repository is not in it: {error}")
    else:
        _gather_repository(root, config, commit, aside, found)
    return found


def _gather_keys(root: Path, config: Config, found: _Gathered) -> None:
    keys = Repo(root).keys.directory
    for path in _files(keys):
        if path.name != ".lock":
            found.files[f"{KEYS}/{path.relative_to(keys)}"] = path
    release = [
        each for public in config.release.keys for each in (public, str(Path(public).with_suffix(".pem")))
    ]
    for named in (*config.secret_files(), *(each for each in release if (root / each).is_file())):
        path = root / named
        inside = os.path.normpath(named)
        if not path.is_file():
            found.notes.append(f"{named} is not in it: the file is missing")
        elif inside.startswith(("/", "..")):
            found.notes.append(
                f"{named} is not in it: it is outside of the operations repo; keep a copy of it"
            )
        else:
            found.files.setdefault(inside, path)
    reference = config.keystore.passphrase
    if not reference.startswith("file:"):
        found.notes.append(f"the passphrase of the keystore is not in it ({reference}): keep a copy of it")


def _gather_state(root: Path, aside: Path, found: _Gathered) -> None:
    state = Repo(root).state
    for path in _files(state.directory):
        inner = path.relative_to(state.directory)
        if inner.parts[0] in (*_FROM_NODES, *_OF_ITS_TIME) or path.name.endswith(_NOT_KEPT):
            continue
        found.files[f"{STATE}/{inner}"] = path
    if found.files.pop(f"{STATE}/{state.records.name}", None):
        copy = aside / state.records.name
        try:
            with (
                contextlib.closing(sqlite3.connect(f"file:{state.records}?mode=ro", uri=True)) as records,
                contextlib.closing(sqlite3.connect(copy)) as target,
            ):
                records.backup(target)
        except sqlite3.Error as error:
            found.notes.append(
                f"{STATE}/{copy.name} is not in it: {error}; only the log of who pushed is missing"
            )
            return
        found.files[f"{STATE}/{copy.name}"] = copy


def _gather_repository(root: Path, config: Config, commit: str, aside: Path, found: _Gathered) -> None:
    if git(root, "rev-parse", "--is-shallow-repository").strip() == b"true":
        raise BackupError(
            "is a shallow clone, of which no other clone can be made",
            where=str(root.absolute()),
            advice="git fetch --unshallow",
        )
    bundle = aside / BUNDLE
    git(root, "bundle", "create", "--quiet", str(bundle), "--all", "HEAD")
    found.root = os.fsdecode(git(root, "rev-parse", "--show-prefix")).strip().rstrip("/")
    branch = git(root, "symbolic-ref", "--quiet", "--short", "HEAD", check=False).decode().strip()
    found.branch = branch or commit
    for name in git(root, "remote").decode().split():
        found.remotes[name] = git(root, "remote", "get-url", name).decode().strip()
    found.files[BUNDLE] = bundle
    if changed := uncommitted(root, config):
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        found.notes.append(f"changes that are not committed are not in it: {changed[0]}{more}")


def _files(directory: Path) -> Iterator[Path]:
    """Yield regular files, by path; of a link to one, what it leads to. Raises SystemRefusalError."""
    try:
        below = sorted(directory.rglob("*"))
    except OSError as error:
        raise SystemRefusalError.of(error, directory) from None
    for path in below:
        if path.is_file() and not path.name.startswith(durable.TEMPORARY_PREFIX):
            yield path


def _mode_and_size(path: Path) -> tuple[int, int]:
    status = path.stat()
    return stat.S_IMODE(status.st_mode), status.st_size
