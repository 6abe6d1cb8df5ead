"""Where a command works, and what may stand before or behind a verb."""

import subprocess
from pathlib import Path

import pytest

from dnsctl.cli.command_line.place import found_root
from dnsctl.errors import RefusalRule
from tests.cli.shell import dnsctl, inside, repo

ZONE = "mail: {type: A, value: 192.0.2.25}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an operations repo in git, below a directory with another dnsctl.yaml."""
    (tmp_path / "dnsctl.yaml").write_text("version: 2\n")
    made = repo(tmp_path / "dns", example_com_yaml=ZONE)
    subprocess.run(["git", "init", "-q"], cwd=made, check=True)
    (made / "zones/deep/er").mkdir(parents=True)
    return made


def test_repo_is_found_from_any_directory_in_it(root: Path):
    for below in ("", "zones", "zones/deep/er"):
        with inside(root / below):
            assert found_root().resolve() == root
            assert dnsctl("zone", "list").out.splitlines()[1].startswith("example.com.")


def test_repo_is_found_from_the_directory_that_is_named(root: Path, tmp_path: Path):
    (tmp_path / "link").symlink_to(root / "zones/deep")
    with inside(tmp_path):
        for named in ("dns/zones/deep/er", "dns/zones", "link", root / "zones"):
            assert dnsctl("zone", "list", root=Path(named)).out.splitlines()[1].startswith("example.com.")
        assert found_root(Path("dns/zones")) == Path("dns/zones/..")
        (root / "dnsctl.yaml").unlink()
        assert found_root(Path("dns/zones")) == Path("dns/zones")


def test_repo_that_is_a_directory_of_a_larger_work_tree_is_found(tmp_path: Path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    made = repo(tmp_path / "infra/dns", example_com_yaml=ZONE)
    with inside(made / "zones"):
        assert found_root() == Path("..")
    with inside(tmp_path / "infra"):
        assert found_root() == Path()


def test_settings_above_the_work_tree_are_not_taken(root: Path):
    (root / "dnsctl.yaml").unlink()
    with inside(root / "zones"):
        assert found_root() == Path()
        assert "dnsctl.yaml: cannot be read" in dnsctl("check").line


def test_settings_above_are_not_taken_outside_of_a_work_tree(tmp_path: Path):
    made = repo(tmp_path, example_com_yaml=ZONE)
    with inside(made / "zones"):
        assert dnsctl("check").code == 1
    with inside(made):
        assert dnsctl("check").code == 0


def test_nearest_settings_are_taken(root: Path):
    inner = repo(root / "zones/deep", example_net_yaml=ZONE)
    with inside(inner / "zones"):
        assert found_root() == Path("..")


def test_new_repo_is_made_here_and_not_in_the_one_around(root: Path):
    with inside(root / "zones/deep"):
        assert dnsctl("init").code == 0
    assert (root / "zones/deep/dnsctl.yaml").exists()
    assert not (root / "keys").exists()


def test_directory_may_be_named_before_or_behind_a_verb(root: Path, tmp_path: Path):
    expected = dnsctl("zone", "list", root=root)
    assert expected.code == 0
    with inside(tmp_path):
        assert dnsctl("zone", "list", "-C", root) == expected
        assert dnsctl("zone", "-C", root, "list") == expected
        assert dnsctl("-C", tmp_path, "zone", "list", "-C", root) == expected
        assert "-C: nowhere is not a directory" in dnsctl("-C", root, "zone", "list", "-C", "nowhere").line


def test_json_may_be_asked_for_before_or_behind_a_verb(root: Path):
    expected = dnsctl("zone", "list", "--json", root=root)
    assert expected.json["zones"]
    assert dnsctl("--json", "zone", "list", root=root) == expected
    assert dnsctl("--json", "zone", "show", "nowhere.example", root=root).json["error"]["advice"]


@pytest.mark.parametrize(
    "command", [("demo",), ("serve", "--node", "ns1"), ("zone", "export", "example.com")]
)
def test_json_is_refused_before_a_verb_that_has_none(root: Path, command: tuple[str, ...]):
    told = dnsctl("--json", *command, root=root)
    assert told.code == 1
    assert told.json["error"]["rule"] == RefusalRule.COMMAND_LINE
    assert "has none" in told.line


def test_directories_of_verbs_are_not_that_of_the_repo(root: Path, tmp_path: Path):
    with inside(tmp_path):
        assert dnsctl("init", "new").code == 0
        assert dnsctl("init", "-C", root, "new").code == 0
    assert (tmp_path / "new/dnsctl.yaml").exists()
    assert (root / "new/dnsctl.yaml").exists()
