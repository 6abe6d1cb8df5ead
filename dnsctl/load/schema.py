"""JSON Schemas (draft 2020-12) of dnsctl.yaml and of zone files, for editors to complete and check.

Made from the models and tables that loading uses. What a schema of zone files refuses, `check` refuses too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaValue

from dnsctl.load import rdata_fields
from dnsctl.load.presentation import TYPES
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.meanings import MEANINGS
from dnsctl.load.settings.values import NEITHER, UNLIMITED
from dnsctl.load.zone_yaml import UNSERVED
from dnsctl.model.alias import ALIASES
from dnsctl.model.duration import to_text
from dnsctl.model.json_value import Json
from dnsctl.model.policy import Algorithm
from dnsctl.model.rrset import Type, type_text

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ISO = re.compile(r"P(\d+D)?(T(\d+H)?(\d+M)?(\d+S)?)?")  # a duration as pydantic writes it
_SCALAR: dict[str, Json] = {"type": ["string", "number", "boolean"]}
_TTL: dict[str, Json] = {
    "description": "seconds, or 1h30m; defaults.ttl of dnsctl.yaml where it is missing",
    "type": ["integer", "string"],
    "minimum": 0,
    "maximum": 2**31 - 1,
    "pattern": r"^([0-9_]+|([0-9]+[smhdwSMHDW])+)$",
}
_DAY: dict[str, Json] = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
_COMMON: dict[str, Json] = {
    "ttl": _TTL,
    "octodns": {
        "type": "object",
        "description": "for octoDNS; who publishes the record (`ignored`, `included`, `excluded`) counts",
    },
    "geo": {"type": "object", "description": "not served"},
    "dynamic": {"type": "object", "description": "not served"},
    "owner": {**_SCALAR, "description": "who to ask; never served"},
    "reason": {**_SCALAR, "description": "why it is there; never served"},
    "expires": {
        "description": "last day of the record: after it `check` refuses it, warning 14 days ahead, or, with "
        "`then: remove`, the record is not served any more; never served itself",
        "anyOf": [
            _DAY,
            {
                "type": "object",
                "properties": {"at": _DAY, "then": {"const": "remove"}},
                "required": ["at", "then"],
                "additionalProperties": False,
            },
        ],
    },
}


def config_schema() -> dict[str, Json]:
    """Return the schema of dnsctl.yaml."""
    made = Config.model_json_schema(by_alias=True, mode="validation")
    for path, setting in reversed(list(settings(made))):  # what a mapping has comes before it
        if path in MEANINGS:
            setting["description"] = MEANINGS[path]
        if "default" in setting:
            _write_default(setting, made)
    return {"$schema": _DIALECT, "title": "dnsctl.yaml", **{k: v for k, v in made.items() if k != "title"}}


def settings(schema: JsonSchemaValue) -> Iterator[tuple[str, JsonSchemaValue]]:
    """Yield path and schema of every setting below `schema`, as `MEANINGS` names them, outer ones first."""
    yield from _below(schema, "", schema)


def resolved(setting: JsonSchemaValue, schema: JsonSchemaValue) -> JsonSchemaValue:
    """Return what a setting is: not a reference, and of two kinds not null."""
    if "$ref" in setting:
        return resolved(schema["$defs"][setting["$ref"].rpartition("/")[2]], schema)
    for kind in setting.get("anyOf", ()):
        if "$ref" in kind or kind.get("type") in ("object", "array"):
            return resolved(kind, schema)
    return setting


def _below(
    setting: JsonSchemaValue, path: str, schema: JsonSchemaValue
) -> Iterator[tuple[str, JsonSchemaValue]]:
    kind = resolved(setting, schema)
    if "items" in kind:
        yield from _below(kind["items"], f"{path}[]", schema)
    for name, inner in kind.get("properties", {}).items():
        below = f"{path}.{name}" if path else name
        yield below, inner
        yield from _below(inner, below, schema)
    named = [kind["additionalProperties"]] if isinstance(kind.get("additionalProperties"), dict) else []
    for inner in (*kind.get("patternProperties", {}).values(), *named):
        yield f"{path}.NAME", inner
        yield from _below(inner, f"{path}.NAME", schema)


def _write_default(setting: JsonSchemaValue, schema: JsonSchemaValue) -> None:
    """Put the default of a setting as a person would write it; of a mapping, the defaults of what it has."""
    default, pattern, choices = setting["default"], setting.get("pattern", ""), setting.get("enum", ())
    own = resolved(setting, schema).get("properties", {})
    if own and default is not None:
        setting["default"] = {name: each["default"] for name, each in own.items() if "default" in each}
    elif default is None:
        kinds = [each.get("const") for each in setting.get("anyOf", ())]
        del setting["default"]
        for none in (UNLIMITED, NEITHER):
            if none in (*choices, *kinds):
                setting["default"] = none
    elif isinstance(default, bool):
        setting["default"] = ("on" if default else "off") if "on" in choices else default
    elif any(isinstance(each, str) and each in Algorithm.__members__ for each in choices):
        setting["default"] = Algorithm(default).name
    elif isinstance(default, float):
        setting["default"] = f"{default:.0%}"
    elif isinstance(default, str) and _ISO.fullmatch(default):
        span = TypeAdapter(timedelta).validate_python(default)
        seconds = int(span.total_seconds())
        setting["default"] = _time_of_day(seconds) if ":" in pattern else to_text(seconds)
    elif isinstance(default, int) and "smhd" in pattern:
        setting["default"] = to_text(default)


def _time_of_day(seconds: int) -> str:
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours:02}:{minutes:02}"


def zone_schema() -> dict[str, Json]:
    """Return the schema of zones/*.yaml: owner names, each with a record or a list of records."""
    record = {"$ref": "#/$defs/record"}
    return {
        "$schema": _DIALECT,
        "title": "dnsctl zone file",
        "description": "Owner names relative to the apex: '' is the apex, '*' a wildcard.",
        "type": ["object", "null"],
        "additionalProperties": {"anyOf": [record, {"type": "array", "items": record}]},
        "$defs": {"record": _record(), **{_def(code): _mapping(code) for code in rdata_fields.FIELDS}},
    }


def _record() -> dict[str, Json]:
    """Return a record's schema: its keys, and for each type with fields what its values look like."""
    known = sorted({*(text for text in TYPES if text.isupper()), *ALIASES, *UNSERVED})
    rules: list[Json] = []
    for code in rdata_fields.FIELDS:
        value: Json = {"anyOf": [_SCALAR, {"$ref": f"#/$defs/{_def(code)}"}]}
        one_or_more: Json = {"anyOf": [value, {"type": "array", "items": value}]}
        rules.append(
            {
                "if": {"properties": {"type": {"const": type_text(code)}}, "required": ["type"]},
                "then": {"properties": {"value": one_or_more, "values": one_or_more}},
            }
        )
    return {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {
                "description": "A, AAAA, MX … or TYPE65400",
                "type": "string",
                "anyOf": [{"enum": known}, {"pattern": r"^(TYPE\d{1,5}|[a-z0-9-]+|.+/.+)$"}],
            },
            "value": {"description": "one value, as text or as a mapping of its fields"},
            "values": {"description": "a list of values, each as text or as a mapping of its fields"},
            **_COMMON,
        },
        "allOf": rules,
    }


def _def(code: int) -> str:
    return re.sub(r"\W", "-", type_text(code))


def _mapping(code: int) -> dict[str, Json]:
    """Return the schema of a value that is written as a mapping."""
    fields = rdata_fields.FIELDS[code]
    properties: dict[str, Json] = {}
    required: list[dict[str, Json]] = []
    for field in fields:
        shape: dict[str, Json] = {"type": ["object", "null"]} if field.name == "svcparams" else _SCALAR
        properties[field.name] = shape
        if field.also:
            properties[field.also] = shape
        if field.default is None:
            names = [name for name in (field.name, field.also) if name]
            required.append({"anyOf": [{"required": [name]} for name in names]})
    made: dict[str, Json] = {"type": "object", "properties": properties, "additionalProperties": True}
    if code == Type.DS:  # octoDNS's older names are a set of their own
        properties |= dict.fromkeys(rdata_fields.OLD_DS, _SCALAR)
    elif required:
        made["allOf"] = required
    return made
