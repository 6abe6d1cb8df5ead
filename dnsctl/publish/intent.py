"""What a commit asks for: its validated zones, each with the way to sign it. Made by `commit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dnsctl.model.finding import Finding, Level
from dnsctl.model.guard_limits import STANDARD_LIMITS, GuardLimits
from dnsctl.model.name import Name
from dnsctl.model.policy import Policy
from dnsctl.model.serial import SerialPolicy
from dnsctl.model.zone import ValidatedZone

Progress = Callable[[str, int, int], None]  # stage, done, total


def no_progress(stage: str, done: int, total: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True, slots=True)
class ZoneIntent:
    """One zone. `policy` is None where it is not signed here: unsigned, or `presigned` by someone else.

    `source`: digest of what the zone was made from, where it is taken from a release as it is. `levels`:
    severities by rule, as `checks` of dnsctl.yaml sets them for this zone.
    """

    zone: ValidatedZone
    policy: Policy | None = None
    presigned: bool = False
    source: str = ""
    levels: Mapping[str, Level] = field(default_factory=dict)

    @property
    def signed(self) -> bool:
        """True where it will be served with signatures."""
        return self.presigned or self.policy is not None

    @property
    def serial_policy(self) -> SerialPolicy:
        return self.policy.serial if self.policy is not None else "unixtime"


@dataclass(frozen=True)
class Intent:
    """All zones of one commit; with `partial` some, and what is not named stays as it is served.

    `commit` is None for a work tree outside git.
    """

    zones: Mapping[Name, ZoneIntent] = field(repr=False)
    commit: str | None = None
    findings: tuple[Finding, ...] = ()
    limits: GuardLimits = STANDARD_LIMITS
    partial: bool = False
