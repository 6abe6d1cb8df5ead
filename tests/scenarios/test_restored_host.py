"""The control host is lost on day ten, comes back from the backup of day one, and the zones stay valid.

Under one `faketime` clock, as in `test_sixty_days`: real nodes, real commands.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clocks import Calendar
from tests.control.operations import NODES, ORG, Operations, made
from tests.passphrase import PASSPHRASE
from tests.scenarios.test_sixty_days import Fleet

pytestmark = [pytest.mark.peer, pytest.mark.timeout(600)]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    calendar = Calendar(tmp_path / "clock")
    with made(tmp_path / "ops") as repo, ExitStack() as processes:
        repo.write("zones/example.org.yaml", ORG)
        repo.commit("two zones")
        yield Fleet(repo, calendar, processes)


def lose_control_host(repo: Operations) -> None:
    """Remove all but what the nodes have on hosts of their own."""
    keep = {"nodes", *(f"{name}.{kind}" for name in NODES for kind in ("crt", "pem")), "ca.crt"}
    for path in (
        repo.root / ".git",
        repo.root / "zones",
        *(each for each in (repo.root / "keys").iterdir() if each.name not in ("pki", "release.pub")),
        *(each for each in (repo.root / "keys/pki").iterdir() if each.name not in keep),
        *(each for each in (repo.root / "state").iterdir() if each.name not in keep),
    ):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_control_host_lost_on_day_ten_is_restored_from_the_backup_of_day_one(
    fleet: Fleet, tmp_path: Path
) -> None:
    fleet.begin()
    fleet.reach(1)
    code, told = fleet.run("backup", str(tmp_path / "safe.backup"), "--json")
    assert code == 0, told
    fleet.reach(8)
    code, told = fleet.run("push", "--renew")  # which the backup does not know of
    assert code == 0, told
    renewed = fleet.status()[1]["generation"]

    fleet.reach(10)
    lose_control_host(fleet.repo)
    assert fleet.validate() > 11
    (tmp_path / "passphrase").write_bytes(PASSPHRASE)
    (tmp_path / "passphrase").chmod(0o600)
    code, told = fleet.run(
        "restore",
        str(tmp_path / "safe.backup"),
        str(tmp_path / "again"),
        "--passphrase",
        f"file:{tmp_path / 'passphrase'}",
    )
    assert code == 0, told
    fleet.repo = Operations(tmp_path / "again", fleet.repo.ports)
    code, told = fleet.run("push", "--json")
    assert code == 0, told
    result = json.loads(told[told.index("{") : told.rindex("}") + 1])
    assert (result["result"], result["generation"]) == ("nothing", renewed)
    assert result["recovered"] >= 1

    fleet.reach(16)
    assert fleet.validate() > 2
    code, told = fleet.run("control", "--once")
    assert code == 0, told
    assert fleet.validate() > 13
    assert fleet.status()[0] == 0
