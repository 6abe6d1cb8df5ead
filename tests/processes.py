"""Processes of `dnsctl`, forked from one that has loaded what they need: no start pays for that again."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TextIO

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["tests.loaded"])
_PATIENCE = 60.0  # seconds


def children() -> set[int]:
    """Return the process ids of the children of this process, ended ones that nobody waited for included."""
    me, found = str(os.getpid()), set()
    for each in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if each.read_text().rpartition(")")[2].split()[1] == me:
                found.add(int(each.parent.name))
    return found


class Forked:
    """A process in a session of its own, and what it says: what tests use of `subprocess.Popen`."""

    def __init__(self, process: BaseProcess, stderr: TextIO | None) -> None:
        assert process.pid is not None
        self._process, self.pid, self.stderr = process, process.pid, stderr

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("dnsctl", timeout or 0)
        return code


def start(
    work: Callable[..., object],
    *arguments: object,
    directory: Path | None = None,
    variables: Mapping[str, str] | None = None,
    output: Path | None = None,
    errors: Path | None = None,
) -> Forked:
    """Start `work` in a process. `variables`: its whole environment, by default ours.

    What it writes on standard output and error is appended to files; without `errors` it is read from
    `stderr` of what is returned.
    """
    with tempfile.TemporaryDirectory() as aside:
        told, reader = errors or Path(aside, "told"), None
        if errors is None:
            os.mkfifo(told)
            reader = os.open(told, os.O_RDONLY | os.O_NONBLOCK)
        logs = output or Path(os.devnull), told
        place, environment = directory or Path.cwd(), dict(os.environ if variables is None else variables)
        process = FORKED.Process(target=_be, args=(work, arguments, place, environment, logs))
        process.start()
        stderr = None
        deadline = time.monotonic() + _PATIENCE
        while process.is_alive() and not _leads(process.pid):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        if reader is not None:
            os.set_blocking(reader, True)
            stderr = os.fdopen(reader)
        return Forked(process, stderr)


def run(
    arguments: tuple[str, ...], directory: Path, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `dnsctl` in a directory to its end. Raises subprocess.TimeoutExpired after a minute."""
    with tempfile.TemporaryDirectory() as aside:
        output, errors = Path(aside, "output"), Path(aside, "errors")
        process = start(
            dnsctl, *arguments, directory=directory, variables=variables, output=output, errors=errors
        )
        code = process.wait(_PATIENCE)
        return subprocess.CompletedProcess(arguments, code, output.read_text(), errors.read_text())


def dnsctl(*arguments: str) -> None:
    """Be the command, in a process that was started for it; `dnsctl serve` does not start itself anew."""
    from dnsctl.__main__ import main

    sys.argv, sys.orig_argv = ["dnsctl", *arguments], []
    main()


def _leads(pid: int) -> bool:
    """Return whether a process has its session, and thereby its files."""
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return True


def _be(
    work: Callable[..., object],
    arguments: tuple[object, ...],
    directory: Path,
    variables: dict[str, str],
    logs: tuple[Path, Path],
) -> None:
    for descriptor, log in zip((1, 2), logs, strict=True):
        opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - stays open, as the next
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(variables)
    os.setsid()
    work(*arguments)
