"""`dnsctl log`, and earlier releases: what pushes on real nodes leave in the archive and the audit log."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dnsctl.cli.log import let_pass
from dnsctl.errors import RefusalRule
from tests.control.operations import NODES, ORG, Operations, made, zone
from tests.control.test_history import clone


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operations]:
    """Four releases: the first, one with a guard let pass, one without a site, one that went back."""
    with made(tmp_path_factory.mktemp("log") / "ops", "none") as operations:
        operations.start(*NODES)
        operations.write("zones/example.org.yaml", ORG)
        operations.commit("two zones")
        assert operations.run("push").returncode == 0
        (operations.root / "zones/example.org.yaml").unlink()
        operations.write("zones/example.com.yaml", zone("192.0.2.99", "ftp: {type: A, value: 192.0.2.21}\n"))
        config = (operations.root / "dnsctl.yaml").read_text()
        operations.write("dnsctl.yaml", f"{config}serve: {{version: two, rate-limit: {{rate: 5000}}}}\n")
        operations.commit("move the web server")
        assert operations.run("push").returncode == 1  # refused: no release
        allowed = ("--allow", "removed-zone", "--reason", "sold")
        sold = operations.run("push", *allowed)
        assert sold.returncode == 0
        assert "1 zone with 2 RRsets changed, 1 zone with all " in sold.stdout
        assert ", other settings of nodes (serve.rate-limit, serve.version), 0 zones untouched" in sold.stdout
        operations.end("ns2")
        operations.write("zones/example.com.yaml", zone("192.0.2.100"))
        operations.commit("once more\n\nwith a body")
        assert operations.run("push", "--without", "dc2", "--reason", "power cut").returncode == 3
        operations.start("ns2")
        operations.wait(lambda nodes: nodes["ns2"]["generation"] == 3)
        assert operations.run("rollback", "2", "--reason", "it broke").returncode == 0
        yield operations


def listed(repo: Operations, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = repo.json("log", *arguments)["generations"]
    return found


def test_releases_are_told_with_who_why_what_and_how_they_ended(repo: Operations) -> None:
    back, without, sold, first = listed(repo)
    assert [each["generation"] for each in (back, without, sold, first)] == [4, 3, 2, 1]
    assert [each["action"] for each in (back, without, sold, first)] == ["rollback", "push", "push", "push"]
    assert (back["commit"], back["reason"]) == (sold["commit"], "it broke")
    assert (without["without"], without["activated"], without["subject"]) == ("dc2", ["ns1"], "once more")
    assert sold["author"] == "Operator <operator@example.org>"
    assert [each.split("]")[0] for each in sold["allowed"]] == ["example.org.: [removed-zone"]
    assert (sold["zones"], sold["removed"]) == (["example.com."], ["example.org."])
    assert sold["counts"] == {
        "added": 1, "deleted": 0, "updated": 1, "new": 0, "changed": 1, "renewed": 0, "removed": 1,
    }  # fmt: skip
    assert sold["settings"] == ["serve.rate-limit", "serve.version"]
    assert back["settings"] == without["settings"] == []
    assert {each["ending"] for each in (back, without, sold, first)} == {"served"}
    assert all("@" in each["actor"] for each in (back, without, sold, first))


def test_text_has_the_same(repo: Operations) -> None:
    text = repo.run("log", "-n", "3").stdout
    assert text.count("\ngeneration ") == 2
    assert text.startswith("generation 4 ")
    assert "rollback by " in text
    assert '"move the web server" of Operator <operator@example.org>' in text
    assert "  let pass: example.org.: [removed-zone]" in text
    assert "  reason: sold" in text
    assert (
        "  changed: 1 RRset added, 1 updated, 0 deleted; released example.com.; removed example.org.;"
        " settings of nodes (serve.rate-limit, serve.version)\n" in text
    )
    assert "  served and verified; without site dc2" in text


def test_of_many_guards_of_one_name_the_first_are_told_and_no_other_guard_is_hidden() -> None:
    removed = [f"z{number}.example.: [removed-zone] all of it" for number in range(300)]
    told = list(let_pass([*removed, "[history] it takes back a commit"]))
    assert told[:5] == removed[:5]
    assert told[5:] == [
        "and 295 more of [removed-zone] (more with --json)",
        "[history] it takes back a commit",
    ]


def test_name_and_type_choose_the_releases_that_changed_them(repo: Operations) -> None:
    assert [each["generation"] for each in listed(repo, "www.example.com", "A")] == [4, 3, 2, 1]
    assert [each["generation"] for each in listed(repo, "mail.example.com")] == [1]
    assert listed(repo, "nope.example.com") == []
    (newest,) = listed(repo, "example.com", "-n", "1")
    changes = {(each["owner"], each["change"]) for each in newest["records"]}
    assert changes == {("www.example.com.", "update"), ("ftp.example.com.", "add")}
    text = repo.run("log", "ftp.example.com", "-n", "2").stdout
    assert "  + ftp.example.com. 3600 A 192.0.2.21" in text
    assert "  - ftp.example.com. 3600 A 192.0.2.21" in text


def test_earlier_release_is_shown_and_explained(repo: Operations) -> None:
    shown = repo.json("zone", "show", "example.com", "--at", "3")["rrsets"]
    assert [each["values"] for each in shown if each["owner"] == "www.example.com."] == [["192.0.2.100"]]
    assert repo.run("zone", "show", "example.org", "--at", "1").returncode == 0
    assert repo.run("zone", "show", "example.org", "--at", "2").returncode == 1
    made = repo.json("explain", "ftp.example.com", "A", "--at", "2")
    assert (made["rcode"], made["generation"], made["steps"][0]["step"]) == ("NOERROR", 2, "answer")
    assert repo.json("explain", "ftp.example.com", "A", "--at", "3")["rcode"] == "NXDOMAIN"
    assert (
        "(the commit of generation 3, unsigned)" in repo.run("explain", "www.example.com", "--at", "3").stdout
    )


def test_release_or_commit_that_is_not_there_is_told(repo: Operations) -> None:
    assert repo.failure("zone", "show", "example.com", "--at", "9")["rule"] == RefusalRule.NOT_ARCHIVED
    assert repo.failure("explain", "www.example.com", "--at", "9")["rule"] == RefusalRule.NOT_ARCHIVED
    usage = repo.failure("explain", "www.example.com", "--at", "1", "--work-tree")
    assert usage["rule"] == RefusalRule.COMMAND_LINE


def test_other_clone_tells_of_releases_that_it_fetched_and_not_who_made_them(repo: Operations) -> None:
    other = clone(repo, "--depth=1")
    assert listed(other) == []
    assert other.run("plan").returncode in (0, 2)  # fetches
    newest = listed(other)[0]
    assert (newest["generation"], newest["actor"], newest["ending"]) == (4, None, "unknown")
    assert "released by another host" in other.run("log").stdout
    told = other.failure("zone", "show", "example.com", "--at", "4")
    assert told["rule"] == RefusalRule.REVISION
    assert "`git fetch`" in told["advice"]


def test_log_works_without_a_release_and_names_a_damaged_record(tmp_path: Path) -> None:
    with made(tmp_path / "ops", "none") as operations:
        assert listed(operations) == []
        assert operations.run("log").stderr == "this host knows of no release yet\n"
        operations.write("state/control.db", "garbage" * 1000)
        assert operations.failure("log")["rule"] == RefusalRule.STATE
