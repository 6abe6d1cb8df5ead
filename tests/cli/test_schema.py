"""`dnsctl schema`: JSON Schemas that accept the project's own files, and refuse a mistyped key."""

from tests.cli.shell import dnsctl


def test_schema_of_settings_knows_every_key_of_the_example():
    schema = dnsctl("schema").json
    assert schema["type"] == "object"
    assert {"version", "sites", "defaults", "zones"} <= set(schema["properties"])
    assert schema["additionalProperties"] is False
    assert dnsctl("schema", "config").json == schema


def test_schema_of_zones_is_another_one():
    assert dnsctl("schema", "zone").json != dnsctl("schema").json


def test_unknown_schema_is_a_wrong_command_line():
    told = dnsctl("schema", "nope")
    assert told.code == 1
    assert told.line == (
        "dnsctl: Invalid value for 'FILE': 'nope' is not one of 'config', 'zone'; see `dnsctl schema --help`"
    )
