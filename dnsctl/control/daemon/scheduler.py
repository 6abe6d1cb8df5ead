"""The daemon: each job at its time, one after the other, until this process is told to end.

APScheduler keeps the times and the one thread in which jobs are done; what is due, and when, `schedule` says.
The main thread waits for signals, and looks once a second whether the clock was set or this host slept: then
all times are found anew. SIGTERM ends the process at once, or when the release under way is decided and kept;
everything else that a job does is broken off, and leaves nothing half done.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Final

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger

from dnsctl.control.daemon.job import Job, StoppedError
from dnsctl.control.daemon.rounds import PUT_OFF, Rounds
from dnsctl.control.daemon.schedule import FIRST_RETRY

_LOOK: Final = 1.0  # seconds between two looks at the clock
_SET: Final = 30.0  # seconds that the clock may move against the one that only counts
_AT_ONCE: Final = 100  # as often as that a job may wait for the one thread: it never does
_BROKEN_OFF: Final = frozenset(
    ("compare", "sign and compile", "prove", "verify all")
)  # nothing is decided yet
_IN_ORDER: Final = timedelta(milliseconds=1)


class Daemon:
    """Does the jobs of `rounds` at their times. `wall` and `counted`: the two clocks that are compared."""

    def __init__(
        self,
        rounds: Rounds,
        wall: Callable[[], float] = time.time,
        counted: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rounds = rounds
        self._wall, self._counted = wall, counted
        self._stop = threading.Event()
        self._offset, self._plan_number = wall() - counted(), 0
        self._planning = threading.RLock()
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": _AT_ONCE},
        )
        rounds.progress = self._progress

    def run(self) -> None:
        """Do jobs until SIGTERM or SIGINT. For the main thread."""
        handlers = {number: signal.signal(number, self._told) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._plan_all()
            self._scheduler.start()
            while not self._stop.wait(_LOOK):
                self._mind_the_clock()
            self._scheduler.remove_all_jobs()
            self._scheduler.shutdown(wait=True)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def stop(self) -> None:
        """End soon. For any thread."""
        self._stop.set()

    def _told(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _progress(self, stage: str, _done: int, _total: int) -> None:
        if self._stop.is_set() and stage in _BROKEN_OFF:
            raise StoppedError

    def _mind_the_clock(self) -> None:
        """Find all times anew where the clock was set, or this host slept."""
        with self._planning:
            offset = self._wall() - self._counted()
            moved, self._offset = offset - self._offset, offset
            if abs(moved) <= _SET:
                return
            self._rounds.tell(f"the clock was set by {moved:+.0f} s, or this host slept")
            self._plan_all()

    def _plan_all(self) -> None:
        """Plan every job, in the order of the table where several are due; earlier plans are void."""
        with self._planning:
            self._plan_number += 1
            self._scheduler.remove_all_jobs()
            for number, job in enumerate(each for each in self._rounds.jobs if self._rounds.does(each)):
                self._plan(job, self._rounds.due(job) + number * _IN_ORDER)

    def _plan(self, job: Job, due: datetime) -> None:
        """Have `job` done at `due`, and only then."""
        with self._planning:
            when = datetime.now(UTC) + (due - self._rounds.clock())
            done = (job, self._plan_number)
            self._scheduler.add_job(
                self._do, DateTrigger(when, UTC), done, id=job.name, name=job.name, replace_existing=True
            )

    def _do(self, job: Job, plan_number: int) -> None:
        """Do `job`, and plan when it is done again, whatever happens."""
        self._mind_the_clock()
        if plan_number != self._plan_number:  # by another clock: those before it in the table may be due, too
            return
        due = self._rounds.clock() + FIRST_RETRY
        try:
            due = self._rounds.clock() + PUT_OFF if self._rounds.do(job) is None else self._rounds.due(job)
        except StoppedError:
            self._rounds.tell(f"{job.name}: broken off")
        except Exception as error:  # noqa: BLE001 - nothing that a job does ends the daemon
            self._rounds.tell(f"{job.name}: internal error: {type(error).__name__}: {error}; this is a bug")
        if not self._stop.is_set():
            self._plan(job, due)
