"""A fleet of 60 related zones: pushed, changed 200 times, each push verified, and rolled back."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsctl.control.host import ControlHost, control_host
from dnsctl.control.push import Request, push, rollback
from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.file import load_config
from dnsctl.model.guard_names import GUARDS
from dnsctl.verify.anchor import anchors_in
from tests.control.operations import NODES, Operations, made
from tests.passphrase import PASSPHRASE
from tests.scenarios import related

STEPS = int(os.environ.get("DNSCTL_STEPS", "200"))
ANYTHING = Request(allow=tuple(GUARDS), reason="drawn at random")


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    with made(tmp_path / "ops") as operations:
        (operations.root / "zones" / "example.com.yaml").unlink()
        operations.start(*NODES)
        yield operations


def write(repo: Operations, fleet: related.Fleet, origins: set[str] | None = None) -> None:
    """Write and commit zone files and dnsctl.yaml; all of them where `origins` is not given."""
    for origin in fleet.zones if origins is None else origins:
        path = repo.root / "zones" / f"{origin}yaml"
        if origin in fleet.zones:
            path.write_text(fleet.text(origin))
        else:
            path.unlink(missing_ok=True)  # or made and removed by changes of one push
    sites = "\n".join(
        f'  {site}: {{nodes: {{{name}: {{listen: ["127.0.0.1:{repo.ports[name][0]}"],'
        f' control: "https://127.0.0.1:{repo.ports[name][1]}"}}}}}}'
        for name, site in NODES.items()
    )
    repo.write("dnsctl.yaml", fleet.config(sites))
    repo.commit("a change")


def pushed(host: ControlHost, step: object) -> None:
    """Push; what is released must be served and verified, and nothing rolled back."""
    result = push(host, ANYTHING)
    faults = [str(each) for each in result.report.faults] if result.report else []
    assert result.ending in ("served", "nothing"), (step, result.ending, faults[:5], result.failed)


@pytest.mark.timeout(1200)
def test_fleet_of_related_zones_goes_through_200_changes_without_a_false_alarm(repo: Operations) -> None:
    fleet = related.first()
    assert len(fleet.zones) == related.FLEET
    write(repo, fleet)
    checked = repo.json("check")
    assert checked["errors"] == 0, checked
    with control_host(repo.root, load_config(WorkTree(repo.root)), PASSPHRASE) as host:
        pushed(host, "first push")
        fleet.digests = anchors_in(repo.root / "keys")
        fleet.trusted = {each for each in fleet.delegated if fleet.policy(each) != "none"}
        write(repo, fleet)
        pushed(host, "with the DS of ours at ours")
    whole = repo.json("verify", "--full")
    assert (whole["verdict"], whole["faults"]) == ("consistent", [])
    rng = random.Random(os.environ.get("DNSCTL_SEED", "steps"))
    with control_host(repo.root, load_config(WorkTree(repo.root)), PASSPHRASE) as host:
        left = STEPS
        while left:
            together = min(left, rng.choice((1, 4, 8, 16)))  # changes of one push
            touched = [related.step(fleet, rng) for _ in range(together)]
            write(repo, fleet, set().union(*touched))
            left -= together
            pushed(host, left)
        result = rollback(host, 2, ANYTHING)
        assert (result.ending, result.report.faults if result.report else None) == ("served", ())
    for arguments in (("--full",), ("--site", "dc2"), ("d0.example.com.", "--full")):
        told = repo.json("verify", *arguments)
        assert (told["verdict"], told["faults"]) == ("consistent", []), arguments


@pytest.mark.timeout(1200)
def test_fleet_of_404_children_below_one_parent_is_pushed_and_stays_pushed(repo: Operations) -> None:
    fleet = related.Fleet()
    fleet.zones["example.net."] = {
        "ns1": {"A": "value: 192.0.2.53"},
        "ns2": {"A": "value: 198.51.100.53"},
        "*": {"TXT": "value: wild"},
        "www.d7": {"A": "value: 192.0.2.7"},
    }
    children = [f"d{number}.example.net." for number in range(404)]
    fleet.zones |= {each: {"www": {"A": "value: 192.0.2.1"}} for each in children}
    fleet.delegated = set(children[:400])
    fleet.signed = {"example.net.", *children[:8]}
    write(repo, fleet)
    with control_host(repo.root, load_config(WorkTree(repo.root)), PASSPHRASE) as host:
        pushed(host, "first push")
        fleet.zones["example.net."]["www.d7"] = {"A": "value: 192.0.2.8"}
        fleet.zones["d9.example.net."]["www"] = {"A": "value: 192.0.2.9"}
        write(repo, fleet, {"example.net.", "d9.example.net."})
        pushed(host, "a record of the child in both")
        del fleet.zones["d9.example.net."]
        fleet.delegated -= {"d9.example.net.", "d10.example.net."}
        write(repo, fleet, {"example.net.", "d9.example.net."})
        pushed(host, "a child goes, another is no longer delegated")
        assert push(host, ANYTHING).ending == "nothing"
    whole = repo.json("verify")
    assert (whole["verdict"], whole["zones"], whole["faults"]) == ("consistent", 404, [])
