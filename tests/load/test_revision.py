"""Work tree and commit as sources: the same files, nothing outside, one error a fault."""

import os
import subprocess
from pathlib import Path

import pytest

from dnsctl.errors import RevisionError
from dnsctl.load.revision import Entry, Revision, WorkTree, head, is_dirty, resolve


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ("git", *identity, *arguments), cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A git repository whose operations repo is its subdirectory `dns`, with one commit."""
    root = tmp_path / "all" / "dns"
    (root / "zones").mkdir(parents=True)
    (root / "zones/example.com.yaml").write_text("'': {}\n")
    (root / "zones/with space.yaml").write_text("x")
    (root / "zones/sub").mkdir()
    (root / "zones/sub/part.zone").write_text("part")
    git(root.parent, "init", "-q")
    git(root.parent, "add", ".")
    git(root.parent, "commit", "-qm", "first")
    return root


def test_commit_gives_what_was_committed_not_what_is_on_disk(repo: Path) -> None:
    first = head(repo)
    (repo / "zones/example.com.yaml").write_text("changed\n")
    (repo / "zones/new.yaml").write_text("new\n")
    revision = Revision(repo, "HEAD")
    assert revision.commit == first
    assert revision.read("zones/example.com.yaml") == b"'': {}\n"
    assert revision.read("zones/sub/../with space.yaml") == b"x"
    assert revision.entries("zones") == (
        Entry("zones/example.com.yaml"),
        Entry("zones/sub", directory=True),
        Entry("zones/with space.yaml"),
    )
    assert WorkTree(repo).read("zones/example.com.yaml") == b"changed\n"
    assert WorkTree(repo).entries("zones") == (
        Entry("zones/example.com.yaml"),
        Entry("zones/new.yaml"),
        Entry("zones/sub", directory=True),
        Entry("zones/with space.yaml"),
    )
    revision.close()
    assert revision.read("zones/with space.yaml") == b"x"
    revision.close()


def test_missing_file_does_not_disturb_the_next_read(repo: Path) -> None:
    revision = Revision(repo, "HEAD")
    for path in ("zones/none.yaml", "zones/x blob", "zones", "zones/sub/part.zone/below"):
        with pytest.raises(RevisionError):
            revision.read(path)
        assert revision.read("zones/with space.yaml") == b"x"
    revision.close()


@pytest.mark.parametrize("path", ["/etc/hostname", "../outside", "zones/../../outside", "zones/a\0b"])
@pytest.mark.parametrize("kind", ["tree", "commit"])
def test_path_that_leaves_the_repo_is_refused(path: str, kind: str, repo: Path) -> None:
    (repo.parent / "outside").write_text("secret")
    source = WorkTree(repo) if kind == "tree" else Revision(repo, "HEAD")
    with pytest.raises(RevisionError):
        source.read(path)
    with pytest.raises(RevisionError):
        source.entries(path)


def test_symbolic_link_is_followed_inside_and_refused_outside(repo: Path) -> None:
    outside = repo.parent.parent / "secret"
    outside.write_text("secret")
    (repo / "zones/in.yaml").symlink_to("with space.yaml")
    (repo / "zones/out.yaml").symlink_to(outside)
    (repo / "zones/loop.yaml").symlink_to("loop.yaml")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "links")
    for source in (WorkTree(repo), Revision(repo, "HEAD")):
        assert source.read("zones/in.yaml") == b"x"
        for path in ("zones/out.yaml", "zones/loop.yaml"):
            with pytest.raises(RevisionError):
                source.read(path)


def test_what_is_no_regular_file_is_refused_without_hanging(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    for path in ("pipe", "directory", "none"):
        with pytest.raises(RevisionError):
            WorkTree(tmp_path).read(path)
    assert WorkTree(tmp_path).entries("none") == ()


@pytest.mark.parametrize("rev", ["nonsense", "--help", "-h", "HEAD:zones", "", "HEAD\0", "a b"])
def test_unknown_revision_is_one_error(rev: str, repo: Path) -> None:
    with pytest.raises(RevisionError):
        resolve(repo, rev)


def test_directory_without_git_says_so(tmp_path: Path) -> None:
    for call in (
        lambda: head(tmp_path),
        lambda: Revision(tmp_path, "HEAD"),
        lambda: is_dirty(tmp_path, ("zones",)),
    ):
        with pytest.raises(RevisionError, match="not a git repository"):
            call()


def test_dirty_files_are_named_from_the_operations_repo(repo: Path) -> None:
    assert is_dirty(repo, ("zones", "dnsctl.yaml")) == ()
    (repo / "zones/example.com.yaml").write_text("changed\n")
    (repo / "zones/ü.yaml").write_text("new\n")
    (repo / "zones/with space.yaml").unlink()
    (repo.parent / "elsewhere").write_text("not ours")
    assert is_dirty(repo, ("zones",)) == ("zones/example.com.yaml", "zones/with space.yaml", "zones/ü.yaml")


@pytest.mark.parametrize("kind", ["tree", "commit"])
def test_file_over_the_limit_is_refused_and_one_of_the_limit_read(kind: str, repo: Path) -> None:
    source = WorkTree(repo) if kind == "tree" else Revision(repo, "HEAD")
    with pytest.raises(RevisionError, match="4 octets, at most 3 are read"):
        source.read("zones/sub/part.zone", 3)
    assert source.read("zones/sub/part.zone", 4) == b"part"
