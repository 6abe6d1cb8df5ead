"""SOA serials: RFC 1982 arithmetic and the policies."""

from datetime import UTC, datetime

import pytest

from dnsctl.model.serial import is_after, next_serial

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("left", "right", "after"),
    [
        (1, 0, True),
        (0, 1, False),
        (0, 2**32 - 1, True),
        (2**31, 0, False),
        (5, 5, False),
        (2**31 - 1, 0, True),
    ],
)
def test_serial_comparison_wraps(left, right, after):
    assert is_after(left, right) is after


def test_unixtime_serial_is_the_clock_unless_that_would_go_back():
    clock = int(NOW.timestamp())
    assert next_serial("unixtime", None, NOW) == clock
    assert next_serial("unixtime", 2025010101, NOW) == 2025010102
    assert next_serial("unixtime", clock, NOW) == clock + 1


def test_dateserial_counts_within_the_day():
    assert next_serial("dateserial", None, NOW) == 2026112100
    assert next_serial("dateserial", 2026112100, NOW) == 2026112101


def test_increment_wraps_at_the_end():
    assert next_serial("increment", 2**32 - 1, NOW) == 0
    assert next_serial("increment", None, NOW) == 1
