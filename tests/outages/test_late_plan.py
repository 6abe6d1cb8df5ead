"""An old plan is applied late, and a clean-up then leaves the record of a main endpoint empty."""

from __future__ import annotations

import pytest

from dnsctl.model.guard_names import GUARDS
from tests.outages.conftest import Fleet


def emptied(fleet: Fleet, www: str) -> None:
    """Commit the zone as a program leaves it that has no address for www."""
    path = fleet.repo.root / "zones/example.com.yaml"
    text = path.read_text()
    assert "www: {type: A, value: 192.0.2.80}\n" in text
    path.write_text(text.replace("www: {type: A, value: 192.0.2.80}\n", f"www: {www}\n"))
    fleet.repo.commit("cleaned up")


@pytest.mark.parametrize("www", ["{type: A, values: []}", "{type: A, value: ''}", "{type: A}", ""])
def test_record_without_a_value_is_an_error(fleet: Fleet, www: str) -> None:
    emptied(fleet, www)
    told = [fleet.refused("check").stdout, fleet.refused("plan").stderr, fleet.refused("push").stderr]
    assert all("zones/example.com.yaml:7:" in each for each in told), told


def test_name_whose_list_of_records_is_empty_is_not_released_unasked(fleet: Fleet) -> None:
    emptied(fleet, "[]")
    assert "warning [owner-empty]" in fleet.repo.run("check").stdout
    (planned,) = fleet.repo.json("plan", code=2)["guards"]
    assert planned["guard"] == "emptied-owner"
    told = fleet.refused("push").stderr
    assert "guard emptied-owner: www.example.com. would lose all records" in told
    others = [option for guard in GUARDS if guard != "emptied-owner" for option in ("--allow", guard)]
    fleet.refused("push", *others, "--reason", "clean-up")
    allowed = ("--allow", "emptied-owner", "--reason", "meant")
    assert fleet.repo.run("push", "--dry-run", *allowed).returncode == 0


def test_name_that_is_taken_out_of_the_file_is_no_emptied_one(fleet: Fleet) -> None:
    path = fleet.repo.root / "zones/example.com.yaml"
    path.write_text(path.read_text().replace("host30: {type: A, value: 192.0.2.30}\n", "new: []\n"))
    fleet.repo.commit("host30 is gone, and a name without records came")
    assert fleet.repo.run("push", "--dry-run").returncode == 0
