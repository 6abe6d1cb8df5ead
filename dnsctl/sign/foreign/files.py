"""Files of keys as people have them: which kind a file is, and what belongs to it.

K….private, K….key, K…   BIND's pair, by either name or what both begin with
FILE                     a private key of PowerDNS (v1.2), or in PEM; FILE.key beside it may hold the DNSKEY
DIRECTORY                every pair of the zone in it; or a KASP database of Knot
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from dnsctl.errors import KeystoreError
from dnsctl.files import secrecy
from dnsctl.model.key import PublicKey
from dnsctl.model.name import Name
from dnsctl.sign.foreign import bind_state, kasp, pem, private_text
from dnsctl.sign.foreign.key import ForeignKey
from dnsctl.sign.keyfile import KeyType, parse_key

_PRIVATE, _PUBLIC, _STATE = ".private", ".key", ".state"


def key_pair(path: Path, now: datetime, rdtype: KeyType) -> ForeignKey:
    """Return the key that `path`, not a directory, names; its public half is of `rdtype`.

    Raises KeystoreError.
    """
    if path.is_dir():
        raise KeystoreError("is a directory", where=str(path), advice="name the file of one key")
    private, public = _beside(path)
    if not (path.exists() or private.exists() or public.exists()):
        raise KeystoreError(
            "no such file or directory",
            where=str(path),
            advice="name the file of a key, such as K….private, or its directory",
        )
    return _key(private, public if public.is_file() else None, now, rdtype)


def keys_in(path: Path, zone: Name, now: datetime) -> tuple[ForeignKey, ...]:
    """Return the keys that `path` names; of a directory, those of `zone`. Raises KeystoreError."""
    if path.is_dir():
        found = kasp.keys_of(path, zone, now) if kasp.is_kasp(path) else tuple(_pairs(path, zone, now))
        if not found:
            raise KeystoreError(
                "has no key of this zone", where=str(path), advice="name the file of a key, or its directory"
            )
        return found
    return (key_pair(path, now, "DNSKEY"),)


def _beside(path: Path) -> tuple[Path, Path]:
    """Return the files of the private and the public half of what `path` names."""
    if path.suffix == _PUBLIC and path.is_file() and pem.is_pem(_read(path)):  # as OpenSSL's users name keys
        return path, path.with_name(path.name + _PUBLIC)
    stem = path.name.removesuffix(_PRIVATE).removesuffix(_PUBLIC)
    if path.suffix in (_PRIVATE, _PUBLIC) or not path.exists():
        return path.with_name(stem + _PRIVATE), path.with_name(stem + _PUBLIC)
    return path, path.with_name(path.name + _PUBLIC)


def _pairs(directory: Path, zone: Name, now: datetime) -> Iterator[ForeignKey]:
    """Yield the pairs of a directory whose public half is of `zone`."""
    try:
        paths = sorted(directory.glob(f"K*{_PUBLIC}"))
    except OSError as error:
        raise KeystoreError(
            error.strerror or str(error), where=str(directory), advice="check its owner and mode"
        ) from None
    for path in paths:
        if _public(path, "DNSKEY").zone == zone:
            yield _key(*_beside(path), now, "DNSKEY")


def _key(private: Path, public: Path | None, now: datetime, rdtype: KeyType) -> ForeignKey:
    octets = _read(private)
    known = _public(public, rdtype) if public is not None else None
    if pem.is_pem(octets):
        algorithm, half = pem.parse(octets, str(private))
        return ForeignKey(str(private), known.algorithm if known else algorithm, half, known)
    if private_text.FIRST_LINE.encode() not in octets:
        raise KeystoreError(
            "not a private key of BIND or PowerDNS, nor one in PEM",
            where=str(private),
            advice="name a K….private file, what `pdnsutil export-zone-key` printed, or a PEM file",
        )
    told = private_text.parse(octets.decode("utf-8", "replace"), str(private))
    created = told.times.get("Created")
    state = private.with_suffix(_STATE)
    role = bind_state.role_of(_read(state).decode("utf-8", "replace")) if state.is_file() else None
    return ForeignKey(str(private), told.algorithm, told.private, known, role, created, told.ended(now))


def _public(path: Path, rdtype: KeyType) -> PublicKey:
    return parse_key(_read(path).decode("utf-8", "replace"), str(path), rdtype)


def _read(path: Path) -> bytes:
    try:
        return secrecy.read_key(path)
    except OSError as error:
        raise KeystoreError(
            error.strerror or str(error), where=str(path), advice="both halves are needed: check the path"
        ) from None
