"""SOA serials: RFC 1982 arithmetic and the policies."""

from datetime import UTC, datetime

import pytest

from dnsctl.model.serial import distance, is_after, next_serial

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


@pytest.mark.parametrize(
    ("left", "right", "seconds"),
    [
        (5, 5, 0),
        (6, 5, 1),
        (5, 6, -1),
        (0, 2**32 - 1, 1),
        (2**32 - 1, 0, -1),
        (2**31 - 1, 0, 2**31 - 1),  # RFC 1982 §3.2: one less than half of all serials is still after
        (2**31, 0, -(2**31)),  # in no order
        (0, 2**31, -(2**31)),
        (44, 2**32 - 56, 100),  # §5.1, with 32 bits: addition wraps
    ],
)
def test_the_distance_of_serials_wraps(left, right, seconds):
    assert distance(left, right) == seconds
    assert is_after(left, right) is (seconds > 0)


def test_serials_of_eight_bits_order_as_the_rfc_lists_them():
    """RFC 1982 §5.2 gives an order for 8 bits: the same, 2^24 times as far apart."""
    order = [(1, 0), (44, 0), (100, 0), (100, 44), (200, 100), (255, 200), (0, 255), (100, 255), (0, 200)]
    order += [(44, 200)]
    for after, before in order:
        assert is_after(after << 24, before << 24)
        assert not is_after(before << 24, after << 24)


@pytest.mark.parametrize(
    ("previous", "floor", "expected"),
    [
        (None, 2026112105, 2026112105),  # moved here: secondaries know this one
        (2026112103, 2026112105, 2026112105),
        (2026112105, 2026112103, 2026112106),
        (2026112105, 2026112105, 2026112106),  # published before: the next
        (None, 0, 2026112100),
    ],
)
def test_a_serial_that_is_written_is_a_floor(previous, floor, expected):
    assert next_serial("dateserial", previous, NOW, floor) == expected


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
