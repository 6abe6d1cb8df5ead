"""docs/settings.md has all of dnsctl.yaml. `python -m tests.docs.test_settings` writes its tables."""

from pathlib import Path
from typing import Any

import pytest

from dnsctl.load.schema import config_schema, resolved, settings
from dnsctl.load.settings.meanings import MEANINGS

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def tables() -> str:
    """Return the tables of the page: one for each setting at the top of the file, with all below it."""
    schema: Any = config_schema()
    made: list[str] = []
    for path, setting in settings(schema):
        if path.endswith("NAME") and path not in MEANINGS:
            continue
        if "." not in path:
            made += ["", f"## {path}", "", "| setting | value | default | meaning |", "|---|---|---|---|"]
        kind = _kind(setting, schema)
        made.append(f"| `{path}` | {kind} | {_default(path, setting, schema)} | {MEANINGS[path]} |")
    return "\n".join(made) + "\n"


def _kind(setting: dict[str, Any], schema: dict[str, Any]) -> str:
    options = [each for each in setting.get("anyOf", ()) if each.get("type") != "null"]
    if len(options) > 1:
        return " or ".join(_kind(each, schema) for each in options)
    setting = resolved(options[0] if options else setting, schema)
    pattern = setting.get("pattern", "")
    if "const" in setting:
        return f"`{setting['const']}`"
    if "enum" in setting:
        return ", ".join(f"`{each}`" for each in setting["enum"] if isinstance(each, str))
    if "items" in setting:
        inner = "text" if "type" in setting["items"] else "see below"
        return f"list ({inner})"
    if setting.get("type") == "object":
        return "mapping"
    if setting.get("type") == "boolean":
        return "`true`, `false`"
    if setting.get("type") == "integer":
        low, high = setting.get("minimum", 0), setting.get("maximum")
        return f"number, {low} or more" if high is None else f"number, {low} to {high}"
    for sign, kind in (("smhd", "duration"), ("%", "share"), (":\\d", "time of day")):
        if sign in pattern:
            return kind
    return "text"


def _default(path: str, setting: dict[str, Any], schema: dict[str, Any]) -> str:
    above, _, name = path.rpartition(".")
    holder: dict[str, Any] = {"": schema, **dict(settings(schema))}[above.removesuffix("[]")]
    holder = resolved(holder, schema)
    if name in resolved(holder.get("items", holder), schema).get("required", ()):
        return "required"
    default = setting.get("default")
    if default is None or isinstance(default, dict) or default == []:
        return ""
    text = ", ".join(default) if isinstance(default, list) else str(default)
    return f"`{str(text).lower() if isinstance(default, bool) else text}`" if text else "nothing"


def test_page_has_the_tables_that_the_models_give() -> None:
    assert PAGE.read_text("utf-8").endswith(tables()), "run python -m tests.docs.test_settings"


def test_every_setting_has_a_meaning_and_every_meaning_a_setting() -> None:
    paths = {path for path, _ in settings(config_schema())}
    assert set(MEANINGS) <= paths
    assert all(each in MEANINGS or each.endswith("NAME") for each in paths)


@pytest.mark.parametrize(
    ("path", "default"),
    [
        ("policies.NAME.algorithm", "ECDSAP256SHA256"),
        ("policies.NAME.beside", "off"),
        ("policies.NAME.lifetimes.zsk", "90d"),
        ("policies.NAME.lifetimes.csk", "unlimited"),
        ("policies.NAME.dnskey-ttl", "1h"),
        ("guards.deletes", "30%"),
        ("control.nightly", "02:30"),
        ("serve.cookies", "on"),
    ],
)
def test_schema_shows_editors_a_default_as_it_is_written_and_a_meaning(path: str, default: str) -> None:
    setting = dict(settings(config_schema()))[path]
    assert setting["default"] == default
    assert setting["description"] == MEANINGS[path]


if __name__ == "__main__":
    head = PAGE.read_text("utf-8").partition("\n## ")[0].rstrip("\n") + "\n"
    PAGE.write_text(head + tables(), "utf-8")
