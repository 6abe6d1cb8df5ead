"""What a process of the fleet must know of itself and the others: sites, nodes, addresses. No secrets."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

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
class ServeSettings:
    """How a node answers. `transfer`: networks that may AXFR; `workers`: UDP processes."""

    listen: tuple[Endpoint, ...]
    workers: int = 1
    transfer: tuple[Network, ...] = ()
    identity: str = ""  # NSID (RFC 5001), `hostname.bind`, `id.server`; empty: not told


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """All a node's supervisor needs. `state` holds image/, releases/ and the generation counter."""

    node: Node
    serve: ServeSettings
    state: Path
    peers: tuple[Node, ...] = ()
    release_keys: tuple[bytes, ...] = ()  # raw Ed25519 public keys, 32 octets each
    threshold: int = 1
    authority: Path | None = None  # certificate of the fleet's CA (PEM)
    certificate: Path | None = None  # this node's own (PEM)
    key: Path | None = None  # its private key (PEM)
