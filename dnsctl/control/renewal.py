"""Which released zones are due for new signatures, and under which policies.

Policies are those of the commit that was released. If that commit is not in the clone any more (a shallow
clone, a rewritten and pruned history), or its dnsctl.yaml cannot be read, those of the work tree are used,
and for zones without one the defaults: a renewal must not fail because a duration is missing. A serial is
then raised by one, which every serial policy allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dnsctl.control.host import ControlHost
from dnsctl.control.own_image import is_there, open_own
from dnsctl.errors import ConfigError, DnsctlError, ImageError, ReleaseError
from dnsctl.load.revision import Revision, WorkTree
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.file import load_config
from dnsctl.load.zones import load_zones
from dnsctl.model.name import Name
from dnsctl.model.policy import Policy
from dnsctl.model.repo import Repo
from dnsctl.publish.intent import Progress
from dnsctl.publish.renewal import Renewal, renewal_of
from dnsctl.release.archive import Archive, activated
from dnsctl.release.manifest import Manifest
from dnsctl.replicate.supply import NOTHING_LOST
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.presigned import is_presigned


def renewal_due(host: ControlHost, progress: Progress) -> Renewal:
    """Return what is due of what this host's image holds. Raises DnsctlError where that cannot be read."""
    with host.image.reader() as reader:
        manifest = host.manifest(reader.generation)
        commit = manifest.commit if manifest is not None else None
        return renewal_of(
            reader,
            host.keystore,
            commit,
            policies_of(host, commit),
            lambda origin: is_signed_elsewhere(host.root, commit, origin) is True,
            datetime.now(UTC),
            progress,
        )


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


def policies_of(host: ControlHost, commit: str | None) -> Callable[[Name], Policy | None]:
    """Return what gives the policy of a zone that was released from `commit`."""
    config = config_of(host.root, commit)
    if config is not None:
        return lambda origin: signing_policy(config, host.keystore, origin)

    def stands_in(origin: Name) -> Policy:
        return replace(host.config.policy(origin) or Policy(), serial="increment")

    return stands_in


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
