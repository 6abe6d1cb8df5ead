"""The parent of a node's processes: forks them, restarts those that die, ends them all.

It keeps the listening sockets open, so that a port never closes while a process of the node is replaced, and
touches neither image nor network. A child that dies is restarted at once. If it keeps dying, it is restarted
after `RESTART` each time if it answers queries (with at most a log line a second), else more and more slowly,
up to `SLOWEST_RESTART`. None is given up: fail static. A child that is stopped or hangs in `LOOKS` looks in a
row is killed. Only before the node was ready for the first time, `STARTS` failures of a child end the node: a
wrong set-up is reported at once.
"""

from __future__ import annotations

import gc
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Final, NoReturn

from dnsctl.errors import DnsctlError, RefusalRule
from dnsctl.model.prctl import die_with_parent
from dnsctl.node import proc, sandbox
from dnsctl.node.signals import STOP_SIGNALS, ignore_strays
from dnsctl.node.succession import Predecessor, Succession

QUICK_DEATH: Final = 5.0  # seconds; a child that lived longer is restarted at once
RESTART: Final = 0.03  # seconds before the second restart of one that dies quickly; starting takes 7 ms
SLOWEST_RESTART: Final = 5.0  # seconds; up to it `RESTART` is doubled for what nobody waits for
TELL_INTERVAL: Final = 1.0  # seconds between two lines about deaths of one child, once all were ready
STARTS: Final = 5  # failures of one child before all were ready for the first time
LOOK_INTERVAL: Final = 1.0  # seconds between two looks at whether children hang
LOOKS: Final = 3  # that find a child hanging, in a row, before it is killed
LATE: Final = 1.0  # seconds; a look that comes later says that the machine stood still, or we did
STARVED: Final = 0.5  # seconds of CPU time since the first of these; one that wants to run must have had more
PATIENCE: Final = 5.0  # seconds for children to end after SIGTERM, then SIGKILL
HASTE: Final = 1.0  # seconds after which a second SIGTERM says that what is begun is to be left
HANDOVER: Final = 30.0  # seconds for one whose successor is there to end what it has begun
_HANDLED: Final = (*STOP_SIGNALS, signal.SIGHUP, signal.SIGCHLD)
_log = logging.getLogger(__name__)

Work = Callable[[Callable[[int], None]], None]  # given what to call, with the generation, when it is ready


@dataclass(frozen=True, slots=True)
class Role:
    """A process of the node: its name, what it runs, and whether the node is ready only once it is.

    `hangs`: says whether it has been silent for longer than it may.
    """

    name: str
    work: Work
    awaited: bool = True
    hangs: Callable[[], bool] = lambda: False


@dataclass(slots=True)
class _Child:
    role: Role
    pid: int = 0  # 0: not running
    started: float = 0.0
    quick_deaths: int = 0
    due: float = 0.0  # when to start it
    deaths: int = 0  # that were not logged yet
    last_death: str = ""
    tell_from: float = 0.0  # when deaths may be logged again
    quiet_until: float = 0.0  # when what is restarted may say again why it fails
    hung: int = 0  # looks in a row that found it hanging
    cpu: float = 0.0  # seconds of CPU time that it had had at the first of them
    generation: int | None = None  # what it served when it was ready


class Supervisor:
    """Runs each of `roles` in a process of its own until a signal says to stop.

    `on_ready` is called once, when every awaited child has been ready, with the lowest generation that they
    serve.
    `predecessors`: children of the supervisor whose place this one took, by process id. Each serves on until
    the child of its name is ready, or all are where it has none; it is taken out when it has ended.
    `succession`: what SIGHUP begins; without it, SIGHUP is ignored. `hangup`: one has come already.
    """

    def __init__(
        self,
        roles: Sequence[Role],
        on_ready: Callable[[int], None],
        predecessors: dict[int, Predecessor] | None = None,
        succession: Succession | None = None,
        *,
        hangup: bool = False,
    ) -> None:
        self._children = [_Child(role) for role in roles]
        self._on_ready = on_ready
        self._predecessors = {} if predecessors is None else predecessors
        self._has_taken_over = bool(self._predecessors)
        self._succession = succession
        self._is_succession_asked = hangup
        self._stopping = False
        self._was_ready = False
        self._next_look = time.monotonic() + LOOK_INTERVAL

    def run(self) -> None:
        """Return after SIGTERM or SIGINT, when all children have ended; never, if a succession takes place.

        A signal that was held back before (`held_signals`) takes effect now.
        Raises DnsctlError where a child could not be started at all.
        """
        gc.collect()
        gc.freeze()  # what is here now no child's collector touches: it would copy the pages they share
        wake, wakened = socket.socketpair()
        told, tell = os.pipe()
        for one in (wake, wakened):
            one.setblocking(False)
        os.set_blocking(told, False)
        previous = signal.set_wakeup_fd(wakened.fileno(), warn_on_full_buffer=False)
        handlers = {number: signal.signal(number, self._signalled) for number in _HANDLED}
        mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(wake, selectors.EVENT_READ)
                selector.register(told, selectors.EVENT_READ)
                while not self._stopping:
                    self._start_due(tell)
                    selector.select(self._until_next())
                    _drain(wake.fileno())
                    self._hear(_drain(told))
                    self._reap()
                    self._tell_deaths()
                    self._end_hanging()
                    self._end_overdue()
                    self._hand_over()
        finally:
            self._end_all()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(previous)
            wake.close()
            wakened.close()
            os.close(told)
            os.close(tell)

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        if number in STOP_SIGNALS:
            self._stopping = True
        elif number == signal.SIGHUP:
            self._is_succession_asked = True

    def _until_next(self) -> float:
        """Return seconds until there is something to do."""
        starts = [child.due for child in self._children if not child.pid]
        lines = [child.tell_from for child in self._children if child.deaths]
        return max(0.0, min((*starts, *lines, self._next_look)) - time.monotonic())

    def _end_hanging(self) -> None:
        """Kill the children that several looks in a row find stopped or hanging.

        A late look is ignored: a laptop slept, a virtual machine was moved, or Ctrl-Z has stopped us as well.
        A child that is silent because others have the cores is not killed: it is runnable, and got almost no
        CPU time.
        """
        now = time.monotonic()
        if now < self._next_look:
            return
        late = now > self._next_look + LATE
        self._next_look = now + LOOK_INTERVAL
        for child in self._children:
            found = None if late or not child.pid else proc.standing(child.pid)
            why = "" if found is None else _why_hanging(child.role, found)
            if found is None or not why:
                child.hung = 0
                continue
            child.cpu = child.cpu if child.hung else found.cpu
            child.hung += 1
            starved = found.state == proc.RUNNABLE and found.cpu - child.cpu < STARVED
            if child.hung >= LOOKS and not starved:
                _log.error("%s (process %d) %s; killed", child.role.name, child.pid, why)
                os.kill(child.pid, signal.SIGKILL)
                child.hung = 0

    def _hand_over(self) -> None:
        """Begin the succession that was asked for, or let it take place."""
        if self._succession is None or self._stopping:
            return
        self._succession.look()
        if self._succession.is_due:
            running = {child.pid: Predecessor(child.role.name) for child in self._children if child.pid}
            self._succession.take_place(running | self._predecessors, lambda: self._is_succession_asked)
        elif self._is_succession_asked and self._was_ready and not self._succession.pid:
            self._is_succession_asked = False
            self._succession.begin()

    def _release(self, name: str) -> None:
        """Have predecessors called `name` end what they have begun, and then themselves."""
        for pid, one in self._predecessors.items():
            if one.name == name and one.kill_at is None:
                one.kill_at = time.monotonic() + HANDOVER
                os.kill(pid, signal.SIGTERM)
                os.kill(pid, signal.SIGCONT)  # one that is stopped would not hear it

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for pid, one in self._predecessors.items():
            if one.kill_at is not None and now > one.kill_at:
                os.kill(pid, signal.SIGKILL)

    def _start_due(self, tell: int) -> None:
        now = time.monotonic()
        for number, child in enumerate(self._children):
            if not child.pid and child.due <= now:
                self._start(number, child, tell)

    def _start(self, number: int, child: _Child, tell: int) -> None:
        """Fork the child. Signals wait until its handlers are reset: one that came before would be lost.

        Where the kernel has no process to give, the others serve on, and it is asked again.
        """
        parent = os.getpid()
        child.started = time.monotonic()
        speaks_from = self._speaks_from(child)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        try:
            child.pid = os.fork()
        except OSError as error:
            child.due = child.started + TELL_INTERVAL
            _log.warning("%s cannot be started yet: %s", child.role.name, error.strerror)
        else:
            if not child.pid:
                _be_child(child.role, parent, lambda generation: _tell(tell, number, generation), speaks_from)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _speaks_from(self, child: _Child) -> float:
        """Return when the child that is started now may log why it fails: one a second may at once."""
        if self._was_ready and child.started < child.quiet_until:
            return child.quiet_until
        child.quiet_until = child.started + TELL_INTERVAL
        return child.started

    def _hear(self, text: bytes) -> None:
        for line in text.splitlines():
            number, generation = map(int, line.split())
            self._children[number].generation = generation
            self._release(self._children[number].role.name)
        if self._was_ready:
            return
        told = [child.generation for child in self._children if child.role.awaited]
        known = [generation for generation in told if generation is not None]
        if len(known) == len(told):
            self._was_ready = True
            names = {child.role.name for child in self._children}
            for name in {one.name for one in self._predecessors.values()} - names:
                self._release(name)
            self._on_ready(min(known, default=0))

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            code = os.waitstatus_to_exitcode(status)
            if self._succession is not None and pid == self._succession.pid:
                self._succession.ended(code)
            self._predecessors.pop(pid, None)
            for child in self._children:
                if child.pid == pid:
                    self._bury(child, code)

    def _bury(self, child: _Child, code: int) -> None:
        now, pid = time.monotonic(), child.pid
        child.pid = 0
        if self._stopping:
            return
        child.quick_deaths = child.quick_deaths + 1 if now - child.started < QUICK_DEATH else 0
        if (
            not self._was_ready
            and not self._has_taken_over  # then others still serve
            and child.role.awaited
            and child.quick_deaths >= STARTS
        ):
            raise DnsctlError(
                f"{child.role.name} failed to start {STARTS} times",
                advice="see its reason above",
                rule=RefusalRule.PROCESS_FAILED,
            )
        child.due = now + self._pause(child)
        child.deaths += 1
        child.last_death = f"{child.role.name} (process {pid}) {_ending(code)}"

    def _pause(self, child: _Child) -> float:
        """Return seconds until a child that has died is started again."""
        if child.quick_deaths < 2:  # the first may be chance
            return 0.0
        if child.role.awaited and self._was_ready:
            return RESTART
        return min(RESTART * 2.0 ** min(child.quick_deaths - 2, 16), SLOWEST_RESTART)

    def _tell_deaths(self) -> None:
        """Log what died: each death before all were ready, then a line a child and `TELL_INTERVAL`."""
        now = time.monotonic()
        for child in self._children:
            if not child.deaths or now < child.tell_from:
                continue
            often = f", {child.deaths} times since the last such line" if child.deaths > 1 else ""
            _log.warning("%s; restarted%s", child.last_death, often)
            child.deaths = 0
            child.tell_from = now + TELL_INTERVAL if self._was_ready else now

    def _end_all(self) -> None:
        """End every child: SIGTERM, after `HASTE` again, after `PATIENCE` SIGKILL."""
        self._stopping = True
        self._signal_all(signal.SIGTERM)
        self._signal_all(signal.SIGCONT)  # one that is stopped would not hear it
        began = time.monotonic()
        steps = [(began + HASTE, signal.SIGTERM), (began + PATIENCE, signal.SIGKILL)]
        while self._pids():
            self._reap()
            if steps and time.monotonic() > steps[0][0]:
                self._signal_all(steps.pop(0)[1])
            time.sleep(0.01)

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._pids():
            os.kill(pid, number)

    def _pids(self) -> list[int]:
        trial = [] if self._succession is None else [self._succession.pid]
        return [pid for pid in (*(one.pid for one in self._children), *self._predecessors, *trial) if pid]


def _why_hanging(role: Role, found: proc.Standing) -> str:
    """Return why the child counts as hanging; empty where it does not."""
    if found.state == proc.STOPPED:
        return "is stopped"
    return "hangs" if role.hangs() else ""


def _tell(tell: int, number: int, generation: int) -> None:
    os.write(tell, f"{number} {generation}\n".encode())  # shorter than PIPE_BUF: never in two pieces


def _be_child(role: Role, parent: int, ready: Callable[[int], None], speaks_from: float) -> NoReturn:
    """Do the child's work and end the process, never returning into the parent's code.

    What fails before `speaks_from` (of the monotonic clock) is not logged.
    """
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches all: the parent decides
        ignore_strays()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        die_with_parent(parent)
        sandbox.name_process(f"dnsctl {role.name}")
        role.work(ready)
        code = 0
    except Exception as fault:  # noqa: BLE001 - a line for the log; the parent restarts it
        if time.monotonic() >= speaks_from:
            kind = "" if isinstance(fault, DnsctlError) else f"{type(fault).__name__}: "
            _log.error("%s: %s%s", role.name, kind, fault)
    finally:
        logging.shutdown()
        os._exit(code)


def _drain(descriptor: int) -> bytes:
    """Return what can be read without waiting."""
    read = b""
    try:
        while piece := os.read(descriptor, 4096):
            read += piece
    except BlockingIOError:
        pass
    return read


def _ending(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
