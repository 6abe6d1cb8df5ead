"""What a release changes in the settings of nodes, setting by setting. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from dnsctl.errors import ConfigError
from dnsctl.load.settings.meanings import MEANINGS
from dnsctl.load.settings.released import ReleasedSettings
from dnsctl.model.json_value import Json
from dnsctl.release.settings import FleetSettings

_PARENTS: Final = "servers of parents that nodes may be sent to look at"
_ANY: Final = "NAME"  # in `MEANINGS`, of a key that a person chooses, as in `_THINGS`
_THINGS: Final = {  # mappings that say something by being there, and what each is
    "serve.rate-limit": "",
    "sites.NAME.nodes.NAME": "node",
    "transfers.keys.NAME": "TSIG key",
}
_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SettingChange:
    """One setting, by its path in dnsctl.yaml, before and after; None where it is not written.

    `default`: what holds where it is not written, empty for nothing; None: it is not known. `thing`: what
    comes or goes as a whole, with its name.
    """

    setting: str
    before: Json
    after: Json
    meaning: str
    default: Json = None
    thing: str = ""


@dataclass(frozen=True)
class SettingsIntent:
    """The settings that nodes are to have. `settings` None: as in the release before, or none at all.

    `changes`: against what holds.
    """

    settings: FleetSettings | None = field(default=None, repr=False)
    changes: tuple[SettingChange, ...] = ()


def settings_changes(before: FleetSettings | None, after: FleetSettings | None) -> tuple[SettingChange, ...]:
    """Return what differs, in the order of paths; nothing where one of the two is not known."""
    if before is None or after is None or before == after:
        return ()
    read = _read(before), _read(after)
    return tuple(_change(path, old, new, read) for path, old, new in _differences((), before, after))


def _differences(path: _Path, old: Json, new: Json) -> Iterator[tuple[_Path, Json, Json]]:
    """Yield what differs below `path`; whole what comes or goes and is one of `_THINGS`."""
    if old == new:
        return
    is_deeper = isinstance(old, Mapping | None) and isinstance(new, Mapping | None)
    if not is_deeper or ((old is None or new is None) and _known(path, _THINGS) is not None):
        yield path, old, new
        return
    olds, news = _mapping(old), _mapping(new)
    for key in sorted(olds.keys() | news.keys()):
        yield from _differences((*path, key), olds.get(key), news.get(key))


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _change(
    path: _Path, old: Json, new: Json, read: tuple[ReleasedSettings | None, ReleasedSettings | None]
) -> SettingChange:
    default: Json = None
    unwritten = read[0] if old is None else read[1] if new is None else None
    if unwritten is not None:
        found = unwritten.value_at(path)
        default = found if found is not None else ""
    kind = _known(path, _THINGS)
    return SettingChange(
        ".".join(path),
        old,
        new,
        _PARENTS if path == ("parents",) else _known(path, MEANINGS) or "",
        default=default,
        thing=f"{kind} {path[-1]}" if kind else "",
    )


def _read(settings: FleetSettings) -> ReleasedSettings | None:
    try:
        return ReleasedSettings.read(settings)
    except ConfigError:  # of another version: its defaults are not known
        return None


def _known(path: _Path, table: Mapping[str, str]) -> str | None:
    """Return what `table` says of the setting at `path`; None where it has no such path."""
    for known, said in table.items():
        words = known.split(".")
        if len(words) == len(path) and all(a in (_ANY, b) for a, b in zip(words, path, strict=True)):
            return said
    return None
