"""Keys for SIG(0) at rest: `<root>/sig0/<name>/K<name>.+013+12345.{key,private.pem}`.

`.key` is BIND's: the KEY record that the operator of the parent puts into a zone. Private halves are kept as
those of zones are: encrypted under the same passphrase, mode 0600, and written before the public ones, so
that what is listed is whole. A key has no state: it signs updates while a parent in dnsctl.yaml names it.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dnsctl.errors import KeystoreError
from dnsctl.files import durable
from dnsctl.model.key import DNSKEY_PROTOCOL, HOST_FLAG, PublicKey
from dnsctl.model.name import Name, to_text
from dnsctl.model.policy import Algorithm
from dnsctl.model.repo import KeyFiles
from dnsctl.sign import disk
from dnsctl.sign.adoption import public_field
from dnsctl.sign.algorithm import scheme
from dnsctl.sign.foreign.key import ForeignKey
from dnsctl.sign.keyfile import directory_name, file_stem, parse_key
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.sig0 import ALGORITHMS, Sig0Key

_ATTEMPTS = 1000  # at a tag that no other key of the name has
_PUBLIC, _PRIVATE = ".key", ".private.pem"


@dataclass(frozen=True, slots=True)
class StoredSig0Key:
    """A key as its files have it, without the private half. `path`: the `.key` file."""

    public: PublicKey
    path: Path

    @property
    def private_path(self) -> Path:
        return self.path.with_name(self.path.name.removesuffix(_PUBLIC) + _PRIVATE)


def key_record(public: PublicKey) -> str:
    """Return the KEY record of a key, for the zone file of a parent."""
    field = base64.b64encode(public.public).decode()
    return f"{to_text(public.zone)} IN KEY {public.flags} {DNSKEY_PROTOCOL} {public.algorithm} {field}"


def listed(root: Path, name: Name | None = None) -> tuple[StoredSig0Key, ...]:
    """Return the keys of `name`, or of all, by file name. Raises KeystoreError naming a damaged file."""
    base = KeyFiles(root).sig0
    directories = [base / directory_name(name)] if name is not None else sorted(disk.entries(base))
    paths = (path for each in directories for path in sorted(disk.entries(each)))
    return tuple(_stored(path) for path in paths if path.name.startswith("K") and path.name.endswith(_PUBLIC))


def chosen(root: Path, name: Name, tag: int | None) -> StoredSig0Key:
    """Return the key of `name`, by its tag if that is given. Raises KeystoreError where it is not the one."""
    found = listed(root, name)
    fitting = [each for each in found if tag is None or each.public.tag == tag]
    if len(fitting) == 1:
        return fitting[0]
    where = str(KeyFiles(root).sig0 / directory_name(name))
    if not found:
        raise KeystoreError(
            f"no key for SIG(0) of {to_text(name)}",
            where=where,
            advice=f"make one: `dnsctl key generate {to_text(name)} --sig0`; or import one",
        )
    known = ", ".join(str(each.public.tag) for each in found)
    if not fitting:
        raise KeystoreError(f"no key with tag {tag}", where=where, advice=f"its keys are: {known}")
    raise KeystoreError(
        f"there are several keys: {known}",
        where=where,
        advice="say which signs updates: `sig0: {name: NAME, tag: TAG}` in dnsctl.yaml",
    )


def opened(keystore: Keystore, stored: StoredSig0Key) -> Sig0Key:
    """Return the key with its private half. Raises KeystoreError, PassphraseError."""
    return Sig0Key(stored.public, keystore.decrypted(stored.public, stored.private_path))


def drafted(name: Name, algorithm: Algorithm, known: Iterable[StoredSig0Key]) -> Sig0Key:
    """Make a key pair in memory, with a tag that none of the `known` has."""
    made, taken = scheme(algorithm), {each.public.tag for each in known}
    for _ in range(_ATTEMPTS):
        private = made.generate()
        public = PublicKey(name, int(algorithm), HOST_FLAG, made.field(private))
        if public.tag not in taken:
            return Sig0Key(public, private)
    raise KeystoreError("no free key tag found", where=to_text(name), advice="remove old keys")


def adopted(one: ForeignKey, name: Name) -> Sig0Key:
    """Return a key pair from elsewhere as one of `name`. Raises KeystoreError naming the file."""
    field = public_field(one)
    known = one.public or PublicKey(name, one.algorithm, HOST_FLAG, field)
    if one.ended:
        raise KeystoreError(
            "was retired, revoked or deleted there", where=one.where, advice="give it other times there"
        )
    if one.algorithm not in ALGORITHMS:
        numbers = ", ".join(str(int(each)) for each in ALGORITHMS)
        raise KeystoreError(
            f"algorithm {one.algorithm} is not for SIG(0) here",
            where=one.where,
            advice=f"use one of {numbers}",
        )
    if known.zone != name:
        raise KeystoreError(
            f"is a key of {to_text(known.zone)}", where=one.where, advice=f"name the files of {to_text(name)}"
        )
    if (known.algorithm, known.public) != (one.algorithm, field):
        raise KeystoreError(
            "the private half does not belong to the KEY beside it",
            where=one.where,
            advice="the halves are of different keys: export both again",
        )
    return Sig0Key(known, one.private)


def store(
    keystore: Keystore,
    key: Sig0Key,
    now: datetime,
    check: Callable[[tuple[StoredSig0Key, ...]], None] = lambda known: None,
) -> StoredSig0Key:
    """Write both halves of a key, or neither. Raises KeystoreError where it, or its tag, is there already.

    `check` gets the keys of its name while no other writer can add one; what it raises ends this.
    """
    root, public = keystore.root, key.public
    path = KeyFiles(root).sig0 / directory_name(public.zone) / (file_stem(public) + _PUBLIC)
    stored = StoredSig0Key(public, path)
    with keystore.still():
        known = listed(root, public.zone)
        check(known)
        private = keystore.encrypted(key.private)
        before = next((each for each in known if each.public.tag == public.tag), None)
        if before is not None:
            _refuse_taken(before, public)
        for directory in (path.parent.parent, path.parent):
            disk.make_directory(directory)
        durable.remove_unfinished(path.parent)
        try:
            disk.write(stored.private_path, private, 0o600)
            if before is None:
                disk.write(path, _key_text(public, now).encode(), 0o644)
        except BaseException:
            with contextlib.suppress(OSError):
                stored.private_path.unlink(missing_ok=True)
            raise
    return stored


def _refuse_taken(before: StoredSig0Key, public: PublicKey) -> None:
    """Raise KeystoreError, but for a key whose private half was lost and is here again."""
    if before.public != public:
        raise KeystoreError(
            f"has key tag {public.tag}, as the one that was to be stored",
            where=str(before.path),
            advice="make another key",
        )
    if before.private_path.exists():
        raise KeystoreError("is there already", where=str(before.path), advice="nothing is left to do")


def _key_text(public: PublicKey, now: datetime) -> str:
    head = f"; This is a key for SIG(0), keyid {public.tag}, for {to_text(public.zone)}"
    return f"{head}\n; Created: {now:%Y%m%d%H%M%S}\n{key_record(public)}\n"


def _stored(path: Path) -> StoredSig0Key:
    public = parse_key(disk.read(path).decode("utf-8", "replace"), str(path), "KEY")
    if directory_name(public.zone) != path.parent.name or file_stem(public) + _PUBLIC != path.name:
        raise KeystoreError(
            f"holds key {public.tag} of {to_text(public.zone)}, which is not what its name says",
            where=str(path),
            advice="restore it from a backup",
        )
    return StoredSig0Key(public, path)
