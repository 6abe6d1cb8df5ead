"""How much of a zone one push may change without being asked twice: settings `guards` of dnsctl.yaml."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """Shares (0 to 1) of a zone's RRsets, of zones with at least `minimum` RRsets."""

    deletes: float = 0.3
    updates: float = 0.3
    minimum: int = 10


STANDARD_LIMITS = GuardLimits()
