"""What a job is: a name, a period, and a function from `Work` to a `Verdict`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from dnsctl.control.concerns import Concern, Ending
from dnsctl.control.host import JOB, ControlHost, control_host
from dnsctl.control.journal import JobRecord, Weight
from dnsctl.control.telling import Tell, tell_nobody
from dnsctl.load.settings.config import Config
from dnsctl.model.name import Name, to_text
from dnsctl.publish.intent import Progress, no_progress

SHOWN = 3  # zones that a line names


class StoppedError(Exception):
    """This process was told to end: a job that has not decided a release leaves everything as it was."""


@dataclass(frozen=True)
class Work:
    """What a job gets. `now`: the time that it is done at; `last`: how it ended the last time.

    `standby`: how long another host is given to do it; None: this host does it at once. `progress` raises
    StoppedError where this process is to end.
    """

    root: Path
    config: Config
    passphrase: bytes = field(repr=False)
    now: datetime
    last: JobRecord | None = None
    standby: timedelta | None = None
    tell: Tell = tell_nobody
    progress: Progress = no_progress

    @contextmanager
    def host(self, without: str = "") -> Iterator[ControlHost]:
        """Open this control host, as a push does. Raises HostBusyError where a push is at work."""
        with control_host(self.root, self.config, self.passphrase, without, holder=JOB, whole=True) as host:
            try:
                yield host
            finally:
                for note in host.notes:
                    self.tell(note)


@dataclass(frozen=True)
class Verdict:
    """How a job ended, in one line. `waits`: since when it leaves what is due to another host.

    `endings` and `concerns`: of the job that looks for them, None from all others.
    """

    weight: Weight
    message: str
    waits: datetime | None = None
    endings: tuple[Ending, ...] | None = None
    concerns: tuple[Concern, ...] | None = None


@dataclass(frozen=True)
class Job:
    """One line of the table. `does`: for people. `period`: how often, by the settings.

    `at`: when after midnight UTC its slots begin; None: at a minute that differs from host to host, so that
    two hosts do not collide. `stands_by`: whether a host that stands by does it.
    """

    name: str
    does: str
    period: Callable[[Config], timedelta]
    run: Callable[[Work], Verdict]
    at: Callable[[Config], timedelta] | None = None
    stands_by: bool = True


def named(zones: Sequence[Name]) -> str:
    """Return the zones of a line: the first, and how many more there are."""
    return ", ".join(map(to_text, zones[:SHOWN])) + more_than_shown(zones)


def more_than_shown(zones: Sequence[object]) -> str:
    """Return how many of `zones` a line does not name; empty where it names all."""
    more = len(zones) - SHOWN
    return f" and {more} more" if more > 0 else ""
