"""Settings of dnsctl.yaml on parents of zones: how the DS is kept in step there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from dnsctl.load.settings.tsig import TsigKeyConfig
from dnsctl.load.settings.values import (
    OneOrMore,
    SecondaryAddress,
    Seconds,
    Settings,
    Span,
    Switch,
    absolute_name,
)
from dnsctl.model.fleet import TransferKey
from dnsctl.model.parent_policy import ParentPolicy, Sig0Name, Way

_STANDARD = ParentPolicy()


class UpdateKeyConfig(TsigKeyConfig):
    """The TSIG key that signs updates. `name`: as the parent knows it."""

    name: str

    @field_validator("name")
    @classmethod
    def _is_name(cls, value: str) -> str:
        absolute_name(value)
        return value

    def key(self, root: Path) -> TransferKey:
        """Return the key with its secret. Raises ConfigError where there is none, or it is not base64."""
        return TransferKey(self.name, self.algorithm, self.octets(self.name, root))


class Sig0KeyConfig(Settings):
    """The key of SIG(0) that signs updates. `name`: of its KEY record; `tag`: where the name has several."""

    name: str
    tag: Annotated[int, Field(ge=0, le=0xFFFF)] | None = None

    @field_validator("name")
    @classmethod
    def _is_name(cls, value: str) -> str:
        absolute_name(value)
        return value

    def key(self) -> Sig0Name:
        """Return the same as a frozen type."""
        return Sig0Name(absolute_name(self.name), self.tag)


class ParentConfig(Settings):
    """How the DS is kept in step: see `model.parent_policy.ParentPolicy`."""

    ours: Literal["follow", "leave"] = _STANDARD.ours
    watch: Switch = _STANDARD.watch
    servers: Annotated[tuple[SecondaryAddress, ...], OneOrMore] = ()
    ds: Way = _STANDARD.ds
    notify: SecondaryAddress | None = None
    server: SecondaryAddress | None = None
    key: UpdateKeyConfig | None = None
    sig0: Sig0KeyConfig | None = None
    command: tuple[str, ...] = ()
    timeout: Span = _STANDARD.timeout
    ttl: Seconds = _STANDARD.ttl

    def policy(self, name: str, root: Path | None = None) -> ParentPolicy:
        """Return the same as a frozen type; with the secret of its key, where `root` says where that is.

        Raises ConfigError for a secret that cannot be read.
        """
        return ParentPolicy(
            name=name,
            ours=self.ours,
            watch=self.watch,
            servers=self.servers,
            ds=self.ds,
            notify=self.notify,
            server=self.server,
            key=self.key.key(root) if self.key is not None and root is not None else None,
            sig0=self.sig0.key() if self.sig0 is not None else None,
            command=self.command,
            timeout=self.timeout,
            ttl=self.ttl,
        )
