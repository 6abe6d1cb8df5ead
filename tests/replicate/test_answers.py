"""What an agent may say of its node, and what makes its answer invalid."""

import json
from typing import Any

import pytest

from dnsctl.errors import RefusalRule
from dnsctl.replicate.answers import NodeStatus, releases_of

DIGEST = "ab" * 32
GOOD: dict[str, Any] = {
    "name": "ns1",
    "site": "dc1",
    "generation": 7,
    "manifest": DIGEST,
    "created": 1_795_262_400,
    "prepared": {"generation": 8, "manifest": DIGEST, "expires_in": 12.5},
    "refusal": {"at": 1_795_262_400, "action": "prepare", "reason": "no", "rule": "behind"},
    "workers": 2,
    "silent": False,
    "settings": {"digest": DIGEST, "generation": 6, "wanted": DIGEST, "fault": ""},
    "manifest_format": 2,
    "zone_count": 1,
    "expiry": 1_796_262_400,
    "inception": 1_795_262_400,
    "zones": {
        "example.com.": {"serial": 1, "digest": DIGEST, "expiry": 1_796_262_400, "inception": 1_795_262_400}
    },
}
TIMES: tuple[Any, ...] = (-1, 2**40, 10**400, 1.5, float("inf"), float("nan"), True, "1795262400", [])
OBJECTS: tuple[Any, ...] = ([], 7, {})
ZONES: tuple[Any, ...] = ([], 7, {"example": {}}, {"a..": {}}, {"example.com.": []})
COUNTS: tuple[Any, ...] = (-1, 10**400, 1.5, float("inf"), float("nan"), True, None, "7", [], {})
WORDS: tuple[Any, ...] = (None, 7, [], "\x1b[2J", "\ud800", "n" * 300)


def test_what_a_node_says_is_read() -> None:
    status = NodeStatus.from_json(GOOD, None)
    assert (status.name, status.served.generation, status.zones["example.com."].serial) == ("ns1", 7, 1)


def test_what_a_node_says_is_written_as_it_is_read() -> None:
    said = {**GOOD, "damage": {"at": 1_795_262_400, "reason": "torn page", "mended": True}}
    written = NodeStatus.from_json(said, None).to_json()
    assert written == said
    assert NodeStatus.from_json(json.loads(json.dumps(written)), None) == NodeStatus.from_json(said, None)


@pytest.mark.parametrize(
    "field", ["prepared", "refusal", "damage", "created", "expiry", "inception", "settings"]
)
def test_what_a_node_has_not_is_written_as_null(field: str) -> None:
    assert NodeStatus.from_json({**GOOD, field: None}, None).to_json()[field] is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("generation", each) for each in COUNTS),
        *(("workers", each) for each in COUNTS),
        *(("zone_count", each) for each in COUNTS),
        *(("manifest_format", each) for each in COUNTS),
        *(("settings", each) for each in OBJECTS),
        *((field, each) for field in ("created", "expiry", "inception") for each in TIMES),
        *((field, each) for field in ("name", "site") for each in WORDS),
        *(("manifest", each) for each in (None, 7, "", "AB" * 32, "ab" * 31, "g" * 64)),
        *(("prepared", each) for each in (*OBJECTS, {**GOOD["prepared"], "expires_in": float("inf")})),
        *(("refusal", each) for each in (*OBJECTS, {**GOOD["refusal"], "at": 10**400})),
        *(("zones", each) for each in ZONES),
        *(("zones", {"example.com.": {**GOOD["zones"]["example.com."], "serial": each}}) for each in COUNTS),
    ],
)
def test_what_is_out_of_range_makes_the_answer_invalid(field: str, value: object) -> None:
    with pytest.raises((ValueError, KeyError)):
        NodeStatus.from_json({**GOOD, field: value}, None)


OLDER = {"settings", "manifest_format"}  # agents of earlier versions say none of these


def test_agent_that_says_nothing_of_settings_reads_the_first_format() -> None:
    found = NodeStatus.from_json({key: value for key, value in GOOD.items() if key not in OLDER}, None)
    assert (found.settings, found.manifest_format) == (None, 1)


@pytest.mark.parametrize("field", sorted(GOOD.keys() - {"silent", "zones", "created", "inception"} - OLDER))
def test_what_is_missing_makes_the_answer_invalid(field: str) -> None:
    with pytest.raises(KeyError):
        NodeStatus.from_json({key: value for key, value in GOOD.items() if key != field}, None)


def test_reason_of_a_refusal_cannot_drive_a_terminal() -> None:
    refusal = NodeStatus.from_json(
        {**GOOD, "refusal": {"at": 1, "action": "x", "reason": "\x1b[2J" + "n" * 9000}}, None
    ).refusal
    assert refusal is not None
    assert refusal.reason.isprintable()
    assert len(refusal.reason) == 2000


@pytest.mark.parametrize(
    ("told", "rule"),
    [("too-late", RefusalRule.TOO_LATE), ("of-a-later-version", None), (None, None), ({}, None)],
)
def test_rule_of_a_refusal_is_one_that_this_version_knows(told: object, rule: RefusalRule | None) -> None:
    answer = {**GOOD, "refusal": {"at": 1, "action": "prepare", "reason": "no", "rule": told}}
    refusal = NodeStatus.from_json(answer, None).refusal
    assert refusal is not None
    assert refusal.rule is rule


@pytest.mark.parametrize("value", [None, 7, {}, [7], [{}], [{"manifest": 7, "certificate": ""}]])
def test_malformed_releases_are_refused(value: object) -> None:
    with pytest.raises((ValueError, KeyError)):
        releases_of({"releases": value})
