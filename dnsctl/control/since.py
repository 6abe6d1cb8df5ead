"""Which zones were released since a release that this host knew, as the manifests in its archive tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dnsctl.errors import ReleaseError
from dnsctl.image.reader import Reader
from dnsctl.model.name import Name
from dnsctl.release.archive import Archive, activated

_STEPS: Final = 64  # releases that are looked through: past these, comparing all zones costs no more


def released_since(archive: Archive, reader: Reader) -> Callable[[str], frozenset[Name] | None]:
    """Return a function of the digest of a manifest: it returns the zones that were released, changed or
    removed since, up to the release that `reader` holds; None where the archive does not tell.
    """

    def since(manifest: str) -> frozenset[Name] | None:
        zones = set[Name]()
        generation, digest = reader.generation, reader.manifest
        for _ in range(_STEPS):
            if digest == manifest:
                return frozenset(zones)
            try:
                found = activated(archive, generation)
            except ReleaseError:
                return None
            if found is None or found.digest != digest or found.parent is None:
                return None
            zones.update(found.zones, found.removed)
            generation, digest = generation - 1, found.parent
        return None

    return since
