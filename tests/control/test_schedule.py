"""When jobs are due: pure, by a clock that is an argument."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dnsctl.control.concerns import Ending, ending_of, left
from dnsctl.control.daemon.schedule import next_time, slot
from dnsctl.control.journal import JobRecord
from dnsctl.model.policy import Policy, SignaturePolicy

NOW = datetime(2026, 11, 22, 10, 17, 0, tzinfo=UTC)
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
NIGHT = timedelta(hours=2, minutes=30)


def record(ago: timedelta, failures: int = 0) -> JobRecord:
    return JobRecord(NOW - ago, NOW - ago, "act" if failures else "well", "", NOW - ago, failures)


@pytest.mark.parametrize(
    ("last", "period", "offset", "due"),
    [
        (None, HOUR, HOUR * 0, NOW),
        (record(5 * MINUTE), HOUR, HOUR * 0, NOW + 43 * MINUTE),
        (record(5 * MINUTE), HOUR, 20 * MINUTE, NOW + 3 * MINUTE),
        (record(18 * MINUTE), HOUR, HOUR * 0, NOW),
        (record(30 * DAY), HOUR, HOUR * 0, NOW),
        (record(7 * HOUR), DAY, NIGHT, datetime(2026, 11, 23, 2, 30, tzinfo=UTC)),
        (record(8 * HOUR), DAY, NIGHT, NOW),
        (record(30 * DAY), DAY, NIGHT, NOW),
        (record(-3 * HOUR), HOUR, HOUR * 0, NOW),
        (record(MINUTE * 0, 1), DAY, NIGHT, NOW + MINUTE),
        (record(MINUTE * 0, 4), DAY, NIGHT, NOW + 8 * MINUTE),
        (record(MINUTE * 0, 99), DAY, NIGHT, NOW + HOUR),
        (record(MINUTE * 0, 99), 5 * MINUTE, NIGHT, NOW + 5 * MINUTE),
        (record(3 * HOUR, 99), DAY, NIGHT, NOW),
    ],
    ids=[
        "never done", "next hour", "at the host's own minute", "a slot later", "missed for a month: once",
        "next night", "not yet this night", "missed for a month of nights: once", "done in the future",
        "a minute after a failure", "eight minutes after four", "an hour at most", "its period at most",
        "overdue after failures",
    ],
)  # fmt: skip
def test_job_is_due(last: JobRecord | None, period: timedelta, offset: timedelta, due: datetime) -> None:
    assert next_time(last, period, offset, NOW) == due


def test_job_that_is_done_when_due_is_done_once_in_each_slot() -> None:
    last, done, now = None, [], NOW
    while now < NOW + 3 * DAY:
        if next_time(last, DAY, NIGHT, now) <= now:
            last = JobRecord(now, now, "well", "", now)
            done.append(now)
        now += 7 * MINUTE
    assert [each - slot(each, DAY, NIGHT) < 7 * MINUTE for each in done[1:]] == [True] * 3
    assert done[0] == NOW


@pytest.mark.parametrize(
    ("days", "raised"), [(30, 0), (7.1, 0), (6.95, 0), (6.9, 7), (3.1, 7), (2.9, 3), (0, 3), (-2, 3)]
)
def test_alarm_of_signatures_is_raised_two_hours_after_renewal_was_due(days: float, raised: int) -> None:
    now = NOW.timestamp()
    assert ending_of("example.com.", int(now + days * 86400), Policy()).alarm(now) == raised


@pytest.mark.parametrize(("days", "raised"), [(7.1, 0), (6.99, 7), (3.1, 7), (2.9, 3)])
def test_alarm_of_what_is_not_renewed_here_is_raised_at_seven_and_three_days(
    days: float, raised: int
) -> None:
    now = NOW.timestamp()
    assert Ending("certificate", "ns1", int(now + days * 86400)).alarm(now) == raised
    assert ending_of("example.com.", int(now + days * 86400), None).alarm(now) == raised


def test_alarm_of_signatures_that_are_renewed_each_hour_is_raised_in_proportion() -> None:
    policy = Policy(signatures=SignaturePolicy(lifetime=timedelta(hours=4), refresh=2 * HOUR))
    alarms = [ending_of("example.com.", minutes * 60, policy).alarm(0) for minutes in (120, 110, 60, 50, 0)]
    assert alarms == [0, 7, 7, 3, 3]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(86400 * 6.9, "6 days"), (86400, "24 hours"), (7199, "119 minutes"), (60, "1 minute"), (-1, "nothing")],
)
def test_rest_is_told_as_people_say_it(seconds: float, words: str) -> None:
    assert left(seconds) == words
