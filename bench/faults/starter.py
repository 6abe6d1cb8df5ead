"""Begins `dnsctl` commands one after the other, each a fork of a process that has their code loaded.

A kill at a random point then hits what a command does, and seldom the start of an interpreter; and a long run
gets through more. Reads a line of JSON a command from standard in, writes its process id and, once it has
ended, its exit code, or minus the number of the signal that ended it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from bench.faults.life import ends_with_us

_LOADED = ("main", "push", "rollback", "verify")


@dataclass
class Starter:
    """The process that begins commands, as seen from outside."""

    process: subprocess.Popen[bytes]

    def begin(self, arguments: tuple[str, ...], directory: Path, output: Path) -> int:
        """Return the process id of a command that writes to `output`; only once the one before has ended."""
        assert self.process.stdin is not None
        order = {"arguments": arguments, "directory": str(directory), "output": str(output)}
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()
        return self.told()

    def told(self) -> int:
        """Return the next number; wait for it."""
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())


def main() -> NoReturn:
    for verb in _LOADED:
        importlib.import_module(f"dnsctl.cli.{verb}")
    gc.freeze()
    for line in sys.stdin.buffer:
        order, ends = json.loads(line), ends_with_us()
        pid = os.fork()
        if not pid:
            ends()
            _run(order["arguments"], order["directory"], order["output"])
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    os._exit(0)


def _run(arguments: list[str], directory: str, output: str) -> NoReturn:
    from dnsctl.cli.main import run  # noqa: PLC0415 - loaded before

    code = 70
    try:
        os.setsid()
        os.chdir(directory)
        opened = os.open(output, os.O_WRONLY)
        empty = os.open(os.devnull, os.O_RDONLY)
        for old, new in ((empty, 0), (opened, 1), (opened, 2)):
            os.dup2(old, new)
        code = run(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
