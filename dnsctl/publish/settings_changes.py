"""What a release changes in the settings of nodes, setting by setting. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from dnsctl.load.settings.meanings import MEANINGS
from dnsctl.model.json_value import Json
from dnsctl.release.settings import FleetSettings

_PARENTS: Final = "servers of parents that nodes may be sent to look at"
_ANY: Final = "NAME"  # in `MEANINGS`, of a key that a person chooses
_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SettingChange:
    """One setting, by its path in dnsctl.yaml, before and after; None where the default holds."""

    setting: str
    before: Json
    after: Json
    meaning: str


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
    old, new = dict(_leaves(before)), dict(_leaves(after))
    return tuple(
        SettingChange(".".join(path), old.get(path), new.get(path), _meaning(path))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    )


def _leaves(value: Json, path: _Path = ()) -> Iterator[tuple[_Path, Json]]:
    if isinstance(value, Mapping) and (value or not path):
        for key, each in value.items():
            yield from _leaves(each, (*path, key))
    else:
        yield path, value


def _meaning(path: _Path) -> str:
    if path == ("parents",):
        return _PARENTS
    for known, meaning in MEANINGS.items():
        words = known.split(".")
        if len(words) == len(path) and all(a in (_ANY, b) for a, b in zip(words, path, strict=True)):
            return meaning
    return ""
