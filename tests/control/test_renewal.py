"""`push --renew` on two real nodes: signatures that are due are made anew, whatever was written since."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.message
import dns.query
import pytest

from tests.control.operations import NODES, ORG, Operations, soon_due, zone


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    with soon_due(tmp_path / "ops") as operations:
        yield operations


def served(repo: Operations, node: str) -> tuple[list[str], int]:
    """Return addresses of www.example.com, and the inception of their signature."""
    query = dns.message.make_query("www.example.com.", "A", want_dnssec=True)
    answer = dns.query.udp(query, "127.0.0.1", port=repo.ports[node][0], timeout=5).answer
    data, signatures = answer
    return sorted(each.to_text() for each in data), signatures[0].inception


def dirty(repo: Operations) -> None:
    repo.write("zones/example.com.yaml", zone("192.0.2.66"))


def error_in_head(repo: Operations) -> None:
    repo.write("zones/example.org.yaml", "www: {type: A, value: 192.0.2.300}\n")
    repo.commit("a mistake")


def expired(repo: Operations) -> None:
    repo.write("zones/example.org.yaml", ORG + "old: {type: A, value: 192.0.2.9, expires: 2026-01-02}\n")
    repo.commit("forgotten")


def zone_deleted(repo: Operations) -> None:
    (repo.root / "zones/example.com.yaml").unlink()
    repo.commit("a zone gone")


def other_policy(repo: Operations) -> None:
    config = (repo.root / "dnsctl.yaml").read_text()
    repo.write("dnsctl.yaml", config.replace("standard: {", "standard: {keys: ksk+zsk, denial: nsec3, "))
    repo.commit("half a rollover")


def config_broken(repo: Operations) -> None:
    repo.write("dnsctl.yaml", "version: 1\nsites: [\n")


def config_broken_in_head(repo: Operations) -> None:
    config_broken(repo)
    repo.commit("broken")


def config_deleted(repo: Operations) -> None:
    (repo.root / "dnsctl.yaml").unlink()


def branch_without_commit(repo: Operations) -> None:
    repo.git("checkout", "--quiet", "--orphan", "somebodys")


def rewritten_and_pruned(repo: Operations) -> None:
    repo.git("checkout", "--quiet", "--orphan", "again")
    repo.commit("all history in one commit")
    repo.git("branch", "-D", "main")
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("gc", "--quiet", "--prune=now")


def without_git(repo: Operations) -> None:
    shutil.rmtree(repo.root / ".git")


@pytest.mark.parametrize(
    "situation",
    [
        dirty,
        error_in_head,
        expired,
        zone_deleted,
        other_policy,
        config_broken,
        config_broken_in_head,
        config_deleted,
        branch_without_commit,
        rewritten_and_pruned,
        without_git,
    ],
)
def test_renewal_is_stopped_by_nothing_that_was_written_since(
    repo: Operations, situation: Callable[[Operations], None]
) -> None:
    released = repo.json("status")["commit"]
    (_, before), config = served(repo, "ns1"), (repo.root / "dnsctl.yaml").read_text()
    time.sleep(1.1)
    situation(repo)
    told = repo.json("push", "--renew")
    assert (told["result"], told["generation"], told["commit"]) == ("served", 2, released)
    assert {each["zone"]: (each["fate"], each["changes"]) for each in told["zones"]} == {
        "example.com.": ("renewed", 0),
        "example.org.": ("renewed", 0),
    }
    assert (told["guards"], told["not_renewed"], told["keys_made"]) == ([], [], [])
    for node in NODES:
        data, inception = served(repo, node)
        assert data == ["192.0.2.80"]
        assert inception > before
    repo.write("dnsctl.yaml", config)
    assert repo.run("verify", "--full").returncode == 0


def test_what_was_renewed_is_no_change_to_the_next_push(repo: Operations) -> None:
    time.sleep(1.1)
    assert repo.run("push", "--renew").returncode == 0
    repo.write("zones/example.com.yaml", zone("192.0.2.99"))
    repo.commit("one change")
    plan = repo.json("plan", code=2)
    fates = {each["zone"]: each["fate"] for each in plan["zones"]}
    assert fates["example.com."] == "changed"
    assert fates.get("example.org.", "renewed") == "renewed", "not changed"
    assert [len(each["records"]) for each in plan["zones"] if each["zone"] == "example.com."] == [1]


def test_nothing_due_is_nothing_to_renew(tmp_path: Path) -> None:
    repo = Operations(tmp_path)
    repo.make()
    try:
        repo.start(*NODES)
        assert "Nothing to renew: every node serves generation 0" in repo.run("push", "--renew").stdout
        assert repo.run("push").returncode == 0
        repo.write("zones/example.com.yaml", zone("192.0.2.66"))
        repo.commit("not asked for")
        done = repo.run("push", "--renew")
        assert done.returncode == 0
        assert "Nothing to renew: every node serves generation 1" in done.stdout
        refused = repo.run("push", "--renew", "--rev", "HEAD")
        assert refused.returncode == 1
        assert "--renew works from what is served" in refused.stderr
    finally:
        repo.stop()


def test_dry_run_of_a_renewal_tells_what_is_due_and_sends_nothing(repo: Operations) -> None:
    time.sleep(1.1)
    done = repo.run("push", "--renew", "--dry-run")
    assert done.returncode == 0
    assert "example.com. signatures renewed" in done.stdout
    assert "DNSSEC: signatures are renewed: the first would expire" in done.stdout
    assert repo.generations() == {"ns1": 1, "ns2": 1}


def test_renewal_without_a_site_goes_on_with_a_reason(repo: Operations) -> None:
    time.sleep(1.1)
    repo.end("ns2")
    assert "--without dc2 --reason TEXT" in repo.run("push", "--renew").stderr
    done = repo.run("push", "--renew", "--without", "dc2", "--reason", "power cut")
    assert done.returncode == 3, done.stderr
    assert "signatures of 2 zones renewed" in done.stdout


def test_zone_whose_keys_are_gone_is_named_and_the_others_are_renewed(repo: Operations) -> None:
    time.sleep(1.1)
    shutil.rmtree(repo.root / "keys/example.org")
    told = repo.json("push", "--renew", code=1)
    assert [each["zone"] for each in told["zones"]] == ["example.com."]
    assert [each["zone"] for each in told["not_renewed"]] == ["example.org."]
    done = repo.run("push", "--renew")
    assert done.returncode == 1
    assert "not renewed: example.org.: the keys that sign it are not in keys/" in done.stderr
    assert not (repo.root / "keys/example.org").exists()


def test_zone_that_came_signed_is_left_to_its_signer(repo: Operations) -> None:
    exported = repo.root / "export"
    assert repo.run("zone", "export", "example.org", "--signed", "-o", str(exported)).returncode == 0
    (repo.root / "zones/example.org.yaml").unlink()
    exported.rename(repo.root / "zones/example.org.zone")
    shutil.rmtree(repo.root / "keys/example.org")
    repo.commit("signed elsewhere now")
    done = repo.run("push", "--allow", "ds-change", "--allow", "serial-jump", "--reason", "x")
    assert done.returncode == 0, done.stderr
    time.sleep(1.1)
    told = repo.json("push", "--renew")
    assert [each["zone"] for each in told["zones"]] == ["example.com."]
    assert told["not_renewed"] == []


def test_push_of_an_expired_record_renews_what_is_due_and_names_the_record(repo: Operations) -> None:
    time.sleep(1.1)
    repo.write("zones/example.com.yaml", zone("192.0.2.66"))
    expired(repo)
    done = repo.run("push")
    assert done.returncode == 1
    assert "zones/example.org.yaml:9:" in done.stderr
    assert "record expired on 2026-01-02" in done.stderr
    assert "`dnsctl push --renew` renews signatures meanwhile" in done.stderr.splitlines()[-1]
    assert "signatures of 2 zones renewed" in done.stdout
    assert served(repo, "ns1")[0] == served(repo, "ns2")[0] == ["192.0.2.80"], "nothing else is released"
    before = repo.generations()
    assert repo.run("push", "--dry-run").returncode == 1
    assert repo.generations() == before
