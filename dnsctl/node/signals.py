"""Signals to the processes of a node: few end a process, and a stray one does not.

The default action of most signals ends a process, and many are sent by accident: by a terminal that closes, a
script written for another daemon, a timer of a library. Not changed are: SIGKILL and SIGSTOP, which cannot be
ignored; those of job control; and those of faults, such as SIGSEGV, after which a process cannot go on.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)  # to the supervisor: end the node
HELD_SIGNALS: Final = (*STOP_SIGNALS, signal.SIGHUP)  # wait, while a supervisor begins or hands over
STRAY_SIGNALS: Final = tuple(
    sorted(
        {
            signal.SIGHUP,
            signal.SIGQUIT,
            signal.SIGPIPE,
            signal.SIGALRM,
            signal.SIGUSR1,
            signal.SIGUSR2,
            signal.SIGIO,
            signal.SIGPROF,
            signal.SIGPWR,
            signal.SIGSTKFLT,
            signal.SIGVTALRM,
            signal.SIGXCPU,
            signal.SIGXFSZ,
            *range(signal.SIGRTMIN, signal.SIGRTMAX + 1),
        }
    )
)


def ignore_strays() -> None:
    """Ignore `STRAY_SIGNALS`, in this process, what it forks and what it executes."""
    for number in STRAY_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def held_signals() -> Iterator[None]:
    """Hold back SIGTERM, SIGINT and SIGHUP, so that none interrupts a clean-up or gets lost on the way.

    Code inside that waits for long must look for the first two: with sigwait(3), or as `Supervisor.run` does,
    which takes SIGHUP as well. What nobody took is forgotten at the end. Other stray signals are ignored.
    """
    handlers = {number: signal.getsignal(number) for number in STRAY_SIGNALS}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)
    for number in STRAY_SIGNALS:
        if number not in HELD_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # one that is ignored would not wait
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
