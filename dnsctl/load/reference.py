"""What a person may write in dnsctl.yaml and in zone files, in words: for docs/configuration.md, man pages.

Made from the schemas, so from what loading uses. Names and values stand between backticks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pydantic.json_schema import JsonSchemaValue

from dnsctl.load import rdata_fields
from dnsctl.load.schema import config_schema, resolved, settings, zone_schema
from dnsctl.load.settings.meanings import MEANINGS
from dnsctl.model.rrset import type_text

_KINDS = (("smhd", "duration"), ("%", "share"), (":\\d", "time of day"))  # by what a pattern has


class Setting(NamedTuple):
    """One setting. `path`: as `MEANINGS` names it; `default`: empty where there is none."""

    path: str
    kind: str
    default: str
    required: bool
    meaning: str

    @property
    def section(self) -> str:
        """Return the setting at the top of the file that it is in."""
        return self.path.partition(".")[0]


def reference() -> Iterator[Setting]:
    """Yield every setting of dnsctl.yaml, each before those in it."""
    schema: JsonSchemaValue = dict(config_schema())
    found = dict(settings(schema))
    for path, setting in found.items():
        if path.endswith("NAME") and path not in MEANINGS:
            continue
        above, _, name = path.rpartition(".")
        holder = resolved(found[above.removesuffix("[]")], schema) if above else schema
        required = name in resolved(holder.get("items", holder), schema).get("required", ())
        default = "" if required else _default(setting)
        yield Setting(path, _kind(setting, schema), default, required, MEANINGS[path])


def _kind(setting: JsonSchemaValue, schema: JsonSchemaValue) -> str:
    options = [each for each in setting.get("anyOf", ()) if each.get("type") != "null"]
    if len(options) > 1:
        return " or ".join(_kind(each, schema) for each in options)
    setting = resolved(options[0] if options else setting, schema)
    if "const" in setting:
        return f"`{setting['const']}`"
    if "enum" in setting:
        return ", ".join(f"`{each}`" for each in setting["enum"] if isinstance(each, str))
    if "items" in setting:
        return f"list ({'text' if 'type' in setting['items'] else 'see below'})"
    if setting.get("type") == "integer":
        low, high = setting.get("minimum", 0), setting.get("maximum")
        return f"number, {low} or more" if high is None else f"number, {low} to {high}"
    pattern = setting.get("pattern", "")
    named = {"object": "mapping", "boolean": "`true`, `false`"}.get(str(setting.get("type")), "text")
    return next((kind for sign, kind in _KINDS if sign in pattern), named)


def _default(setting: JsonSchemaValue) -> str:
    default = setting.get("default")
    if default is None or isinstance(default, dict) or default == []:
        return ""
    text = ", ".join(default) if isinstance(default, list) else str(default)
    return f"`{text.lower() if isinstance(default, bool) else text}`" if text else "nothing"


def record_keys() -> Iterator[tuple[str, str]]:
    """Yield each key of a record in a zone file in YAML, and what it is for."""
    record = resolved({"$ref": "#/$defs/record"}, zone_schema())
    for name, key in record["properties"].items():
        yield name, key.get("description", "")


def fields() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each type whose values may be mappings, with the names of its fields in their order."""
    for code, known in sorted(rdata_fields.FIELDS.items()):
        yield type_text(code), tuple(each.name for each in known)
