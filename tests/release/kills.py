"""Programs that are killed while they write."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def run_and_kill(program: str, directory: Path, seconds: float) -> None:
    """Run Python `program` on `directory`; kill -9 it `seconds` after it says `ready`."""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(directory)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(seconds)  # the kill point is what is being varied
        os.kill(writer.pid, signal.SIGKILL)
