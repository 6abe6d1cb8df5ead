"""What was released last, as this host knows it: its manifest, and the dnsctl.yaml of its commit.

Asks no node. The commit may not be in the clone any more (a shallow clone, a rewritten and pruned history),
and its dnsctl.yaml may not be readable: then there is None.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dnsctl.control.own_image import NOTHING_LOST, is_there, open_own
from dnsctl.errors import ConfigError, DnsctlError, ImageError, ReleaseError
from dnsctl.load.revision import Revision, WorkTree
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.file import load_config
from dnsctl.load.zones import load_zones
from dnsctl.model.name import Name
from dnsctl.model.policy import Policy
from dnsctl.model.repo import Repo
from dnsctl.model.zone import is_presigned
from dnsctl.release.archive import Archive, activated
from dnsctl.release.manifest import Manifest
from dnsctl.sign.keystore import Keystore


def released(root: Path) -> Manifest | None:
    """Return the manifest of the last release that this host knows of. Writes nothing.

    Raises ReleaseError where the archive's is damaged.
    """
    state = Repo(root).state
    if not is_there(state):
        return None
    with open_own(state) as image, image.reader() as reader:
        manifest = activated(Archive(state.archive), reader.generation)
        if manifest is not None and manifest.digest != reader.manifest:
            raise ReleaseError(
                "is damaged: another release",
                where=str(Archive(state.archive).path_of(reader.generation, "manifest")),
                advice=f"remove it; {NOTHING_LOST}",
            )
        return manifest


def fleet_config(root: Path, tell: Callable[[str], None]) -> Config:
    """Return dnsctl.yaml of the work tree, which says how to reach the fleet; if it cannot be read, that of
    the release, and `tell` so: a renewal does not wait for a person. Raises ConfigError.
    """
    try:
        return load_config(WorkTree(root), fleet=True)
    except ConfigError as error:
        config = released_config(root)
        if config is None:
            raise
        tell(f"{error}; the dnsctl.yaml that was released last is read instead")
        return config


def released_config(root: Path) -> Config | None:
    """Return dnsctl.yaml of the commit that was released last; None where it cannot be read."""
    try:
        manifest = released(root)
        return config_of(root, manifest.commit if manifest is not None else None)
    except (ImageError, ReleaseError):
        return None


def config_of(root: Path, commit: str | None) -> Config | None:
    """Return dnsctl.yaml of `commit`; None where it cannot be read."""
    if commit is None:
        return None
    try:
        source = Revision(root, commit)
        try:
            return load_config(source)
        finally:
            source.close()
    except DnsctlError:
        return None


def signing_policy(config: Config, keystore: Keystore, origin: Name) -> Policy | None:
    """Return what a served zone is signed by here; of one that is to be unsigned, until it is."""
    return config.policy(origin) or (config.last_policy if keystore.list(origin) else None)


def is_signed_elsewhere(root: Path, commit: str | None, origin: Name) -> bool | None:
    """True where the zone was pre-signed in the commit that was released; None where that cannot be read."""
    config = config_of(root, commit)
    if config is None or commit is None:
        return None
    source = Revision(root, commit)
    try:
        loaded = load_zones(source, config, frozenset((origin,)))
    except DnsctlError:
        return None
    finally:
        source.close()
    zone = loaded.zones.get(origin) or loaded.partial.get(origin)
    return None if zone is None else is_presigned(zone)
