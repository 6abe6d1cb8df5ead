"""When each job of the control host was done last, how it ended, and what runs out: `state/jobs.json`.

Written whole by the one process that holds `state/control.lock` (`dnsctl control`), read by `status` and the
metrics of the daemon. Nothing is lost with the file but time: jobs without a record are due. The clock is an
argument; times are aware datetimes in whole seconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, cast

from dnsctl.control.concerns import Concern, Ending
from dnsctl.errors import HostBusyError, SystemRefusalError
from dnsctl.files import durable
from dnsctl.files.lock import lock_file, take
from dnsctl.model.json_value import Json
from dnsctl.model.repo import HostFiles
from dnsctl.model.timestamp import from_stamp, stamp

VERSION = 1
Mode = Literal["daemon", "once"]
Weight = Literal["well", "act", "unknown"]
VERDICTS: Mapping[Weight, str] = {"well": "well", "act": "act now", "unknown": "could not tell"}
WATCH = "watch"  # the job whose concerns are those of `status`
_HANGS = timedelta(
    hours=3
)  # without a job done, in a daemon that does one each few minutes; the longest takes less
_ROUND = timedelta(hours=26)  # a timer runs `--once` each night at least
_LOOKED = 1.0  # seconds: `status` may hold the lock for a moment to see whether somebody has it


@dataclass(frozen=True, slots=True)
class JobRecord:
    """The last time that a job was done. `failures`: times in a row that it did not end well.

    `since`: when it first ended as it did now, or when it began to wait for the other host (`waits`).
    """

    began: datetime
    ended: datetime
    weight: Weight
    message: str
    since: datetime
    failures: int = 0
    next: datetime | None = None
    waits: datetime | None = None

    def to_json(self, name: str) -> dict[str, Json]:
        """Return what `control --once --json` and `status --json` print of the job `name` (docs/json.md)."""
        return {
            "job": name,
            "verdict": VERDICTS[self.weight],
            "message": self.message,
            "began": stamp(self.began),
            "ended": stamp(self.ended),
            "since": stamp(self.since),
            "failures": self.failures,
            "next": None if self.next is None else stamp(self.next),
        }


@dataclass(frozen=True, slots=True)
class Holder:
    """Who does the jobs of this host. `standby`: seconds that another host is given first; None: none."""

    mode: Mode
    pid: int
    host: str
    since: datetime
    standby: int | None = None

    def to_json(self) -> dict[str, Json]:
        return {
            "mode": self.mode,
            "process": self.pid,
            "host": self.host,
            "since": stamp(self.since),
            "standby": self.standby,
        }


@dataclass(frozen=True, slots=True)
class Journal:
    """All of it. `endings`: what runs out, and `concerns`: what was wrong, when somebody last looked."""

    holder: Holder | None = None
    jobs: Mapping[str, JobRecord] = field(default_factory=dict)
    endings: tuple[Ending, ...] = ()
    concerns: tuple[Concern, ...] = ()

    def with_job(self, name: str, record: JobRecord) -> Journal:
        return replace(self, jobs={**self.jobs, name: record})

    @classmethod
    def read(cls, state: HostFiles) -> Journal:
        """Return what is kept there; an empty journal where it is missing, damaged or of a later version."""
        try:
            kept = json.loads(state.jobs.read_bytes())
            if kept["version"] != VERSION:
                return cls()
            return cls(
                None if kept["holder"] is None else _holder(kept["holder"]),
                {str(name): _record(one) for name, one in kept["jobs"].items()},
                tuple(_ending(one) for one in kept["endings"]),
                tuple(Concern(one["weight"], one["about"], one["message"]) for one in kept["concerns"]),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def write(self, state: HostFiles) -> None:
        """Keep it. Raises SystemRefusalError: what was kept before is still there."""
        kept: dict[str, Json] = {
            "version": VERSION,
            "holder": None if self.holder is None else self.holder.to_json(),
            "jobs": {name: _record_json(one) for name, one in self.jobs.items()},
            "endings": [{**each._asdict(), "alarms": list(each.alarms)} for each in self.endings],
            "concerns": [each._asdict() for each in self.concerns],
        }
        try:
            durable.make_directory(state.directory)
            durable.write(state.jobs, json.dumps(kept, indent=1).encode() + b"\n")
        except OSError as error:
            raise SystemRefusalError.of(error, state.jobs) from None


@contextmanager
def doing_jobs(state: HostFiles, holder: Holder) -> Iterator[None]:
    """Be the one process that does the jobs of this host. Raises HostBusyError, which says who does them."""
    path = state.control_lock
    try:
        durable.make_directory(state.directory)
        descriptor = lock_file(path)
    except OSError as error:
        raise SystemRefusalError.of(error, path) from None
    try:
        if not take(descriptor, _LOOKED):
            raise HostBusyError(_who(path), where=str(path), advice="stop it first, or leave the jobs to it")
        with contextlib.suppress(OSError):  # who it is, for messages; the lock itself is what counts
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(holder.to_json()).encode() + b"\n", 0)
        yield
    finally:
        os.close(descriptor)


def working(state: HostFiles) -> Holder | None:
    """Return who does the jobs of this host now; None where nobody does, or that cannot be seen."""
    path = state.control_lock
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _named(path)
    finally:
        os.close(descriptor)
    return None


def of_jobs(
    journal: Journal, holder: Holder | None, endings: Iterable[Ending], now: datetime
) -> Iterator[Concern]:
    """Yield what is wrong with the jobs of this host. `holder`: who does them now, as `working` says.

    That nobody does them is only worth a line while no signature is near its end.
    """
    for name, record in journal.jobs.items():
        if record.weight != "well" and name != WATCH:
            since = f"since {stamp(record.since)}"
            yield Concern(record.weight, f"job {name}", f"{record.message} ({since})")
    near = any(each.what == "signatures" and each.alarm(now.timestamp()) for each in endings)
    if idle := _idle(journal, holder, now):
        yield Concern("act" if near else "soon", "daemon", idle)


def hangs(journal: Journal, now: datetime) -> datetime | None:
    """Return when a daemon that does no job any more did the last one; None where it does them."""
    since = [each.ended for each in journal.jobs.values()]
    if journal.holder is not None:
        since.append(journal.holder.since)
    last = max(since, default=now)
    return last if now - last > _HANGS else None


def _idle(journal: Journal, holder: Holder | None, now: datetime) -> str:
    """Return why jobs are not done that should be; empty where they are, or nobody ever did them here."""
    if journal.holder is None or not journal.jobs:
        return ""
    last = max(each.ended for each in journal.jobs.values())
    if holder is not None and holder.mode == "daemon":
        if hangs(journal, now):
            what = f"`dnsctl control` runs (process {holder.pid})"
            return f"{what} and has done no job since {stamp(last)}; restart it"
        return ""
    if journal.holder.mode == "daemon":
        return f"`dnsctl control` does not run, and did its last job at {stamp(last)}; start it"
    if now - last > _ROUND:
        return f"`dnsctl control --once` was run last at {stamp(last)}; look at its timer"
    return ""


def this_process(mode: Mode, now: datetime, standby: int | None = None) -> Holder:
    return Holder(mode, os.getpid(), socket.gethostname(), now, standby)


def _who(path: Path) -> str:
    holder = _named(path)
    if holder is None:
        return "another `dnsctl control` works on this host"
    since = stamp(holder.since)
    what = "`dnsctl control`" if holder.mode == "daemon" else "`dnsctl control --once`"
    return f"{what} works on this host already (process {holder.pid}, since {since})"


def _named(path: Path) -> Holder | None:
    try:
        return _holder(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _holder(kept: Mapping[str, Any]) -> Holder:
    standby = kept["standby"]
    return Holder(
        cast("Mode", kept["mode"]),
        int(kept["process"]),
        str(kept["host"]),
        from_stamp(kept["since"]),
        None if standby is None else int(standby),
    )


def _ending(kept: Mapping[str, Any]) -> Ending:
    first, last = kept["alarms"]
    return Ending(str(kept["what"]), str(kept["about"]), int(kept["at"]), (int(first), int(last)))


def _record(kept: Mapping[str, Any]) -> JobRecord:
    if kept["verdict"] not in VERDICTS:
        raise ValueError(kept["verdict"])
    return JobRecord(
        from_stamp(kept["began"]),
        from_stamp(kept["ended"]),
        kept["verdict"],
        str(kept["message"]),
        from_stamp(kept["since"]),
        int(kept["failures"]),
        None if kept["next"] is None else from_stamp(kept["next"]),
        None if kept["waits"] is None else from_stamp(kept["waits"]),
    )


def _record_json(record: JobRecord) -> dict[str, Json]:
    return {
        "began": stamp(record.began),
        "ended": stamp(record.ended),
        "verdict": record.weight,
        "message": record.message,
        "since": stamp(record.since),
        "failures": record.failures,
        "next": None if record.next is None else stamp(record.next),
        "waits": None if record.waits is None else stamp(record.waits),
    }
