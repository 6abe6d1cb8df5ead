"""No process that holds a secret leaves its memory in a file, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.shell import dnsctl

_PROGRAM = str(Path(sys.executable).with_name("dnsctl"))
_PIPES = Path("/proc/sys/kernel/core_pattern").read_text().startswith("|")
_CORES = pytest.mark.skipif(_PIPES, reason="cores go to a program here, and would not be seen")


_UNLIMITED = ["sh", "-c", 'ulimit -c $(ulimit -H -c); exec "$@"', "sh"]  # as a careless host is


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A node with all its processes."""
    assert dnsctl("init", tmp_path / "dns").code == 0
    process = subprocess.Popen(
        [*_UNLIMITED, _PROGRAM, "-C", str(tmp_path / "dns"), "serve", "--node", "ns1"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if " serving on " in line:
            break
    yield process
    process.kill()
    process.wait()
    process.stderr.close()


def children_of(pid: int) -> set[int]:
    return {int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def core_limit(pid: int) -> list[str]:
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line.split()[4:6] for line in limits if line.startswith("Max core file size"))


def test_no_process_of_a_node_may_write_a_core(serving: subprocess.Popen[str]) -> None:
    found = {serving.pid, *children_of(serving.pid)}
    assert len(found) >= 3  # supervisor, workers, agent
    assert {each: core_limit(each) for each in found} == {each: ["0", "0"] for each in found}


@_CORES
def test_process_that_crashes_leaves_no_core(serving: subprocess.Popen[str], tmp_path: Path) -> None:
    crashing = subprocess.Popen([*_UNLIMITED, "sleep", "60"], cwd=tmp_path)
    time.sleep(0.5)  # until it is sleep
    crashing.send_signal(signal.SIGABRT)
    if not os.WCOREDUMP(os.waitpid(crashing.pid, 0)[1]):
        pytest.skip("this host dumps no core of anything")
    serving.send_signal(signal.SIGABRT)
    status = os.waitpid(serving.pid, 0)[1]
    assert os.WIFSIGNALED(status)
    assert not os.WCOREDUMP(status)


def test_command_may_not_write_a_core_and_nobody_reads_its_memory(tmp_path: Path) -> None:
    script = (
        "import ctypes, resource, sys, dnsctl.cli.main as m\n"
        "dumpable = ctypes.CDLL(None).prctl\n"  # PR_GET_DUMPABLE is 3
        "m.run = lambda *a: print(resource.getrlimit(resource.RLIMIT_CORE), dumpable(3)) or 0\n"
        "from dnsctl.__main__ import main; main()\n"
    )
    done = subprocess.run(
        [*_UNLIMITED, sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "(0, 0) 0\n"
