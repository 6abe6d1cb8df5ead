"""Whose releases are accepted: the pinned release keys, and what they must have sealed.

Nothing inside an envelope is read before enough pinned keys have signed it for its purpose. So a manifest
never passes for a certificate, and a peer can at worst withhold, never invent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from dnsctl.errors import RefusalRule, ReleaseRefusedError
from dnsctl.release.envelope import open_envelope
from dnsctl.release.manifest import ActivationCertificate, Manifest


class Certified(NamedTuple):
    """A sealed manifest and the sealed certificate that activates it, as they travel between hosts."""

    manifest: bytes
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Trust:
    """The release keys this host pins (raw Ed25519) and how many of them must have signed."""

    keys: tuple[bytes, ...]
    threshold: int = 1

    def manifest(self, sealed: bytes) -> Manifest:
        """Return the manifest inside. Order: signatures, then form. Raises ReleaseError."""
        return Manifest.from_bytes(open_envelope(sealed, self.keys, self.threshold, "manifest"))

    def certificate(self, sealed: bytes) -> ActivationCertificate:
        """Return the certificate inside. Order: signatures, then form. Raises ReleaseError."""
        return ActivationCertificate.from_bytes(
            open_envelope(sealed, self.keys, self.threshold, "activation")
        )

    def certified(self, release: Certified) -> Manifest:
        """Return the manifest of an activated release.

        Order: the manifest's seal and form, the certificate's, then that the one is about the other.
        Raises ReleaseError, ReleaseRefusedError.
        """
        manifest = self.manifest(release.manifest)
        certificate = self.certificate(release.certificate)
        if (certificate.generation, certificate.manifest) != (manifest.generation, manifest.digest):
            raise ReleaseRefusedError(
                f"the certificate is for generation {certificate.generation} ({certificate.manifest[:12]}),"
                f" not for this manifest ({manifest.digest[:12]})",
                rule=RefusalRule.OTHER_CERTIFICATE,
            )
        return manifest
