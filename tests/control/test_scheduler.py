"""The daemon by clocks of the test: what is due after the clock was set is done in the order of the table."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dnsctl.control.daemon.rounds import Rounds
from dnsctl.control.daemon.scheduler import Daemon
from dnsctl.control.journal import Holder
from tests.control.operations import Operations, made
from tests.control.test_rounds import HOUR, job, well

SECOND = timedelta(seconds=1)


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    with made(tmp_path / "ops") as operations:
        yield operations


class Clock:
    """Runs as the real one does, and can be set."""

    ahead = 0.0

    def wall(self) -> float:
        return time.time() + self.ahead

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.wall(), UTC)


def test_job_that_was_planned_before_the_clock_was_set_is_not_done_ahead_of_those_before_it(
    repo: Operations,
) -> None:
    clock = Clock()
    renewed: list[datetime] = []
    looked: list[datetime] = []

    def tell(line: str) -> None:
        if "the clock was set by" in line:
            time.sleep(2.5)  # meanwhile a look is due by the plan of before

    jobs = (job("renews", well(renewed), HOUR), job("looks", well(looked), SECOND))
    rounds = Rounds(repo.root, clock.now, tell, jobs=jobs)
    rounds.begin(Holder("daemon", 1, "host", clock.now()))
    daemon = Daemon(rounds, clock.wall)

    def set_the_clock() -> None:
        _wait(lambda: len(looked) > 1)
        clock.ahead = 7200.0
        _wait(lambda: looked[-1] - looked[0] > HOUR and len(renewed) > 1)
        daemon.stop()

    person = threading.Thread(target=set_the_clock)
    person.start()
    daemon.run()
    person.join()
    assert min(each for each in looked if each - looked[0] > HOUR) >= renewed[1]


def _wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not until() and time.monotonic() < deadline:
        time.sleep(0.01)
