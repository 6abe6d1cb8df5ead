"""Run a program that verifies signatures, without the user's environment and for a bounded time."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dnsctl.errors import RevisionError

_TIMEOUT = 30  # seconds


class Done(NamedTuple):
    """How it ended; `lines` of standard output."""

    good: bool
    lines: tuple[str, ...]


def run(home: Path, command: Sequence[str | Path], told: bytes = b"") -> Done:
    """Run `command`, whose home directory is `home`. Raises RevisionError where it is not installed."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LC_ALL": "C"}
    name = str(command[0])
    try:
        done = subprocess.run(
            command, input=told, capture_output=True, check=False, timeout=_TIMEOUT, env=environment
        )
    except FileNotFoundError:
        raise RevisionError(
            f"{name} is not installed, and verifies signatures", advice="install it"
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RevisionError(f"{name} failed: {error}", advice="try again") from None
    text = done.stdout.decode("utf-8", "replace")
    return Done(not done.returncode, tuple(text.split("\n")))  # names may hold other breaks of lines
