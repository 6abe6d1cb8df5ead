"""`dnsctl control` as a process: it does each job at its time, one after the other, until it is stopped."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dnsctl.demo.ports import free_port
from tests.control.operations import DNSCTL, NODES, Operations, made, zone
from tests.control.test_renewal import served

METRICS = Path(__file__).parents[2] / "docs" / "metrics.md"
QUICK = (
    "policies: {standard: {signatures: {lifetime: 1h, refresh: 3590s, interval: 4s, inception-offset: 1h,"
    " jitter: 0s}}}\ncontrol: {metrics: '127.0.0.1:%d'}\n"
)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Operations, int]]:
    """A zone whose signatures are due ten seconds after they were made; and the port of the metrics."""
    port = free_port()
    with made(tmp_path_factory.mktemp("daemon") / "ops") as operations:
        operations.write("dnsctl.yaml", (operations.root / "dnsctl.yaml").read_text() + QUICK % port)
        operations.commit("quick signatures")
        operations.start(*NODES)
        assert operations.run("push").returncode == 0
        yield operations, port


@contextlib.contextmanager
def daemon(repo: Operations, *arguments: str) -> Iterator[list[str]]:
    """Run the daemon while the block runs, and end it by SIGTERM; yield the lines of its log."""
    command = (*DNSCTL, "-C", str(repo.root), "control", *arguments)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    lines: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(target=lines.extend, args=(process.stderr,))
    reader.start()
    try:
        wait(lambda: any("does the jobs of this host" in line for line in lines))
        yield lines
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait(60)
        reader.join(10)
    assert lines[-1] == "dnsctl control: ended\n", lines


def wait(until: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def get(port: int, path: str) -> tuple[int, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return answer.status, answer.read().decode()


def test_daemon_renews_by_itself_says_so_and_ends_when_told(fleet: tuple[Operations, int]) -> None:
    repo, port = fleet
    (_, before), generation = served(repo, "ns1"), repo.generations()["ns1"]
    repo.write("zones/example.com.yaml", "half: {typ")  # nobody's half-done work stops it
    with daemon(repo) as lines:
        wait(lambda: repo.generations()["ns1"] >= generation + 2)
        wait(lambda: any(line.startswith("watch: ") for line in lines))
        assert all(served(repo, node)[1] > before for node in NODES)
        told = repo.json("status")
        assert told["daemon"]["mode"] == "daemon"
        assert {each["job"] for each in told["jobs"]} == {
            "renew",
            "remove",
            "observe",
            "roll",
            "alias",
            "verify",
            "clean-up",
            "count",
            "watch",
        }
        assert {each["verdict"] for each in told["jobs"]} == {"well"}
        assert "Jobs are done by `dnsctl control` (process" in repo.run("status").stdout
        code, text = get(port, "/healthz")
        assert (code, json.loads(text)["status"], json.loads(text)["jobs"]["renew"]) == (
            200,
            "running",
            "well",
        )
        metrics = get(port, "/metrics")[1]
        shown = set(re.findall(r"^(dnsctl_control_[a-z_]+)", metrics, re.MULTILINE))
        assert shown == set(re.findall(r"\bdnsctl_control_[a-z_]+", METRICS.read_text()))
        assert 'dnsctl_control_job_well{job="renew"} 1.0' in metrics
        assert 'dnsctl_control_job_failures{job="verify"} 0.0' in metrics
        assert 'dnsctl_control_alarm_days{name="ns1",what="certificate"} 0.0' in metrics
        assert 'dnsctl_control_expiry_timestamp_seconds{name="fleet",what="signatures"}' in metrics
        assert 'dnsctl_control_concerns{weight="act"} 0.0' in metrics
        refused = repo.run("control", "--once")
        assert refused.returncode == 1
        assert "`dnsctl control` works on this host already (process" in refused.stderr
    stopped = repo.json("status")
    assert stopped["daemon"] is None
    assert [each["weight"] for each in stopped["concerns"] if each["about"] == "daemon"] == ["soon"]
    repo.write("zones/example.com.yaml", zone())


def test_jobs_that_fail_are_told_once_tried_again_and_stop_no_other(fleet: tuple[Operations, int]) -> None:
    repo, _ = fleet
    keys, aside = repo.root / "keys/example.com", repo.root / "state/aside"
    time.sleep(10)
    keys.rename(aside)
    try:
        with daemon(repo) as lines:
            wait(lambda: any("not renewed: example.com.: the keys" in line for line in lines))
            wait(lambda: repo.json("status", code=None)["jobs"][0]["failures"] > 1)
            assert "job renew" in [each["about"] for each in repo.json("status", code=1)["concerns"]]
            assert sum("not renewed" in line for line in lines) == 1
            aside.rename(keys)
            wait(lambda: any(line.startswith("renew: well again: signatures of") for line in lines))
    finally:
        if aside.exists():
            aside.rename(keys)


def test_pushes_by_a_person_and_the_daemon_do_not_fail_each_other(fleet: tuple[Operations, int]) -> None:
    repo, _ = fleet
    with daemon(repo) as lines:
        for number in range(6):
            repo.write("zones/example.com.yaml", zone(f"192.0.2.{90 + number}"))
            repo.commit("a change")
            done = repo.run("push")
            assert done.returncode == 0, done.stderr
            time.sleep(0.5)
        assert served(repo, "ns2")[0] == ["192.0.2.95"]
    assert not any("act now" in line or "internal error" in line for line in lines), lines


def test_address_of_metrics_that_is_taken_is_named_before_anything_is_done(
    fleet: tuple[Operations, int],
) -> None:
    repo, port = fleet
    with socket.create_server(("127.0.0.1", port)):
        done = repo.run("control")
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr


@pytest.mark.parametrize(("number", "after"), [(signal.SIGTERM, 1.1), (signal.SIGKILL, 1.4)])
def test_daemon_that_is_ended_at_any_moment_leaves_one_release(
    fleet: tuple[Operations, int], number: int, after: float
) -> None:
    repo, _ = fleet
    many = "".join(f"h{each}: {{type: A, value: 192.0.2.1}}\n" for each in range(400))
    repo.write("zones/example.com.yaml", zone("192.0.2.80", many))
    repo.commit("many names")
    assert repo.run("push").returncode == 0
    (repo.root / "state/jobs.json").unlink(missing_ok=True)
    time.sleep(10)  # due
    command = (*DNSCTL, "-C", str(repo.root), "control")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "does the jobs of this host" in process.stderr.readline()
        time.sleep(after - 0.8)
        process.send_signal(number)
        assert process.wait(60) == (0 if number == signal.SIGTERM else -number)
        assert "Traceback" not in process.stderr.read()
    told = repo.json("control", "--once", code=None)
    assert {each["job"]: each["verdict"] for each in told["jobs"] if each["job"] != "watch"} == {
        each["job"]: "well" for each in told["jobs"] if each["job"] != "watch"
    }
    generations = repo.generations()
    assert generations["ns1"] == generations["ns2"]
    assert repo.run("verify", "--full").returncode == 0
