"""What a process must know about the fleet: sites, nodes, addresses, and how to answer.

The only secrets in here are those of TSIG keys, which a representation never shows.
"""

from __future__ import annotations

import fnmatch
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dnsctl.model.name import Name, to_text

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Endpoint(NamedTuple):
    """An IP address (text, no brackets) and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Node:
    """One name server as the rest of the fleet sees it. `control` is its agent's https URL."""

    name: str
    site: str
    listen: tuple[Endpoint, ...]
    control: str


@dataclass(frozen=True, slots=True)
class TransferKey:
    """A TSIG key (RFC 8945) that may transfer zones, from `networks` (none named: from anywhere).

    `name`: as text; `algorithm`: as in RFC 8945 §6, `hmac-sha256`; `secret`: the octets themselves.
    """

    name: str
    algorithm: str
    secret: bytes = field(repr=False)
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Secondary:
    """A secondary that gets NOTIFY (RFC 1996). `key` signs that; `zones`: patterns, none for all.

    A pattern is a name in lower case without its final dot, or has the signs of fnmatch(3).
    """

    endpoint: Endpoint
    key: TransferKey | None = None
    zones: tuple[str, ...] = ()

    def wants(self, origin: Name) -> bool:
        """True where it gets NOTIFY for the zone `origin`."""
        name = to_text(origin).removesuffix(".")
        return not self.zones or any(fnmatch.fnmatchcase(name, each) for each in self.zones)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Response rate limiting over UDP: `rate` answers a second of one kind to one network.

    `slip`: every Nth limited response is sent, truncated (0: none); `table_size`: flows counted at once.
    """

    rate: int = 200
    slip: int = 1
    ipv4_prefix: int = 24
    ipv6_prefix: int = 56
    table_size: int = 393_241
    whitelist: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How a node answers. `transfer`: networks that may AXFR without a key; `workers`: UDP processes.

    `cookie_secret`: the file with the secrets of DNS cookies (RFC 9018), shared by all nodes; None or
    missing: the node makes one of its own.
    """

    listen: tuple[Endpoint, ...]
    workers: int = 1
    transfer: tuple[Network, ...] = ()
    identity: str = ""  # NSID (RFC 5001), `hostname.bind`, `id.server`; empty: not sent
    version: str = ""  # `version.bind`, `version.server`; empty: not sent
    chaos: bool = True  # answer class CH at all
    cookies: bool = True
    cookie_secret: Path | None = None
    keys: tuple[TransferKey, ...] = ()
    zone_metrics: bool = True  # count queries by zone, show serials and expiry by zone
    rate_limit: RateLimit | None = None  # None: off
    notify: tuple[Secondary, ...] = ()


@dataclass(frozen=True, slots=True)
class InForce:
    """Which settings a node runs with: their `digest`, and the generation of the release they came with.

    `generation` 0: those of the dnsctl.yaml on its own host.
    """

    digest: str
    generation: int


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """All a node's supervisor needs. `state` holds image/, releases/ and the generation counter.

    `parents`: servers of parents of zones that settings name: this node may be sent to look at them.
    `metrics`: where /metrics and /health are served; None: nowhere. `repo`: the directory with dnsctl.yaml
    and keys/; `given_workers`: where the command line says how many; `in_force`: None for a node that cannot
    take other settings while it runs.
    """

    node: Node
    serve: ServeSettings
    state: Path
    peers: tuple[Node, ...] = ()
    release_keys: tuple[bytes, ...] = ()  # raw Ed25519 public keys, 32 octets each
    threshold: int = 1
    authority: Path | None = None  # certificate of the fleet's CA (PEM)
    certificate: Path | None = None  # this node's own (PEM)
    key: Path | None = None  # its private key (PEM)
    metrics: Endpoint | None = None
    parents: tuple[Endpoint, ...] = ()
    repo: Path = Path()
    given_workers: int | None = None
    in_force: InForce | None = None
