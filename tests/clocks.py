"""Processes whose clock is off, by Debian's `faketime`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.peers import need

_TRIES = 20  # it fails where a process of the same number was killed and left its semaphore


def environment(offset: str) -> dict[str, str]:
    """Return the variables of a process whose clock is `offset` off: `+2h`, `-60d`, `+90s`.

    Not the wrapper itself: it stays between us and the process, and a signal ends it alone.
    """
    command = [need("faketime"), "-f", offset, "env"]
    for _ in range(_TRIES):
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        if not told.returncode:
            break
    told.check_returncode()
    pairs = (line.partition("=") for line in told.stdout.splitlines())
    return {**os.environ, **{name: value for name, _, value in pairs if name in ("LD_PRELOAD", "FAKETIME")}}


def run(offset: str, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=environment(offset)
    )


@contextmanager
def running(offset: str, command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` until the block ends, its output appended to `log`."""
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment(offset))
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


_SLEEP = """\
# libfaketime 0.9.10 refuses clock_nanosleep(2) until a time of a clock that it is told to leave alone
import select, time
time.sleep = lambda seconds: select.select((), (), (), max(seconds, 0)) and None
"""


class Calendar:
    """One clock for many processes, which is set while they run: `environment` is theirs.

    What only counts (CLOCK_MONOTONIC) is left alone, as when a host sleeps or its clock is set.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.days = 0.0
        self.set(0.0)
        plain = environment("+0d")["LD_PRELOAD"]
        preload = plain.replace("libfaketime.so", "libfaketimeMT.so")  # the other tells threads a wrong time
        assert preload != plain
        here = path.with_suffix(".d")
        here.mkdir()
        (here / "sitecustomize.py").write_text(_SLEEP)
        self.environment = {
            **os.environ,
            "LD_PRELOAD": preload,
            "FAKETIME_TIMESTAMP_FILE": str(path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": str(here),
        }

    def set(self, days: float) -> None:
        """Set it so many days ahead of the real clock, for all processes at once."""
        aside = self._path.with_suffix(".new")
        aside.write_text(f"{days * 86400:+.0f}\n")
        aside.replace(self._path)
        self.days = days

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=self.days)

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, env=self.environment
        )

    @contextmanager
    def running(self, command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Run `command` until the block ends, its output appended to `log`."""
        with log.open("ab") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file, env=self.environment)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)
