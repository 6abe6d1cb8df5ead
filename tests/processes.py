"""Processes of `dnsctl`, forked from one that has loaded what they need: no start pays for that again."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    [
        "anyio._core._sockets",  # these five are loaded by anyio and httpx when they are first used
        "anyio._core._streams",
        "anyio._core._tasks",
        "anyio.streams.tls",
        "httpcore",
        "cryptography.hazmat.backends.openssl.backend",
        "dnsctl.cli.check",
        "dnsctl.cli.main",
        "dnsctl.cli.plan",
        "dnsctl.cli.push",
        "dnsctl.cli.serve",
        "dnsctl.cli.status",
        "dnsctl.cli.verbs.serve",
        "dnsctl.cli.verify",
        "dnsctl.node.launch",
        "dnsctl.node.metrics",
        "dnsctl.node.notifier",
        "dnsctl.replicate.agent",
        "tests.control.operations",
        "tests.replicate.nodes",
    ]
)
_PATIENCE = 60.0  # seconds


class Forked:
    """A command that was started, in a session of its own; what is used of `subprocess.Popen`."""

    def __init__(self, process: BaseProcess) -> None:
        assert process.pid is not None
        self._process, self.pid = process, process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("dnsctl", timeout or 0)
        return code


def start(arguments: tuple[str, ...], directory: Path, variables: Mapping[str, str], *logs: Path) -> Forked:
    """Start `dnsctl` in a directory. `logs`: what it prints and what it says are appended to them."""
    process = FORKED.Process(target=_be_dnsctl, args=(arguments, directory, dict(variables), logs))
    process.start()
    started = Forked(process)
    deadline = time.monotonic() + _PATIENCE
    while started.poll() is None and not _leads(started.pid):  # until then no signal reaches its group
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return started


def _leads(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return True


def _be_dnsctl(
    arguments: tuple[str, ...], directory: Path, variables: dict[str, str], logs: tuple[Path, Path]
) -> None:
    from dnsctl.__main__ import main

    os.setsid()
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(variables)
    for descriptor, log in zip((1, 2), logs, strict=True):
        opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.argv = ["dnsctl", *arguments]
    sys.orig_argv = [sys.executable, "-m", "dnsctl", *arguments]
    main()
