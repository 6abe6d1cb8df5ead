"""Knot's KASP database: which keys it has for a zone as `keymgr` tells, and their PEM files beside it.

Format of the database is Knot's own, so Knot reads it. Nothing in it changes.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from dnsctl.errors import KeystoreError, SigningError
from dnsctl.files import secrecy
from dnsctl.model.key import KeyRole, PublicKey
from dnsctl.model.name import Name, to_text
from dnsctl.sign.algorithm import scheme
from dnsctl.sign.foreign import pem
from dnsctl.sign.foreign.key import ForeignKey
from dnsctl.sign.keyfile import flags

_PRIVATE = "keys"  # where Knot keeps private halves, below its KASP database
_DATABASE = "data.mdb"
_LIMIT = 30.0  # seconds


def is_kasp(path: Path) -> bool:
    """True for a directory that is a KASP database."""
    return (path / _DATABASE).is_file()


def keys_of(directory: Path, zone: Name, now: datetime) -> tuple[ForeignKey, ...]:
    """Return the keys of `zone`, also those that Knot has removed. Raises KeystoreError."""
    program = shutil.which("keymgr") or shutil.which("keymgr", path="/usr/sbin:/sbin")
    if program is None:
        raise KeystoreError(
            "is a KASP database of Knot, which its keymgr reads, and that is not installed",
            where=str(directory),
            advice="import the files in its keys/ one by one, with --role",
        )
    try:
        done = subprocess.run(
            (program, "-D", str(directory), "-e", to_text(zone), "list"),
            capture_output=True,
            check=False,
            timeout=_LIMIT,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KeystoreError(
            f"keymgr failed: {error}", where=str(directory), advice="try it by hand"
        ) from None
    if done.returncode:
        reason = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines() or ["?"]
        raise KeystoreError(f"keymgr failed: {reason[-1]}", where=str(directory), advice="try it by hand")
    return tuple(_keys(done.stdout.decode("utf-8", "replace"), directory, zone, now))


def _keys(text: str, directory: Path, zone: Name, now: datetime) -> Iterator[ForeignKey]:
    for told in _listed(text):
        try:
            where = directory / _PRIVATE / f"{told['id']}.pem"
            ksk, zsk = told["ksk"] == "yes", told["zsk"] == "yes"
            tag, algorithm = int(told["tag"]), int(told["algorithm"])
            created = _time(told, "publish") or _time(told, "active")
            ended = any(
                (moment := _time(told, each)) and moment <= now for each in ("retire", "remove", "revoke")
            )
        except (KeyError, ValueError, OverflowError, OSError) as error:
            raise _unexpected(directory, error) from None
        if told.get("public-only") == "yes":
            continue
        private = pem.parse(_read(where), str(where))[1]
        role: KeyRole = "csk" if ksk and zsk else "ksk" if ksk else "zsk"
        try:
            public = PublicKey(zone, algorithm, flags(role), scheme(algorithm).field(private))
        except SigningError as error:
            raise KeystoreError(
                error.what, where=str(where), advice=error.advice or "look at it there"
            ) from None
        if public.tag != tag:
            raise KeystoreError(
                f"keymgr gives it key tag {tag}, and its private half has {public.tag}",
                where=str(where),
                advice="the two are not of one key: do not use it",
            )
        yield ForeignKey(str(where), algorithm, private, public, role, created, ended)


def _listed(text: str) -> Iterator[Mapping[str, str]]:
    """Yield what keymgr says of each key: its id, then `name=value`."""
    for line in text.splitlines():
        identity, *pairs = line.split()
        yield {"id": identity, **dict(each.split("=", 1) for each in pairs if "=" in each)}


def _time(told: Mapping[str, str], name: str) -> datetime | None:
    """Return a time, in unix seconds there; None for 0, which is never. Raises ValueError."""
    seconds = int(told.get(name, "0"))
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _unexpected(directory: Path, error: Exception) -> KeystoreError:
    return KeystoreError(
        f"keymgr told what is not understood: {type(error).__name__} {error}",
        where=str(directory),
        advice="import the files in its keys/ one by one, with --role",
    )


def _read(path: Path) -> bytes:
    try:
        return secrecy.read_key(path)
    except OSError as error:
        raise KeystoreError(
            error.strerror or str(error), where=str(path), advice="keymgr names this key: look for its file"
        ) from None
