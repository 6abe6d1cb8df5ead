"""Keys at rest: `<root>/<zone>/K<zone>.+013+12345.{key,private.pem,state}` (dnssec.md, "Keys").

Invariants: a file is there whole or not at all (written aside, fsynced, renamed, directory fsynced); a new
key's `.state` is written first and says `generated`, so that whatever else is incomplete is damage and is
told, never papered over with a new key; private halves are encrypted and mode 0600; one writer at a time
(flock on `<root>/.lock`); a key tag is never given twice in a zone, revoked tags included. The `.key` and
`.state` of a removed key stay, because its tags stay taken. Reading needs no lock and, for the public side,
no passphrase.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dnsctl.errors import KeystoreError, PassphraseError, SigningError
from dnsctl.model.key import KeyRole, PublicKey
from dnsctl.model.name import Name, to_text
from dnsctl.model.policy import Policy
from dnsctl.sign.algorithm import PrivateKey, scheme
from dnsctl.sign.keyfile import (
    KeyState,
    KeyTimes,
    StateFile,
    directory_name,
    file_stem,
    flags,
    key_text,
    parse_key,
    parse_private,
    private_pem,
    revoked_tag,
)

_LOCK_PATIENCE = 30.0  # seconds; a writer holds the lock for milliseconds, or while it makes RSA keys
_ATTEMPTS = 1000  # at a tag; two tags of 65,536 are taken by each key ever used, so this never runs out
_ROLES: dict[str, tuple[KeyRole, ...]] = {"csk": ("csk",), "ksk+zsk": ("ksk", "zsk")}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs: its private half in memory. `created`: when it was generated."""

    public: PublicKey
    role: KeyRole
    private: PrivateKey
    created: datetime

    def __repr__(self) -> str:  # a log line must never show more
        return (
            f"SigningKey({to_text(self.public.zone)} {self.role} {self.public.algorithm} {self.public.tag})"
        )


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as its files tell, without the private half. `path` is the `.key` file."""

    public: PublicKey
    role: KeyRole
    state: KeyState
    times: KeyTimes
    path: Path

    @property
    def private_path(self) -> Path:
        return self.path.with_name(self.path.name.removesuffix(".key") + ".private.pem")

    @property
    def state_path(self) -> Path:
        return self.path.with_name(self.path.name.removesuffix(".key") + ".state")


class Keystore:
    """The keys below `root`. `passphrase` is called at most once, when a private half is first needed."""

    def __init__(self, root: Path, passphrase: Callable[[], bytes]) -> None:
        self._root = root
        self._ask = passphrase
        self._told: bytes | None = None

    def list(self, zone: Name | None = None) -> tuple[StoredKey, ...]:
        """Return the keys of `zone`, or of all, by file name. Raises KeystoreError naming a damaged file."""
        if zone is not None:
            directories = [self._root / directory_name(zone)]
        else:
            directories = sorted(one for one in _entries(self._root) if one.is_dir())
        found = (_stored(stem) for directory in directories for stem in _stems(directory))
        return tuple(one for one in found if one is not None)

    def signing_keys(self, zone: Name, policy: Policy, now: datetime) -> tuple[SigningKey, ...]:
        """Return the active keys of `zone`, made on first need: one a role that `policy` asks for.

        A key that was generated ahead and not yet used is taken before a new one is made. Keys that sign for
        the zone already but are not what `policy` asks for are not replaced behind a DS's back:
        KeystoreError.
        """
        active = self._active(zone, policy)
        if not _missing(active, policy):
            return tuple(self._load(one) for one in active)
        with self._lock():
            active = self._active(zone, policy)  # another writer may have made them while this one waited
            for role in _missing(active, policy):
                ahead = [
                    one
                    for one in self.list(zone)
                    if one.state is KeyState.GENERATED
                    and one.role == role
                    and one.public.algorithm == policy.algorithm
                    and one.private_path.exists()
                ]
                stored = ahead[0] if ahead else self._generate(zone, policy, role, now)
                self._load(stored)  # before it is called active: its private half opens and matches
                self._enter(stored, policy, KeyState.ACTIVE, now)
            active = self._active(zone, policy)
        return tuple(self._load(one) for one in active)

    def generate(self, zone: Name, policy: Policy, role: KeyRole, now: datetime) -> StoredKey:
        """Make a key pair, in state `generated`: on disk, in no zone yet."""
        with self._lock():
            return self._generate(zone, policy, role, now)

    def _active(self, zone: Name, policy: Policy) -> tuple[StoredKey, ...]:
        active = tuple(one for one in self.list(zone) if one.state is KeyState.ACTIVE)
        for one in active:
            if one.public.algorithm != policy.algorithm or one.role not in _ROLES[policy.keys]:
                raise KeystoreError(
                    f"its {one.role} {one.public.tag} of algorithm {one.public.algorithm} is in use, and "
                    f"policy {policy.name} asks for {policy.keys} of algorithm {int(policy.algorithm)}",
                    where=to_text(zone),
                    advice="set the policy back: a change of algorithm or of key roles needs a rollover",
                )
        return active

    def _generate(self, zone: Name, policy: Policy, role: KeyRole, now: datetime) -> StoredKey:
        taken = {tag for one in self.list(zone) for tag in (one.public.tag, revoked_tag(one.public))}
        passphrase = self._passphrase()
        made = scheme(policy.algorithm)
        for _ in range(_ATTEMPTS):
            private = made.generate()
            public = PublicKey(zone, int(policy.algorithm), flags(role), made.field(private))
            tags = {public.tag, revoked_tag(public)}
            if not tags & taken:
                break
        else:
            raise KeystoreError("no free key tag found", where=to_text(zone), advice="try again")
        directory = self._root / directory_name(zone)
        _make_directory(directory)
        times = KeyTimes(now.replace(microsecond=0))
        stored = StoredKey(public, role, KeyState.GENERATED, times, directory / (file_stem(public) + ".key"))
        self._enter(stored, policy, KeyState.GENERATED, now)
        _write(stored.private_path, private_pem(private, passphrase), 0o600)
        return stored

    def _enter(self, stored: StoredKey, policy: Policy, state: KeyState, now: datetime) -> None:
        times = stored.times.entered(state, now)
        content = StateFile.of(stored.public, stored.role, state, times).to_text()
        _write(stored.state_path, content.encode(), 0o600)
        _write(stored.path, key_text(stored.public, stored.role, policy.dnskey_ttl, times).encode(), 0o644)

    def _load(self, stored: StoredKey) -> SigningKey:
        where = str(stored.private_path)
        private = parse_private(_read(stored.private_path), self._passphrase(), where)
        try:
            belongs = scheme(stored.public.algorithm).field(private) == stored.public.public
        except SigningError:  # not even a key of that algorithm
            belongs = False
        if not belongs:
            raise KeystoreError(
                f"the private key does not belong to the public one in {stored.path.name}",
                where=where,
                advice="restore both from one backup",
            )
        return SigningKey(stored.public, stored.role, private, stored.times.generated)

    def _passphrase(self) -> bytes:
        if self._told is None:
            told = self._ask()
            if not told:
                raise PassphraseError(
                    "the keystore's passphrase is empty", advice="set one, at best 32 random octets"
                )
            self._told = told
        return self._told

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        _make_directory(self._root)
        path = self._root / ".lock"
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unwritable(path, error) from None
        try:
            deadline = time.monotonic() + _LOCK_PATIENCE
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise KeystoreError(
                            "another process has been writing keys for too long",
                            where=str(path),
                            advice="end it, then try again",
                        ) from None
                    time.sleep(0.02)
            yield
        finally:
            os.close(handle)  # releases the lock


def _missing(active: tuple[StoredKey, ...], policy: Policy) -> tuple[KeyRole, ...]:
    have = {one.role for one in active}
    return tuple(role for role in _ROLES[policy.keys] if role not in have)


def _stems(directory: Path) -> list[Path]:
    """Return the keys of a directory as paths without suffix, whichever of their files are left."""
    return sorted(
        {
            path.with_name(path.name.removesuffix(suffix))
            for path in _entries(directory)
            for suffix in (".key", ".state", ".private.pem")
            if path.name.startswith("K") and path.name.endswith(suffix)
        }
    )


def _stored(stem: Path) -> StoredKey | None:
    """Read the public side of a key; None for one whose making was interrupted before it had a `.key`."""
    path, state_path = (stem.with_name(stem.name + suffix) for suffix in (".key", ".state"))
    told = StateFile.from_text(_read(state_path).decode("utf-8", "replace"), str(state_path))
    if told.state is KeyState.GENERATED and not path.exists():
        return None
    public = parse_key(_read(path).decode("utf-8", "replace"), str(path))
    if (told.zone, told.algorithm, told.tag) != (public.zone, public.algorithm, public.tag):
        raise KeystoreError(
            f"it describes another key than {path.name}", where=str(state_path), advice="restore both files"
        )
    return StoredKey(public, told.role, told.state, told.times, path)


def _entries(directory: Path) -> tuple[Path, ...]:
    try:
        return tuple(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise KeystoreError(
            error.strerror or str(error), where=str(directory), advice="check its owner and mode"
        ) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise KeystoreError("missing", where=str(path), advice="restore it from a backup") from None
    except OSError as error:
        raise KeystoreError(
            error.strerror or str(error), where=str(path), advice="check its owner and mode"
        ) from None


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write whole or not at all, and be on disk when this returns."""
    aside = path.with_name(path.name + ".tmp")  # one writer holds the lock, so the name is free
    try:
        with open(  # an opener: the mode is set at creation, never after
            aside, "wb", opener=lambda name, how: os.open(name, how | os.O_NOFOLLOW, mode)
        ) as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise _unwritable(path, error) from None


def _make_directory(directory: Path) -> None:
    try:
        if not directory.exists():
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync_directory(directory.parent)
    except OSError as error:
        raise _unwritable(directory, error) from None


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(path: Path, error: OSError) -> KeystoreError:
    return KeystoreError(
        f"cannot be written: {error.strerror or error}",
        where=str(path),
        advice="check the disk, and owner and mode of the directory",
    )
