"""`dnsctl serve` begun anew: the same process, with its whole order, and nothing of what read it."""

import ipaddress
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dnsctl.model.fleet import Endpoint, Node, NodeSettings, RateLimit, ServeSettings, TransferKey
from dnsctl.startup import HANDED
from dnsctl.startup.anew import NodeOrder, ZonesOrder
from dnsctl.startup.order import read, written
from tests.cli.test_serve import DNSCTL, GOOD, ask, serving, started

LEFT_BEHIND = ("pydantic", "cryptography", "/yaml/")  # libraries that read settings, zones and keys
SETTINGS = ServeSettings(
    (Endpoint("127.0.0.1", 5300), Endpoint("::1", 53)),
    workers=3,
    transfer=(ipaddress.ip_network("192.0.2.0/24"),),
    keys=(TransferKey("key.example.", "hmac-sha256", b"secret"),),
    rate_limit=RateLimit(20),
)


@pytest.fixture
def zones(tmp_path: Path) -> Path:
    directory = tmp_path / "zones"
    directory.mkdir()
    (directory / "example.com.zone").write_text(GOOD)
    return directory


def test_processes_carry_nothing_of_what_read_the_command_line(zones: Path):
    with serving(zones, "--sign", start=started) as node:
        assert ask(node, "www.example.com").answer
        for pid in (node.process.pid, *node.children().values()):
            mapped = Path(f"/proc/{pid}/maps").read_text()
            assert "lmdb" in mapped
            assert not [library for library in LEFT_BEHIND if library in mapped]


def test_process_is_the_one_that_was_begun(zones: Path):
    with serving(zones, start=started) as node:
        assert node.ports
        told = Path(f"/proc/{node.process.pid}/cmdline").read_bytes().split(b"\0")
        assert told[1:4] == [DNSCTL.encode(), b"serve", b"--zones"]
        assert Path(f"/proc/{node.process.pid}/comm").read_text() == "dnsctl\n"


def test_no_library_starts_a_thread_that_would_take_signals_held_back():
    program = "import os, dnsctl.node.launch; print(len(os.listdir('/proc/self/task')))"
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    told = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True
    )
    assert told.stdout == "1\n"


@pytest.mark.parametrize(
    "order",
    [
        NodeOrder(
            NodeSettings(
                Node("ns1", "dc1", SETTINGS.listen, ""), SETTINGS, Path("state"), parents=SETTINGS.listen
            ),
            "nobody",
        ),
        ZonesOrder(Path("zones"), SETTINGS, None, "", sign=True, strict=False, metrics=Endpoint("::1", 9153)),
    ],
    ids=["node", "zones"],
)
def test_order_is_handed_on_whole(order: NodeOrder | ZonesOrder):
    assert read(type(order), written(order)) == order


@pytest.mark.parametrize("descriptor", ["999", "nonsense"])
def test_order_that_is_not_there_is_told_in_one_line(descriptor: str):
    ended = subprocess.run(
        [sys.executable, "-m", "dnsctl", "serve"],
        env={**os.environ, HANDED: descriptor},
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert "Traceback" not in line
