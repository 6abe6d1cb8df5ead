"""Times as files have them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from dnsctl.model.timestamp import from_stamp, stamp


@pytest.mark.parametrize("year", [1, 999, 1970, 2026, 9999])
def test_time_of_any_year_is_read_again(year: int) -> None:
    when = datetime(year, 6, 1, 12, 30, 1, 999, UTC)
    assert from_stamp(stamp(when)) == when.replace(microsecond=0)


def test_time_is_told_in_utc() -> None:
    assert stamp(datetime(2026, 11, 29, 1, tzinfo=timezone(timedelta(hours=2)))) == "2026-11-28T23:00:00Z"
