"""Each rule finds its fault in its example, and nothing in the zone that just does not have it."""

import pytest

from dnsctl.model.finding import Severity
from dnsctl.model.name import from_text
from dnsctl.model.policy import Policy
from dnsctl.validate.rules import RULES
from dnsctl.validate.run import validate
from tests.validate.examples import EXAMPLES
from tests.validate.examples.example import Example
from tests.validate.scenes import verdict, zone

_CASES = [pytest.param(rule, example, id=rule) for rule, example in EXAMPLES.items()]


@pytest.mark.parametrize(("rule", "example"), _CASES)
def test_zone_that_breaks_a_rule_is_told_by_that_rule(rule: str, example: Example):
    assert rule in _rules(rule, example, fine=False)


@pytest.mark.parametrize(("rule", "example"), _CASES)
def test_zone_at_the_limit_of_a_rule_is_not_told_by_it(rule: str, example: Example):
    assert rule not in _rules(rule, example, fine=True)


def test_rule_that_is_off_finds_nothing_until_checks_gives_it_a_severity():
    example = EXAMPLES["caa-issuewild-missing"]
    assert verdict(("example.com.", example.breaks)).findings == ()
    [finding] = verdict(("example.com.", example.breaks), checks={"caa-issuewild-missing": "note"}).findings
    assert finding.severity is Severity.NOTE


def _rules(rule: str, example: Example, *, fine: bool) -> set[str]:
    """Return the rules that find something in the zone of `example`, with `rule` on."""
    origin = (example.fine_origin if fine else "") or example.origin
    text = example.fine if fine else example.breaks
    zones = [zone(origin, text, apex=example.apex), *(zone(*each) for each in example.others)]
    off = any(each.name == rule and each.severity is None for each in RULES)
    policy = Policy(denial="nsec3" if example.nsec3 else "nsec") if example.signed else None
    issuers = {from_text(owner or "@", zones[0].origin): (name,) for owner, name in example.certificates}
    made = validate(
        {each.origin: each for each in zones},
        lambda _: {rule: "note"} if off else {},
        lambda _: policy,
        certificates=lambda origin: issuers if origin == zones[0].origin else {},
    )
    return {each.rule for each in made.findings if each.zone == from_text(origin)}
