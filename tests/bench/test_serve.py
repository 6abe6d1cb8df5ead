"""The benchmark of serving, in its smallest form: every table is printed, with figures in it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers import need

SCRIPT = Path(__file__).parents[2] / "bench" / "serve.py"
SMALLEST = (
    "--names",
    "50",
    "--rounds",
    "1",
    "--seconds",
    "1",
    "--workload",
    "hits",
    "--peer",
    "echo",
    "--two",
)


def rows(table: str, told: str) -> dict[str, list[float]]:
    """Return the figures of a printed table by its first column. `table`: what its first line holds."""
    _, _, rest = told.partition(table)
    lines = rest.split("\n\n")[1].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: [float(re.sub("[ ×%]", "", one)) for one in figures] for name, *figures in cells}


@pytest.mark.peer
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="a core for servers, and one for the client")
def test_each_server_and_two_workers_get_their_rows() -> None:
    need("dnsperf")
    need("dig")
    done = subprocess.run(
        (sys.executable, SCRIPT, *SMALLEST), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    served = rows("*hits*, 50 names, NSEC", done.stdout)
    assert list(served) == ["dnsctl", "echo"]
    for thousands, cpu, median, tail, _lost, memory, files, *ratios in served.values():
        assert thousands > 1
        assert cpu > 0.5
        assert 0 < median <= tail
        assert 0 <= files < memory
        assert len(ratios) == 2
    if "Two workers were not measured" in done.stdout:
        pytest.skip("the machine is too busy for two workers")
    workers = rows("*hits*, 50 names, NSEC; ", done.stdout)
    assert list(workers) == ["one at a time", "both at the same time"]
    assert all(rate > 1 for rates in workers.values() for rate in rates[:3])
    assert workers["one at a time"][3] == 1
    assert workers["both at the same time"][3] > 0.5
