"""A zone with a digest of itself (RFC 8976), taken over by a secondary that checks it."""

import time
from pathlib import Path

import pytest

from dnsctl.demo.ports import free_port
from tests.cli.test_serve import GOOD, serving
from tests.node.secondaries import Primary, knot, running, serial

SETTINGS = """\
version: 1
defaults: {{dnssec: digested}}
policies: {{digested: {{denial: {denial}, zonemd: {zonemd}}}}}
"""


@pytest.mark.peer
@pytest.mark.parametrize(
    ("denial", "zonemd", "taken"),
    [("nsec", "publish", True), ("nsec3", "publish", True), ("nsec", "off", False)],
)
def test_knot_takes_a_zone_whose_digest_it_checks_and_none_without(
    denial: str, zonemd: str, taken: bool, tmp_path: Path
) -> None:
    zones, there = tmp_path / "zones", tmp_path / "knot"
    zones.mkdir()
    there.mkdir()
    (zones / "example.com.zone").write_text(GOOD + "sub NS ns.sub\nns.sub A 192.0.2.9\n*.w TXT wild\n")
    (zones / "dnsctl.yaml").write_text(SETTINGS.format(denial=denial, zonemd=zonemd))
    with serving(zones, "--sign", "--transfer", "127.0.0.0/8", "--state", str(tmp_path / "state")) as node:
        port = free_port()
        command = knot(there, port, "example.com.", Primary("127.0.0.1", node.port, key=False))
        config = there / "knot.conf"
        config.write_text(config.read_text() + "    zonemd-verify: on\n")
        log = tmp_path / "log"
        with running(command, log):
            deadline = time.monotonic() + 60
            while not serial("127.0.0.1", port, "example.com.") and "ZONEMD" not in log.read_text():
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            assert bool(serial("127.0.0.1", port, "example.com.")) is taken, log.read_text()
