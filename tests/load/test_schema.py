"""The JSON Schemas agree with what loading accepts (checked by a few rules, without a schema library)."""

import json
import re
from typing import Any

from dnsctl.load import rdata_fields, yaml_nodes
from dnsctl.load.example import example_files
from dnsctl.load.schema import config_schema, zone_schema
from dnsctl.model.rrset import type_text


def resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        found: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def unknown_keys(node: yaml_nodes.Node, schema: dict[str, Any], root: dict[str, Any]) -> list[str]:
    """Return keys of `node` that the schema's closed objects do not have, and missing required ones."""
    schema = resolve(schema, root)
    if "anyOf" in schema and "properties" not in schema:
        options = [resolve(each, root) for each in schema["anyOf"]]
        kinds = {yaml_nodes.Mapping: "object", yaml_nodes.Sequence: "array"}
        wanted = kinds.get(type(node))
        fitting = [each for each in options if each.get("type") == wanted]
        return unknown_keys(node, fitting[0], root) if fitting else []
    if isinstance(node, yaml_nodes.Sequence):
        return [key for item in node.items for key in unknown_keys(item, schema.get("items", {}), root)]
    if not isinstance(node, yaml_nodes.Mapping):
        return []
    wrong = [key for key in schema.get("required", []) if key not in node.items]
    for key, (_, value) in node.items.items():
        others = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))
        inner = schema.get("properties", {}).get(key, others)
        if inner is False:
            wrong.append(key)
        elif isinstance(inner, dict):
            wrong += unknown_keys(value, inner, root)
    return wrong


def test_schemas_are_json_with_a_dialect() -> None:
    schemas: tuple[Any, ...] = (config_schema(), zone_schema())
    for schema in schemas:
        assert json.loads(json.dumps(schema)) == schema
        assert schema["$schema"].endswith("2020-12/schema")


def test_example_fits_the_schemas() -> None:
    files = example_files()
    tree = yaml_nodes.compose(files["dnsctl.yaml"])
    assert tree is not None
    assert unknown_keys(tree, config_schema(), config_schema()) == []
    for path, data in files.items():
        if path.startswith("zones/") and path.endswith(".yaml"):
            zone = yaml_nodes.compose(data)
            assert zone is not None
            assert unknown_keys(zone, zone_schema(), zone_schema()) == [], path


def test_unknown_setting_does_not_fit() -> None:
    tree = yaml_nodes.compose(b"version: 1\nsites: {a: {nodes: {n: {listen: [x], contrl: y}}}}\nguardz: {}\n")
    assert tree is not None
    assert unknown_keys(tree, config_schema(), config_schema()) == ["control", "contrl", "guardz"]


def test_settings_have_their_written_names() -> None:
    text = json.dumps(config_schema())
    for key in ("inception-offset", "opt-out", "dnskey-ttl", "threshold", "passphrase"):
        assert f'"{key}"' in text
    assert "inception_offset" not in text


def test_defaults_of_a_policys_signatures_are_those_of_its_fields() -> None:
    schema: Any = config_schema()
    signatures = schema["$defs"]["PolicyConfig"]["properties"]["signatures"]
    fields = resolve(signatures, schema)["properties"]
    assert signatures["default"] == {name: field["default"] for name, field in fields.items()}
    assert signatures["default"]["lifetime"] == "14d"


def test_every_type_with_fields_has_its_mapping() -> None:
    schema: Any = zone_schema()
    for code, fields in rdata_fields.FIELDS.items():
        properties = schema["$defs"][type_text(code)]["properties"]
        assert {field.name for field in fields} <= set(properties)


def test_type_pattern_takes_known_and_numbered_types() -> None:
    schema: Any = zone_schema()
    record = schema["$defs"]["record"]["properties"]["type"]
    known, pattern = record["anyOf"][0]["enum"], record["anyOf"][1]["pattern"]
    assert {"A", "HTTPS", "ALIAS"} <= set(known)
    assert re.match(pattern, "TYPE65400")
    assert not re.match(pattern, "AAA")
