"""Processes whose clock is off, by Debian's `faketime`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
        process.wait(20)
