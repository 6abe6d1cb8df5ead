"""The units of the control host: systemd takes them, and what they run works under their filter of calls."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.control.operations import NODES, made, zone
from tests.node.test_sandbox import NUMBERS, allowed, filter_program, filtered
from tests.peers import need

UNITS = Path(__file__).parents[2] / "docs" / "systemd"
SERVICES = ("dnsctl-control.service", "dnsctl-control-once.service")
pytestmark = pytest.mark.peer


@pytest.mark.parametrize("name", [*SERVICES, "dnsctl-control-once.timer"])
def test_systemd_takes_the_unit(name: str, tmp_path: Path) -> None:
    need("systemd-analyze")
    for each in UNITS.glob("dnsctl-control*"):
        text = each.read_text().replace("/opt/dnsctl/bin/dnsctl", sys.executable)
        (tmp_path / each.name).write_text(re.sub(r"^(User|Group)=.*$", "", text, flags=re.MULTILINE))
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in told.stderr.splitlines() if "dnsctl-control" in line]
    assert (told.returncode, complaints) == (0, [])


@pytest.mark.parametrize("name", SERVICES)
def test_systemd_finds_little_that_the_unit_leaves_open(name: str) -> None:
    need("systemd-analyze")
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNITS / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"exposure level for \S+: ([\d.]+)", told.stdout)
    assert found is not None, told.stderr
    assert float(found[1]) <= 2.0


def test_a_round_is_done_under_the_filter_of_its_unit(tmp_path: Path) -> None:
    need("systemd-analyze")
    if not NUMBERS.exists():
        pytest.skip(f"{NUMBERS} is missing: apt-get install linux-libc-dev")
    programs = {filter_program(allowed(UNITS / name)) for name in SERVICES}
    assert len(programs) == 1
    brief = "policies: {standard: {signatures: {lifetime: 1h, refresh: 3599s, jitter: 0s}}}\n"
    with made(tmp_path / "ops") as repo:
        repo.write("dnsctl.yaml", (repo.root / "dnsctl.yaml").read_text() + brief)
        repo.write(
            "zones/example.org.yaml",
            zone("192.0.2.80", "".join(f"h{n}: {{type: A, value: 192.0.2.1}}\n" for n in range(300))),
        )
        repo.commit("signatures that are due at once")
        repo.start(*NODES)
        assert repo.run("push").returncode == 0
        command = filtered(programs.pop(), "-C", str(repo.root), "control", "--once")
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done
        assert "renew: well: signatures of example.com., example.org. renewed" in done.stdout
        assert "not permitted" not in done.stderr
