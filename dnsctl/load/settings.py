"""The settings of dnsctl.yaml as frozen types, and what they mean for a zone or a node.

Made by `dnsctl.load.config.load_config` only, which also refuses settings that contradict each other. No file
that a setting names is opened, except by `Config.node_settings`: it reads what the node itself must hold, the
release keys' public halves and the secrets of TSIG keys.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, field_validator

from dnsctl.errors import ConfigError, KeystoreError
from dnsctl.load.config_values import (
    ControlUrl,
    DomainName,
    FilePath,
    Label,
    Level,
    Listen,
    Mailbox,
    NotEmpty,
    Seconds,
    SecretReference,
    Share,
    SigningAlgorithm,
    Span,
    absolute_name,
)
from dnsctl.load.nearest import did_you_mean
from dnsctl.load.places import DEFAULT_PATH
from dnsctl.load.settings_base import Settings as _Settings
from dnsctl.load.settings_serve import ServeConfig, TransferConfig
from dnsctl.model import policy as model
from dnsctl.model.finding import Position
from dnsctl.model.fleet import Network, Node, NodeSettings, ServeSettings
from dnsctl.model.name import Name, to_text
from dnsctl.model.release_key import public_release_key
from dnsctl.model.serial import SerialPolicy

UNSIGNED = "none"
STANDARD = "standard"


class NodeConfig(_Settings):
    """One name server. `metrics`: where its /metrics and /health listen; `workers`: UDP processes."""

    listen: Annotated[tuple[Listen, ...], NotEmpty]
    control: ControlUrl
    metrics: Listen | None = None
    workers: int = Field(default=1, ge=1, le=256)

    @field_validator("listen", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value


class Site(_Settings):
    """One datacenter."""

    nodes: Annotated[dict[Label, NodeConfig], NotEmpty]


class SoaDefaults(_Settings):
    """The SOA of zones that have none (RFC 1035 §3.3.13); the release assigns the serial."""

    mname: DomainName
    rname: Mailbox
    refresh: Seconds = 7200
    retry: Seconds = 1800
    expire: Seconds = 1209600
    minimum: Seconds = 300


class Defaults(_Settings):
    """What a zone gets where its file and its entry under `zones` say nothing."""

    ttl: Seconds = 3600
    soa: SoaDefaults | None = None
    ns: tuple[DomainName, ...] = ()
    dnssec: str = STANDARD


class SignatureConfig(_Settings):
    """Validity of signatures: see `model.policy.SignaturePolicy`."""

    lifetime: Span = model.SignaturePolicy().lifetime
    refresh: Span = model.SignaturePolicy().refresh
    inception_offset: Span = model.SignaturePolicy().inception_offset
    jitter: Span = model.SignaturePolicy().jitter
    interval: Span = model.SignaturePolicy().interval


class PolicyConfig(_Settings):
    """A DNSSEC policy by name."""

    algorithm: SigningAlgorithm = model.Algorithm.ECDSAP256SHA256
    keys: Literal["csk", "ksk+zsk"] = "csk"
    denial: Literal["nsec", "nsec3"] = "nsec"
    opt_out: bool = False
    signatures: SignatureConfig = SignatureConfig()
    dnskey_ttl: Seconds = 3600
    serial: SerialPolicy = "unixtime"
    foreign_keys: Literal["allow", "refuse"] = "refuse"

    def policy(self, name: str) -> model.Policy:
        """Return the same as the stages know it."""
        return model.Policy(
            name=name,
            algorithm=self.algorithm,
            keys=self.keys,
            denial=self.denial,
            opt_out=self.opt_out,
            signatures=model.SignaturePolicy(
                lifetime=self.signatures.lifetime,
                refresh=self.signatures.refresh,
                inception_offset=self.signatures.inception_offset,
                jitter=self.signatures.jitter,
                interval=self.signatures.interval,
            ),
            dnskey_ttl=self.dnskey_ttl,
            serial=self.serial,
            foreign_keys=self.foreign_keys == "allow",
        )


class ZoneConfig(_Settings):
    """What differs for zones whose name a pattern matches. `checks`: rule id to severity, or `off`."""

    dnssec: str | None = None
    checks: dict[str, Level] = Field(default_factory=dict)


class ReleaseConfig(_Settings):
    """Public halves of the keys that sign releases, and how many signatures a node asks for."""

    keys: Annotated[tuple[FilePath, ...], NotEmpty] = ("keys/release.pub",)
    threshold: int = Field(default=1, ge=1)


class Guards(_Settings):
    """Shares of a zone's RRsets (0.0 to 1.0) that one push may delete or update without being asked twice.

    Zones with fewer than `minimum` RRsets are not guarded by share.
    """

    deletes: Share = 0.3
    updates: Share = 0.3
    minimum: int = Field(default=10, ge=0)


class KeystoreConfig(_Settings):
    """`passphrase`: a reference for `dnsctl.load.secret`."""

    passphrase: SecretReference = "file:keys/passphrase"  # noqa: S105 - where it is, not what


class Config(_Settings):
    """All of dnsctl.yaml. `sites` is empty where there is no fleet: for `serve --zones`."""

    version: Literal[1]
    sites: Annotated[dict[Label, Site], NotEmpty] = Field(default_factory=dict)
    release: ReleaseConfig = ReleaseConfig()
    defaults: Defaults = Defaults()
    policies: dict[Label, PolicyConfig] = Field(default_factory=dict)
    zones: dict[str, ZoneConfig] = Field(default_factory=dict)
    guards: Guards = Guards()
    keystore: KeystoreConfig = KeystoreConfig()
    transfers: TransferConfig = TransferConfig()
    serve: ServeConfig = ServeConfig()

    _places: dict[str, Position] = PrivateAttr(default_factory=dict)

    @field_validator("version", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value

    @field_validator("zones")
    @classmethod
    def _names(cls, value: dict[str, ZoneConfig]) -> dict[str, ZoneConfig]:
        for each in value:
            if not any(sign in each for sign in "*?["):
                absolute_name(each)
        return value

    @property
    def transfer(self) -> tuple[Network, ...]:
        return self.transfers.allow

    def nodes(self) -> tuple[Node, ...]:
        """Return every node of every site, in the order of the file."""
        return tuple(
            Node(name, site_name, node.listen, node.control)
            for site_name, site in self.sites.items()
            for name, node in site.nodes.items()
        )

    def policy(self, zone: Name) -> model.Policy | None:
        """Return the DNSSEC policy of `zone`, or None where it stays unsigned."""
        name = next(
            (each.dnssec for each in self._matching(zone) if each.dnssec is not None), self.defaults.dnssec
        )
        if name == UNSIGNED:
            return None
        return self.policies.get(name, PolicyConfig()).policy(name)

    def checks(self, zone: Name) -> Mapping[str, str]:
        """Return rule id to level for `zone`; the most specific pattern has the last word on each rule."""
        merged: dict[str, str] = {}
        for each in self._matching(zone):
            for rule, level in each.checks.items():
                merged.setdefault(rule, level)
        return merged

    def located(self, places: dict[str, Position]) -> Config:
        """Return the same settings, knowing where each entry under `zones` stands."""
        made = self.model_copy()
        made._places = places
        return made

    def named_zones(self) -> dict[Name, Position]:
        """Return the zones that have an entry by their exact name, and where it stands."""
        exact = (each for each in self.zones if not any(sign in each for sign in "*?["))
        return {absolute_name(each): self._places.get(each, Position(DEFAULT_PATH)) for each in exact}

    def _matching(self, zone: Name) -> Iterator[ZoneConfig]:
        """Give the entries under `zones` that match, the most specific first."""
        name = to_text(zone).removesuffix(".")
        matching = [pattern for pattern in self.zones if _matches(pattern, name)]
        for pattern in sorted(matching, key=_specificity, reverse=True):
            yield self.zones[pattern]

    def node_config(self, name: str) -> NodeConfig:
        """Return the settings of one node. Raises ConfigError with the nearest known name."""
        for site in self.sites.values():
            if name in site.nodes:
                return site.nodes[name]
        known = [each.name for each in self.nodes()]
        raise ConfigError(f"there is no node {name}", where=DEFAULT_PATH, advice=did_you_mean(name, known))

    def serve_settings(self, node: Node, workers: int, root: Path) -> ServeSettings:
        """Return how `node`, of the fleet or not, answers. Raises ConfigError for a secret not there."""
        answers = self.serve
        keys = tuple(each.key(key, root) for key, each in self.transfers.keys.items())
        return ServeSettings(
            node.listen,
            workers=workers,
            transfer=self.transfer,
            identity=answers.identity.replace("{node}", node.name).replace("{site}", node.site),
            version=answers.version,
            chaos=answers.chaos,
            cookies=answers.cookies,
            rate_limit=None if answers.rate_limit is None else answers.rate_limit.limit(),
            cookie_secret=root / answers.cookie_secret,
            keys=keys,
            notify=self.transfers.secondaries(keys),
            zone_metrics=answers.zone_metrics,
        )

    def node_settings(self, name: str, root: Path, state: Path | None = None) -> NodeSettings:
        """Return all that node `name` must know to run. Raises ConfigError, also for a release key."""
        own = self.node_config(name)
        fleet = {each.name: each for each in self.nodes()}
        pki = root / "keys" / "pki"
        return NodeSettings(
            node=fleet[name],
            serve=self.serve_settings(fleet[name], own.workers, root),
            state=state or root / "state" / "nodes" / name,
            peers=tuple(each for each in fleet.values() if each.name != name),
            release_keys=tuple(_release_key(root, path) for path in self.release.keys),
            threshold=self.release.threshold,
            authority=pki / "ca.crt",
            certificate=pki / f"{name}.crt",
            key=pki / f"{name}.pem",
            metrics=own.metrics,
        )


def _matches(pattern: str, name: str) -> bool:
    if any(sign in pattern for sign in "*?["):
        return fnmatch.fnmatchcase(name, pattern.lower().removesuffix("."))
    return _absolute(pattern) == name


@lru_cache(maxsize=65536)
def _absolute(pattern: str) -> str:
    """Return an exact name as `to_text` writes it, without the final dot: it is compared with every zone."""
    return to_text(absolute_name(pattern)).removesuffix(".")


def _specificity(pattern: str) -> tuple[bool, int]:
    """Exact names first, then the pattern that fixes the most characters."""
    return (not any(sign in pattern for sign in "*?["), sum(sign not in "*?[]" for sign in pattern))


def _release_key(root: Path, path: str) -> bytes:
    """Return the 32 octets of the public half of a release key. Raises ConfigError."""
    try:
        data = (root / path).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"release key cannot be read: {error.strerror}",
            where=path,
            advice="run `dnsctl init`, or copy it here",
        ) from None
    try:
        return public_release_key(data, path)
    except KeystoreError as error:
        raise ConfigError(error.what, where=path, advice=error.advice) from None
