"""When a job is due. Pure; the clock is an argument.

Time is cut into slots of a job's period. A job is due in each slot in which it has not been done yet, so that
one that was missed while nothing ran is done once, however long that was. One that did not end well is tried
again after a minute, then two, and so on to an hour. A record from the future, left by a clock that was
wrong, does not count.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dnsctl.control.journal import JobRecord

FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=1)


def next_time(record: JobRecord | None, period: timedelta, offset: timedelta, now: datetime) -> datetime:
    """Return when a job is due, `now` at the earliest. `offset`: where slots begin, after midnight UTC."""
    if record is None or record.began > now or record.ended > now:
        return now
    if record.failures:
        return max(now, record.ended + min(retry_after(record.failures), period))
    return max(now, slot(record.began, period, offset) + period)


def retry_after(failures: int) -> timedelta:
    """Return how long to wait after so many failures in a row."""
    return min(FIRST_RETRY * (1 << min(failures - 1, 16)), LONGEST_RETRY)


def slot(when: datetime, period: timedelta, offset: timedelta) -> datetime:
    """Return when the slot began that `when` is in."""
    epoch = datetime.fromtimestamp(0, UTC) + offset
    return epoch + (when - epoch) // period * period
