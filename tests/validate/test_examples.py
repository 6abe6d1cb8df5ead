"""Each rule finds its fault in its example, and nothing in the zone that just does not have it."""

import pytest

from dnsctl.model.finding import Severity
from dnsctl.model.name import from_text
from dnsctl.validate.rules import RULES
from tests.validate.examples import EXAMPLES, Example
from tests.validate.scenes import verdict

_CASES = [pytest.param(rule, example, id=rule) for rule, example in EXAMPLES.items()]


@pytest.mark.parametrize(("rule", "example"), _CASES)
def test_zone_that_breaks_a_rule_is_told_by_that_rule(rule: str, example: Example):
    assert rule in _rules(rule, example, example.breaks)


@pytest.mark.parametrize(("rule", "example"), _CASES)
def test_zone_at_the_limit_of_a_rule_is_not_told_by_it(rule: str, example: Example):
    assert rule not in _rules(rule, example, example.fine)


def test_rule_that_is_off_finds_nothing_until_checks_gives_it_a_severity():
    example = EXAMPLES["caa-issuewild-missing"]
    assert verdict(("example.com.", example.breaks)).findings == ()
    [finding] = verdict(("example.com.", example.breaks), checks={"caa-issuewild-missing": "note"}).findings
    assert finding.severity is Severity.NOTE


def _rules(rule: str, example: Example, text: str) -> set[str]:
    """Return the rules that find something in example.com., with `rule` on."""
    off = any(each.name == rule and each.severity is None for each in RULES)
    made = verdict(("example.com.", text), *example.others, checks={rule: "note"} if off else {})
    return {each.rule for each in made.findings if each.zone == from_text("example.com.")}
