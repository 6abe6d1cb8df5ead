"""What people read of settings that a release changes."""

import pytest

from dnsctl.cli.output.settings import named, settings_lines
from dnsctl.model.json_value import Json
from dnsctl.publish.settings_changes import SettingsIntent, settings_changes

SITES: Json = {"dc1": {"nodes": {"ns1": {"listen": ["192.0.2.1:53"], "control": "https://192.0.2.1:8853"}}}}
PLAIN: dict[str, Json] = {"format": 1, "sites": SITES}


def limited(**limit: Json) -> dict[str, Json]:
    return {"serve": {"rate-limit": limit}}


def keys(**allow: Json) -> dict[str, Json]:
    return {"transfers": {"keys": {"xfr.example.net": allow}}}


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ({}, limited(), "~ serve.rate-limit: off -> on  ("),
        ({}, limited(rate=5000), "~ serve.rate-limit: off -> rate 5000  ("),
        (limited(rate=6000, slip=2), {}, "~ serve.rate-limit: rate 6000, slip 2 -> off  ("),
        (limited(), limited(rate=5000), "~ serve.rate-limit.rate: 200 (default) -> 5000  ("),
        (limited(rate=6000), limited(), "~ serve.rate-limit.rate: 6000 -> 200 (default)  ("),
        ({}, keys(), "+ new TSIG key xfr.example.net"),
        ({}, keys(allow=["192.0.2.9/32"]), '+ new TSIG key xfr.example.net: allow ["192.0.2.9/32"]'),
        (keys(), {}, "- TSIG key xfr.example.net is gone"),
        ({"serve": {"cookies": False}}, {}, "~ serve.cookies: off -> on (default)  ("),
        ({}, {"serve": {"version": "two"}}, "~ serve.version: nothing -> two  ("),
        ({}, {"transfers": {"allow": ["192.0.2.9/32"]}}, "~ transfers.allow: + 192.0.2.9/32  ("),
    ],
)
def test_line_says_what_held_before_and_what_holds_after(
    before: dict[str, Json], after: dict[str, Json], line: str
) -> None:
    old, new = {**PLAIN, **before}, {**PLAIN, **after}
    heading, told = settings_lines(SettingsIntent(new, settings_changes(old, new)))
    assert heading == "Settings of nodes change"
    assert told.strip().startswith(line) and told.strip().partition("  (")[0] == line.partition("  (")[0]


def test_of_many_settings_the_first_are_named() -> None:
    assert named(["serve.cookies"]) == "settings of nodes (serve.cookies)"
    assert named(list("abcdefg")) == "settings of nodes (a, b, c, d, e and 2 more)"
