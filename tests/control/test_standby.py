"""Two control hosts, one fleet: the second leaves what is due to the first, and does it if that does not."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.control.operations import BRIEF, NODES, Operations, made

LATE = BRIEF.replace("refresh: 3599s", "refresh: 3599s, interval: 1s")
OVERDUE = 4.1  # seconds after a push by `LATE`; times count whole ones, so after 3 it may be the very moment


@pytest.fixture
def hosts(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Operations, Operations]]:
    """Two clones with the same keys; the first has pushed, and signatures are due a second later."""
    with made(tmp_path / "ops") as first:
        config = (first.root / "dnsctl.yaml").read_text()
        first.write("dnsctl.yaml", config + getattr(request, "param", BRIEF))
        first.commit("brief signatures")
        first.start(*NODES)
        assert first.run("push").returncode == 0
        second = Operations(tmp_path / "second", first.ports)
        shutil.copytree(first.root, second.root, ignore=shutil.ignore_patterns("state", "log"))
        yield first, second


def renewing(host: Operations, *arguments: str, code: int | None = 0) -> str:
    """Have a host do one round; return what it says of signatures."""
    told = host.json("control", "--once", *arguments, code=code)
    message = next(each["message"] for each in told["jobs"] if each["job"] == "renew")
    assert isinstance(message, str)
    return message


def test_host_that_stands_by_leaves_what_is_due_to_the_first(hosts: tuple[Operations, Operations]) -> None:
    first, second = hosts
    time.sleep(1.1)
    assert "example.com. due since" in renewing(second, "--standby", "2s")
    assert first.generations() == {"ns1": 1, "ns2": 1}
    assert "renewed: generation 2" in renewing(first)
    time.sleep(2.1)
    waiting = renewing(second, "--standby", "2s")
    assert "left to the other host until" in waiting, "the time begins again with each release"
    assert first.generations() == {"ns1": 2, "ns2": 2}


def test_host_that_stands_by_renews_what_nobody_does_and_the_first_goes_on_from_there(
    hosts: tuple[Operations, Operations],
) -> None:
    first, second = hosts
    time.sleep(1.1)
    assert "left to the other host until" in renewing(second, "--standby", "2s")
    time.sleep(2.1)
    assert "renewed: generation 2" in renewing(second, "--standby", "2s")
    assert second.run("verify", "--full").returncode == 0
    time.sleep(1.1)
    assert "1 release recovered from the fleet; " in renewing(first)
    assert first.generations() == {"ns1": 3, "ns2": 3}


@pytest.mark.parametrize("hosts", [LATE], indirect=True)
def test_host_that_stands_by_does_not_wait_where_renewal_is_overdue(
    hosts: tuple[Operations, Operations],
) -> None:
    _, second = hosts
    time.sleep(OVERDUE)
    assert "renewed: generation 2" in renewing(second, "--standby", "7d", code=None)


def test_two_hosts_that_act_at_once_do_not_fail_each_other_for_good(
    hosts: tuple[Operations, Operations],
) -> None:
    first, second = hosts
    time.sleep(1.1)
    both = [host.begin("control", "--once") for host in hosts]
    told = [process.communicate(timeout=100) for process in both]
    assert not any("Traceback" in text or "internal error" in text for each in told for text in each), told
    generations = first.generations()
    assert generations["ns1"] == generations["ns2"] >= 2
    for host in (second, first):
        assert renewing(host)
    assert first.run("verify", "--full").returncode == 0


@pytest.mark.parametrize("hosts", [LATE], indirect=True)
def test_site_that_is_lost_does_not_take_the_signatures_of_the_other_with_it(
    hosts: tuple[Operations, Operations],
) -> None:
    first, _ = hosts
    first.end("ns2")
    time.sleep(OVERDUE)
    told = renewing(first, code=1)
    assert "signatures of example.com. renewed: generation 2; dc2 is not reached" in told
    assert first.generations() == {"ns1": 2, "ns2": -1}
    first.start("ns2")
    first.wait(lambda nodes: nodes["ns2"]["generation"] == 2)
    assert "renewed: generation 3" in renewing(first, code=None)
