"""Settings of dnsctl.yaml on how nodes answer, and who may transfer zones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from dnsctl.load.settings.tsig import TsigKeyConfig
from dnsctl.load.settings.values import (
    AllowedNetwork,
    FilePath,
    OneOrMore,
    SecondaryAddress,
    Settings,
    Shown,
    Switch,
    absolute_name,
)
from dnsctl.model.fleet import Node, RateLimit, Secondary, ServeSettings, TransferKey
from dnsctl.model.name import to_text
from dnsctl.model.repo import COOKIE_SECRET


class TransferKeyConfig(TsigKeyConfig):
    """A TSIG key that may transfer. `allow`: from where, anywhere unless named."""

    allow: tuple[AllowedNetwork, ...] = ()

    def key(self, name: str, root: Path) -> TransferKey:
        """Return the key with its secret. Raises ConfigError where there is none, or it is not base64."""
        return TransferKey(name, self.algorithm, self.octets(name, root), self.allow)


class SecondaryConfig(Settings):
    """Who gets NOTIFY (RFC 1996): an address, or an address with a key and the zones it gets NOTIFY for.

    `key`: one of `keys`; `zones`: names and patterns as under `zones:`, all where none is named.
    """

    address: SecondaryAddress
    key: str | None = None
    zones: Annotated[tuple[str, ...], OneOrMore] = ()

    @model_validator(mode="before")
    @classmethod
    def _address_alone(cls, value: object) -> object:
        return {"address": value} if isinstance(value, str) else value

    @field_validator("key")
    @classmethod
    def _name(cls, value: str | None) -> str | None:
        if value is not None:
            absolute_name(value)
        return value

    @field_validator("zones")
    @classmethod
    def _patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(
            each.lower().removesuffix(".")
            if any(sign in each for sign in "*?[")
            else to_text(absolute_name(each)).removesuffix(".")
            for each in value
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(core_schema)]}


class TransferConfig(Settings):
    """Who may transfer zones: `allow` by address; `keys` by TSIG, by their names. `notify`: secondaries."""

    allow: tuple[AllowedNetwork, ...] = ()
    keys: dict[str, TransferKeyConfig] = Field(default_factory=dict)
    notify: tuple[SecondaryConfig, ...] = ()

    def key_of(self, secondary: SecondaryConfig) -> str | None:
        """Return the key of `secondary` as `keys` writes its name; None where there is none."""
        wanted = absolute_name(secondary.key) if secondary.key is not None else None
        return next((name for name in self.keys if absolute_name(name) == wanted), None)

    def secondaries(self, keys: Sequence[TransferKey]) -> tuple[Secondary, ...]:
        """Return who is notified, with the secrets that are in `keys`."""
        by_name = {each.name: each for each in keys}
        return tuple(
            Secondary(each.address, by_name.get(self.key_of(each) or ""), each.zones) for each in self.notify
        )

    @field_validator("keys")
    @classmethod
    def _names(cls, value: dict[str, TransferKeyConfig]) -> dict[str, TransferKeyConfig]:
        for each in value:
            absolute_name(each)
        return value


class RateLimitConfig(Settings):
    """Response rate limiting over UDP, as in `model.fleet.RateLimit`; `rate-limit: {}` switches it on."""

    rate: int = Field(default=RateLimit().rate, ge=1, le=1_000_000)
    slip: int = Field(default=RateLimit().slip, ge=0, le=10)
    ipv4_prefix_length: int = Field(default=RateLimit().ipv4_prefix, ge=1, le=32)
    ipv6_prefix_length: int = Field(default=RateLimit().ipv6_prefix, ge=1, le=64)
    table_size: int = Field(default=RateLimit().table_size, ge=1024, le=100_000_000)
    whitelist: tuple[AllowedNetwork, ...] = ()

    def limit(self) -> RateLimit:
        """Return the same as a node knows it."""
        return RateLimit(
            self.rate,
            self.slip,
            self.ipv4_prefix_length,
            self.ipv6_prefix_length,
            self.table_size,
            self.whitelist,
        )


class ServeConfig(Settings):
    """How all nodes answer. `{node}` and `{site}` in `identity` stand for their names.

    `zone-metrics`: whether /metrics has figures by zone.
    """

    identity: Shown = "{node}"
    version: Shown = ""
    chaos: Switch = True
    cookies: Switch = True
    cookie_secret: FilePath = COOKIE_SECRET
    rate_limit: RateLimitConfig | None = None
    zone_metrics: Switch = True


def serve_settings(
    answers: ServeConfig, transfers: TransferConfig, node: Node, workers: int, root: Path
) -> ServeSettings:
    """Return how `node` answers. Raises ConfigError for the secret of a TSIG key that is not there."""
    keys = tuple(each.key(key, root) for key, each in transfers.keys.items())
    return ServeSettings(
        node.listen,
        workers=workers,
        transfer=transfers.allow,
        identity=answers.identity.replace("{node}", node.name).replace("{site}", node.site),
        version=answers.version,
        chaos=answers.chaos,
        cookies=answers.cookies,
        rate_limit=None if answers.rate_limit is None else answers.rate_limit.limit(),
        cookie_secret=root / answers.cookie_secret,
        keys=keys,
        notify=transfers.secondaries(keys),
        zone_metrics=answers.zone_metrics,
    )
