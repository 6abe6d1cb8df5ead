"""The models of validators: who is stricter than whom."""

from __future__ import annotations

import pytest

from tests.rollover.validators import EVERY, WITHOUT_MLDSA, any_path, every_ds, pairs, strict


@pytest.mark.parametrize("knows", [EVERY, WITHOUT_MLDSA], ids=["all algorithms", "without ML-DSA"])
def test_what_a_strict_validator_accepts_is_accepted_by_every_other(knows: frozenset[int]) -> None:
    accepted = 0
    for shape in pairs():
        if strict(shape) != "bogus":
            accepted += 1
            assert every_ds(shape, knows) == any_path(shape, knows) == strict(shape, knows) != "bogus", shape
        elif every_ds(shape, knows) != "bogus":
            assert any_path(shape, knows) != "bogus", shape
    assert accepted > 1000
