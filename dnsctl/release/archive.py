"""The archive of releases on disk: deltas by digest, manifests and activations by generation.

    objects/ab/cdef…            the object whose SHA-256 is abcdef…
    releases/00000042.manifest  a sealed manifest
    releases/00000042.activation  a sealed activation certificate; only of the manifest beside it

Invariants, also after a crash at any instruction: a file is whole or not there; an object is what its name
says (checked again at each `get`); an activation is on disk only after its manifest and the manifest's
delta; what is activated is never replaced. A manifest without an activation was staged, and may be replaced.
Used on the control host and on nodes, by one writing process each. Callers have checked the signatures.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from dnsctl.errors import RefusalRule, ReleaseError, advice_for
from dnsctl.files import durable
from dnsctl.release.digest import is_digest
from dnsctl.release.envelope import unverified_payload
from dnsctl.release.manifest import ActivationCertificate, Manifest

_NAME = re.compile(r"([0-9]{8,16})\.(manifest|activation)", re.ASCII)
_ACTIVATION = 16384  # octets held for a sealed activation
_SLACK = 65536  # octets held for directories
_HIGHEST = 10**16 - 1


class Archive:
    """The archive in the directory `root`, which is made when something is first put."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._objects = root / "objects"
        self._releases = root / "releases"
        self._reserved = self._releases / f"{durable.TEMPORARY_PREFIX}activation"
        self._slack = root / f"{durable.TEMPORARY_PREFIX}reserve"

    def put(self, data: bytes) -> str:
        """Keep `data`; return its digest. What is there already, undamaged, is not written again."""
        digest = hashlib.sha256(data).hexdigest()
        if not self.has(digest):
            path = self._object(digest)
            self._write(path, data)
        return digest

    def adopt(self, path: Path, digest: str) -> None:
        """Move in a file of this file system whose digest was taken while it was written and fsynced."""
        target = self._object(digest)
        try:
            durable.make_directory(target.parent)
            durable.move(path, target)
        except OSError as error:
            raise _unwritable(target, error) from None

    def locate(self, digest: str) -> Path:
        """Return where the object is, or would be: for what is too large to `get`. Raises ReleaseError."""
        return self._object(digest)

    def has(self, digest: str) -> bool:
        """True where the object is there and is what its digest says."""
        try:
            self.get(digest)
        except ReleaseError:
            return False
        return True

    def get(self, digest: str) -> bytes:
        """Return the object. Raises ReleaseError where it is missing or no longer matches its digest."""
        path = self._object(digest)
        data = _read(path)
        if data is None:
            raise ReleaseError("is not in the archive", where=str(path), rule=RefusalRule.DELTA_MISSING)
        if hashlib.sha256(data).hexdigest() != digest:
            raise ReleaseError(
                "no longer matches its digest",
                where=str(path),
                advice="fetch it from a peer",
                rule=RefusalRule.DAMAGED,
            )
        return data

    def put_manifest(self, generation: int, sealed: bytes) -> None:
        """Keep a sealed manifest. Raises ReleaseError where another of this generation was activated."""
        manifest = _manifest(sealed)
        if manifest.generation != generation:
            raise ReleaseError(f"a manifest of another generation than {generation}")
        path = self._release(generation, "manifest")
        if _holds(path, sealed):
            return
        if self._activated_manifest(generation) not in ("", manifest.digest):
            raise ReleaseError(
                f"generation {generation} was activated and is never replaced",
                where=str(path),
                rule=RefusalRule.ANOTHER_RELEASE,
            )
        self._write(path, sealed)

    def put_activation(self, generation: int, sealed: bytes) -> None:
        """Keep a sealed activation certificate. Raises ReleaseError unless manifest and delta are there.

        Both must be what the certificate names; putting it twice is harmless. Space that `reserve` took is
        used.
        """
        path = self._release(generation, "activation")
        certificate = _certificate(sealed)
        sealed_manifest = self.manifest(generation)
        if sealed_manifest is None:
            raise ReleaseError(f"generation {generation} has no manifest to activate", where=str(path))
        manifest = _manifest(sealed_manifest)
        if (certificate.generation, certificate.manifest) != (generation, manifest.digest):
            raise ReleaseError("certificate activates another manifest", where=str(path))
        if not self.has(manifest.delta.digest):
            raise ReleaseError(f"the delta of generation {generation} is missing", where=str(path))
        if not _holds(path, sealed):
            self._write(path, sealed, self._reserved)

    def reserve(self) -> None:
        """Reserve disk space for one activation, which is written after the decision. Raises OSError."""
        durable.make_directory(self._releases)
        durable.reserve(self._reserved, _ACTIVATION)
        durable.reserve(self._slack, _SLACK)

    def free(self) -> None:
        """Free what is reserved for directories, which may grow by a file's name: right before writing."""
        self._slack.unlink(missing_ok=True)

    def give_back(self) -> None:
        """Give back what `reserve` took."""
        for each in (self._slack, self._reserved):
            each.unlink(missing_ok=True)

    def put_again(self, generation: int, manifest: bytes, activation: bytes) -> None:
        """Replace what is here of an activated release, which is damaged, by the same from elsewhere.

        Callers have checked the seals. The delta may be missing, too.
        """
        for kind, sealed in (("manifest", manifest), ("activation", activation)):
            self._write(self._release(generation, kind), sealed)

    def path_of(self, generation: int, kind: str) -> Path:
        """Return where a sealed `manifest` or `activation` is kept, or would be. Raises ReleaseError."""
        return self._release(generation, kind)

    def manifest(self, generation: int) -> bytes | None:
        """Return the sealed manifest of `generation`, staged or activated."""
        return _read(self._release(generation, "manifest"))

    def activation(self, generation: int) -> bytes | None:
        """Return the sealed activation certificate of `generation`; None where it was never activated."""
        return _read(self._release(generation, "activation"))

    def generations(self) -> tuple[int, ...]:
        """Return the activated generations, ascending."""
        return tuple(sorted(self._listed("activation") & self._listed("manifest")))

    def latest(self) -> int | None:
        """Return the highest activated generation."""
        return max(self.generations(), default=None)

    def prune(self, keep: int) -> int:
        """Drop all but the last `keep` activated generations, and objects nothing refers to.

        Staged manifests after the last activated one stay, with their deltas. Nothing may be staged
        meanwhile. Returns how many files were removed. Raises ReleaseError for a damaged manifest.
        """
        if keep < 1:
            raise ReleaseError(f"cannot keep {keep} releases: at least the last one must stay")
        activated = self.generations()
        first = activated[-keep] if len(activated) > keep else min(activated, default=0)
        staged = self._listed("manifest") - set(activated)
        last = activated[-1] if activated else 0
        dropped = {each for each in activated if each < first} | {each for each in staged if each < last}
        kept = (set(activated) | staged) - dropped
        referenced = {_manifest(self.manifest(each) or b"").delta.digest for each in kept}
        removed = 0
        for generation in dropped:  # the activation first: without it the manifest counts as staged only
            for kind in ("activation", "manifest"):
                path = self._release(generation, kind)
                removed += path.exists()
                path.unlink(missing_ok=True)
        if dropped:
            durable.sync_directory(self._releases)
        for path in self._objects.glob("??/*") if self._objects.is_dir() else ():
            if path.parent.name + path.name not in referenced:
                path.unlink(missing_ok=True)
                removed += 1
        for path in self._releases.glob(durable.TEMPORARY_PREFIX + "*") if self._releases.is_dir() else ():
            path.unlink(missing_ok=True)
        return removed

    def _activated_manifest(self, generation: int) -> str:
        """Return the digest of what was activated; empty where nothing was, or it cannot be read."""
        try:
            activation = self.activation(generation)
            return _certificate(activation).manifest if activation is not None else ""
        except ReleaseError:
            return ""

    def _listed(self, kind: str) -> set[int]:
        names = {path.name for path in self._releases.iterdir()} if self._releases.is_dir() else set()
        found = {int(match[1]) for match in map(_NAME.fullmatch, names) if match}
        return {each for each in found if f"{each:08d}.{kind}" in names}

    def _object(self, digest: str) -> Path:
        if not is_digest(digest):  # also keeps paths inside the archive
            raise ReleaseError(f"{digest[:80]!r} is not a digest")
        return self._objects / digest[:2] / digest[2:]

    def _release(self, generation: int, kind: str) -> Path:
        if not 1 <= generation <= _HIGHEST:
            raise ReleaseError(f"{generation} is not a generation")
        return self._releases / f"{generation:08d}.{kind}"

    @staticmethod
    def _write(path: Path, data: bytes, reserved: Path | None = None) -> None:
        try:
            durable.make_directory(path.parent)
            if path.is_dir():  # damage; one that is not empty is a person's
                path.rmdir()
            durable.write(path, data, reserved=reserved)
        except OSError as error:
            raise _unwritable(path, error) from None


def activated(archive: Archive, generation: int) -> Manifest | None:
    """Return the manifest of an activated generation; None where the archive does not have it.

    Raises ReleaseError, naming the file, where one of the two is damaged so that it cannot be read.
    """
    sealed = archive.manifest(generation) if generation > 0 else None
    certificate = archive.activation(generation) if sealed is not None else None
    if sealed is None or certificate is None:
        return None
    kind = "manifest"
    try:
        manifest = _manifest(sealed)
        kind = "activation"
        if (manifest.generation, manifest.digest) != (generation, _certificate(certificate).manifest):
            raise ReleaseError("manifest and activation do not belong together")
    except ReleaseError as error:
        error.where = error.where or str(archive.path_of(generation, kind))
        raise
    return manifest


def _manifest(sealed: bytes) -> Manifest:
    return Manifest.from_bytes(unverified_payload(sealed, "manifest"))


def _certificate(sealed: bytes) -> ActivationCertificate:
    return ActivationCertificate.from_bytes(unverified_payload(sealed, "activation"))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ReleaseError(
            f"cannot be read: {error.strerror}",
            where=str(path),
            advice=advice_for(error.errno),
            rule=RefusalRule.SYSTEM,
        ) from None


def _holds(path: Path, data: bytes) -> bool:
    """True where `data` stands at `path` already; what cannot be read is written again."""
    try:
        return path.read_bytes() == data
    except OSError:
        return False


def _unwritable(path: Path, error: OSError) -> ReleaseError:
    return ReleaseError(
        f"cannot be written: {error.strerror}",
        where=str(path),
        advice=advice_for(error.errno),
        rule=RefusalRule.SYSTEM,
    )
