"""Another passphrase for the keystore: all private keys are encrypted again, or none.

A whole new keys/ is made beside the old one, where git ignores it, and the two change names in one step. So
whenever this ends, by a kill too, either the old passphrase opens everything or the new one does. A
passphrase in a file below keys/ changes in the same step. One in a file elsewhere is written beside it first,
as `NAME.next`, and takes its place afterwards; a second run finishes what a killed one left. What other
sources hold (a variable, a credential), a person changes afterwards.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dnsctl.control.host import locked
from dnsctl.control.telling import Tell
from dnsctl.errors import KeystoreError, PassphraseError, SystemRefusalError
from dnsctl.files import durable, secrecy
from dnsctl.files.exchange import exchange
from dnsctl.files.lock import lock_directory, take
from dnsctl.load.settings.config import Config
from dnsctl.model import pkcs8
from dnsctl.model.repo import Repo
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.passphrase import locked as encrypted_keys

_ASIDE = f"{durable.TEMPORARY_PREFIX}keys-"
_NEXT = ".next"
_PATIENCE = 60.0  # seconds; `init` holds this lock for one


@dataclass(frozen=True, slots=True)
class Rotated:
    """How many private keys are under the new passphrase, and in which file it stands; None: in none."""

    keys: int
    file: Path | None


def rotate(root: Path, config: Config, old: bytes, new: bytes, tell: Tell) -> Rotated:
    """Encrypt every private key of the keystore at `root` under `new` instead of `old`.

    `tell` is told what is waited for.

    Raises PassphraseError, KeystoreError naming a key that `old` does not open, or that stands elsewhere;
    SystemRefusalError where it cannot be written. Nothing has changed then.
    """
    if not new:
        raise PassphraseError("the new passphrase is empty", advice="take one of 32 random octets, at best")
    repo = Repo(root)
    keys = repo.keys.directory.resolve()
    file = passphrase_file(root, config)
    with _no_setup(root), locked(repo.state, tell=tell), Keystore(keys, lambda: old).still():
        renewed = _encrypted_again(_private_keys(root, config, keys), old, new)
        inside = file is not None and file.is_relative_to(keys)
        if file is not None and inside:
            renewed[file] = new + b"\n"
        aside = keys.with_name(f"{_ASIDE}{secrets.token_hex(4)}")
        try:
            _remove_left(keys)
            _copy(keys, aside, renewed)
            if file is not None and not inside:
                durable.write(_next(file), new + b"\n", 0o600)
            exchange(aside, keys)
            if file is not None and not inside:
                durable.move(_next(file), file)
        except OSError as error:
            raise _refused(error, keys) from None
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return Rotated(len(renewed) - inside, file)


def finish(root: Path, config: Config) -> bool:
    """Put the new passphrase into its file where a rotation was killed just before; True where it was."""
    file = passphrase_file(root, config)
    if file is None or not _next(file).is_file():
        return False
    with locked(Repo(root).state):
        waiting = secrecy.read_key(_next(file)).removesuffix(b"\n")
        key = next(encrypted_keys(Repo(root).keys.directory), None)
        with contextlib.suppress(OSError, ValueError, TypeError):
            if key is not None:
                pkcs8.opened(secrecy.read_key(key), waiting)
                durable.move(_next(file), file)
                return True
    return False


def passphrase_file(root: Path, config: Config) -> Path | None:
    """Return the file that holds the keystore's passphrase; None where it comes from elsewhere."""
    kind, _, path = config.keystore.passphrase.partition(":")
    return (root / path).resolve() if kind == "file" else None


@contextlib.contextmanager
def _no_setup(root: Path) -> Iterator[None]:
    """Keep `dnsctl init` out, which writes keys and removes unfinished files. Raises KeystoreError."""
    descriptor = lock_directory(root)
    try:
        if not take(descriptor, _PATIENCE):
            raise KeystoreError(
                "another process has been writing here for too long", where=str(root), advice="end it first"
            )
        yield
    finally:
        os.close(descriptor)


def _next(file: Path) -> Path:
    return file.with_name(file.name + _NEXT)


def _private_keys(root: Path, config: Config, keys: Path) -> list[Path]:
    """Return every private key that the passphrase opens. Raises KeystoreError for one outside of keys/."""
    found = list(encrypted_keys(keys))
    for public in config.release.keys:
        private = (root / public).with_suffix(".pem").resolve()
        if private.is_file() and private not in found:
            if not private.is_relative_to(keys):
                raise KeystoreError(
                    "is a release key outside of keys/, which could not change in the same step",
                    where=str(private),
                    advice="move it, and its .pub, into keys/, and name it so in dnsctl.yaml",
                )
            found.append(private)
    return found


_RESTORE = "other keys open with it, so this one was put there later: restore it from a backup"
_CHECK = "it opens no key: check what keystore.passphrase in dnsctl.yaml refers to"


def _opened_any(paths: list[Path], passphrase: bytes) -> bool:
    for path in paths:
        with contextlib.suppress(OSError, ValueError, TypeError):
            pkcs8.opened(secrecy.read_key(path), passphrase)
            return True
    return False


def _encrypted_again(paths: list[Path], old: bytes, new: bytes) -> dict[Path, bytes]:
    """Return what is to stand in each file. Raises PassphraseError naming one that `old` does not open."""
    salt = pkcs8.fresh_salt()
    renewed: dict[Path, bytes] = {}
    for path in paths:
        try:
            private = pkcs8.opened(secrecy.read_key(path), old)
        except OSError as error:
            raise SystemRefusalError.of(error, path) from None
        except (ValueError, TypeError):
            raise PassphraseError(
                "the present passphrase does not open this key, so no key is encrypted again",
                where=str(path),
                advice=_RESTORE if _opened_any(paths, old) else _CHECK,
            ) from None
        renewed[path] = pkcs8.encrypted(private, new, salt)
        pkcs8.opened(renewed[path], new)
    return renewed


def _copy(keys: Path, aside: Path, renewed: dict[Path, bytes]) -> None:
    """Make `aside` a copy of `keys` with what is `renewed`; all else are further names of the same files."""
    aside.mkdir(0o700)
    for path in sorted(keys.rglob("*")):
        to = aside / path.relative_to(keys)
        if path.is_dir() and not path.is_symlink():
            to.mkdir(path.stat().st_mode & 0o777)
        elif path in renewed:
            durable.write(to, renewed[path], 0o600)
        elif not path.name.startswith(durable.TEMPORARY_PREFIX):
            os.link(path, to, follow_symlinks=False)
    for path in (aside, *aside.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            durable.sync_directory(path)


def _refused(error: OSError, keys: Path) -> KeystoreError | SystemRefusalError:
    if error.errno not in (errno.EBUSY, errno.EXDEV, errno.EINVAL, errno.ENOSYS):
        return SystemRefusalError.of(error)
    return KeystoreError(
        f"cannot be exchanged as a whole: {error.strerror}",
        where=str(keys),
        advice="it must be a plain directory, not a mount point, on a file system like ext4 or xfs; or do"
        " this in what `dnsctl backup` and `restore` make elsewhere",
    )


def _remove_left(keys: Path) -> None:
    """Remove what a rotation that was killed has left."""
    for left in keys.parent.glob(f"{_ASIDE}*"):
        shutil.rmtree(left)
