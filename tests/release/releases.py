"""Keys, manifests, certificates for tests of releases: small, valid, each field open to change."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dnsctl.image.layout import ZoneEntry
from dnsctl.model.name import from_text
from dnsctl.release.envelope import ReleaseKey, seal
from dnsctl.release.manifest import ActivationCertificate, DeltaReference, Manifest, Probe


def release_key(seed: int = 1) -> ReleaseKey:
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return ReleaseKey(private.public_key().public_bytes_raw(), private)


def entry(origin: str = "example.com.", **changes: Any) -> ZoneEntry:
    fields: dict[str, Any] = {
        "origin": from_text(origin),
        "serial": 7,
        "signed": False,
        "nsec3": None,
        "digest": "ab" * 32,
        "owners": 2,
        "rrsets": 3,
        "records": 5,
        "expiry": None,
        "tags": (),
        "source": "cd" * 32,
    }
    return ZoneEntry(**(fields | changes))


def manifest(generation: int = 1, **changes: Any) -> Manifest:
    zone = entry()
    fields: dict[str, Any] = {
        "generation": generation,
        "parent": None if generation == 1 else "12" * 32,
        "commit": "34" * 20,
        "created": 1_795_000_000,
        "zones": {zone.origin: zone},
        "removed": (from_text("example.org."),),
        "table": "56" * 32,
        "delta": DeltaReference("78" * 32, 10, 20),
        "probes": (Probe(from_text("www.example.com."), 1, True, 0, ("c0000201",)),),
    }
    return Manifest(**(fields | changes))


def certificate(of: Manifest) -> ActivationCertificate:
    return ActivationCertificate(of.generation, of.digest, of.created + 1)


def sealed(of: Manifest) -> bytes:
    return seal(of.to_bytes(), [release_key()], "manifest")


def sealed_certificate(of: Manifest) -> bytes:
    return seal(certificate(of).to_bytes(), [release_key()], "activation")
