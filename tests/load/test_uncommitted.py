"""What keeps a commit from being released: files that it is released from, and no others."""

from pathlib import Path

import pytest

from dnsctl.load.settings.config import Config
from dnsctl.load.uncommitted import uncommitted
from tests.load.test_revision import git
from tests.load.test_zones import settings


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A git repository whose zones are in two directories, and include a file of a third."""
    for path, text in {
        "ops/dns/example.com.yaml": "a: !include ../shared/a.yaml\n",
        "ops/more/example.net.yaml": "a: {type: A, value: 192.0.2.1}\n",
        "ops/shared/a.yaml": "{type: TXT, value: !include 'deep text.yaml'}\n",
        "ops/shared/deep text.yaml": "x\n",
        "ops/shared/other.yaml": "x\n",
        "ops/keys/README.md": "x\n",
        "ops/dnsctl.yaml": "version: 1\n",
        "elsewhere/a.yaml": "x\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path / "ops"


@pytest.fixture(scope="module")
def config() -> Config:
    return settings("zone-files: [dns, more]\n")


def test_clean_work_tree_has_nothing(repo: Path, config: Config) -> None:
    assert uncommitted(repo, config) == ()


@pytest.mark.parametrize(
    "path",
    [
        "dns/example.com.yaml",
        "more/new.yaml",
        "dnsctl.yaml",
        "shared/a.yaml",
        "shared/deep text.yaml",
    ],
)
def test_file_that_is_released_or_included_counts(path: str, repo: Path, config: Config) -> None:
    (repo / path).write_text("changed\n")
    assert uncommitted(repo, config) == (path,)


@pytest.mark.parametrize("path", ["shared/other.yaml", "notes.md", "keys/README.md", "../elsewhere/b.yaml"])
def test_any_other_file_may_change(path: str, repo: Path, config: Config) -> None:
    (repo / path).write_text("changed\n")
    assert uncommitted(repo, config) == ()
    assert "keys/README.md" not in uncommitted(repo, settings("zone-files: .\n"))


def test_name_on_the_line_below_the_tag_counts_as_any(repo: Path, config: Config) -> None:
    (repo / "dns/example.com.yaml").write_text("a: !include\n  ../shared/other.yaml\n")
    git(repo, "commit", "-qam", "second")
    (repo / "shared/other.yaml").write_text("changed\n")
    assert uncommitted(repo, config) == ("shared/other.yaml",)
