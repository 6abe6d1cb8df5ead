"""Load dnsctl.yaml, all of it or nothing: the fleet, the defaults of zones, DNSSEC policies, guards.

`load_config` reads it through a `Source` and returns a frozen `Config`. A key that is not known, a value that
is not of its kind and a contradiction raise ConfigError with `file:line:column` and the way out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Annotated, get_args, get_origin

from pydantic import BaseModel, ValidationError

from dnsctl.errors import ConfigError, RevisionError
from dnsctl.load import yaml_nodes
from dnsctl.load.nearest import did_you_mean
from dnsctl.load.revision import Source
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.policy import WRITTEN
from dnsctl.load.settings.rules import Path, contradictions
from dnsctl.load.settings.values import reason_of
from dnsctl.model.finding import Position
from dnsctl.model.repo import CONFIG, ZONE_FILES

_LONG_WORD = re.compile(r"(\S{80})\S{200,}")  # longer than a name of DNS, or a path that anybody wrote
_LONGEST = 1000  # characters of a message


def load_config(source: Source, path: str = CONFIG, *, fleet: bool = True) -> Config:
    """Read and check dnsctl.yaml. Raises ConfigError for the first fault, with how many more there are.

    `fleet`: whether it must name sites and their nodes.
    """
    try:
        data = source.read(path)
    except RevisionError as error:
        raise ConfigError(
            error.what,
            where=str(source.root / path),
            advice="run `dnsctl init`, or name the repo with -C",
        ) from None
    return parse_config(data, path, fleet=fleet)


def parse_config(data: bytes, path: str = CONFIG, *, fleet: bool = True) -> Config:
    """Check the octets of dnsctl.yaml; `path` is for messages. Raises ConfigError."""
    tree = _settings_in(data, path)
    plain = _plain(tree)
    config = _checked(plain, tree, path)
    if fleet and not config.sites:
        where = _place(path, tree.line, tree.column)
        raise ConfigError("sites is missing", where=where, advice="name the sites and nodes of the fleet")
    for found in contradictions(config, lambda at: _has(plain, at)):
        raise ConfigError(_cut(found.what), where=_where(tree, found.path, path), advice=_cut(found.advice))
    zones = tree.get("zones")
    keys = (key for key, _ in zones.items.values()) if isinstance(zones, yaml_nodes.Mapping) else ()
    places = {key.text: Position(path, key.line, key.column) for key in keys}
    return config.located(places, Position(path, *_position(tree, (ZONE_FILES,))))


def load_part(source: Source, names: Iterable[str], path: str = CONFIG) -> Config:
    """Read and check what dnsctl.yaml says at the top under `names`, and take the rest for not written.

    So a file can be read in part whose rest is wrong for this version. Raises ConfigError, and RevisionError
    where the file cannot be read.
    """
    tree = _settings_in(source.read(path), path)
    return _checked({"version": "1"} | {name: _plain(tree.get(name)) for name in names}, tree, path)


def _settings_in(data: bytes, path: str) -> yaml_nodes.Mapping:
    try:
        tree = yaml_nodes.compose(data)
    except yaml_nodes.YamlFault as fault:
        place = _place(path, fault.line, fault.column)
        raise ConfigError(f"{fault.message} [{fault.rule}]", where=place, advice=fault.advice) from None
    if not isinstance(tree, yaml_nodes.Mapping):
        raise ConfigError("is not a mapping of settings", where=path, advice="see docs, or run `dnsctl init`")
    for key in _repeated(tree):
        raise ConfigError(
            f"{_cut(key.text)!r} is set twice",
            where=_place(path, key.line, key.column),
            advice="keep one of them",
        )
    return tree


def _checked(plain: object, tree: yaml_nodes.Mapping, path: str) -> Config:
    try:
        return Config.model_validate(plain)
    except ValidationError as error:
        raise _config_error(error, tree, path) from None


def _plain(node: yaml_nodes.Node | None) -> object:
    """Return dicts, lists and text; what was left empty or written `null` is None."""
    if isinstance(node, yaml_nodes.Mapping):
        return {key: _plain(value) for key, (_, value) in node.items.items()}
    if isinstance(node, yaml_nodes.Sequence):
        return [_plain(item) for item in node.items]
    return None if node is None or node.is_null else node.text


def _has(plain: object, at: Path) -> bool:
    """Return whether a value, not null, stands at `at`, a path of keys."""
    for key in at:
        plain = plain.get(key) if isinstance(plain, dict) else None
    return plain is not None


def _repeated(node: yaml_nodes.Node) -> Iterator[yaml_nodes.Scalar]:
    if isinstance(node, yaml_nodes.Mapping):
        yield from node.repeated
        for _, value in node.items.values():
            yield from _repeated(value)
    elif isinstance(node, yaml_nodes.Sequence):
        for item in node.items:
            yield from _repeated(item)


def _config_error(error: ValidationError, tree: yaml_nodes.Node, path: str) -> ConfigError:
    """Turn the first complaint in the file's order into one line a person can act on."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    first = min(faults, key=lambda fault: (fault["type"] == "missing", _position(tree, fault["loc"])))
    loc = first["loc"]
    name = ".".join(str(part) for part in loc if part != "[key]") or "the file"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    if first["type"] == "extra_forbidden":
        what, advice = f"unknown setting {name}", did_you_mean(str(loc[-1]), _known_keys(loc[:-1]))
    elif first["type"] == "missing":
        what, advice = f"{name} is missing", "write version: 1" if loc == ("version",) else "set it"
    else:
        reason = reason_of(first)
        what, advice = f"{name}: {reason}", "" if ":" in reason else "correct it"
    return ConfigError(_cut(what) + more, where=_where(tree, loc, path), advice=_cut(advice))


def _cut(text: str) -> str:
    """Return a message, of what it repeats of the file no more than a terminal shows well."""
    text = _LONG_WORD.sub(r"\1…", text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _known_keys(loc: Path) -> list[str]:
    """Return the keys of the settings at `loc`, found by walking the types."""
    kind: object = Config
    for part in loc:
        if settings := _settings(kind):
            kind = next(
                (each.annotation for each in settings.model_fields.values() if each.alias == part), None
            )
        else:  # dict[key, kind] or tuple[kind, ...]
            inner = [each for each in get_args(kind) if each is not Ellipsis]
            kind = inner[-1] if inner else None
    settings = _settings(kind)
    return [each.alias or name for name, each in settings.model_fields.items()] if settings else []


def _settings(kind: object) -> type[BaseModel] | None:
    """Return the settings that `kind` is, or is made from; None where it is something else."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if isinstance(kind, UnionType):  # X | None
        return next((found for each in get_args(kind) if (found := _settings(each))), None)
    if not isinstance(kind, type):
        return None
    return kind if issubclass(kind, BaseModel) else WRITTEN.get(kind)


def _position(tree: yaml_nodes.Node, loc: Path) -> tuple[int, int]:
    """Return line and column of the deepest node on the way to `loc`: the key's, where it is in a mapping."""
    node, line, column = tree, tree.line, tree.column
    for part in loc:
        if isinstance(node, yaml_nodes.Mapping) and part in node.items:
            key, node = node.items[str(part)]
            line, column = key.line, key.column
        elif isinstance(node, yaml_nodes.Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
            line, column = node.line, node.column
        else:
            break
    return line, column


def _where(tree: yaml_nodes.Node, loc: Path, path: str) -> str:
    return _place(path, *_position(tree, loc))


def _place(path: str, line: int, column: int) -> str:
    return f"{path}:{line}:{column}" if line else path
