"""Two clones, rewritten history and rollbacks on two real nodes: nothing released is taken back unasked."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import pytest

from dnsctl.control.released import released
from dnsctl.load.revision import head
from dnsctl.model.name import from_text
from dnsctl.publish.changeset import Fate, ZoneChangeset
from dnsctl.publish.history import judge_history
from tests.control.operations import NODES, ORG, Operations, made, zone

FTP = "ftp: {type: A, value: 192.0.2.21}\n"


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    """An operations repo whose first commit is released."""
    with made(tmp_path / "ops") as operations:
        operations.start(*NODES)
        assert operations.run("push").returncode == 0
        yield operations


def clone(repo: Operations, *options: str) -> Operations:
    """Return a second control host: the repository cloned, keys/ copied, a state of its own."""
    root = repo.root.parent / "clone"
    repo.git("clone", "--quiet", *options, f"file://{repo.root}", str(root))
    shutil.copytree(repo.root / "keys", root / "keys")
    return Operations(root, repo.ports)


def change(repo: Operations, address: str, more: str = "", message: str = "a change") -> None:
    repo.write("zones/example.com.yaml", zone(address, more))
    repo.commit(message)


def addresses(repo: Operations, owner: str = "www.example.com.") -> list[str]:
    """Ask both nodes for A; they must agree."""
    found = []
    for listen, _ in repo.ports.values():
        query = dns.message.make_query(owner, "A")
        answer = dns.query.udp(query, "127.0.0.1", port=listen, timeout=5).answer
        found.append(sorted(each.to_text() for rrset in answer for each in rrset))
    assert found[0] == found[1]
    return found[0]


def test_clone_that_did_not_pull_is_told_that_it_lacks_the_released_commit(repo: Operations) -> None:
    other = clone(repo)
    change(repo, "192.0.2.99")
    assert repo.run("push").returncode == 0
    change(other, "192.0.2.80", FTP, "add ftp")
    done = other.run("push")
    assert done.returncode == 1
    released = repo.json("status")["commit"]
    assert re.search(
        rf"guard history: the released commit {released[:12]}, of \d{{4}}-.* UTC, is not", done.stderr
    )
    assert "this push changes: ftp.example.com. A, www.example.com. A; `git" in done.stderr
    assert "`git fetch` and merge it; if that is meant, add --allow history --reason TEXT" in done.stderr
    assert addresses(repo) == ["192.0.2.99"]
    (verdict,) = other.json("plan", code=2)["guards"]
    assert (verdict["guard"], verdict["zone"]) == ("history", None)
    assert "guard history: the released commit" in other.run("plan").stdout


def test_fetched_and_not_merged_is_told_with_commits_and_records_that_would_be_lost(repo: Operations) -> None:
    other = clone(repo)
    change(repo, "192.0.2.99", message="move the web server")
    change(repo, "192.0.2.99", FTP, "and add ftp")
    repo.write("zones/example.org.yaml", ORG)
    repo.commit("a new zone")
    assert repo.run("push").returncode == 0
    change(other, "192.0.2.80", "imap: {type: A, value: 192.0.2.44}\n", "add imap")
    other.git("fetch", "--quiet")
    for command in ("push", "plan"):
        done = other.run(command)
        told = done.stderr if command == "push" else done.stdout
        assert "3 commits would be lost (" in told
        assert "of Operator <operator@example.org>, 20" in told
        assert '"move the web server"' in told
        assert "taken back: ftp.example.com. A, www.example.com. A, zone example.org." in told
        assert "imap" not in told.split("guard history")[1].splitlines()[0]
        assert "`git fetch` and merge it, as `git pull` does" in told
    assert addresses(repo) == ["192.0.2.99"]
    shutil.copytree(repo.root / "keys/example.org", other.root / "keys/example.org")
    other.git("merge", "--quiet", "--strategy-option=theirs", "origin/main", "-m", "both")
    assert other.run("push").returncode == 0, "what was released is in it"


def test_two_clones_that_push_in_turn_lose_nothing(repo: Operations) -> None:
    other = clone(repo)
    for number in range(3):
        one, two = (repo, other) if number % 2 else (other, repo)
        change(one, f"192.0.2.{100 + number}")
        assert one.run("push").returncode == 0
        assert two.run("push", "--rev", "HEAD").returncode in (0, 1)
        assert addresses(repo) == [f"192.0.2.{100 + number}"]
        two.git("pull", "--quiet", "--ff-only", f"file://{one.root}", "main")
        assert two.json("push")["result"] == "nothing"


def test_two_clones_that_push_at_once_one_is_refused_and_then_told_of_the_other(repo: Operations) -> None:
    other = clone(repo)
    change(repo, "192.0.2.99")
    change(other, "192.0.2.80", FTP)
    pushes = [each.begin("push") for each in (repo, other)]
    codes = [each.wait(60) for each in pushes]
    for each in pushes:
        each.communicate()
    assert codes.count(0) <= 1
    if 0 not in codes:  # each held a node that the other wanted, and both let go
        codes[0] = repo.run("push").returncode
    loser = (repo, other)[1 - codes.index(0)]
    again = loser.run("push")
    assert again.returncode == 1
    assert "guard history" in again.stderr
    ftp, www = addresses(repo, "ftp.example.com."), addresses(repo)
    assert (www, ftp) in ((["192.0.2.99"], []), (["192.0.2.80"], ["192.0.2.21"])), "one of both, whole"
    assert repo.json("verify")["verdict"] == "consistent"


def test_history_rewritten_without_any_change_takes_nothing_back(repo: Operations) -> None:
    repo.git("commit", "--quiet", "--amend", "-m", "the same in better words")
    assert repo.json("push")["result"] == "nothing"
    manifest = released(repo.root)
    renewed = ZoneChangeset(from_text("example.com."), Fate.RENEWED)
    assert judge_history(repo.root, manifest, head(repo.root), [renewed]) == ()
    changed = ZoneChangeset(from_text("example.com."), Fate.CHANGED)
    assert [each.guard for each in judge_history(repo.root, manifest, head(repo.root), [changed])] == [
        "history"
    ]


@pytest.mark.parametrize("way", ["reset", "amend", "older", "unrelated"])
def test_history_without_the_released_commit_is_refused(repo: Operations, way: str) -> None:
    change(repo, "192.0.2.99", message="move the web server")
    assert repo.run("push").returncode == 0
    options: tuple[str, ...] = ()
    if way == "reset":
        repo.git("reset", "--quiet", "--hard", "HEAD~1")
    elif way == "amend":
        repo.write("zones/example.com.yaml", zone("192.0.2.98"))
        repo.git("commit", "--quiet", "--all", "--amend", "-m", "otherwise")
    elif way == "older":
        options = ("--rev", "HEAD~1")
    else:
        repo.git("checkout", "--quiet", "--orphan", "anew")
        change(repo, "192.0.2.97")
    done = repo.run("push", *options)
    assert done.returncode == 1
    assert "guard history: the released commit is not an ancestor of" in done.stderr
    assert "move the web server" in done.stderr
    if way != "unrelated":
        assert "taken back: www.example.com. A" in done.stderr
    assert [each["guard"] for each in repo.json("plan", *options, code=2)["guards"]] == ["history"]
    assert addresses(repo) == ["192.0.2.99"]
    done = repo.run("push", *options, "--allow", "history", "--reason", "it was wrong")
    assert done.returncode == 0
    told = done.stdout.splitlines()
    assert told[0] == "Takes back what 1 commit released that this one does not have:" or way == "unrelated"
    assert '"move the web server"' in told[1]
    if way != "unrelated":
        after = {"amend": "192.0.2.98"}.get(way, "192.0.2.80")
        assert told[2:5] == ["  ~ www.example.com. 3600 A", "      - A 192.0.2.99", f"      + A {after}"]
    assert addresses(repo) != ["192.0.2.99"]


def test_push_and_rollback_print_what_they_are_about_to_change_before_anything_is_sent(
    repo: Operations,
) -> None:
    change(repo, "192.0.2.99", FTP)
    repo.end("ns2")
    done = repo.run("push")
    assert done.returncode == 1, "ns2 is away"
    assert done.stdout == "", "no release is made while a node is away"
    repo.start("ns2")
    printed = repo.run("push").stdout.splitlines()
    assert printed[0].startswith("example.com. changed, serial ")
    assert printed[1:5] == [
        "  + ftp 3600 A 192.0.2.21",
        "  ~ www 3600 A",
        "      - A 192.0.2.80",
        "      + A 192.0.2.99",
    ]
    assert printed[-1].startswith("Generation 2 is served and verified")
    back = repo.run("rollback").stdout.splitlines()
    assert back[1:5] == [
        "  - ftp 3600 A 192.0.2.21",
        "  ~ www 3600 A",
        "      - A 192.0.2.99",
        "      + A 192.0.2.80",
    ]
    many = "".join(f"host{number}: {{type: A, value: 192.0.2.7}}\n" for number in range(150))
    change(repo, "192.0.2.80", many)
    repo.write("zones/example.org.yaml", ORG)
    repo.commit("more")
    printed = repo.run("push").stdout.splitlines()
    assert "  + and 50 more RRsets" in printed
    assert any(re.fullmatch(r"and 1 more zone with \d RRsets", each) for each in printed)


def test_only_the_branch_that_dnsctl_yaml_names_is_released(repo: Operations) -> None:
    repo.write("dnsctl.yaml", (repo.root / "dnsctl.yaml").read_text() + "branch: main\n")
    repo.commit("a limit, which alone makes no release")
    repo.git("checkout", "--quiet", "-b", "topic")
    change(repo, "192.0.2.81")
    assert "is not on branch main" in repo.run("push").stderr
    repo.git("checkout", "--quiet", "-B", "main")
    assert repo.run("push").returncode == 0
    repo.git("checkout", "--quiet", "-B", "topic")
    repo.write(
        "dnsctl.yaml", (repo.root / "dnsctl.yaml").read_text().replace("branch: main", "branch: topic")
    )
    change(repo, "192.0.2.82")
    for command in ("push", "plan"):
        done = repo.run(command)
        assert "guard branch: " in done.stderr + done.stdout
        assert "is not on branch main, which dnsctl.yaml says is released from" in done.stderr + done.stdout
        assert "merge it into main and push from there" in done.stderr + done.stdout
    assert addresses(repo) == ["192.0.2.81"]
    repo.git("checkout", "--quiet", "main")
    repo.git("merge", "--quiet", "--ff-only", "topic")
    repo.git("checkout", "--quiet", "--detach")
    assert repo.run("push").returncode == 0, "a commit on the branch, whatever is checked out"
    assert addresses(repo) == ["192.0.2.82"]
    repo.git("branch", "--quiet", "--delete", "--force", "topic")
    change(repo, "192.0.2.83")
    assert "this clone does not have that branch; fetch it: git fetch origin topic" in repo.run("push").stderr
    allowed = ("--allow", "branch", "--reason", "the branch is gone")
    assert repo.run("push", *allowed).returncode == 0


def test_shallow_clone_is_told_to_fetch_the_rest(repo: Operations) -> None:
    change(repo, "192.0.2.99")
    assert repo.run("push").returncode == 0
    for number in range(3):
        change(repo, f"192.0.2.{100 + number}")
    other = clone(repo, "--depth", "1")
    done = other.run("push")
    assert done.returncode == 1
    assert "is not in this clone" in done.stderr
    assert "`git fetch --unshallow`" in done.stderr
    other.git("fetch", "--quiet", "--unshallow")
    assert other.run("push").returncode == 0


def test_push_after_a_rollback_goes_forward(repo: Operations) -> None:
    change(repo, "192.0.2.99")
    assert repo.run("push").returncode == 0
    assert repo.run("rollback").returncode == 0
    assert addresses(repo) == ["192.0.2.80"]
    change(repo, "192.0.2.98")
    assert repo.json("push")["guards"] == []
    assert addresses(repo) == ["192.0.2.98"]


def test_rollback_that_removes_a_zone_asks_as_a_push_does(repo: Operations) -> None:
    repo.write("zones/example.org.yaml", ORG)
    repo.commit("a second zone")
    assert repo.run("push").returncode == 0
    before = repo.generations()
    done = repo.run("rollback", "--dry-run")
    assert done.returncode == 1
    assert "- the zone with all its " in done.stdout
    assert "guard removed-zone" in done.stdout
    done = repo.run("rollback")
    assert done.returncode == 1
    assert "example.org.: guard removed-zone: its " in done.stderr
    assert "--allow removed-zone --reason TEXT" in done.stderr
    assert repo.generations() == before
    done = repo.run("rollback", "--allow", "removed-zone", "--reason", "too early")
    assert done.returncode == 0, done.stderr
    assert "1 zone with all " in done.stdout
    assert " RRsets removed" in done.stdout
    assert addresses(repo, "www.example.org.") == []


def test_rollback_that_changes_much_asks_and_lists_it_first(repo: Operations) -> None:
    many = "".join(f"host{number}: {{type: A, value: 192.0.2.7}}\n" for number in range(9))
    change(repo, "192.0.2.80", many)
    assert repo.run("push").returncode == 0
    told = repo.json("rollback", "--dry-run", code=1)
    assert (told["result"], [each["guard"] for each in told["guards"]]) == ("dry-run", ["deletes"])
    assert "guard deletes" in repo.run("rollback").stderr
    assert repo.run("rollback", "--dry-run", "--allow", "deletes", "--reason", "x").returncode == 0
    assert repo.generations() == {"ns1": 2, "ns2": 2}
    assert repo.run("rollback", "--allow", "deletes", "--reason", "x").returncode == 0


def test_plan_of_a_clone_tells_what_another_clone_released_meanwhile(repo: Operations) -> None:
    other = clone(repo)
    assert other.json("plan")["against"]["generation"] == 1  # its first plan takes over what is served
    change(repo, "192.0.2.99")
    assert repo.run("push").returncode == 0
    stale = other.json("plan", "--offline")
    assert (stale["against"]["generation"], stale["guards"]) == (1, [])
    change(other, "192.0.2.80", FTP, "add ftp")
    made = other.json("plan", code=2)
    assert made["against"]["generation"] == 2
    assert [each["guard"] for each in made["guards"]] == ["history"]


def test_plan_without_a_node_says_so_and_goes_by_what_it_knows(repo: Operations) -> None:
    change(repo, "192.0.2.99")
    repo.end("ns2")
    done = repo.run("plan")
    assert done.returncode == 2
    assert "not asked what is served: ns2" in done.stderr
    (repo.root / "keys/passphrase").rename(repo.root / "keys/elsewhere")
    done = repo.run("plan")
    assert done.returncode == 2
    assert "no node was asked: keys/passphrase" in done.stderr
    assert "~ www 3600 A" in done.stdout
    offline = repo.run("plan", "--offline").stderr
    assert "no node is asked" in offline
    assert "not asked" not in offline


def test_status_and_verify_of_a_clone_tell_of_a_release_of_another_and_raise_no_alarm(
    repo: Operations,
) -> None:
    other = clone(repo)
    told = other.run("status")
    assert told.returncode == 0, told.stderr
    assert "Generation 1: served by 2 of 2 nodes; it was released elsewhere" in told.stdout
    assert "this host knows no release yet" in told.stdout
    other.git("fetch", "--quiet")
    assert other.json("push")["result"] == "nothing"
    change(repo, "192.0.2.99", FTP)
    assert repo.run("push").returncode == 0
    told = other.run("status")
    assert told.returncode == 0, told.stderr
    assert "Generation 2: served by 2 of 2 nodes; it was released elsewhere" in told.stdout
    assert "this host knows generation 1" in told.stdout
    assert [each["state"] for each in other.json("status")["nodes"]] == ["ahead", "ahead"]
    assert other.json("verify")["generation"] == 2
    status = other.json("status")
    assert (status["generation"], [each["state"] for each in status["nodes"]]) == (2, ["current", "current"])


@pytest.mark.parametrize("known", [False, True])
def test_verify_of_a_clone_compares_with_the_release_of_another(repo: Operations, known: bool) -> None:
    other = clone(repo)
    if known:
        assert other.json("push")["result"] == "nothing"
    change(repo, "192.0.2.99", FTP)
    assert repo.run("push").returncode == 0
    assert other.json("verify", "--full")["verdict"] == "consistent"


def test_dry_run_of_a_clone_judges_as_its_push_does(repo: Operations) -> None:
    other = clone(repo)
    assert other.json("push")["result"] == "nothing"
    change(repo, "192.0.2.99")
    assert repo.run("push").returncode == 0
    change(other, "192.0.2.80", FTP, "add ftp")
    done = other.run("push", "--dry-run")
    assert done.returncode == 1
    assert "guard history: the released commit" in done.stderr
    assert done.stderr.splitlines()[-1] == other.run("push").stderr.splitlines()[-1]
    assert "generation 3 would be released" in other.run("rollback", "--dry-run").stdout


def test_status_of_a_clone_names_the_node_that_lags_behind_the_release_of_another(repo: Operations) -> None:
    other = clone(repo)
    repo.end("ns2")
    change(repo, "192.0.2.99")
    assert repo.run("push", "--without", "dc2", "--reason", "power cut").returncode == 3
    told = other.json("status", code=2)
    assert [(each["weight"], each["about"]) for each in told["concerns"]] == [("unknown", "ns2")]
