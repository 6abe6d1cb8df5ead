"""Keys at rest: `<root>/<zone>/K<zone>.+013+12345.{key,private.pem,state}`.

Invariants: a file is there whole or not at all (see `files.durable`); a new key's `.state` is written first
and says `generated`, its `.key` last, also where many keys are stored at once, so that whatever else is
incomplete is damage and is told, never papered over with a new key; private halves are encrypted and mode
0600; nothing is written under a passphrase that does not open what is there; one writer at a time (flock on
`<root>/.lock`); a key tag is never given twice in a zone, revoked tags included. The `.key` and `.state` of a
removed key stay, because its tags stay taken. Reading needs no lock and, for the public side, no passphrase.

A key that a release brings is made in memory (`draft`), on disk before the release is decided (`store`), and
called active once it is served (`activate`): what is refused in between leaves nothing that signs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from dnsctl.errors import KeystoreError, PassphraseError, SigningError
from dnsctl.files import durable, secrecy
from dnsctl.files.lock import lock_file, take
from dnsctl.model import pkcs8
from dnsctl.model.key import KeyRole, KeyUse, PublicKey, whole_use
from dnsctl.model.name import Name, to_text
from dnsctl.model.policy import Policy
from dnsctl.sign.algorithm import PrivateKey, scheme
from dnsctl.sign.disk import (
    entries,
    make_directories,
    make_directory,
    read,
    read_private,
    unwritable,
    write,
    write_in_stages,
)
from dnsctl.sign.keyfile import (
    KeyState,
    KeyTimes,
    RollState,
    StateFile,
    directory_name,
    file_stem,
    flags,
    key_text,
    key_ttl,
    parse_key,
    parse_private,
    private_pem,
    taken_tags,
)
from dnsctl.sign.passphrase import check_passphrase, keystore_salt, locked

_LOCK_PATIENCE = 30.0  # seconds; a writer holds the lock for milliseconds, or while it makes RSA keys
_GRAIN = 1.0  # seconds; file systems in use tell times at least as closely
_ATTEMPTS = 1000  # at a tag; two tags of 65,536 are taken by each key ever used, so this never runs out


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs: its private half in memory. `created`: when it was generated.

    `use`: what it does now; None: all that its role says.
    """

    public: PublicKey
    role: KeyRole
    private: PrivateKey
    created: datetime
    use: KeyUse | None = None

    @property
    def duty(self) -> KeyUse:
        return whole_use(self.role) if self.use is None else self.use

    def __repr__(self) -> str:  # a log line must never show more
        return (
            f"SigningKey({to_text(self.public.zone)} {self.role} {self.public.algorithm} {self.public.tag})"
        )


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as its files describe it, without the private half. `path` is the `.key` file."""

    public: PublicKey
    role: KeyRole
    state: KeyState
    times: KeyTimes
    path: Path
    roll: RollState = field(default_factory=RollState)

    @property
    def private_path(self) -> Path:
        return self.path.with_name(self.path.name.removesuffix(".key") + ".private.pem")

    @property
    def state_path(self) -> Path:
        return self.path.with_name(self.path.name.removesuffix(".key") + ".state")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key pair that is only in memory until it is stored. `ttl`: of its DNSKEY, in seconds."""

    stored: StoredKey
    signing: SigningKey
    ttl: int


class Keystore:
    """The keys below `root`. `passphrase` is called at most once, when a private half is first needed."""

    def __init__(self, root: Path, passphrase: Callable[[], bytes]) -> None:
        self._root = root
        self._ask = passphrase
        self._told: bytes | None = None
        self._checked = False
        self._salt = b""
        self._stamps: dict[str, str | None] | None = None

    def list(self, zone: Name | None = None) -> tuple[StoredKey, ...]:
        """Return the keys of `zone`, or of all, by file name. Raises KeystoreError naming a damaged file."""
        if zone is not None:
            directories = [self._root / directory_name(zone)]
        else:
            directories = sorted(one for one in entries(self._root) if one.is_dir())
        found = (_stored(stem) for directory in directories for stem in _stems(directory))
        return tuple(one for one in found if one is not None)

    def stamps(self, now: datetime, *, fresh: bool = True) -> dict[str, str | None]:
        """Return what changes with each file that is made, replaced or removed in a directory, by its name.

        None where that was so lately that a later change might have the same time. One pass, and no file is
        read. Where not `fresh`, they may be those of before, if nothing was written here since.
        """
        if not fresh and self._stamps is not None:
            return self._stamps
        found: dict[str, str | None] = {}
        with contextlib.suppress(FileNotFoundError), os.scandir(self._root) as directories:
            for each in directories:
                if each.is_dir():
                    status = each.stat()
                    is_new = now.timestamp() - status.st_mtime < _GRAIN
                    found[each.name] = None if is_new else f"{status.st_mtime_ns}.{status.st_ino}"
        self._stamps = found
        return found

    def signing_keys(self, zone: Name, policy: Policy, now: datetime) -> tuple[SigningKey, ...]:
        """Return the active keys of `zone`, made on first need: one a role that `policy` asks for.

        A key that was generated ahead and not yet used is taken before a new one is made. Keys that sign for
        the zone already but are not what `policy` asks for are not replaced behind a DS's back:
        KeystoreError.
        """
        active = self._active(zone, policy)
        if not _missing(active, policy):
            return tuple(self.open(one) for one in active)
        with self._lock():
            active = self._active(zone, policy)  # another writer may have made them while this one waited
            for role in _missing(active, policy):
                ahead = [one for one in self.list(zone) if is_ahead(one, policy, role)]
                stored = ahead[0] if ahead else self._generate(zone, policy, role, now)
                self.open(stored)  # before it is called active: its private half opens and matches
                _enter([(stored, policy.dnskey_ttl, KeyState.ACTIVE)], now)
            active = self._active(zone, policy)
        return tuple(self.open(one) for one in active)

    def generate(
        self,
        zone: Name,
        policy: Policy,
        role: KeyRole,
        now: datetime,
        check: Callable[[tuple[StoredKey, ...]], None] = lambda stored: None,
    ) -> StoredKey:
        """Make a key pair, in state `generated`: on disk, in no zone yet.

        `check` gets the zone's keys while no other writer can add one; what it raises ends this.
        Raises PassphraseError, before anything is written, where the passphrase does not open the other keys.
        """
        with self._lock():
            check(self.list(zone))
            return self._generate(zone, policy, role, now)

    def draft(
        self,
        zone: Name,
        policy: Policy,
        role: KeyRole,
        now: datetime,
        beside: Iterable[NewKey] = (),
        others: Iterable[bytes] = (),
    ) -> NewKey:
        """Make a key pair in memory. `beside`: others of the zone that are not stored either.

        `others`: rdatas of DNSKEYs that it will stand beside, other signers' too.
        """
        known = (*self.list(zone), *(one.stored for one in beside))
        taken = {tag for one in known for tag in taken_tags(one.public)}
        taken.update(tag for each in others for tag in taken_tags(PublicKey.of(zone, each)))
        made = scheme(policy.algorithm)
        for _ in range(_ATTEMPTS):
            private = made.generate()
            public = PublicKey(zone, int(policy.algorithm), flags(role), made.field(private))
            if not taken_tags(public) & taken:
                break
        else:
            raise KeystoreError("no free key tag found", where=to_text(zone), advice="try again")
        times = KeyTimes(now.replace(microsecond=0))
        path = self._root / directory_name(zone) / (file_stem(public) + ".key")
        stored = StoredKey(public, role, KeyState.GENERATED, times, path)
        return NewKey(stored, SigningKey(public, role, private, times.generated), policy.dnskey_ttl)

    def store(self, keys: Iterable[NewKey]) -> None:
        """Write drafts, in state `generated`. All of them are on disk when this returns, or none."""
        drafts = tuple(keys)
        if drafts:
            with self._lock():
                self._store(drafts)

    def discard(self, keys: Iterable[NewKey]) -> None:
        """Remove stored drafts that came into no release."""
        with self._lock():
            self._discard(keys)

    def activate(self, stored: StoredKey, now: datetime) -> None:
        """Call a key active: it is published, and signs."""
        self.record(stored, KeyState.ACTIVE, stored.roll, now)

    def record(self, stored: StoredKey, state: KeyState, roll: RollState, now: datetime) -> None:
        """Write down the state of a key, and where it stands in a roll."""
        self.record_all([(stored, state, roll)], now)

    def record_all(self, found: Sequence[tuple[StoredKey, KeyState, RollState]], now: datetime) -> None:
        """Write down the states of keys, and where they stand in rolls; after a crash, of some of them."""
        if not found:
            return
        with self._lock():
            entered = [
                (replace(stored, roll=roll), key_ttl(read(stored.path).decode("utf-8", "replace")), state)
                for stored, state, roll in found
            ]
            _enter(entered, now)

    def end(self, stored: StoredKey, state: KeyState, now: datetime) -> None:
        """Call a key retired, or removed: then its private half is deleted, and its tags stay taken."""
        self.record(stored, state, replace(stored.roll, ended=True), now)
        if state is KeyState.REMOVED:
            self._stamps = None
            try:
                stored.private_path.unlink(missing_ok=True)
            except OSError as error:
                raise unwritable(stored.private_path, error) from None

    def open(self, stored: StoredKey) -> SigningKey:
        """Decrypt the private half. Raises KeystoreError where it is not there, or not of the public one."""
        private = self.decrypted(stored.public, stored.private_path)
        return SigningKey(stored.public, stored.role, private, stored.times.generated)

    def encrypted(self, private: PrivateKey) -> bytes:
        """Return a private half as it is kept at rest.

        Raises PassphraseError where the passphrase does not open the other keys.
        """
        passphrase = self._passphrase()
        if not self._checked:
            check_passphrase(self._root, passphrase)
            self._checked = True
        return private_pem(private, passphrase, self._common_salt())

    def decrypted(self, public: PublicKey, path: Path) -> PrivateKey:
        """Return the private half of `public` in `path`. Raises KeystoreError, PassphraseError."""
        private = parse_private(read_private(path), self._passphrase(), str(path))
        try:
            belongs = scheme(public.algorithm).field(private) == public.public
        except SigningError:  # not even a key of that algorithm
            belongs = False
        if not belongs:
            raise KeystoreError(
                f"the private key does not belong to the public one in {file_stem(public)}.key",
                where=str(path),
                advice="restore both from one backup",
            )
        return private

    @property
    def root(self) -> Path:
        """The directory that the keys are below."""
        return self._root

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Keep every other writer of keys out while the block runs. Nothing here may write in it."""
        with self._lock():
            yield

    def renew_encryption(self) -> tuple[Path, ...]:
        """Encrypt again what an earlier dnsctl encrypted, release key and certificates' keys included.

        Returns the files. What the passphrase does not open stays as it is. Raises KeystoreError where a file
        cannot be written: it is then what it was.
        """
        if not any(_is_old(path) for path in locked(self._root)):
            return ()
        renewed: list[Path] = []
        with self._lock():
            for path in locked(self._root):
                if not _is_old(path):
                    continue
                try:
                    private = pkcs8.opened(secrecy.read_key(path), self._passphrase())
                except (OSError, ValueError, TypeError):
                    continue  # reported where it is needed
                write(path, pkcs8.encrypted(private, self._passphrase(), self._common_salt()), 0o600)
                renewed.append(path)
        return tuple(renewed)

    def _active(self, zone: Name, policy: Policy) -> tuple[StoredKey, ...]:
        active = tuple(one for one in self.list(zone) if one.state is KeyState.ACTIVE)
        refuse_unwanted(active, policy)
        return active

    def _generate(self, zone: Name, policy: Policy, role: KeyRole, now: datetime) -> StoredKey:
        made = self.draft(zone, policy, role, now)
        self._store([made])
        return made.stored

    def _store(self, drafts: Sequence[NewKey]) -> None:
        """Write all, or nothing: first what is of no use without its `.key`, by which it is listed."""
        before: list[durable.File] = []
        last: list[durable.File] = []
        directories: dict[Path, list[StoredKey]] = {}  # and what will be in them
        for new in drafts:
            stored, directory = new.stored, new.stored.path.parent
            if directory not in directories:
                directories[directory] = list(self.list(stored.public.zone))
            known = directories[directory]
            self._refuse_taken(stored, known)
            private = durable.File(stored.private_path, self.encrypted(new.signing.private), 0o600)
            states = {one.public.rdata: one.state for one in known}
            if states.get(stored.public.rdata, KeyState.GENERATED) is not KeyState.GENERATED:
                before.append(private)  # which was lost; the other files are as they were
                continue
            times = stored.times.entered(KeyState.GENERATED, stored.times.generated)
            before += (_state_file(stored, KeyState.GENERATED, times), private)
            last.append(_public_file(stored, new.ttl, times))
            known.append(stored)
        try:
            make_directories(list(directories))
            for directory in directories:
                durable.remove_unfinished(directory)
            write_in_stages(before, last)
        except BaseException:
            self._discard(drafts)
            raise

    def _common_salt(self) -> bytes:
        self._salt = self._salt or keystore_salt(self._root)
        return self._salt

    @staticmethod
    def _refuse_taken(stored: StoredKey, known: Iterable[StoredKey]) -> None:
        """Raise KeystoreError where a key of the zone has this tag, or one of the two has it once revoked."""
        public = stored.public
        for one in known:
            if one.public.rdata == public.rdata:
                if one.private_path.exists() or one.state is KeyState.REMOVED:
                    what = "was removed" if one.state is KeyState.REMOVED else "is there already"
                    raise KeystoreError(what, where=str(one.path))
                continue  # its private half was lost, or never written
            if taken_tags(public) & taken_tags(one.public):
                raise KeystoreError(
                    f"key tag {public.tag} is taken, now or once a key is revoked, by {one.path.name}: "
                    "validators could take one for the other",
                    where=to_text(public.zone),
                    advice="make another key",
                )

    def _discard(self, keys: Iterable[NewKey]) -> None:
        for one in keys:
            stored = _stored(one.stored.path.with_suffix("")) if one.stored.state_path.exists() else None
            if stored is not None and (stored.public, stored.state) != (
                one.stored.public,
                KeyState.GENERATED,
            ):
                continue  # not ours, or in use
            for path in (one.stored.path, one.stored.private_path, one.stored.state_path):  # the state last
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # others are in it
                one.stored.path.parent.rmdir()

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
        make_directory(self._root)
        path = self._root / ".lock"
        try:
            descriptor = lock_file(path)
        except OSError as error:
            raise unwritable(path, error) from None
        try:
            if not take(descriptor, _LOCK_PATIENCE):
                raise KeystoreError(
                    "another process has been writing keys for too long",
                    where=str(path),
                    advice="end it, then try again",
                )
            yield
        finally:
            self._stamps = None
            os.close(descriptor)  # releases the lock


def public_side(root: Path) -> Keystore:
    """Return the keystore in directory `root` for what needs no passphrase: it lists keys, and opens none."""
    return Keystore(root, lambda: b"")


def _missing(active: tuple[StoredKey, ...], policy: Policy) -> tuple[KeyRole, ...]:
    have = {one.role for one in active if one.public.algorithm == policy.algorithm}
    return tuple(role for role in policy.roles if role not in have)


def is_ahead(key: StoredKey, policy: Policy, role: KeyRole) -> bool:
    """True for a whole key that was generated ahead and fits: it is taken before a new one is made."""
    return (
        key.state is KeyState.GENERATED
        and key.role == role
        and key.public.algorithm == policy.algorithm
        and key.private_path.exists()
    )


def refuse_unwanted(used: Iterable[StoredKey], policy: Policy) -> None:
    """Raise KeystoreError where a key in use is not of the algorithm or role that `policy` asks for."""
    for one in used:
        if one.public.algorithm not in policy.algorithms or one.role not in policy.roles:
            raise KeystoreError(
                f"its {one.role} {one.public.tag} of algorithm {one.public.algorithm} is in use, and "
                f"policy {policy.name} asks for {policy.asks_for}",
                where=to_text(one.public.zone),
                advice="set the policy back: a change of algorithm or of key roles needs a rollover",
            )


def _stems(directory: Path) -> list[Path]:
    """Return the keys of a directory as paths without suffix, whichever of their files are left."""
    return sorted(
        {
            path.with_name(path.name.removesuffix(suffix))
            for path in entries(directory)
            for suffix in (".key", ".state", ".private.pem")
            if path.name.startswith("K") and path.name.endswith(suffix)
        }
    )


def _stored(stem: Path) -> StoredKey | None:
    """Read the public side of a key; None for one whose making was interrupted before it had a `.key`."""
    path, state_path = (stem.with_name(stem.name + suffix) for suffix in (".key", ".state"))
    told = StateFile.from_text(read(state_path).decode("utf-8", "replace"), str(state_path))
    if told.state is KeyState.GENERATED and not path.exists():
        return None
    public = parse_key(read(path).decode("utf-8", "replace"), str(path))
    if (told.zone, told.algorithm, told.tag) != (public.zone, public.algorithm, public.tag):
        raise KeystoreError(
            f"it describes another key than {path.name}", where=str(state_path), advice="restore both files"
        )
    if directory_name(public.zone) != stem.parent.name:
        raise KeystoreError(
            f"a key of {to_text(public.zone)}, which is not the zone of this directory",
            where=str(path),
            advice="move its files to where they belong",
        )
    return StoredKey(public, told.role, told.state, told.times, path, told.roll)


def _is_old(path: Path) -> bool:
    """True for a private key that is not encrypted as new ones are; False where that cannot be read."""
    try:
        return pkcs8.salt_of(secrecy.read_key(path)) is None
    except OSError:
        return False


def _enter(found: Iterable[tuple[StoredKey, int, KeyState]], now: datetime) -> None:
    """Write down that keys are in these states from `now` on; with each the TTL of its DNSKEY, in seconds."""
    states: list[durable.File] = []
    public: list[durable.File] = []
    for stored, ttl, state in found:
        times = stored.times.entered(state, now)
        states.append(_state_file(stored, state, times))
        public.append(_public_file(stored, ttl, times))
    write_in_stages(states, public)


def _state_file(stored: StoredKey, state: KeyState, times: KeyTimes) -> durable.File:
    content = StateFile.of(stored.public, stored.role, state, times, stored.roll).to_text()
    return durable.File(stored.state_path, content.encode(), 0o600)


def _public_file(stored: StoredKey, ttl: int, times: KeyTimes) -> durable.File:
    return durable.File(stored.path, key_text(stored.public, stored.role, ttl, times).encode(), 0o644)
