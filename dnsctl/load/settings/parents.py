"""Settings of dnsctl.yaml on parents of zones: how the DS is kept in step there."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from dnsctl.load.settings.values import SecondaryAddress, Settings, Switch
from dnsctl.model.parent_policy import ParentPolicy


class ParentConfig(Settings):
    """How the DS is kept in step: see `model.parent_policy.ParentPolicy`."""

    ours: Literal["follow", "leave"] = ParentPolicy().ours
    watch: Switch = ParentPolicy().watch
    servers: tuple[SecondaryAddress, ...] = ()

    @field_validator("servers", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    def policy(self, name: str) -> ParentPolicy:
        """Return the same as a frozen type."""
        return ParentPolicy(name, self.ours, self.watch, self.servers)
