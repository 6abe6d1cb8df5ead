"""Take over a node with a new version of the program: the supervisor executes it in its own process.

The process stays the same, and with it the process id, the children and the listening sockets, whose queues
the kernel goes on filling: no query finds a port closed. First the program is *tried* in a process of its
own, which reads settings, checks everything that it will need, and writes its order to a file in memory; if
it fails, nothing has happened. The `Bequest` is what the new supervisor has to know. The old processes go on
serving until their successors do.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from dnsctl.errors import DnsctlError, RefusalRule
from dnsctl.model.fleet import Endpoint
from dnsctl.model.prctl import die_with_parent
from dnsctl.node.signals import HELD_SIGNALS, STOP_SIGNALS, ignore_strays

KEPT: Final = "DNSCTL_KEPT"  # environment variable: the descriptor that the bequest is read from
FORMAT: Final = 1  # of a bequest; a program that knows another one does not take over
TRIAL_TIME: Final = 60.0  # seconds
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Program:
    """How the program is executed: its arguments, the interpreter first, and the environment variables that
    say where its order is to be written to (`trial`), and then read from (`handed`).
    """

    arguments: tuple[str, ...]
    trial: str
    handed: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A bound socket. `kind`: udp, tcp, or http for that of the metrics."""

    kind: str
    endpoint: Endpoint
    descriptor: int


@dataclass(slots=True)
class Predecessor:
    """A process of an earlier supervisor. `kill_at`: of the monotonic clock, once it was told to end."""

    name: str
    kill_at: float | None = None


@dataclass(frozen=True, slots=True)
class Bequest:
    """What a supervisor leaves to the program that follows it in the same process.

    `lock`: descriptor that holds the state; `children`: those that run, by process id; `again`: SIGHUP came
    once more since the program was tried.
    """

    lock: int
    sockets: tuple[Kept, ...]
    children: tuple[tuple[int, Predecessor], ...] = ()
    again: bool = False

    def descriptors(self, kind: str, endpoint: Endpoint) -> tuple[int, ...]:
        return tuple(one.descriptor for one in self.sockets if one.kind == kind and one.endpoint == endpoint)

    def written(self) -> int:
        """Return the descriptor of a file in memory that holds this, inherited by what is executed."""
        text = {
            "format": FORMAT,
            "lock": self.lock,
            "sockets": [
                [one.kind, one.endpoint.address, one.endpoint.port, one.descriptor] for one in self.sockets
            ],
            "children": [[pid, one.name, one.kill_at] for pid, one in self.children],
            "again": self.again,
        }
        return _in_memory(json.dumps(text))


def inherited() -> Bequest | None:
    """Return what a supervisor left to this process, at the first call. Raises DnsctlError."""
    if not (descriptor := os.environ.pop(KEPT, "")):
        return None
    with os.fdopen(int(descriptor), encoding="ascii") as file:
        file.seek(0)
        found = json.load(file)
    if found["format"] != FORMAT:
        raise DnsctlError(
            f"the running version hands over format {found['format']}, this one needs {FORMAT}",
            advice="restart the node instead of reloading it",
            rule=RefusalRule.RELOAD,
        )
    sockets = tuple(Kept(kind, Endpoint(*where), one) for kind, *where, one in found["sockets"])
    for one in (found["lock"], *(each.descriptor for each in sockets)):
        os.set_inheritable(one, False)
    children = tuple((pid, Predecessor(name, kill_at)) for pid, name, kill_at in found["children"])
    return Bequest(found["lock"], sockets, children, found["again"])


class Succession:
    """The way from this supervisor to the next: `begin` a trial, then `take_place`."""

    def __init__(self, program: Program, bequest: Bequest) -> None:
        self._program = program
        self._bequest = bequest
        self._order = -1
        self._pid = 0
        self._deadline = 0.0
        self.is_due = False  # a trial went well

    @property
    def pid(self) -> int:
        """Process id of the trial; 0 where there is none."""
        return self._pid

    def begin(self) -> None:
        """Try the program in a process of its own. Not to be called while there is one."""
        if (files := _opened(lambda: _in_memory(""), self._bequest.written)) is None:
            return
        self._order, kept = files
        parent = os.getpid()
        environment = self._environment(self._program.trial, self._order, kept)
        self._deadline = time.monotonic() + TRIAL_TIME
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._pid = os.fork()
            if not self._pid:
                self._execute_trial(parent, environment)
        except OSError as fault:
            os.close(self._order)
            _refuse(f"no process for it: {fault.strerror}")
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(kept)

    def _execute_trial(self, parent: int, environment: Mapping[str, str]) -> NoReturn:
        try:
            for number in STOP_SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            ignore_strays()
            die_with_parent(parent)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            self._execute(environment)
        except OSError as fault:
            _log.error("%s: %s", self._program.arguments[0], fault.strerror)
        finally:
            os._exit(1)

    def ended(self, code: int) -> None:
        """Note how the trial ended."""
        self._pid = 0
        if code:
            os.close(self._order)
            _refuse(f"its trial ended with {code}, see above")
        else:
            self.is_due = True

    def look(self) -> None:
        """End a trial that takes too long."""
        if self._pid and time.monotonic() > self._deadline:
            _log.error("the trial of the new program takes longer than %.0f s; killed", TRIAL_TIME)
            os.kill(self._pid, signal.SIGKILL)
            self._deadline = time.monotonic() + TRIAL_TIME

    def take_place(self, children: Mapping[int, Predecessor], again: Callable[[], bool]) -> None:
        """Execute the program in this process. Returns only where that fails: then this one goes on.

        `again`: whether SIGHUP came once more; one that comes later waits until the program handles it.
        """
        self.is_due = False
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)
        try:
            kept = self._bequest
            self._hand_on(Bequest(kept.lock, kept.sockets, tuple(children.items()), again()))
        finally:
            os.close(self._order)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _hand_on(self, bequest: Bequest) -> None:
        if (files := _opened(bequest.written)) is None:
            return
        (kept,) = files
        try:
            self._execute(self._environment(self._program.handed, self._order, kept))
        except OSError as fault:
            os.close(kept)
            _refuse(str(fault.strerror))

    def _environment(self, variable: str, order: int, kept: int) -> dict[str, str]:
        return {**os.environ, variable: str(order), KEPT: str(kept)}

    def _execute(self, environment: Mapping[str, str]) -> NoReturn:
        for one in (self._bequest.lock, *(each.descriptor for each in self._bequest.sockets)):
            os.set_inheritable(one, True)
        arguments = self._program.arguments
        os.execve(arguments[0], arguments, environment)  # noqa: S606 - no shell wanted


def _refuse(why: str) -> None:
    _log.error("the new program does not take over (%s): the old one goes on", why)


def _opened(*files: Callable[[], int]) -> list[int] | None:
    """Open all `files`, or none: where the kernel gives no descriptor or memory, nothing takes over."""
    opened: list[int] = []
    try:
        for each in files:
            opened.append(each())
    except OSError as fault:
        for one in opened:
            os.close(one)
        _refuse(f"no file for its order: {fault.strerror}")
        return None
    return opened


def _in_memory(text: str) -> int:
    descriptor = os.memfd_create("dnsctl", 0)  # in no directory: an order may hold TSIG keys
    try:
        os.write(descriptor, text.encode("ascii"))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
