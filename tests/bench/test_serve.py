"""The benchmark of serving, in its smallest form: every table is printed, with figures in it."""

import os
import re
import signal
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
LIMIT = 30  # seconds; some 15 on a busy machine, most of them bursts that do not count
BUSY = 2  # load for each core at which it may take longer


def told(directory: Path) -> str:
    """Return what the benchmark prints. Nothing that it starts lives on, nor its files, whatever happens."""
    environment = os.environ | {"TMPDIR": str(directory)}
    with subprocess.Popen(
        (sys.executable, SCRIPT, *SMALLEST), env=environment, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as script:  # fmt: skip
        try:
            output, complaints = script.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            if os.getloadavg()[0] < BUSY * (os.cpu_count() or 1):
                raise
            pytest.skip(f"the machine is too busy: not done in {LIMIT} s")
        finally:
            if script.returncode is None:
                os.killpg(script.pid, signal.SIGKILL)  # also those that it has stopped
    assert script.returncode == 0, complaints
    return output


def rows(table: str, output: str) -> dict[str, list[float]]:
    """Return the figures of a printed table by its first column. `table`: what its first line holds."""
    _, _, rest = output.partition(table)
    lines = rest.split("\n\n")[1].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: [float(re.sub("[ ×%]", "", one)) for one in figures] for name, *figures in cells}


@pytest.mark.peer
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="a core for servers, and one for the client")
def test_each_server_and_two_workers_get_their_rows(tmp_path: Path) -> None:
    need("dnsperf")
    need("dig")
    output = told(tmp_path)
    served = rows("*hits*, 50 names, NSEC", output)
    assert list(served) == ["dnsctl", "echo"]
    for thousands, cpu, median, tail, _lost, memory, files, *ratios in served.values():
        assert thousands > 1
        assert cpu > 0.5
        assert 0 < median <= tail
        assert 0 <= files < memory
        assert len(ratios) == 2
    if "Two workers were not measured" in output:
        pytest.skip("the machine is too busy for two workers")
    workers = rows("*hits*, 50 names, NSEC; ", output)
    assert list(workers) == ["one at a time", "both at the same time"]
    assert all(rate > 1 for rates in workers.values() for rate in rates[:3])
    assert workers["one at a time"][3] == 1
    assert workers["both at the same time"][3] > 0.5
