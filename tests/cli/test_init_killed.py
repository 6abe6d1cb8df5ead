"""`dnsctl init` killed, twice at once, and with secrets named in odd places. Real processes, real git."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dnsctl.cli.context import Context
from dnsctl.release.envelope import load_release_key
from tests.cli.shell import CONFIG, dnsctl

_PROGRAM = str(Path(sys.executable).with_name("dnsctl"))


def begin(*arguments: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [_PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def require_whole(root: Path) -> None:
    """Fail unless the repo is what `init` makes: keys that open, and no file left over."""
    context = Context(root)
    load_release_key(root / "keys/release.pem", context.passphrase(context.config()))
    for name in ("ca", "control", "ns1", "ns2"):
        assert (root / f"keys/pki/{name}.crt").exists()
        assert (root / f"keys/pki/{name}.pem").exists()
    assert dnsctl("check", root=root).code == 0
    assert not list(root.rglob(".writing-*"))


def run_time(tmp_path: Path) -> float:
    began = time.monotonic()
    assert begin("init", tmp_path / "timed").wait() == 0
    return time.monotonic() - began


def test_init_of_a_new_directory_that_is_killed_leaves_all_or_nothing(tmp_path: Path) -> None:
    whole = run_time(tmp_path)
    chance = random.Random(11)
    for number in range(5):
        root = tmp_path / f"dns{number}"
        process = begin("init", root)
        time.sleep(chance.uniform(0.3, 1.0) * whole)
        process.kill()
        process.wait()
        if root.exists():
            require_whole(root)
        assert dnsctl("init", root).code == 0
        require_whole(root)
        assert not list(tmp_path.glob(f".dns{number}.making-*"))


def test_init_in_a_directory_that_is_killed_is_completed_by_the_next_one(tmp_path: Path) -> None:
    whole = run_time(tmp_path)
    chance = random.Random(12)
    for number in range(5):
        root = tmp_path / f"dns{number}"
        root.mkdir()
        process = begin("-C", root, "init")
        time.sleep(chance.uniform(0.3, 1.0) * whole)
        process.kill()
        process.wait()
        assert dnsctl("init", root=root).code == 0
        require_whole(root)


@pytest.mark.parametrize("exists", [False, True])
def test_two_at_once_make_one_repo(tmp_path: Path, exists: bool) -> None:
    root = tmp_path / "dns"
    if exists:
        root.mkdir()
    both = [begin("init", root) for _ in range(2)]
    told = [process.communicate()[0].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert sorted("kept  keys/release.pem" in one for one in told) == [False, True], told
    require_whole(root)
    assert [each.name for each in tmp_path.iterdir()] == ["dns"]


# -- Where secrets are named ---------------------------------------------------------------------------------


def repo(root: Path, keystore: str, more: str = "") -> Path:
    root.mkdir()
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    text = f'{CONFIG}keystore: {{passphrase: "file:{keystore}"}}\n{more}'
    (root / "dnsctl.yaml").write_text(text)
    return root


def taken_by_git(root: Path) -> str:
    """Return the content of every file that `git add -A` takes."""
    subprocess.run(["git", "-C", str(root), "add", "-A"], check=True, capture_output=True)
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-z"], check=True, capture_output=True)
    names = [os.fsdecode(each) for each in listed.stdout.split(b"\0") if each]
    return "\n".join((root / name).read_text(errors="replace") for name in names if (root / name).is_file())


@pytest.mark.parametrize(
    "path",
    [
        "zones/pass",
        "pass",
        "keys/../zones/pass",
        "./secret/of all [the] *.txt",
        "!pass",
        "#pass",
        "deep/er/pass",
        "keys/passphrase",
        "linked/pass",
    ],
)
def test_passphrase_is_where_git_add_does_not_take_it(tmp_path: Path, path: str) -> None:
    root = repo(tmp_path / "dns", path)
    (root / "zones").mkdir()
    (root / "linked").symlink_to("zones")
    told = dnsctl("init", root=root)
    assert told.code == 0, told.err
    secret = (root / path).read_text().strip()
    assert len(secret) >= 43
    assert secret not in taken_by_git(root)
    assert dnsctl("init", "--json", root=root).json["made"] == []


def test_cookie_secret_is_where_git_add_does_not_take_it(tmp_path: Path) -> None:
    root = repo(tmp_path / "dns", "keys/passphrase", "serve: {cookie-secret: zones/cookie}\n")
    assert dnsctl("init", root=root).code == 0
    assert (root / "zones/cookie").read_text().strip() not in taken_by_git(root)


@pytest.mark.parametrize("path", ["dnsctl.yaml", "keys/README.md", ".gitignore", "zones"])
def test_passphrase_in_a_file_that_is_for_everybody_is_refused(tmp_path: Path, path: str) -> None:
    root = repo(tmp_path / "dns", path)
    (root / "zones").mkdir()
    told = dnsctl("init", root=root)
    assert told.code == 1
    assert path in told.line
    assert not (root / "keys/release.pem").exists()


def test_passphrase_that_git_has_already_is_refused(tmp_path: Path) -> None:
    root = repo(tmp_path / "dns", "pass")
    (root / "pass").write_text("correct horse\n")
    (root / "pass").chmod(0o600)
    subprocess.run(["git", "-C", str(root), "add", "pass"], check=True)
    told = dnsctl("init", root=root)
    assert told.code == 1
    assert "pass: is tracked by git" in told.line
    assert "git rm --cached pass" in told.line
    assert not (root / "keys").exists()


def test_passphrase_that_git_would_take_whatever_our_gitignore_says_is_refused(tmp_path: Path) -> None:
    root = repo(tmp_path / "dns", "zones/pass")
    (root / "zones").mkdir()
    (root / "zones/.gitignore").write_text("!pass\n")
    told = dnsctl("init", root=root)
    assert told.code == 1
    assert "zones/pass: `git add` would take this secret" in told.line
    assert not (root / "zones/pass").exists()


def test_passphrase_in_the_repo_around_ours_is_refused(tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    root = repo(outer, "../pass")
    inner = root / "dns"
    inner.mkdir()
    (root / "dnsctl.yaml").rename(inner / "dnsctl.yaml")
    told = dnsctl("init", root=inner)
    assert told.code == 1
    assert "../pass: `git add` would take this secret" in told.line
    assert not (root / "pass").exists()
    (root / ".gitignore").write_text("/pass\n")
    assert dnsctl("init", root=inner).code == 0
    assert (root / "pass").exists()
