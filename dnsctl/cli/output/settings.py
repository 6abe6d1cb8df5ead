"""What a release changes in the settings of nodes, for people and with --json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from dnsctl.cli import output
from dnsctl.model.json_value import Json
from dnsctl.publish.settings_changes import SettingChange, SettingsIntent
from dnsctl.release.settings import digest_of, encode

_SHOWN = 5


def print_settings(intent: SettingsIntent) -> None:
    """Print every setting that changes, with its meaning; nothing where none does."""
    for number, line in enumerate(settings_lines(intent)):
        output.styled((line, "" if number else "bold"))


def settings_lines(intent: SettingsIntent) -> Iterator[str]:
    """Yield a heading and a line for each setting that changes."""
    if intent.changes:
        yield "Settings of nodes change"
    yield from (output.visible(_line(each)) for each in intent.changes)


def named(settings: Sequence[str]) -> str:
    """Return settings of nodes by their paths, the first of them where there are many."""
    more = f" and {len(settings) - _SHOWN} more" if len(settings) > _SHOWN else ""
    return output.visible(f"settings of nodes ({', '.join(settings[:_SHOWN])}{more})")


def settings_json(intent: SettingsIntent) -> dict[str, Json]:
    """Return what `--json` prints; `digest`: of all of them, null where they do not travel."""
    return {
        "digest": digest_of(encode(intent.settings)) or None,
        "changes": [
            {
                "setting": each.setting,
                "before": _text_or_null(each.before),
                "after": _text_or_null(each.after),
            }
            for each in intent.changes
        ],
    }


def _text_or_null(value: Json) -> str | None:
    return None if value is None else _text(value)


def _line(change: SettingChange) -> str:
    if change.thing and change.before is None:
        return f"  + new {change.thing}" + (f": {_inside(change.after)}" if change.after else "")
    if change.thing and change.after is None:
        return f"  - {change.thing} is gone"
    meaning = f"  ({change.meaning})" if change.meaning else ""
    return f"  ~ {change.setting}: {_difference(change)}{meaning}"


def _difference(change: SettingChange) -> str:
    before, after = change.before, change.after
    if isinstance(before, list | None) and isinstance(after, list | None):
        olds, news = [_text(each) for each in before or ()], [_text(each) for each in after or ()]
        told = [f"- {each}" for each in olds if each not in news]
        told += [f"+ {each}" for each in news if each not in olds]
        return ", ".join(told) or f"{_text(before)} -> {_text(after)}"
    if isinstance(before, dict | None) and isinstance(after, dict | None):
        return f"{_inside(before)} -> {_inside(after)}"
    old, new = (_default(change.default) if each is None else _text(each) for each in (before, after))
    return f"{old} -> {new}"


def _default(value: Json) -> str:
    if value is None:
        return "default"
    return "nothing" if value == "" else f"{_text(value)} (default)"


def _inside(mapping: Json) -> str:
    """Return what a mapping says; that it is there switches it on."""
    if not isinstance(mapping, dict):
        return "off"
    return ", ".join(f"{name} {_text(each)}" for name, each in mapping.items()) or "on"


def _text(value: Json) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str) and value else json.dumps(value)
