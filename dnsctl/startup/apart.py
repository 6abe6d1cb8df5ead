"""Compile the zones of `dnsctl serve --zones` in a child process that ends before anything is served.

So the servers keep neither the memory of loading and signing nor the modules for it: the child imports those
(`dnsctl.startup.embedded`), and this process does not.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from multiprocessing.connection import Connection

from dnsctl.errors import SystemRefusalError
from dnsctl.model.prctl import die_with_parent
from dnsctl.node.signals import STOP_SIGNALS
from dnsctl.startup.work import Embedded, Telling

TERMINATED = 143  # exit code, as shells report SIGTERM
_AWAITED = (*STOP_SIGNALS, signal.SIGCHLD)


def compile_apart(work: Embedded, tell: Telling) -> None:
    """Run `embedded.compile_directory` in a process that ends with it; raises what it raises.

    SIGINT and SIGTERM end that process and then this one, by exception: KeyboardInterrupt or SystemExit.
    """
    context = multiprocessing.get_context("fork")
    hear, answer = context.Pipe(duplex=False)
    process = context.Process(target=_compile, args=(work, tell, answer, os.getpid()))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    try:
        process.start()
        answer.close()
        while process.is_alive():
            if (number := signal.sigwait(_AWAITED)) != signal.SIGCHLD:
                raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(TERMINATED)
        fault = hear.recv()
    except EOFError:
        fault = SystemRefusalError("the compiler process was killed", advice="out of memory?")
    finally:
        if process.is_alive():
            process.kill()
        process.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if fault is not None:
        raise fault


def _compile(work: Embedded, tell: Telling, answer: Connection, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches both: the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _AWAITED)
    die_with_parent(parent)
    gc.disable()  # zones have no cycles, and looking for some takes a sixth of this short process's time
    fault: Exception | None = None
    try:
        from dnsctl.startup.embedded import compile_directory  # noqa: PLC0415 - in this process only

        compile_directory(work, tell())
    except Exception as error:  # noqa: BLE001 - told to the parent, which raises it
        fault = error
    answer.send(fault)
