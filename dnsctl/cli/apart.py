"""Compile the zones of `dnsctl serve --zones` in a process of its own, which ends before anything is served.

So what loading and signing took is not carried along by the servers, nor are the modules that do it: that
process imports them (`dnsctl.cli.embedded`), and this one does not.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from dnsctl.errors import DnsctlError
from dnsctl.model.prctl import die_with_parent
from dnsctl.node.signals import STOP_SIGNALS

TERMINATED = 143  # exit code, as shells report SIGTERM
_AWAITED = (*STOP_SIGNALS, signal.SIGCHLD)


@dataclass(frozen=True, slots=True)
class Embedded:
    """What to compile: the zone files in `directory`, into the image of `state`; signed if `sign`."""

    directory: Path
    state: Path
    sign: bool = False
    strict: bool = False
    keep_keys: bool = False  # keys stand in the state, not beside the zones
    workers: int = 1  # processes that sign


def compile_apart(work: Embedded) -> None:
    """Run `embedded.compile_directory` in a process that ends with it; raises what it raises.

    SIGINT and SIGTERM end that process and then this one, by exception: KeyboardInterrupt or SystemExit.
    """
    context = multiprocessing.get_context("fork")
    hear, tell = context.Pipe(duplex=False)
    process = context.Process(target=_compile_and_tell, args=(work, tell, os.getpid()))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    try:
        process.start()
        tell.close()
        while process.is_alive():
            if (number := signal.sigwait(_AWAITED)) != signal.SIGCHLD:
                raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(TERMINATED)
        fault = hear.recv()
    except EOFError:
        fault = DnsctlError("the compiler process was killed", advice="out of memory?")
    finally:
        if process.is_alive():
            process.kill()
        process.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if fault is not None:
        raise fault


def _compile_and_tell(work: Embedded, tell: Connection, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches both: the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _AWAITED)
    die_with_parent(parent)
    gc.disable()  # zones have no cycles, and looking for some takes a sixth of this short process's time
    fault: Exception | None = None
    try:
        from dnsctl.cli import embedded, output  # noqa: PLC0415 - in this process only

        output.prepare()
        embedded.compile_directory(work)
    except Exception as error:  # noqa: BLE001 - told to the parent, which raises it
        fault = error
    tell.send(fault)
