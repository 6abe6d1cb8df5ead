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
    """Hold back SIGTERM and SIGINT, so that neither interrupts a clean-up or gets lost in a fork.

    Code inside that waits for long must look for them: with sigwait(3), or as `Supervisor.run` does. Stray
    signals are ignored.
    """
    handlers = {number: signal.getsignal(number) for number in STRAY_SIGNALS}
    ignore_strays()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
