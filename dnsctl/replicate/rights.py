"""Who may ask an agent for what: one literal table; what is not in it is refused.

`control`: whoever has the control host's certificate. `node`: whoever has that of a node that this one knows.
Nobody else reaches HTTP. No right here makes a release: that takes the release keys, whose seal is checked on
everything that changes what is served, and on the manifest that vouches for each octet that is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from dnsctl.errors import PkiError, RefusalRule
from dnsctl.replicate.tls import Peer

Role = Literal["control", "node"]
_FLEET: Final[frozenset[Role]] = frozenset({"control", "node"})
_CONTROL: Final[frozenset[Role]] = frozenset({"control"})


@dataclass(frozen=True, slots=True)
class Right:
    """What `roles` may ask for with `method` at `path`; `GET` includes HEAD."""

    method: str
    path: str
    roles: frozenset[Role]


RIGHTS: Final = (
    Right("GET", "/v1/status", _FLEET),  # what is served, prepared, last refused
    Right("GET", "/v1/releases", _FLEET),  # activated releases, sealed
    Right("GET", "/v1/blobs/{digest}", _FLEET),  # a delta
    Right("GET", "/v1/snapshot", _FLEET),  # everything that is served
    Right(
        "POST", "/v1/activate", _FLEET
    ),  # a certificate: the release keys' seal on it counts, not who sends it
    Right("PUT", "/v1/blobs/{digest}", _CONTROL),  # a delta, after the sealed manifest that names it
    Right("POST", "/v1/prepare", _CONTROL),
    Right("POST", "/v1/abort", _CONTROL),
    Right("POST", "/v1/follow", _CONTROL),
    Right("POST", "/v1/look", _CONTROL),  # at servers of parents, see `parent.errand`
    Right("POST", "/v1/restore", _CONTROL),  # a snapshot, after the sealed release that it belongs to
)


def role_of(peer: Peer) -> Role:
    return "control" if peer.is_control else "node"


def require(right: Right, peer: Peer) -> None:
    """Raise PkiError unless `peer` has the right."""
    if role_of(peer) not in right.roles:
        raise PkiError(f"{peer} may not do this; only the control host may", rule=RefusalRule.NOT_PERMITTED)
