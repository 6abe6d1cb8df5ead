"""The command line against two real nodes: every way a push can end, and what is left when it is killed."""

import os
import random
import re
import shutil
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from dnsctl.control import push as pushing
from dnsctl.control.host import control_host
from dnsctl.control.push import Request, push
from dnsctl.demo.ports import free_port
from dnsctl.errors import KeystoreError, RefusalRule
from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.file import load_config
from dnsctl.model import pkcs8
from dnsctl.model.name import from_text
from dnsctl.replicate import pki
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.passphrase import locked
from dnsctl.verify.consistency import verify_fleet
from dnsctl.verify.report import Fault, Report
from tests.control.audit import entries
from tests.control.operations import NODES, Operations, made, zone
from tests.passphrase import PASSPHRASE


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    """An operations repo whose nodes run and serve nothing yet."""
    with made(tmp_path / "ops") as operations:
        operations.start(*NODES)
        yield operations


def answer(repo: Operations, node: str, name: str = "www.example.com.") -> list[str]:
    """Ask a node over UDP for A."""
    query = dns.message.make_query(name, dns.rdatatype.A)
    response = dns.query.udp(query, "127.0.0.1", port=repo.ports[node][0], timeout=5)
    return sorted(rdata.to_text() for rrset in response.answer for rdata in rrset)


def test_push_encrypts_anew_what_an_earlier_dnsctl_encrypted_and_a_dry_run_does_not(repo: Operations) -> None:
    assert repo.run("push").returncode == 0
    paths = list(locked(repo.root / "keys"))
    for path in paths:
        private = pkcs8.opened(path.read_bytes(), PASSPHRASE)
        how = BestAvailableEncryption(PASSPHRASE)
        path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))
    edit(repo, "192.0.2.81")
    assert repo.run("push", "--dry-run").returncode == 0
    assert {pkcs8.salt_of(path.read_bytes()) for path in paths} == {None}
    assert repo.run("push").returncode == 0
    assert None not in {pkcs8.salt_of(path.read_bytes()) for path in paths}
    assert answer(repo, "ns1") == ["192.0.2.81"]


def test_encryption_that_could_not_be_renewed_is_tried_again_by_the_next_push(
    repo: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert repo.run("push").returncode == 0
    path = next(iter(locked(repo.root / "keys")))
    private = pkcs8.opened(path.read_bytes(), PASSPHRASE)
    how = BestAvailableEncryption(PASSPHRASE)
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))

    for directory in (repo.root / "keys", *(repo.root / "keys").iterdir()):
        if directory.is_dir():
            os.utime(
                directory, (1, 1)
            )  # it was not written to just now, so that what is seen can be remembered

    def refused(_: Keystore) -> None:
        raise KeystoreError("cannot be written")

    with monkeypatch.context() as patched:
        patched.setattr(Keystore, "renew_encryption", refused)
        edit(repo, "192.0.2.81")
        assert repo.run("push").returncode == 0
    assert pkcs8.salt_of(path.read_bytes()) is None
    assert repo.json("push")["result"] == "nothing"
    assert pkcs8.salt_of(path.read_bytes()) is not None


def edit(repo: Operations, address: str, more: str = "") -> None:
    repo.write("zones/example.com.yaml", zone(address, more))
    repo.commit(f"www is {address}")


def test_of_very_many_changed_zones_some_are_verified_and_it_is_said_how_many(
    repo: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "_CHANGED_ZONES", 2)
    for number in range(4):
        repo.write(f"zones/z{number}.example.yaml", zone("192.0.2.80"))
    repo.commit("more zones")
    told = repo.json("push")
    assert (told["result"], len(told["zones"]), told["verification"]["zones"]) == ("served", 5, 2)
    assert answer(repo, "ns1", "www.z3.example.") == ["192.0.2.80"]
    for number in range(4):
        repo.write(f"zones/z{number}.example.yaml", zone("192.0.2.81"))
    repo.commit("another address")
    assert re.search(r" RRsets of 2 of these zones compared ", repo.run("push").stdout)


def test_push_serves_the_commit_everywhere_and_says_so(repo: Operations) -> None:
    done = repo.run("push")
    assert done.returncode == 0, done.stderr
    assert "Generation 1 is served and verified on ns1 and ns2: 1 zone with" in done.stdout
    assert answer(repo, "ns1") == answer(repo, "ns2") == ["192.0.2.80"]
    again = repo.json("push")
    assert (again["result"], again["generation"]) == ("nothing", 1)
    edit(repo, "192.0.2.99")
    told = repo.json("push")
    assert told["result"] == "served"
    assert [(each["zone"], each["fate"], each["changes"]) for each in told["zones"]] == [
        ("example.com.", "changed", 1)
    ]
    assert told["verification"]["verdict"] == "consistent"
    assert answer(repo, "ns1") == answer(repo, "ns2") == ["192.0.2.99"]
    status = repo.json("status")
    assert (status["generation"], status["commit"]) == (2, told["commit"])
    assert [each["state"] for each in status["nodes"]] == ["current", "current"]
    assert all(
        each["released"].endswith("Z") and each["nearest_expiry"].endswith("Z") for each in status["nodes"]
    )
    serials = {each["zones"]["example.com."]["serial"] for each in status["nodes"]}
    assert serials == {told["zones"][0]["serial"]}


def test_dry_run_signs_and_judges_and_sends_nothing(repo: Operations) -> None:
    told = repo.json("push", "--dry-run")
    assert (told["result"], told["generation"]) == ("dry-run", 1)
    assert told["manifest"]
    assert repo.generations() == {"ns1": 0, "ns2": 0}
    assert not list((repo.root / "keys").glob("*/K*")), "as its help says, nothing is kept"
    assert "keep" in repo.run("push", "--help").stdout


def test_work_tree_that_is_not_committed_is_refused(repo: Operations) -> None:
    repo.write("zones/example.com.yaml", zone("192.0.2.1"))
    told = repo.failure("push")
    assert (told["rule"], told["where"]) == (RefusalRule.UNCOMMITTED, "zones/example.com.yaml")
    assert repo.generations() == {"ns1": 0, "ns2": 0}
    assert repo.run("push", "--rev", "HEAD").returncode == 0
    assert answer(repo, "ns1") == ["192.0.2.80"]


def test_push_without_any_commit_says_what_plan_says(tmp_path: Path) -> None:
    repo = Operations(tmp_path)
    repo.make()
    shutil.rmtree(tmp_path / ".git")
    repo.git("init", "--quiet", "--initial-branch=main")
    push, plan = repo.run("push"), repo.run("plan")
    assert (push.returncode, plan.returncode) == (1, 1)
    assert push.stderr == plan.stderr
    assert "commit first" in push.stderr


def test_zone_with_an_error_stops_the_push_with_its_place(repo: Operations) -> None:
    edit(repo, "192.0.2.300")
    told = repo.failure("push")
    assert told["rule"] == RefusalRule.ZONE_ERRORS
    assert [each["file"] for each in told["findings"]] == ["zones/example.com.yaml"]
    assert repo.generations() == {"ns1": 0, "ns2": 0}


def test_guard_refuses_until_allowed_by_name_with_a_reason(repo: Operations) -> None:
    repo.write("zones/example.net.yaml", zone().replace("example.com.", "example.net."))
    repo.commit("second zone")
    assert repo.run("push").returncode == 0
    (repo.root / "zones/example.net.yaml").unlink()
    repo.commit("second zone gone")
    told = repo.failure("push")
    assert (told["rule"], [each["guard"] for each in told["guards"]]) == (RefusalRule.GUARD, ["removed-zone"])
    unnamed = ("push", "--allow", "everything", "--reason", "x")
    assert repo.failure("push", "--allow", "removed-zone")["rule"] == RefusalRule.REASON_MISSING
    assert repo.failure(*unnamed)["rule"] == RefusalRule.GUARD_UNKNOWN
    assert repo.generations() == {"ns1": 1, "ns2": 1}
    done = repo.run("push", "--allow", "removed-zone", "--reason", "moved elsewhere")
    assert done.returncode == 0, done.stderr
    log = entries(repo.root / "state/control.db")
    entry = next(each for each in log if each.action == "push" and each.reason)
    assert entry.reason == "moved elsewhere"
    assert "[removed-zone]" in str(entry.details["allowed"])


def test_site_that_is_away_stops_the_push_or_is_left_out_and_catches_up(repo: Operations) -> None:
    assert repo.run("push").returncode == 0
    repo.end("ns2")
    edit(repo, "192.0.2.99")
    told = repo.failure("push")
    assert (told["rule"], told["where"]) == (RefusalRule.UNREACHABLE, "ns2")
    assert "--without dc2 --reason TEXT" in told["advice"]
    assert answer(repo, "ns1") == ["192.0.2.80"]
    assert "there is no site 'dc3'" in repo.run("push", "--without", "dc3", "--reason", "x").stderr
    done = repo.run("push", "--without", "dc2", "--reason", "power cut")
    assert done.returncode == 3, done.stderr
    assert "verified on ns1" in done.stdout
    assert "ns2 will catch up" in done.stdout
    assert answer(repo, "ns1") == ["192.0.2.99"]
    status = repo.run("status")
    assert status.returncode == 2
    assert "unreachable" in status.stdout
    repo.start("ns2")
    repo.wait(lambda nodes: nodes["ns2"]["generation"] == 2)
    assert answer(repo, "ns2") == ["192.0.2.99"]


def test_rollback_serves_the_records_of_before_with_a_higher_serial(repo: Operations) -> None:
    repo.run("push")
    assert repo.failure("rollback")["rule"] == RefusalRule.NO_EARLIER_RELEASE
    edit(repo, "192.0.2.99")
    pushed = repo.json("push")
    never = repo.failure("rollback", "99")
    assert never["rule"] == RefusalRule.NOT_ARCHIVED
    assert "dnsctl push --rev COMMIT --allow history --reason TEXT" in never["advice"]
    back = repo.json("rollback")
    assert (back["result"], back["generation"]) == ("served", 3)
    assert back["zones"][0]["serial"] > pushed["zones"][0]["serial"]
    assert answer(repo, "ns1") == answer(repo, "ns2") == ["192.0.2.80"]
    assert repo.json("rollback", "2")["generation"] == 4
    assert answer(repo, "ns1") == ["192.0.2.99"]
    assert repo.failure("rollback", "9")["rule"] == RefusalRule.NOT_ARCHIVED


def test_release_that_fails_verification_is_taken_back_and_evidence_kept(
    repo: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert repo.run("push").returncode == 0
    edit(repo, "192.0.2.99")

    def finding(nodes: object, reader: object, **options: object) -> Report:
        report = verify_fleet(nodes, reader, **options)  # type: ignore[arg-type]
        assert report.consistent
        if report.generation != 2:
            return report
        owner = from_text("www.example.com.")
        wrong = Fault("ns2", "192.0.2.1:53", owner, "data", owner, 1, "192.0.2.99", "192.0.2.66")
        return Report(**{name: getattr(report, name) for name in report.__slots__} | {"faults": (wrong,)})

    monkeypatch.setattr(pushing, "verify_fleet", finding)
    with control_host(repo.root, load_config(WorkTree(repo.root)), PASSPHRASE) as host:
        result = push(host, Request())
    assert (result.ending, result.exit_code, result.generation) == ("rolled back", 1, 3)
    assert result.evidence is not None
    assert "192.0.2.66" in result.evidence.read_text()
    assert answer(repo, "ns1") == answer(repo, "ns2") == ["192.0.2.80"]
    log = repo.json("log")["generations"]
    endings = [(each["generation"], each["action"], each["ending"]) for each in log]
    assert endings == [(3, "rollback", "served"), (2, "push", "rolled-back"), (1, "push", "served")]


def test_address_that_serves_something_else_is_found_and_named(repo: Operations, tmp_path: Path) -> None:
    """A forgotten server answers on one of ns2's addresses: no rollback can mend it, so it is told."""
    assert repo.run("push").returncode == 0
    stale = tmp_path / "stale"
    stale.mkdir()
    (stale / "example.com.yaml").write_text(zone("192.0.2.1"))
    port = free_port()
    listen = f'"127.0.0.1:{repo.ports["ns2"][0]}"'
    forgotten = repo.begin("serve", "--zones", str(stale), "--listen", f"127.0.0.1:{port}")
    assert forgotten.stderr is not None
    try:
        assert any("serving on" in line for line in iter(forgotten.stderr.readline, ""))
        edit(repo, "192.0.2.99")
        config = (repo.root / "dnsctl.yaml").read_text()  # of the work tree: no node is asked to take it
        repo.write("dnsctl.yaml", config.replace(listen, f'{listen}, "127.0.0.1:{port}"'))
        done = repo.run("push", "--rev", "HEAD")
    finally:
        forgotten.terminate()
        forgotten.communicate(timeout=10)
    assert done.returncode == 1
    assert f"ns2 (127.0.0.1:{port})" in done.stderr
    assert "evidence: " in done.stderr
    assert answer(repo, "ns1") == ["192.0.2.80"]


def test_two_pushes_at_once_and_one_is_told(repo: Operations) -> None:
    with control_host(repo.root, load_config(WorkTree(repo.root)), PASSPHRASE):
        done = repo.run("push")
    assert done.returncode == 1
    assert "another push is running on this host (process " in done.stderr
    assert repo.run("push").returncode == 0


@pytest.mark.parametrize("seed", range(2))
def test_push_killed_at_any_moment_leaves_one_release_and_the_next_push_recovers(
    repo: Operations, seed: int
) -> None:
    assert repo.run("push").returncode == 0
    chance = random.Random(seed)
    for number in range(3):
        edit(repo, f"192.0.2.{100 + number}")
        push_ = repo.begin("push")
        time.sleep(chance.uniform(0.3, 1.1))
        push_.send_signal(chance.choice((signal.SIGKILL, signal.SIGINT)))
        push_.communicate(timeout=30)
        repo.wait(lambda nodes: nodes["ns1"]["manifest"] == nodes["ns2"]["manifest"])
        assert answer(repo, "ns1") == answer(repo, "ns2")
        done = repo.run("push")
        assert done.returncode == 0, done.stderr
        assert answer(repo, "ns1") == answer(repo, "ns2") == [f"192.0.2.{100 + number}"]
    assert repo.run("verify").returncode == 0


def test_control_host_that_lost_its_state_takes_it_over_from_the_nodes(repo: Operations) -> None:
    repo.run("push")
    edit(repo, "192.0.2.99")
    repo.run("push")
    for name in ("image", "archive"):
        shutil.rmtree(repo.root / "state" / name)
    for path in (repo.root / "state").glob("control.db*"):
        path.unlink()
    told = repo.json("push")
    assert (told["result"], told["generation"], told["recovered"]) == ("nothing", 2, 2)
    edit(repo, "192.0.2.80")
    assert repo.json("push")["generation"] == 3


def test_new_empty_node_is_brought_up_by_a_push_of_nothing(repo: Operations) -> None:
    repo.end("ns2")
    repo.run("push", "--without", "dc2", "--reason", "not built yet")
    (repo.root / "state/nodes/ns1/releases").rename(repo.root / "elsewhere")  # no peer can help
    repo.start("ns2")
    told = repo.json("push")
    assert (told["result"], told["left_out"]) == ("nothing", [])
    assert repo.generations() == {"ns1": 1, "ns2": 1}


def test_signatures_that_are_due_are_renewed_without_a_change(repo: Operations) -> None:
    config = (repo.root / "dnsctl.yaml").read_text()
    brief = "signatures: {lifetime: 1h, refresh: 3599s, inception-offset: 1h, jitter: 0s}"
    repo.write("dnsctl.yaml", config + f"policies: {{standard: {{{brief}}}}}\n")
    repo.commit("brief signatures")
    first = repo.json("push")
    time.sleep(1.1)
    second = repo.json("push")
    assert (second["result"], second["generation"]) == ("served", 2)
    assert second["zones"][0]["fate"] == "renewed"
    assert second["zones"][0]["serial"] > first["zones"][0]["serial"]


def test_expired_control_certificate_is_told_with_its_remedy(repo: Operations) -> None:
    (repo.root / "keys/pki/control.crt").unlink()
    long_ago = datetime.now(UTC) - pki.LEAF_LIFETIME - timedelta(days=1)
    pki.ensure_authority(repo.root / "keys", lambda: PASSPHRASE, NODES, long_ago)
    done = repo.run("push")
    assert done.returncode == 1
    assert "control.crt: expired on " in done.stderr
    assert "run `dnsctl init`" in done.stderr.splitlines()[-1]


def test_wrong_passphrase_changes_nothing(repo: Operations) -> None:
    (repo.root / "keys/passphrase").write_text("wrong\n")
    done = repo.run("push")
    assert done.returncode == 1
    assert "passphrase" in done.stderr.splitlines()[-1]
