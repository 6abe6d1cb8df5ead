"""`dnsctl hook`: git itself runs what is installed, before commits and pushes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dnsctl.setup.hooks import script
from tests.cli.shell import CONFIG, dnsctl

GOOD = "www: {type: A, value: 192.0.2.1}\n"
BAD = "'': {type: CNAME, value: example.org.}\n"
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
WHO = ("-c", "user.name=A", "-c", "user.email=a@example.net")


def git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git as a person would, with `dnsctl` in PATH; whatever it ends with."""
    return subprocess.run(
        ["git", *WHO, *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PATH": PATH},
    )


def write(root: Path, **zones: str) -> None:
    for name, text in zones.items():
        (root / "zones" / f"{name.replace('_', '.')}.yaml").write_text(text)


@pytest.fixture(params=["", "ops"], ids=["top", "below"])
def root(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """An operations repo with both hooks of a clone, at the top of a git repository or below."""
    place: Path = tmp_path / "top" / request.param
    (place / "zones").mkdir(parents=True)
    (place / "dnsctl.yaml").write_text(CONFIG)
    write(place, example_com=GOOD, example_org=GOOD)
    git(tmp_path / "top", "init", "-q", "-b", "main")
    git(place, "add", "-A")
    assert git(place, "commit", "-qm", "first").returncode == 0
    told = dnsctl("hook", "install", "--json", root=place).json["hooks"]
    assert [(each["hook"], each["fate"]) for each in told] == [("pre-commit", "made"), ("pre-push", "made")]
    return place


def test_commit_of_a_staged_error_is_refused_and_the_work_tree_is_not_asked(root: Path) -> None:
    write(root, example_com=BAD)
    git(root, "add", "-A")
    write(root, example_com=GOOD)  # mended, and not staged
    done = git(root, "commit", "-m", "x")
    assert done.returncode == 1
    assert "zones/example.com.yaml:1:" in done.stderr
    assert "[cname-other-data]" in done.stderr
    assert "git commit --no-verify" in done.stderr
    git(root, "add", "-A")
    write(root, example_com=BAD)  # broken, and not staged
    write(root, example_org=GOOD + "ftp: {type: A, value: 192.0.2.2}\n")
    git(root, "add", "zones/example.org.yaml")
    assert git(root, "commit", "-qm", "x").returncode == 0


def test_zones_that_are_not_staged_do_not_stop_a_commit(root: Path) -> None:
    write(root, example_com=BAD)
    assert git(root, "commit", "-qam", "broken", "--no-verify").returncode == 0
    write(root, example_org=GOOD + "ftp: {type: A, value: 192.0.2.2}\n")
    assert git(root, "commit", "-qam", "x").returncode == 0
    (root / "dnsctl.yaml").write_text(CONFIG + "guards: {minimum: 11}\n")
    done = git(root, "commit", "-qam", "what all zones depend on")
    assert done.returncode == 1
    assert "zones/example.com.yaml:1:" in done.stderr


def test_fragment_that_is_staged_is_checked_in_the_zones_that_include_it(root: Path) -> None:
    write(root, example_com="a: !include mail.yaml\n", mail="{type: A, value: 192.0.2.1}\n")
    git(root, "add", "-A")
    assert git(root, "commit", "-qm", "x").returncode == 0
    write(root, mail="{type: A, value: 192.0.2.2}\n")
    assert git(root, "commit", "-qam", "x").returncode == 0
    write(root, mail="{type: A, value: 192.0.2.x}\n")
    done = git(root, "commit", "-qam", "x")
    assert done.returncode == 1
    assert "zones/mail.yaml:1:18: error [rdata-syntax]" in done.stderr


def test_commit_of_some_files_is_checked_as_it_will_be(root: Path) -> None:
    write(root, example_com=BAD, example_org=GOOD + "ftp: {type: A, value: 192.0.2.2}\n")
    git(root, "add", "-A")
    assert git(root, "commit", "-qm", "x", "--", "zones/example.org.yaml").returncode == 0
    assert git(root, "commit", "-qm", "x", "--", "zones/example.com.yaml").returncode == 1


def test_zone_above_is_seen_and_a_file_that_is_no_zone_is_named(root: Path) -> None:
    (root / "zones" / "example.com.yaml").write_text(GOOD + "lab: {type: NS, value: ns.lab.example.com.}\n")
    git(root, "commit", "-qam", "no glue yet", "--no-verify")
    write(
        root, lab_example_com="'': {type: NS, value: ns.lab.example.com.}\nns: {type: A, value: 192.0.2.7}\n"
    )
    (root / "zones" / "exa mple.yaml").write_text(GOOD)
    git(root, "add", "-A")
    done = git(root, "commit", "-qm", "x")
    assert "zones/exa mple.yaml" in done.stderr
    assert "zones/example.com.yaml" not in done.stderr
    (root / "zones" / "exa mple.yaml").unlink()
    git(root, "add", "-A")
    assert git(root, "commit", "-qm", "x").returncode == 0
    git(root, "rm", "-q", "zones/lab.example.com.yaml")
    assert git(root, "commit", "-qm", "and gone").returncode == 0


def test_push_of_a_commit_with_an_error_is_refused_and_a_branch_without_zones_is_not(root: Path) -> None:
    bare = root.parent / "bare.git"
    git(root, "init", "-q", "--bare", str(bare))
    assert git(root, "push", "-q", str(bare), "main").returncode == 0
    write(root, example_com=BAD)
    git(root, "commit", "-qam", "broken", "--no-verify")
    write(root, example_com=GOOD)
    done = git(root, "push", str(bare), "main")
    assert done.returncode == 1
    assert "[cname-other-data]" in done.stderr
    assert "git push --no-verify" in done.stderr
    assert git(root, "push", "-q", str(bare), "main~1:refs/heads/old", ":refs/heads/nope").returncode in (
        0,
        1,
    )
    git(root, "checkout", "-q", "--orphan", "pages")
    git(root, "rm", "-rqf", "--cached", ".")
    git(root, "commit", "-q", "--allow-empty", "-m", "another thing")
    assert git(root, "push", "-q", str(bare), "pages").returncode == 0


def test_hook_of_somebody_else_stays_unless_forced_and_is_kept_then(root: Path) -> None:
    top = Path(git(root, "rev-parse", "--show-toplevel").stdout.strip())
    hook = top / ".git/hooks/pre-push"
    hook.write_text("#!/bin/sh\nexit 0\n")
    before = (top / ".git/hooks/pre-commit").read_bytes()
    told = dnsctl("hook", "install", "--json", root=root)
    assert (told.code, told.json["error"]["where"]) == (1, str(hook))
    assert 'dnsctl hook run pre-push "$@"' in told.json["error"]["advice"]
    assert hook.read_text() == "#!/bin/sh\nexit 0\n"
    told = dnsctl("hook", "install", "--force", root=root)
    assert told.out == f"kept  {top}/.git/hooks/pre-commit\nreplaced  {hook}\n"
    assert (top / ".git/hooks/pre-commit").read_bytes() == before
    assert hook.with_name("pre-push.before-dnsctl").read_text() == "#!/bin/sh\nexit 0\n"


def test_hooks_go_where_git_looks_for_them(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(root, "config", "core.hooksPath", "some hooks")
    dnsctl("hook", "install", root=root)
    write(root, example_com=BAD)
    assert git(root, "commit", "-qam", "x").returncode == 1
    git(root, "config", "--unset", "core.hooksPath")
    shared = root.parent / "gitconfig"
    shared.write_text(f"[core]\nhooksPath = {root.parent}/shared\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(shared))
    told = dnsctl("hook", "install", root=root)
    assert told.code == 1
    assert "is the directory of the hooks of all repositories (core.hooksPath)" in told.line
    assert not (root.parent / "shared").exists()


def test_hook_without_dnsctl_in_path_says_so(root: Path) -> None:
    for hook, code in (("pre-commit", 0), ("post-receive", 1)):
        (root / "hook").write_bytes(script(hook, "."))
        done = subprocess.run(
            ["/bin/sh", str(root / "hook")], capture_output=True, text=True, check=False, env={"PATH": ""}
        )
        assert done.returncode == code
        assert f"dnsctl is not in PATH: the hook {hook} does nothing" in done.stderr
