"""The settings that a release brings to nodes: of dnsctl.yaml, how they answer, to whom, and who they are.

They are written as in dnsctl.yaml, without what is a default, and read by the same types. What a host has for
itself is not among them, and stays as the dnsctl.yaml on that host says it: secrets and where they stand,
release keys, certificates, and the address at which a node takes releases, so that no release can lock out
the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, ValidationError

from dnsctl.errors import ConfigError
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.fleet import NodeConfig, Site, nodes_of
from dnsctl.load.settings.serve import ServeConfig, TransferConfig, serve_settings
from dnsctl.load.settings.values import Label, NotEmpty, SecondaryAddress, Settings, reason_of, section
from dnsctl.model.fleet import Endpoint, Network, Node, NodeSettings
from dnsctl.model.json_value import Json
from dnsctl.model.repo import CONFIG

FORMAT: Final = 1
_LOCAL: Final[dict[type[BaseModel], set[str]]] = {
    ServeConfig: {"cookie_secret"}
}  # fields that each host has for itself
_LONGEST: Final = 300  # characters of a message


class ReleasedSettings(Settings):
    """What is in the manifest. `parents`: servers of parents that a node may be sent to look at."""

    format: Literal[1]
    sites: Annotated[dict[Label, Site], NotEmpty]
    transfers: TransferConfig = section(TransferConfig)
    serve: ServeConfig = section(ServeConfig)
    parents: tuple[SecondaryAddress, ...] = Field(default=())

    @classmethod
    def of(cls, config: Config) -> ReleasedSettings:
        """Return what nodes need of dnsctl.yaml."""
        return cls.model_construct(
            format=1,
            sites=config.sites,
            transfers=config.transfers,
            serve=config.serve,
            parents=config.parent_servers,
        )

    @classmethod
    def read(cls, value: object) -> ReleasedSettings:
        """Check what came with a release. Raises ConfigError, which names the first setting that is wrong."""
        found = value.get("format") if isinstance(value, dict) else None
        if type(found) is int and found != FORMAT:
            raise ConfigError(
                f"the released settings are of format {found}, this dnsctl reads {FORMAT}",
                advice="update dnsctl on this node",
            )
        try:
            return cls.model_validate(value)
        except (ValidationError, RecursionError) as error:
            raise ConfigError(
                _worded(error), advice="update dnsctl on this node, or correct dnsctl.yaml"
            ) from None

    def written(self) -> dict[str, Json]:
        """Return what `read` takes: the same for settings that are the same."""
        return {"format": FORMAT, **_fields(self)}

    def value_at(self, path: Sequence[str]) -> Json:
        """Return the setting at `path`, its default where it is not written; None where there is none."""
        found: object = self
        for key in path:
            fields = {
                each.alias or name: name for name, each in getattr(type(found), "model_fields", {}).items()
            }
            if isinstance(found, dict):
                found = found.get(key)
            else:
                found = getattr(found, fields[key]) if key in fields else None
        return _plain(found)

    def applied_to(self, own: NodeSettings) -> NodeSettings:
        """Return the settings of a node, `own` where only its own host says them.

        Raises ConfigError where the node is not among them, or the secret of a TSIG key is not on this host.
        """
        site, config = self._node(own.node.name)
        node = Node(own.node.name, site, config.listen, own.node.control)
        answers = serve_settings(
            self.serve, self.transfers, node, own.given_workers or config.workers, own.repo
        )
        return replace(
            own,
            node=node,
            serve=replace(answers, cookie_secret=own.serve.cookie_secret),
            peers=tuple(each for each in nodes_of(self.sites) if each.name != node.name),
            metrics=config.metrics,
            parents=self.parents,
        )

    def _node(self, name: str) -> tuple[str, NodeConfig]:
        for site_name, site in self.sites.items():
            if name in site.nodes:
                return site_name, site.nodes[name]
        raise ConfigError(
            f"node {name} is not among the nodes of the released settings",
            where=CONFIG,
            advice=f"name it there on the control host and push, or take {name} out of service",
        )


def _fields(settings: BaseModel) -> dict[str, Json]:
    """Return what is not a default, by the names that people write."""
    found: dict[str, Json] = {}
    local = _LOCAL.get(type(settings), set())
    for name, field in type(settings).model_fields.items():
        value, default = getattr(settings, name), field.get_default(call_default_factory=True)
        plain = _plain(value)
        is_default = value == default or (default == {} and plain == {})
        if name not in local and name != "format" and not is_default:
            found[field.alias or name] = plain
    return found


def _plain(value: object) -> Json:
    if isinstance(value, BaseModel):
        return _fields(value)
    if isinstance(value, Endpoint | Network):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"{type(value).__name__} has no form in released settings")


def _worded(error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "the released settings are nested too deeply"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"] if part != "[key]") or "all of them"
    return f"the released settings cannot be read: {name}: {reason_of(first)}"[:_LONGEST]
