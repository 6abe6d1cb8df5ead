"""`dnsctl control --once` on two real nodes: what is due is done, and the exit code is that of `status`."""

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dnsctl.demo.ports import free_port
from tests.control.operations import NODES, Operations, made, soon_due
from tests.control.test_renewal import (
    config_broken_in_head,
    expired,
    served,
    without_git,
)

JOBS = ["renew", "remove", "observe", "roll", "alias", "verify", "clean-up", "count", "watch"]


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    with soon_due(tmp_path / "ops") as operations:
        yield operations


def test_one_round_renews_verifies_cleans_and_watches(repo: Operations) -> None:
    _, before = served(repo, "ns1")
    time.sleep(1.1)
    told = repo.json("control", "--once")
    assert [each["job"] for each in told["jobs"] if each["done"]] == JOBS
    assert {each["verdict"] for each in told["jobs"]} == {"well"}, told
    assert "signatures of example.com., example.org. renewed: generation 2" in told["jobs"][0]["message"]
    assert "RRsets compared with generation 2" in told["jobs"][5]["message"]
    assert all(served(repo, node)[1] > before for node in NODES)
    time.sleep(1.1)
    again = repo.json("control", "--once")
    assert [each["job"] for each in again["jobs"] if each["done"]] == [JOBS[0], *JOBS[2:5], "count", "watch"]
    assert repo.generations() == {"ns1": 3, "ns2": 3}
    shown = repo.run("status").stdout
    assert not re.search(r"\d\dT\d\d:", shown), "times for people have one form"
    assert re.search(r"^  renew: well at \d{4}-\d\d-\d\d \d\d:\d\dZ: ", shown, re.MULTILINE), shown


def test_node_that_somebody_is_about_to_add_does_not_stop_renewal(repo: Operations) -> None:
    time.sleep(1.1)
    config = (repo.root / "dnsctl.yaml").read_text()
    node = f'ns3: {{listen: ["127.0.0.1:{free_port()}"], control: "https://127.0.0.1:{free_port()}"}}'
    assert "nodes: {ns1:" in config
    repo.write("dnsctl.yaml", config.replace("nodes: {ns1:", f"nodes: {{{node}, ns1:"))
    repo.commit("half of a new node")
    told = {each["job"]: each for each in repo.json("control", "--once", code=2)["jobs"]}
    assert told["renew"]["verdict"] == "well"
    assert "signatures of example.com., example.org. renewed: generation 2" in told["renew"]["message"]
    assert told["watch"]["verdict"] == "could not tell"
    assert "ns3" in told["watch"]["message"]


@pytest.mark.parametrize("situation", [expired, config_broken_in_head, without_git])
def test_a_round_is_stopped_by_nothing_that_was_written_since(
    repo: Operations, situation: Callable[[Operations], None]
) -> None:
    time.sleep(1.1)
    situation(repo)
    done = repo.run("control", "--once")
    assert done.returncode == 0, done
    assert "renew: well: signatures of example.com., example.org. renewed" in done.stdout
    assert [served(repo, node)[0] for node in NODES] == [["192.0.2.80"]] * 2


def test_zone_whose_keys_are_gone_is_named_and_the_others_are_renewed(repo: Operations) -> None:
    time.sleep(1.1)
    shutil.rmtree(repo.root / "keys/example.org")
    done = repo.run("control", "--once")
    assert done.returncode == 1
    assert "renew: act now: not renewed: example.org.: the keys that sign it are not in keys/" in done.stdout
    assert repo.generations() == {"ns1": 2, "ns2": 2}
    told = repo.json("status", code=1)
    assert "job renew" in [each["about"] for each in told["concerns"]]


def test_node_that_is_away_is_not_known_and_then_caught_up(repo: Operations) -> None:
    repo.end("ns2")
    told = repo.json("control", "--once", code=2)
    verdicts = {each["job"]: each["verdict"] for each in told["jobs"]}
    assert verdicts == dict.fromkeys(("renew", "roll", "verify", "watch"), "could not tell") | dict.fromkeys(
        ("remove", "observe", "alias", "clean-up", "count"), "well"
    )
    assert "no signature runs out soon" in told["jobs"][0]["message"]
    assert "(and " not in told["jobs"][-1]["message"], "how many more is said once"
    repo.start("ns2")
    again = repo.json("control", "--once")
    assert [each["job"] for each in again["jobs"] if each["done"]] == [
        "renew",
        "observe",
        "roll",
        "alias",
        "verify",
        "count",
        "watch",
    ]
    assert repo.generations() == {"ns1": 2, "ns2": 2}


def test_passphrase_comes_from_a_credential_and_a_wrong_one_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with made(tmp_path / "ops") as repo:
        config = (repo.root / "dnsctl.yaml").read_text()
        repo.write("dnsctl.yaml", config + "keystore: {passphrase: 'credential:dnsctl'}\n")
        (repo.root / "keys/passphrase").rename(tmp_path / "dnsctl")
        missing = repo.run("control", "--once")
        assert (missing.returncode, missing.stdout) == (1, "")
        assert "credential" in missing.stderr
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        told = {each["job"]: each for each in repo.json("control", "--once", code=1)["jobs"]}
        assert "passphrase" not in told["renew"]["message"], "no node runs; that is what is wrong"
        (tmp_path / "dnsctl").write_text("another\n")
        done = repo.run("control", "--once")
        assert done.returncode == 1
        assert "renew: act now" in done.stdout
        assert "passphrase" in done.stdout
        assert "internal error" not in done.stdout + done.stderr


def test_damaged_journal_loses_nothing_but_time(repo: Operations) -> None:
    assert repo.run("control", "--once").returncode in (0, 1)
    path = repo.root / "state/jobs.json"
    assert json.loads(path.read_text())["jobs"].keys() == set(JOBS)
    path.write_text('{"version": 1, "jobs": {"renew": 5')
    told = repo.json("control", "--once")
    assert [each["job"] for each in told["jobs"] if each["done"]] == JOBS


def test_what_nobody_needs_is_removed_by_the_clean_up(repo: Operations) -> None:
    evidence = repo.root / "state/evidence/generation-7.json"
    left = repo.root / "state/.writing-abc"
    repo.write("state/evidence/generation-7.json", "{}")
    repo.write("state/evidence/generation-8.json", "{}")
    left.write_text("half of")
    os.utime(evidence, (0, 0))
    repo.run("control", "--once")
    assert not evidence.exists()
    assert not left.exists()
    assert (repo.root / "state/evidence/generation-8.json").exists()
    assert repo.run("rollback", "--dry-run").returncode in (0, 1)
