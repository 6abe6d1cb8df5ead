"""Rules on who may release, on two real nodes: they come with a release, and a rollback leaves them."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsctl.control.approving import approve
from tests.control.operations import NODES, Operations, made, zone
from tests.control.test_deploying import begin, ended
from tests.control.test_history import addresses
from tests.peers import need


class People:
    """Who signs in a repo: alice releases, bob approves in a clone of his own."""

    def __init__(self, repo: Operations, directory: Path) -> None:
        self.repo = repo
        self.directory = directory
        self.config = (repo.root / "dnsctl.yaml").read_text()
        for name in ("alice", "bob"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)]
            subprocess.run(command, check=True)
        keys = {name: (directory / f"{name}.pub").read_text() for name in ("alice", "bob")}
        repo.write("signers", "".join(f"{name}@example.net {key}" for name, key in keys.items()))
        self.sign(repo.root, "alice")
        self.clone = directory / "clone"
        repo.git("clone", "-q", str(repo.root), str(self.clone))
        self.sign(self.clone, "bob")

    def sign(self, root: Path, name: str) -> None:
        settings = {"gpg.format": "ssh", "user.signingkey": str(self.directory / name), "user.name": name}
        for key, value in {**settings, "user.email": f"{name}@example.net", "commit.gpgSign": "true"}.items():
            self.repo.git("-C", str(root), "config", key, value)

    def want(self, policy: str) -> None:
        self.repo.write("dnsctl.yaml", f"{self.config}{policy}\n")

    def change(self, address: str) -> str:
        """Commit another address, as alice; return the id."""
        self.repo.write("zones/example.com.yaml", zone(address))
        return self.commit()

    def commit(self) -> str:
        self.repo.commit("a change")
        return self.head()

    def head(self) -> str:
        return ended(begin(self.repo.root, "rev-parse", "HEAD")).strip()

    def approve(self, commit: str) -> str:
        """Have bob approve a commit; return the tag, which the repo does not have yet."""
        ended(begin(self.clone, "fetch", "-q", "origin"))
        return approve(self.clone, commit).tag


POLICY = "commits: {allowed-signers: signers, approval: {zones: example.com}}"


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    need("ssh-keygen")
    with made(tmp_path / "ops", "none") as repo:
        repo.start(*NODES)
        assert repo.run("push").returncode == 0
        yield People(repo, tmp_path)


def test_second_person_is_asked_from_the_commit_on_that_says_so(people: People) -> None:
    repo = people.repo
    people.want(POLICY)
    brings = people.commit()
    plan = repo.json("plan", code=2)
    assert (plan["zones"], plan["rules"]) == ([], ["commits.approval", "those who may sign"])
    assert [each["guard"] for each in plan["guards"]] == ["approval"]
    assert repo.failure("push")["rule"] == "guard"
    ended(begin(people.clone, "push", "-q", "origin", people.approve(brings)))
    done = repo.json("push")
    assert (done["result"], done["zones"], done["approved"]) == ("served", [], ["bob@example.net"])
    assert repo.json("plan")["guards"] == [], "nothing to release"
    nothing = repo.run("rollback", "--reason", "try").stdout
    assert (
        "Nothing to roll back: generation 1 has the same zones, and every node serves generation 2" in nothing
    )
    assert "rules on who may release, and sites, are not rolled back" in nothing

    alone = people.change("192.0.2.81")
    for command in ("plan", "push"):
        said = repo.run(command)
        assert "two people must vouch for a change of example.com." in said.stdout + said.stderr
    ended(begin(people.clone, "push", "-q", "origin", people.approve(alone)))
    assert "Approved by bob@example.net" in repo.run("plan").stdout
    people.sign(repo.root, "bob")
    again = approve(repo.root, alone)
    assert (again.released, again.already, again.signers.commit) == (True, True, brings)
    people.sign(repo.root, "alice")
    pushed = repo.run("push")
    assert pushed.returncode == 0 and "Approved by bob@example.net" in pushed.stdout
    assert addresses(repo) == ["192.0.2.81"]
    log = repo.json("log")["generations"]
    assert [(each["approved"], each["rules"]) for each in log[:2]] == [
        (["bob@example.net"], []),
        (["bob@example.net"], ["commits.approval", "those who may sign"]),
    ]
    assert "approved by bob@example.net" in repo.run("log").stdout

    assert repo.run("push", "--renew").returncode == 0, "nothing that renews is asked for"
    back = repo.run("rollback", "1", "--reason", "try")
    assert "guard approval" in back.stderr, "nobody approved what was released before there was a rule"
    people.change("192.0.2.82")
    assert repo.run("push", "--allow", "approval", "--reason", "an emergency").returncode == 0
    assert repo.json("log", "-n", "1")["generations"][0]["allowed"][0].startswith("[approval]")
    assert repo.run("rollback", "--reason", "to what bob approved").returncode == 0
    assert addresses(repo) == ["192.0.2.81"]


def test_rollback_to_before_there_were_rules_leaves_them_in_force(people: People) -> None:
    repo = people.repo
    people.want("commits: {allowed-signers: signers}\nbranch: main")
    people.change("192.0.2.81")
    assert repo.run("push").returncode == 0
    assert repo.run("rollback", "1", "--reason", "try").returncode == 0
    assert addresses(repo) == ["192.0.2.80"]
    people.want("")
    repo.git("config", "commit.gpgSign", "false")
    people.change("192.0.2.82")
    for command in ("plan", "push"):
        said = repo.run(command)
        assert "guard signature" in said.stdout + said.stderr, command
    shutil.rmtree(repo.root / "state" / "archive")  # nor by what is lost of the archive
    assert "guard signature" in repo.run("push", "--dry-run").stderr


def test_clone_that_has_not_pulled_takes_no_rule_back(people: People) -> None:
    repo = people.repo
    people.want("commits: {allowed-signers: signers}")
    people.commit()
    assert repo.run("push").returncode == 0
    repo.git("checkout", "-q", "HEAD^")
    assert repo.json("plan", code=2)["rules"] == ["those who may sign"]
    for command in ("plan", "push"):
        said = repo.run(command)
        assert "guard history" in said.stdout + said.stderr, command


def test_approval_that_is_pushed_releases_what_waited_for_it(people: People, tmp_path: Path) -> None:
    repo = people.repo
    people.want(POLICY)
    assert repo.run("hook", "install", "post-receive").returncode == 0
    repo.git("config", "receive.denyCurrentBranch", "updateInstead")
    ended(begin(people.clone, "push", "-q", "origin", people.approve(people.commit())))
    alice = tmp_path / "alice-clone"
    ended(begin(tmp_path, "clone", "-q", str(repo.root), str(alice)))
    people.sign(alice, "alice")
    (alice / "zones/example.com.yaml").write_text(zone("192.0.2.83"))
    ended(begin(alice, "commit", "-qam", "move"))
    said = ended(begin(alice, "push", "-q", "origin", "main"))
    assert "guard approval: two people must vouch" in said
    assert addresses(repo) == ["192.0.2.80"]
    said = ended(begin(people.clone, "push", "-q", "origin", people.approve(people.head())))
    assert "is served and verified" in said
    assert addresses(repo) == ["192.0.2.83"]
