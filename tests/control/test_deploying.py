"""`git push` releases: post-receive in the operations repo and in a bare one beside it, on two real nodes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsctl.control.host import locked
from dnsctl.model.repo import Repo
from tests.control.operations import NODES, Operations, made, zone
from tests.control.test_history import addresses

ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
WHO = ("-c", "user.name=A", "-c", "user.email=a@example.net")


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operations]:
    """An operations repo whose first commit is released, without signatures: they cost time."""
    with made(tmp_path_factory.mktemp("deploy") / "ops", "none") as operations:
        operations.start(*NODES)
        assert operations.run("push").returncode == 0
        yield operations


def begin(clone: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start git in a clone."""
    return subprocess.Popen(
        ["git", *WHO, *arguments],
        cwd=clone,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=ENVIRONMENT,
    )


def ended(process: subprocess.Popen[str]) -> str:
    """Return what it said, once it has ended well."""
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return said


def changed(clone: Path, address: str, more: str = "") -> None:
    """Commit another address in a clone."""
    (clone / "zones/example.com.yaml").write_text(zone(address, more))
    ended(begin(clone, "commit", "-qam", f"to {address}"))


def test_push_to_the_operations_repo_is_released_and_told_to_the_pusher(
    repo: Operations, tmp_path: Path
) -> None:
    assert repo.run("hook", "install", "post-receive").returncode == 0
    repo.git("config", "receive.denyCurrentBranch", "updateInstead")
    clone = tmp_path / "clone"
    ended(begin(tmp_path, "clone", "-q", str(repo.root), str(clone)))
    changed(clone, "192.0.2.101")
    said = ended(begin(clone, "push", "origin", "main"))
    assert "remote:   ~ www 3600 A" in said
    assert "remote: Generation 2 is served and verified on ns1 and ns2" in said
    assert addresses(repo) == ["192.0.2.101"]
    assert repo.json("log", "-n", "1")["generations"][0]["reason"] == "git push"
    said = ended(begin(clone, "push", "origin", "HEAD:topic"))
    assert "topic: nothing is released, only branch main is" in said
    many = "".join(f"h{number}: {{type: A, value: 192.0.2.7}}\n" for number in range(20))
    changed(clone, "192.0.2.101", many)
    ended(begin(clone, "push", "-q", "origin", "main"))
    changed(clone, "192.0.2.101")
    assert "guard deletes: " in ended(begin(clone, "push", "origin", "main"))
    assert addresses(repo, "h7.example.com.") == ["192.0.2.7"], "refused, and told so"
    allowed = ("--allow", "deletes", "--reason", "a test")
    assert repo.run("push", *allowed).returncode == 0


def test_bare_repository_is_followed_and_a_second_push_waits_in_line(
    repo: Operations, tmp_path: Path
) -> None:
    bare, clone = tmp_path / "dns.git", tmp_path / "clone"
    ended(begin(tmp_path, "clone", "-q", "--bare", str(repo.root), str(bare)))
    ended(begin(tmp_path, "clone", "-q", str(bare), str(clone)))
    assert repo.run("hook", "install", "post-receive", "--bare", str(bare)).returncode == 0
    with locked(Repo(repo.root).state):
        changed(clone, "192.0.2.111")
        first = begin(clone, "push", "origin", "main")
        assert first.stdout is not None
        assert any("waiting for another push" in line for line in first.stdout)
        changed(clone, "192.0.2.112")
        second = begin(clone, "push", "origin", "main")
        assert second.stdout is not None
        assert any("waiting for another push" in line for line in second.stdout)
    said = [ended(first), ended(second)]
    assert sum("is served and verified" in each for each in said) == 1, "the first releases what both pushed"
    assert sum("Nothing to push" in each for each in said) == 1
    assert addresses(repo) == ["192.0.2.112"]
    many = "".join(f"h{number}: {{type: A, value: 192.0.2.7}}\n" for number in range(20))
    changed(clone, "192.0.2.112", many)
    ended(begin(clone, "push", "-q", "origin", "main"))
    changed(clone, "192.0.2.114")
    assert "guard deletes: " in ended(begin(clone, "push", "origin", "main"))
    taken_back = ended(begin(clone, "push", "--force", "origin", "HEAD~1:main"))
    assert f"that main of {bare} lacks; nothing is released" in taken_back
    ended(begin(repo.root, "reset", "-q", "--keep", "HEAD~1"))
    ended(begin(clone, "reset", "-q", "--hard", "HEAD~1"))
    (repo.root / "zones/example.com.yaml").write_text("# a person's work\n")
    changed(clone, "192.0.2.113")
    refused = ended(begin(clone, "push", "origin", "main"))
    assert "cannot follow main of" in refused
    assert (repo.root / "zones/example.com.yaml").read_text() == "# a person's work\n"
    assert addresses(repo) == ["192.0.2.112"]
