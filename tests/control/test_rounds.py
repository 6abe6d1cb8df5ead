"""Rounds of jobs by a clock of the test: what fails stops nothing, what was missed is made up for once."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dnsctl.control.concerns import Ending
from dnsctl.control.daemon.job import Job, Verdict, Work
from dnsctl.control.daemon.rounds import Rounds, exit_code
from dnsctl.control.host import control_host
from dnsctl.control.journal import Holder, Journal, doing_jobs, of_jobs, this_process, working
from dnsctl.errors import ConfigError, HostBusyError, InconclusiveError
from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.file import load_config
from dnsctl.model.repo import Repo
from tests.control.operations import DNSCTL, Operations, made
from tests.passphrase import PASSPHRASE

BEGIN = datetime(2026, 11, 22, 10, 17, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operations]:
    with made(tmp_path_factory.mktemp("rounds") / "ops") as operations:
        Repo(operations.root).state.directory.mkdir()  # whichever test comes first
        yield operations


@dataclass
class Stage:
    """Rounds of `jobs`, a clock that is set by hand, and what was told."""

    root: Path
    jobs: tuple[Job, ...]
    now: datetime = BEGIN
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.root / "state/jobs.json").unlink(missing_ok=True)
        self.begin()

    def begin(self) -> None:
        """Be a new process."""
        self.rounds = Rounds(
            self.root, lambda: self.now, self.lines.append, done=self.lines.append, jobs=self.jobs
        )
        self.rounds.begin(Holder("daemon", 1, "host", self.now))

    def run(self, until: datetime, step: timedelta = timedelta(seconds=20)) -> None:
        """Do each job when it is due."""
        while self.now < until:
            for job in self.jobs:
                if self.rounds.due(job) <= self.now:
                    self.rounds.do(job)
            self.now += step


def job(name: str, run: Callable[[Work], Verdict], period: timedelta = HOUR) -> Job:
    return Job(name, "", lambda _config: period, run, at=lambda _config: timedelta())


def well(seen: list[datetime]) -> Callable[[Work], Verdict]:
    def run(work: Work) -> Verdict:
        seen.append(work.now)
        return Verdict("well", "done")

    return run


def raising(error: Exception) -> Callable[[Work], Verdict]:
    def run(_work: Work) -> Verdict:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "verdict", "words"),
    [
        (
            ConfigError("is wrong", where="dnsctl.yaml", advice="mend it"),
            "act",
            "dnsctl.yaml: is wrong; mend it",
        ),
        (InconclusiveError("no node answered"), "unknown", "no node answered"),
        (OSError(28, "No space left on device", "/x"), "act", "/x: No space left on device; free space"),
        (ZeroDivisionError("division by zero"), "act", "internal error: ZeroDivisionError: division by zero"),
    ],
)
def test_job_that_fails_stops_no_other_is_told_once_and_tried_again_less_and_less(
    repo: Operations, error: Exception, verdict: str, words: str
) -> None:
    seen: list[datetime] = []
    stage = Stage(repo.root, (job("bad", raising(error)), job("good", well(seen))))
    stage.run(BEGIN + 4 * HOUR, step=timedelta(minutes=1))
    record = stage.rounds.journal.jobs["bad"]
    assert (record.weight, record.since) == (verdict, BEGIN)
    assert words in record.message
    assert 8 <= record.failures <= 10, "1, 2, 4, 8, 16, 32 minutes, then each hour"
    assert len([line for line in stage.lines if line.startswith("bad: ")]) == 1
    assert len(seen) == 4 + 1
    assert exit_code(stage.rounds.journal) == {"act": 1, "unknown": 2}[verdict]


def test_what_was_missed_is_done_once_and_a_restart_loses_and_repeats_nothing(repo: Operations) -> None:
    hourly: list[datetime] = []
    daily: list[datetime] = []
    stage = Stage(repo.root, (job("hourly", well(hourly)), job("daily", well(daily), DAY)))
    stage.run(BEGIN + 30 * timedelta(minutes=1))
    assert (len(hourly), len(daily)) == (1, 1)
    for _ in range(5):
        stage.begin()
        stage.run(stage.now + timedelta(minutes=2))
    assert (len(hourly), len(daily)) == (1, 1), "not again after each restart"
    stage.now += 20 * DAY
    stage.begin()
    stage.run(stage.now + timedelta(minutes=1))
    assert (len(hourly), len(daily)) == (2, 2), "once, not twenty times"


def test_ten_days_cost_as_many_rounds_as_the_table_says(repo: Operations) -> None:
    hourly: list[datetime] = []
    daily: list[datetime] = []
    stage = Stage(repo.root, (job("hourly", well(hourly)), job("daily", well(daily), DAY)))
    stage.run(BEGIN + 10 * DAY, step=timedelta(minutes=27))
    assert (len(hourly), len(daily)) == (241, 11)
    assert len(stage.lines) == 2, "what ends as before is not told again"


def test_times_are_those_of_the_settings_that_a_job_read_last_and_open_nothing(repo: Operations) -> None:
    night = Job("night", "", lambda _config: DAY, well([]), at=lambda config: config.control.nightly)
    config = (repo.root / "dnsctl.yaml").read_text()
    stage = Stage(repo.root, (night,))
    try:
        repo.write("dnsctl.yaml", config + "control: {nightly: 04:05}\n")
        stage.rounds.do(night)
        repo.write("dnsctl.yaml", "version: [\n")
        assert stage.rounds.due(night) == datetime(2026, 11, 23, 4, 5, tzinfo=UTC)
    finally:
        repo.write("dnsctl.yaml", config)


def test_state_that_cannot_be_written_is_told_once_and_jobs_go_on(repo: Operations) -> None:
    seen: list[datetime] = []
    stage = Stage(repo.root, (job("good", well(seen)),))
    path = repo.root / "state/jobs.json"
    path.unlink()
    path.mkdir()
    try:
        stage.run(BEGIN + 3 * HOUR, step=timedelta(minutes=10))
    finally:
        path.rmdir()
    assert len(seen) == 4
    assert sum("jobs.json" in line for line in stage.lines) == 1


def test_push_that_is_at_work_puts_a_job_off_which_is_no_failure(repo: Operations) -> None:
    def opens(work: Work) -> Verdict:
        with work.host():
            return Verdict("well", "opened")

    stage = Stage(repo.root, (job("opens", opens),))
    other = (
        "import sys, fcntl; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); f.write('7\\n'); f.flush();"
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [DNSCTL[0], "-c", other, str(repo.root / "state/push.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as push:
        assert push.stdout is not None
        assert push.stdin is not None
        push.stdout.readline()
        assert stage.rounds.do(stage.jobs[0]) is None
        push.stdin.close()
    assert stage.lines == ["opens: put off: another push is running on this host (process 7)"]
    assert stage.rounds.journal.jobs == {}
    found = stage.rounds.do(stage.jobs[0])
    assert found is not None
    assert found.weight == "well"


@contextlib.contextmanager
def held_by_a_job(repo: Operations, *, named_after: float = 0.0) -> Iterator[None]:
    """Have another process hold the push lock for a second, and say whose it is that many seconds later."""
    holding = (
        "import sys, fcntl, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print('held', flush=True);"
        "time.sleep(float(sys.argv[2])); f.write('7 job\\n'); f.flush(); time.sleep(1)"
    )
    command = [DNSCTL[0], "-c", holding, str(repo.root / "state/push.lock"), str(named_after)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield


def test_push_by_a_person_waits_for_a_job_and_is_told_so(repo: Operations) -> None:
    told: list[str] = []
    with held_by_a_job(repo):
        config = load_config(WorkTree(repo.root))
        busy = pytest.raises(HostBusyError, match="a job of `dnsctl control` is running")
        with busy, control_host(repo.root, config, PASSPHRASE, holder="job"):
            pass
        with control_host(repo.root, config, PASSPHRASE, tell=told.append):
            pass
    assert told == ["waiting for a job of `dnsctl control` (process 7) to end"]


def test_push_by_a_person_waits_for_a_job_that_has_only_just_begun(repo: Operations) -> None:
    told: list[str] = []
    with (
        held_by_a_job(repo, named_after=0.3),
        control_host(repo.root, load_config(WorkTree(repo.root)), PASSPHRASE, tell=told.append),
    ):
        pass
    assert told == ["waiting for a job of `dnsctl control` (process 7) to end"]


def test_lock_that_was_let_go_names_nobody(repo: Operations) -> None:
    with control_host(repo.root, load_config(WorkTree(repo.root)), PASSPHRASE):
        assert (repo.root / "state/push.lock").read_text().split() == [str(os.getpid())]
    assert (repo.root / "state/push.lock").read_text() == ""


def test_one_process_does_the_jobs_of_a_host_and_who_is_said(repo: Operations) -> None:
    state = Repo(repo.root).state
    assert working(state) is None
    holder = this_process("daemon", BEGIN, 3600)
    with doing_jobs(state, holder):
        assert working(state) == holder
        with (
            pytest.raises(HostBusyError, match=r"works on this host already .*, since 2026-11-22T10:17:00Z"),
            doing_jobs(state, this_process("once", BEGIN)),
        ):
            pass
    assert working(state) is None


@pytest.mark.parametrize(
    ("later", "alive", "weight", "words"),
    [
        (timedelta(minutes=10), True, "", ""),
        (timedelta(hours=4), True, "soon", "has done no job since"),
        (timedelta(minutes=10), False, "soon", "does not run"),
    ],
)
def test_daemon_that_does_nothing_is_a_line(
    repo: Operations, later: timedelta, alive: bool, weight: str, words: str
) -> None:
    stage = Stage(repo.root, (job("good", well([])),))
    stage.rounds.do(stage.jobs[0])
    journal = Journal.read(Repo(repo.root).state)
    assert journal == stage.rounds.journal
    told = list(of_jobs(journal, journal.holder if alive else None, (), BEGIN + later))
    assert [(each.weight, each.about) for each in told] == ([(weight, "daemon")] if weight else [])
    assert words in "".join(each.message for each in told)


def test_journal_of_a_later_version_is_begun_anew(repo: Operations) -> None:
    state = Repo(repo.root).state
    state.jobs.write_text(json.dumps({"version": 2, "jobs": {}}))
    assert Journal.read(state) == Journal()


def test_journal_keeps_when_the_alarms_of_what_runs_out_are_raised(repo: Operations) -> None:
    state = Repo(repo.root).state
    at = int(BEGIN.timestamp()) + 86400
    fleet, short = Ending("signatures", "fleet", at, (0, 0)), Ending("signatures", "example.com.", at, (9, 3))
    Journal(endings=(fleet, short)).write(state)
    kept = Journal.read(state).endings
    assert kept == (fleet, short)
    assert [each.alarm(BEGIN.timestamp()) for each in kept] == [0, 0], "a day is left, and more than 9 s"
