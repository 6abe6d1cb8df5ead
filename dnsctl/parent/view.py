"""What one name server of the parent says of a delegation: its NS and glue. Pure.

The DS is in `model.observation.ParentView`: rolls wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dnsctl.model.json_value import Json


@dataclass(frozen=True, slots=True)
class DelegationView:
    """One look at one server. `ns`: names as text; `glue`: addresses by name; TTLs in seconds, the largest.

    `ns` is None where the server says nothing of the delegation: `fault` tells why, or it answers for the
    zone itself, and `fault` is empty. `site`: whose node looked; empty: the control host.
    """

    server: str
    ns: tuple[str, ...] | None
    ns_ttl: int = 0
    glue: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    glue_ttl: int = 0
    fault: str = ""
    site: str = ""

    def to_json(self) -> dict[str, Json]:
        return {
            "server": self.server,
            "ns": None if self.ns is None else list(self.ns),
            "ns_ttl": self.ns_ttl,
            "glue": {name: list(addresses) for name, addresses in self.glue.items()},
            "glue_ttl": self.glue_ttl,
            "fault": self.fault,
            "site": self.site,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> DelegationView:
        """Read `to_json`. Raises KeyError, TypeError, ValueError for anything else."""
        return cls(
            str(told["server"]),
            None if told["ns"] is None else tuple(map(str, told["ns"])),
            int(told["ns_ttl"]),
            {str(name): tuple(map(str, addresses)) for name, addresses in told["glue"].items()},
            int(told["glue_ttl"]),
            str(told["fault"]),
            str(told.get("site", "")),
        )
