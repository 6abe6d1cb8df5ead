"""The settings of dnsctl.yaml as frozen types, and what they mean for a zone or a node.

Made by `file.load_config` only, which also refuses settings that contradict each other. No file that a
setting names is opened, except by `Config.node_settings`: it reads what the node itself must hold, the
release keys' public halves and the secrets of TSIG keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, field_validator

from dnsctl.errors import ConfigError, NameSyntaxError
from dnsctl.load.nearest import did_you_mean
from dnsctl.load.settings.alias import AliasConfig
from dnsctl.load.settings.fleet import ControlConfig, NodeConfig, ReleaseConfig, Site, nodes_of
from dnsctl.load.settings.parents import ParentConfig
from dnsctl.load.settings.policy import (
    UNSIGNED,
    Defaults,
    WrittenPolicy,
    ZoneConfig,
    check_names,
    is_pattern,
    matching,
)
from dnsctl.load.settings.serve import ServeConfig, TransferConfig, serve_settings
from dnsctl.load.settings.values import (
    ONE_OR_MORE_TEXTS,
    Branch,
    FilePath,
    Label,
    NotEmpty,
    OneOrMore,
    SecondaryAddress,
    SecretReference,
    Settings,
    Share,
    ZoneDirectory,
    absolute_name,
    section,
)
from dnsctl.model.finding import Level, Position
from dnsctl.model.fleet import Endpoint, Node, NodeSettings, ServeSettings
from dnsctl.model.guard_limits import STANDARD_LIMITS, GuardLimits
from dnsctl.model.guard_names import APPROVAL, GUARDS
from dnsctl.model.name import Name, from_text
from dnsctl.model.parent_policy import ParentPolicy
from dnsctl.model.policy import Lifetimes, Policy
from dnsctl.model.repo import AUTHORITY, CONFIG, PASSPHRASE, ZONES, Repo


class Guards(Settings):
    """Shares of a zone's RRsets (0.0 to 1.0) that one push may delete or update without being asked twice.

    Zones with fewer than `minimum` RRsets are not guarded by share.
    """

    deletes: Share = STANDARD_LIMITS.deletes
    updates: Share = STANDARD_LIMITS.updates
    minimum: int = Field(default=STANDARD_LIMITS.minimum, ge=0)

    @property
    def limits(self) -> GuardLimits:
        return GuardLimits(self.deletes, self.updates, self.minimum)


class ApprovalConfig(Settings):
    """What two people must vouch for: changes of `zones`, names or patterns, and what `guards` object to."""

    zones: Annotated[tuple[str, ...], OneOrMore, ONE_OR_MORE_TEXTS] = ()
    guards: Annotated[tuple[str, ...], OneOrMore, ONE_OR_MORE_TEXTS] = ()

    @field_validator("zones")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        check_names(value)
        return value

    @field_validator("guards")
    @classmethod
    def _guards(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = [name for name in GUARDS if name != APPROVAL]
        for each in value:
            if each not in known:
                raise ValueError(
                    f"{each!r} is not a guard that can ask for this: {did_you_mean(each, known)}"
                )
        return value


class CommitsConfig(Settings):
    """Who may sign what is released, by files of the repo: `allowed_signers` as of ssh-keygen, `openpgp_keys`
    the public keys themselves.
    """

    allowed_signers: FilePath | None = None
    openpgp_keys: FilePath | None = None
    approval: ApprovalConfig = section(ApprovalConfig)


class KeystoreConfig(Settings):
    """`passphrase`: a reference for `dnsctl.load.secret`."""

    passphrase: SecretReference = f"file:{PASSPHRASE}"


class Config(Settings):
    """All of dnsctl.yaml. Without a fleet, as for `serve --zones`, `sites` is empty."""

    version: Literal[1]
    sites: Annotated[dict[Label, Site], NotEmpty] = Field(default_factory=dict)
    branch: Branch | None = None
    commits: CommitsConfig = section(CommitsConfig)
    release: ReleaseConfig = section(ReleaseConfig)
    defaults: Defaults = section(Defaults)
    policies: dict[Label, WrittenPolicy] = Field(default_factory=dict)
    # for what others serve; the system's where none is named
    resolvers: Annotated[tuple[SecondaryAddress, ...], OneOrMore] = ()
    alias: AliasConfig = section(AliasConfig)
    parents: dict[Label, ParentConfig] = Field(default_factory=dict)
    # with zone files, from the root of the repo
    zone_files: Annotated[tuple[ZoneDirectory, ...], NotEmpty, OneOrMore, ONE_OR_MORE_TEXTS] = (ZONES,)
    zones: dict[str, ZoneConfig] = Field(default_factory=dict)
    guards: Guards = section(Guards)
    keystore: KeystoreConfig = section(KeystoreConfig)
    control: ControlConfig = section(ControlConfig)
    transfers: TransferConfig = section(TransferConfig)
    serve: ServeConfig = section(ServeConfig)

    _places: dict[str, Position] = PrivateAttr(default_factory=dict)
    _zone_files_at: Position = PrivateAttr(default=Position(CONFIG))

    @field_validator("version", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value

    @field_validator("zones")
    @classmethod
    def _names(cls, value: dict[str, ZoneConfig]) -> dict[str, ZoneConfig]:
        check_names(value)
        return value

    @property
    def alias_resolvers(self) -> tuple[Endpoint, ...]:
        """Who is asked for the targets of ALIAS: never the system's resolvers, unless they are named."""
        return self.alias.resolvers or self.resolvers

    def nodes(self) -> tuple[Node, ...]:
        """Return every node of every site, in the order of the file."""
        return nodes_of(self.sites)

    def policy(self, zone: Name) -> Policy | None:
        """Return the DNSSEC policy of `zone`, or None where it stays unsigned."""
        name = next(
            (each.dnssec for each in matching(self.zones, zone) if each.dnssec is not None),
            self.defaults.dnssec,
        )
        if name == UNSIGNED:
            return None
        return replace(self.policies.get(name, Policy()), name=name)

    @property
    def last_policy(self) -> Policy:
        """What a zone is signed by that is to be unsigned and may not be yet: the default, or `standard`."""
        name = "standard" if self.defaults.dnssec == UNSIGNED else self.defaults.dnssec
        found = self.policies.get(name, Policy())
        kept = Lifetimes(None, None, None)
        return replace(found, name=name, beside=None, lifetimes=kept, standby=False, cds="publish")

    def parent_policy(self, zone: Name, root: Path | None = None) -> ParentPolicy:
        """Return how the DS of `zone` is kept in step at its parent; its secret only with `root`.

        Raises ConfigError for a secret that cannot be read.
        """
        name = next(
            (each.parent for each in matching(self.zones, zone) if each.parent is not None),
            self.defaults.parent,
        )
        return self.parents.get(name, ParentConfig()).policy(name, root)

    def checks(self, zone: Name) -> Mapping[str, Level]:
        """Return rule id to level for `zone`; the most specific pattern has the last word on each rule."""
        merged: dict[str, Level] = {}
        for each in matching(self.zones, zone):
            for rule, level in each.checks.items():
                merged.setdefault(rule, level)
        return merged

    def certificates(self, zone: Name) -> Mapping[Name, tuple[str, ...]]:
        """Return who issues certificates, by owner in `zone`; the most specific pattern has the last word."""
        merged: dict[Name, tuple[str, ...]] = {}
        for each in matching(self.zones, zone):
            for owner, authorities in each.certificates.items():
                with suppress(NameSyntaxError):  # too long below this zone
                    merged.setdefault(from_text(owner or "@", zone), authorities)
        return merged

    @property
    def released(self) -> tuple[str, ...]:
        """Return the paths that a commit is released from, besides what files of zones include."""
        return (CONFIG, *self.zone_files)

    @property
    def zone_files_at(self) -> Position:
        """Return where `zone-files` stands."""
        return self._zone_files_at

    def located(self, places: dict[str, Position], zone_files: Position) -> Config:
        """Return the same settings, knowing where each entry under `zones` stands, and `zone-files`."""
        made = self.model_copy()
        made._places = places
        made._zone_files_at = zone_files
        return made

    def named_zones(self) -> dict[Name, Position]:
        """Return the zones that have an entry by their exact name, and where it stands."""
        exact = (each for each in self.zones if not is_pattern(each))
        return {absolute_name(each): self._places.get(each, Position(CONFIG)) for each in exact}

    def secret_files(self) -> tuple[str, ...]:
        """Return the files that are named for secrets: passphrase, TSIG keys, cookies."""
        keys = [*self.transfers.keys.values(), *(each.key for each in self.parents.values() if each.key)]
        references = [self.keystore.passphrase]
        references += [each.secret for each in keys if each.secret is not None]
        named = [each.removeprefix("file:") for each in references if each.startswith("file:")]
        return (*named, *((self.serve.cookie_secret,) if self.serve.cookies else ()))

    def node_config(self, name: str) -> NodeConfig:
        """Return the settings of one node. Raises ConfigError with the nearest known name."""
        for site in self.sites.values():
            if name in site.nodes:
                return site.nodes[name]
        known = [each.name for each in self.nodes()]
        raise ConfigError(f"unknown node {name}", where=CONFIG, advice=did_you_mean(name, known))

    def serve_settings(self, node: Node, workers: int, root: Path) -> ServeSettings:
        """Return how `node`, of the fleet or not, answers. Raises ConfigError for a secret not there."""
        return serve_settings(self.serve, self.transfers, node, workers, root)

    @property
    def parent_servers(self) -> tuple[Endpoint, ...]:
        """Return the servers of parents that settings name."""
        return tuple(sorted({server for each in self.parents.values() for server in each.servers}))

    def node_settings(self, name: str, root: Path, state: Path | None = None) -> NodeSettings:
        """Return all that node `name` must know to run. Raises ConfigError, also for a release key."""
        own = self.node_config(name)
        fleet = {each.name: each for each in self.nodes()}
        repo = Repo(root)
        pki = repo.keys.pki
        return NodeSettings(
            node=fleet[name],
            serve=self.serve_settings(fleet[name], own.workers, root),
            state=state or repo.node(name).directory,
            peers=tuple(each for each in fleet.values() if each.name != name),
            release_keys=self.release.public_keys(root),
            threshold=self.release.threshold,
            authority=pki.certificate(AUTHORITY),
            certificate=pki.certificate(name),
            key=pki.key(name),
            metrics=own.metrics,
            parents=self.parent_servers,
            repo=root,
        )
