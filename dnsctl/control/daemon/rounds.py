"""Do jobs, one after the other, and keep how each ended.

Nothing that a job does stops another: its DnsctlError is its verdict, and any other exception as well, told
as the bug that it is. What ended as before is not told again. A job that finds a person's push at work is put
off, which is not a failure.
"""

from __future__ import annotations

import socket
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from dnsctl.control.concerns import Ending, code_of, left
from dnsctl.control.daemon.job import Job, StoppedError, Verdict, Work
from dnsctl.control.daemon.schedule import next_time
from dnsctl.control.daemon.table import HOUR, JOBS
from dnsctl.control.journal import VERDICTS, Holder, JobRecord, Journal
from dnsctl.control.released import fleet_config
from dnsctl.control.telling import Tell, tell_nobody
from dnsctl.errors import (
    DnsctlError,
    HostBusyError,
    InconclusiveError,
    NodeUnreachableError,
    SystemRefusalError,
)
from dnsctl.load.secret import resolve
from dnsctl.load.settings.config import Config
from dnsctl.model.repo import Repo
from dnsctl.model.validity import moment
from dnsctl.publish.intent import Progress, no_progress

PUT_OFF = timedelta(seconds=15)  # until a job is tried again that found a push at work
_REMEMBERED = 50  # lines that were told once


@dataclass
class Rounds:
    """The jobs of the host at `root`, and the journal of how they ended.

    `standby`: as in `Work`. `tell`: a line for the log; `done`: how a job ended, where that is new. One
    thread at a time does jobs; the journal that others read is replaced whole.
    """

    root: Path
    clock: Callable[[], datetime]
    tell: Tell
    standby: timedelta | None = None
    progress: Progress = no_progress
    done: Tell = tell_nobody
    jobs: Sequence[Job] = JOBS
    journal: Journal = field(default_factory=Journal)
    _settings: Config = field(default_factory=lambda: Config(version=1))
    _prompted: bytes | None = None
    _told: set[str] = field(default_factory=set)
    _raised: dict[str, int] = field(default_factory=dict)

    def begin(self, holder: Holder) -> None:
        """Begin with what was kept of earlier rounds, as `holder`."""
        self.journal = replace(Journal.read(Repo(self.root).state), holder=holder)
        self.write()

    def does(self, job: Job) -> bool:
        """True where this host does `job`, and does not leave it to the host that it stands by for."""
        return job.stands_by or self.standby is None

    def due(self, job: Job, *, once: bool = False) -> datetime:
        """Return when `job` is to be done. `once`: now, unless it is one of the night that was done well."""
        now, record = self.clock(), self.journal.jobs.get(job.name)
        period, offset = self._when(job)
        if once and (period <= HOUR or (record is not None and record.failures)):
            return now
        return next_time(record, period, offset, now)

    def do(self, job: Job) -> JobRecord | None:
        """Do `job`, and keep how it ended; None where it was put off. Raises StoppedError."""
        began, last = self.clock(), self.journal.jobs.get(job.name)
        try:
            verdict = self._verdict(job, began, last)
        except HostBusyError as error:
            self._once(f"{job.name}: put off: {error.what}")
            return None
        record = self._recorded(job, verdict, began, last)
        self._keep(job, record, verdict)
        return record

    def do_due(self) -> dict[str, JobRecord | None]:
        """Do what is due in one round, as `control --once` does; return how each job ended, in order."""
        found: dict[str, JobRecord | None] = {}
        for job in self.jobs:
            if self.does(job) and self.due(job, once=True) <= self.clock():
                found[job.name] = self.do(job)
        return found

    def config(self) -> Config:
        """Return dnsctl.yaml of the work tree, or the released one where that cannot be read.

        For the thread that does jobs: it may open this host's image.
        """
        self._settings = fleet_config(self.root, self._once)
        return self._settings

    def write(self) -> None:
        """Keep the journal; where that is impossible, say so and go on with what is in memory."""
        try:
            self.journal.write(Repo(self.root).state)
        except SystemRefusalError as error:
            self._once(str(error))

    # -- One job ---

    def _verdict(self, job: Job, began: datetime, last: JobRecord | None) -> Verdict:
        try:
            config = self.config()
            work = Work(
                self.root,
                config,
                self._passphrase(config),
                began,
                last,
                self.standby,
                self.tell,
                self.progress,
            )
            return job.run(work)
        except (StoppedError, HostBusyError):
            raise
        except (InconclusiveError, NodeUnreachableError) as error:
            return Verdict("unknown", str(error))
        except DnsctlError as error:
            return Verdict("act", str(error))
        except OSError as error:
            return Verdict("act", str(SystemRefusalError.of(error)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the other jobs go on
            reason = f"{type(error).__name__}: {error}".strip(": ")
            return Verdict("act", f"internal error: {reason}; this is a bug, please report it")

    def _passphrase(self, config: Config) -> bytes:
        """Return the passphrase: read again each time, as it may be changed; asked for once."""
        if config.keystore.passphrase != "prompt":  # noqa: S105 - how it is named, not what it is
            return resolve(config.keystore.passphrase, self.root)
        if self._prompted is None:
            self._prompted = resolve("prompt", self.root)
        return self._prompted

    def ready(self) -> Config:
        """Return the settings, once they and the passphrase can be read. Raises DnsctlError."""
        config = self.config()
        self._passphrase(config)
        return config

    def _when(self, job: Job) -> tuple[timedelta, timedelta]:
        """Return a job's period, and where its slots begin, by the settings that were read last."""
        config = self._settings
        period = job.period(config)
        if job.at is not None:
            return period, job.at(config)
        return period, zlib.crc32(socket.gethostname().encode()) % 3600 * period / 3600

    # -- How it ended ---

    def _recorded(self, job: Job, verdict: Verdict, began: datetime, last: JobRecord | None) -> JobRecord:
        well = verdict.weight == "well"
        same = last is not None and (last.weight, last.waits) == (verdict.weight, verdict.waits)
        record = JobRecord(
            began=began,
            ended=max(self.clock(), began),
            weight=verdict.weight,
            message=verdict.message,
            since=last.since if same and last is not None else began,
            failures=0 if well else (last.failures if last is not None else 0) + 1,
            waits=verdict.waits,
        )
        period, offset = self._when(job)
        return replace(record, next=next_time(record, period, offset, record.ended))

    def _keep(self, job: Job, record: JobRecord, verdict: Verdict) -> None:
        last = self.journal.jobs.get(job.name)
        if last is None or (last.weight, last.message) != (record.weight, record.message):
            again = " again" if record.weight == "well" and last is not None and last.failures else ""
            self.done(f"{job.name}: {VERDICTS[record.weight]}{again}: {record.message}")
        if verdict.endings is not None:
            self._alarms(verdict.endings, record.began.timestamp())
        self.journal = replace(
            self.journal.with_job(job.name, record),
            endings=self.journal.endings if verdict.endings is None else verdict.endings,
            concerns=self.journal.concerns if verdict.concerns is None else verdict.concerns,
        )
        self.write()

    def _alarms(self, endings: Sequence[Ending], now: float) -> None:
        """Tell of each alarm when it is raised, and when it is over."""
        raised = {str(each): each.alarm(now) for each in endings}
        for each in endings:
            days = raised[str(each)]
            if days and days != self._raised.get(str(each)):
                until = f"{left(each.at - now)} left, until {moment(each.at)}"
                self.tell(f"alarm: less than {days} days: {each}: {until}")
        for what, days in self._raised.items():
            if days and not raised.get(what):
                self.tell(f"alarm over: {what}")
        self._raised = raised

    def _once(self, line: str) -> None:
        """Tell something that does not change often once."""
        if line not in self._told:
            if len(self._told) >= _REMEMBERED:
                self._told.clear()
            self._told.add(line)
            self.tell(line)


def exit_code(journal: Journal) -> int:
    """Return 0 where every job ended well, 1 where somebody must act, 2 where that is not known."""
    return code_of({each.weight for each in journal.jobs.values()})
