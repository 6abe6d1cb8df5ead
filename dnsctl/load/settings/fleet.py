"""Settings of dnsctl.yaml on the fleet: its sites, its nodes, the keys whose releases nodes take, and what
`dnsctl control` does on its control host.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

from dnsctl.errors import ConfigError, KeystoreError
from dnsctl.files.secrecy import read_key
from dnsctl.load.settings.values import (
    ControlUrl,
    FilePath,
    Label,
    Listen,
    NotEmpty,
    OneOrMore,
    Settings,
    Span,
    TimeOfDay,
)
from dnsctl.model.fleet import Node
from dnsctl.model.repo import RELEASE_PUBLIC


class NodeConfig(Settings):
    """One name server. `metrics`: where its /metrics and /health listen; `workers`: UDP processes."""

    listen: Annotated[tuple[Listen, ...], NotEmpty, OneOrMore]
    control: ControlUrl
    metrics: Listen | None = None
    workers: int = Field(default=1, ge=1, le=256)


class Site(Settings):
    """One datacenter."""

    nodes: Annotated[dict[Label, NodeConfig], NotEmpty]


def nodes_of(sites: Mapping[str, Site]) -> tuple[Node, ...]:
    """Return every node of every site, in the order of the file."""
    return tuple(
        Node(name, site_name, node.listen, node.control)
        for site_name, site in sites.items()
        for name, node in site.nodes.items()
    )


class ControlConfig(Settings):
    """The daemon. `metrics`: where its /metrics and /healthz listen; `nightly`: when, in UTC, all zones are
    verified as a whole and old files removed; `evidence`: how long is kept what a failed verification saw.
    """

    metrics: Listen | None = None
    nightly: TimeOfDay = timedelta(hours=2, minutes=30)
    evidence: Span = timedelta(days=90)


class ReleaseConfig(Settings):
    """Public halves of the keys that sign releases, and how many signatures a node asks for."""

    keys: Annotated[tuple[FilePath, ...], NotEmpty] = (RELEASE_PUBLIC,)
    threshold: int = Field(default=1, ge=1)

    def public_keys(self, root: Path) -> tuple[bytes, ...]:
        """Return the 32 octets of each key, read from its file below `root`. Raises ConfigError."""
        return tuple(_public_key(root, path) for path in self.keys)


def _public_key(root: Path, path: str) -> bytes:
    from dnsctl.model.release_key import public_release_key  # noqa: PLC0415 - most verbs read settings only

    try:
        return public_release_key(read_key(root / path), path)
    except OSError as error:
        raise ConfigError(
            f"release key cannot be read: {error.strerror}",
            where=path,
            advice="run `dnsctl init`, or copy it here",
        ) from None
    except KeystoreError as error:
        raise ConfigError(error.what, where=path, advice=error.advice) from None
