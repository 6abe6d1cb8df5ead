"""With which settings a node begins: those of its last release; else those of the dnsctl.yaml on its host.

The release is read from the node's archive, and its seals are checked: who can write the state cannot have
this host read secrets. At a reload, settings that the node cannot run with are refused, and it goes on with
those it has. A node that starts takes its own dnsctl.yaml then: it answers queries before all else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from dnsctl.errors import ConfigError, DnsctlError, ReleaseError
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.released import ReleasedSettings
from dnsctl.load.settings.serve import TransferConfig
from dnsctl.model.fleet import InForce, NodeSettings
from dnsctl.model.repo import CONFIG, NodeFiles
from dnsctl.release import reload_note
from dnsctl.release.archive import Archive
from dnsctl.release.envelope import open_envelope
from dnsctl.release.manifest import settings_in
from dnsctl.release.reload_note import Refused
from dnsctl.release.settings import FleetSettings, digest_of, encode
from dnsctl.replicate.trust import Trust


class _Last(NamedTuple):
    """The settings of the last release in the archive, and its generation."""

    generation: int
    settings: FleetSettings

    @property
    def digest(self) -> str:
        return digest_of(encode(self.settings))


@dataclass(frozen=True, slots=True)
class Host:
    """What a node's own host says: `config`, of `root`; `state`, `workers`: None where nobody says these."""

    config: Config
    root: Path
    state: Path | None = None
    workers: int | None = None

    def settings(self, name: str, config: Config | None = None) -> NodeSettings:
        """Return the settings by dnsctl.yaml. Raises ConfigError."""
        found = (config or self.config).node_settings(name, self.root, self.state)
        if self.workers is None:
            return found
        return replace(found, serve=replace(found.serve, workers=self.workers), given_workers=self.workers)


def node_settings(host: Host, name: str, say: Callable[[str], None], *, trial: bool) -> NodeSettings:
    """Return what node `name` runs with. Raises DnsctlError.

    `say` gets why released settings are not taken. `trial`: then they must be.
    """
    without_secrets = host.config.model_copy(update={"transfers": TransferConfig.model_construct()})
    own = host.settings(name, without_secrets)
    try:
        if (last := _last_released(own)) is not None:
            return _taken(last, own)
        reload_note.remove(own.state)
    except DnsctlError as error:
        if trial:
            raise
        say(f"the settings of the last release are not taken, but those of {CONFIG} on this host: {error}")
    written = ReleasedSettings.of(host.config).written()
    return replace(host.settings(name), in_force=InForce(digest_of(encode(written)), 0))


def _taken(last: _Last, own: NodeSettings) -> NodeSettings:
    try:
        taken = ReleasedSettings.read(last.settings).applied_to(own)
    except ConfigError as error:
        reload_note.write(own.state, Refused(last.digest, str(error)))
        raise
    reload_note.remove(own.state)
    return replace(taken, in_force=InForce(last.digest, last.generation))


def _last_released(own: NodeSettings) -> _Last | None:
    """Return what the newest activated release in the archive says; None where it has no settings.

    Raises ReleaseError where it cannot be read, or this host's release keys did not seal it.
    """
    archive = Archive(NodeFiles(own.state).releases)
    generation = archive.latest()
    if generation is None:
        return None
    trust = Trust(own.release_keys, own.threshold)
    certificate = trust.certificate(archive.activation(generation) or b"")
    data = open_envelope(archive.manifest(generation) or b"", trust.keys, trust.threshold, "manifest")
    if (certificate.generation, certificate.manifest) != (generation, hashlib.sha256(data).hexdigest()):
        raise ReleaseError("manifest and activation do not belong together", where=str(archive.root))
    settings = settings_in(data)
    return None if settings is None else _Last(generation, settings)
