"""A control host in miniature: makes releases from master-file text, step by step, without the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.store import Image
from dnsctl.model.name import Name, from_text
from dnsctl.model.rrset import Type
from dnsctl.release import delta
from dnsctl.release.archive import Archive
from dnsctl.release.envelope import ReleaseKey, seal
from dnsctl.release.manifest import ActivationCertificate, Manifest, Probe
from dnsctl.replicate.staging import Staging
from dnsctl.replicate.trust import Certified, Trust
from dnsctl.sign.signer import unsigned_zone
from tests.build import validated

CREATED = 1_795_262_400  # 2026-11-21


def new_key() -> ReleaseKey:
    private = Ed25519PrivateKey.generate()
    return ReleaseKey(private.public_key().public_bytes_raw(), private)


@dataclass(frozen=True)
class Made:
    """A release and its parts. The certificate exists from the start here: tests decide who sees it."""

    manifest: Manifest
    sealed: bytes
    delta: bytes
    certificate: bytes

    @property
    def certified(self) -> Certified:
        return Certified(self.sealed, self.certificate)


class Control:
    """Each `release` is made on top of the one before, and adopted at once."""

    def __init__(self, root: Path, key: ReleaseKey | None = None) -> None:
        self.key = key or new_key()
        self.trust = Trust((self.key.public,))
        self.image = Image.open(root / "image", readonly=False)
        self.archive = Archive(root / "archive")
        self.staging = Staging(self.image, self.archive, self.trust, prove=lambda manifest, reader: None)
        self.made: list[Made] = []

    def release(self, zones: Mapping[str, str], removed: tuple[str, ...] = (), *, adopt: bool = True) -> Made:
        """Make the next release: `zones` maps an origin to records below the usual apex."""
        served = self.staging.served
        serial = served.generation + 1
        signed = [unsigned_zone(validated(origin, text), serial) for origin, text in zones.items()]
        compiled = [compile_zone(zone) for zone in signed]
        gone = tuple(from_text(origin) for origin in removed)
        writer = self.image.writer()
        try:
            data, reference = delta.encode_with_reference(tuple(difference(writer, compiled, gone)))
            writer.apply(delta.decode(data, reference.length))
            table = writer.table_digest()
        finally:
            writer.abort()
        manifest = Manifest(
            generation=served.generation + 1,
            parent=served.manifest or None,
            commit=None,
            created=CREATED + served.generation,
            zones={zone.entry.origin: zone.entry for zone in compiled},
            removed=gone,
            table=table,
            delta=reference,
            probes=tuple(_probe(zone.origin, zone.rrsets()) for zone in signed),
        )
        made = self.seal(manifest, data)
        if adopt:
            self.adopt(made)
        return made

    def seal(self, manifest: Manifest, data: bytes, key: ReleaseKey | None = None) -> Made:
        keys = [key or self.key]
        certificate = ActivationCertificate(manifest.generation, manifest.digest, manifest.created)
        return Made(
            manifest,
            seal(manifest.to_bytes(), keys, "manifest"),
            data,
            seal(certificate.to_bytes(), keys, "activation"),
        )

    def altered(self, made: Made, **changes: object) -> Made:
        """Return `made` with fields of its manifest changed, and sealed again with the right key."""
        return self.seal(replace(made.manifest, **changes), made.delta)  # type: ignore[arg-type]

    def adopt(self, made: Made) -> None:
        self.archive.put(made.delta)
        self.staging.follow(made.certified)
        self.made.append(made)

    def close(self) -> None:
        self.staging.close()
        self.image.close()


def _probe(origin: Name, rrsets: object) -> Probe:
    soa = next(one for one in rrsets if one.rdtype == Type.SOA)  # type: ignore[attr-defined]
    return Probe(origin, int(Type.SOA), False, 0, tuple(rdata.hex() for rdata in soa.rdatas))


def text(number: int) -> str:
    """Records that differ from release to release."""
    return f"www 300 A 192.0.2.{number}\nrelease 300 TXT {number}\n"
