from collections import Counter

from dnsctl.validate.reach import APEX, OF_ZONE, OWNER, SUMMED
from dnsctl.validate.rules import RULES


def test_how_far_each_rule_looks_is_told_once() -> None:
    """A new rule belongs in one of the sets of `validate.reach`: else large zones are always judged whole."""
    told = Counter(name for each in (APEX, OF_ZONE, OWNER, SUMMED) for name in each)
    assert told == Counter(rule.name for rule in RULES)
