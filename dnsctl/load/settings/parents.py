"""Settings of dnsctl.yaml on parents of zones: how the DS is kept in step there."""

from __future__ import annotations

from typing import Literal

from dnsctl.load.settings.values import Settings
from dnsctl.model.parent_policy import ParentPolicy


class ParentConfig(Settings):
    """How the DS is kept in step: see `model.parent_policy.ParentPolicy`."""

    ours: Literal["follow", "leave"] = ParentPolicy().ours

    def policy(self, name: str) -> ParentPolicy:
        """Return the same as a frozen type."""
        return ParentPolicy(name, self.ours)
