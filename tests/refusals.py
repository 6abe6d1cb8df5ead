"""Expect a refusal by the id of its rule, whatever its words."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dnsctl.errors import DnsctlError, RefusalRule


@contextmanager
def refused_by(rule: RefusalRule, said: str = "") -> Iterator[pytest.ExceptionInfo[DnsctlError]]:
    """Expect a refusal by `rule`, with `said` in its line: a name or a number that must be there."""
    with pytest.raises(DnsctlError) as told:
        yield told
    assert told.value.rule is rule, told.value
    assert said in str(told.value)
