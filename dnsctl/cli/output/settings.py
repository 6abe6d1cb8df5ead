"""What a release changes in the settings of nodes, for people and with --json."""

from __future__ import annotations

import json
from collections.abc import Iterator

from dnsctl.cli import output
from dnsctl.model.json_value import Json
from dnsctl.publish.settings_changes import SettingChange, SettingsIntent
from dnsctl.release.settings import digest_of, encode

_HEADING = "Settings of nodes"


def print_settings(intent: SettingsIntent) -> None:
    """Print every setting that changes, with its meaning; nothing where none does."""
    for number, line in enumerate(settings_lines(intent)):
        output.styled((line, "" if number else "bold"))


def settings_lines(intent: SettingsIntent) -> Iterator[str]:
    """Yield a heading and a line for each setting that changes."""
    if intent.changes:
        yield f"{_HEADING} change"
    for each in intent.changes:
        meaning = f"  ({each.meaning})" if each.meaning else ""
        yield f"  ~ {output.visible(each.setting)}: {output.visible(_difference(each))}{meaning}"


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


def _difference(change: SettingChange) -> str:
    before, after = change.before, change.after
    if isinstance(before, list | None) and isinstance(after, list | None):
        old, new = [_text(each) for each in before or ()], [_text(each) for each in after or ()]
        told = [f"- {each}" for each in old if each not in new] + [
            f"+ {each}" for each in new if each not in old
        ]
        return ", ".join(told) or f"{_text(before)} -> {_text(after)}"
    return f"{_text(before)} -> {_text(after)}"


def _text(value: Json) -> str:
    if value is None:
        return "default"
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str) and value else json.dumps(value)
