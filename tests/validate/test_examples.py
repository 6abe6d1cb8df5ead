"""Each rule finds its fault in its example, and nothing in the zone that just does not have it."""

import pytest

from tests.validate.examples import EXAMPLES, Example
from tests.validate.scenes import rules

_CASES = [pytest.param(rule, example, id=rule) for rule, example in EXAMPLES.items()]


@pytest.mark.parametrize(("rule", "example"), _CASES)
def test_zone_that_breaks_a_rule_is_told_by_that_rule(rule: str, example: Example):
    assert rule in rules(example.breaks, *example.others)


@pytest.mark.parametrize(("rule", "example"), _CASES)
def test_zone_at_the_limit_of_a_rule_is_not_told_by_it(rule: str, example: Example):
    assert rule not in rules(example.fine, *example.others)
