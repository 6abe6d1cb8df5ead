"""`dnsctl init`: from an empty directory to a first push, and again without touching what is there."""

import os
import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dnsctl.cli.context import Context
from dnsctl.load.example import example_files
from dnsctl.model.release_key import public_release_key
from dnsctl.release.envelope import load_release_key
from dnsctl.replicate.pki import Credentials, check, ensure_authority
from tests.cli.shell import CONFIG, Told, dnsctl, inside, repo


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".git" not in path.parts
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Told]:
    root = tmp_path_factory.mktemp("parent") / "ops"
    with inside(root.parent):
        return root, dnsctl("init", "ops")


def test_everything_a_first_push_needs_is_made(made: tuple[Path, Told]):
    root, told = made
    assert told.code == 0, told.err
    pairs = [f"keys/pki/{name}.{end}" for name in ("ca", "control", "ns1", "ns2") for end in ("crt", "pem")]
    secrets = [
        "keys/README.md",
        "keys/cookie.secret",
        "keys/passphrase",
        "keys/release.pem",
        "keys/release.pub",
    ]
    others = [".gitignore", "dnsctl.yaml", "hooks/pre-commit", "zones/README.md"]
    expected = {*pairs, *secrets, *others}
    assert set(tree(root)) == expected
    assert "made  dnsctl.yaml" in told.out
    assert "cd ops && dnsctl check && git add -A" in told.err


def test_secrets_are_for_their_owner_only(made: tuple[Path, Told]):
    root, _ = made
    assert mode(root / "keys") == 0o700
    for name in (
        "passphrase",
        "cookie.secret",
        "release.pem",
        "pki/ca.pem",
        "pki/control.pem",
        "pki/ns1.pem",
    ):
        assert mode(root / "keys" / name) == 0o600, name
    assert len((root / "keys" / "passphrase").read_text().strip()) >= 43  # 32 random octets


def test_keys_and_certificates_fit_together(made: tuple[Path, Told]):
    root, _ = made
    context = Context(root)
    passphrase = context.passphrase(context.config())
    key = load_release_key(root / "keys" / "release.pem", passphrase)
    assert public_release_key((root / "keys" / "release.pub").read_bytes(), "release.pub") == key.public
    settings = context.config().node_settings("ns1", root)
    assert settings.release_keys == (key.public,)
    assert settings.authority and settings.certificate and settings.key
    check(Credentials(settings.authority, settings.certificate, settings.key), datetime.now(UTC))


def test_repo_is_a_git_repository_whose_hook_is_explained_and_secrets_are_ignored(made: tuple[Path, Told]):
    root, told = made
    git = ["git", "-C", str(root)]
    assert "every commit and push: dnsctl hook install" in told.err
    assert (
        subprocess.run([*git, "config", "core.hooksPath"], check=False, capture_output=True).returncode == 1
    )
    assert mode(root / "hooks" / "pre-commit") & 0o111
    subprocess.run([*git, "add", "-A"], check=True, capture_output=True)
    listed = subprocess.run([*git, "ls-files"], capture_output=True, text=True, check=True).stdout.split()
    assert set(listed) == {
        ".gitignore", "dnsctl.yaml", "hooks/pre-commit", "keys/README.md", "zones/README.md"
    }  # fmt: skip


def test_new_repo_passes_check(made: tuple[Path, Told]):
    root, _ = made
    told = dnsctl("check", root=root)
    assert told.code == 0
    assert "no zone yet" in told.err


def test_again_changes_nothing(made: tuple[Path, Told]):
    root, _ = made
    before = tree(root)
    told = dnsctl("init", "--json", root=root)
    assert told.code == 0, told.err
    assert told.json["made"] == []
    assert tree(root) == before
    files = {str(each.relative_to(root)) for each in root.rglob("*") if each.is_file()}
    here = {each for each in files if not each.startswith(".git/")} | {".git"}
    assert sorted(told.json["kept"]) == sorted(here)


def test_what_is_made_is_listed_completely(tmp_path: Path):
    told = dnsctl("init", "--json", "--example", root=tmp_path)
    files = {str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*") if each.is_file()}
    here = {each for each in files if not each.startswith(".git/")} | {".git"}
    assert sorted(told.json["made"]) == sorted(here)
    (tmp_path / "keys" / "release.pub").unlink()
    told = dnsctl("init", "--json", root=tmp_path)
    assert told.json["made"] == ["keys/release.pub"]


def test_certificate_that_has_run_out_is_issued_again_and_the_others_stay(tmp_path: Path):
    assert dnsctl("init", root=tmp_path).code == 0
    pki = tmp_path / "keys" / "pki"
    for name in ("ns1.crt", "ns1.pem"):
        (pki / name).unlink()
    passphrase = (tmp_path / "keys" / "passphrase").read_bytes().strip()
    long_ago = datetime.now(UTC) - timedelta(days=800)
    ensure_authority(tmp_path / "keys", lambda: passphrase, ["ns1", "ns2"], long_ago)
    before = tree(tmp_path)
    told = dnsctl("init", root=tmp_path)
    assert told.code == 0
    assert "renewed  keys/pki/ns1.crt" in told.out
    assert "copy the new certificates and keys in keys/pki/ to ns1" in told.err
    after = tree(tmp_path)
    assert {path for path in before if before[path] != after[path]} == {
        "keys/pki/ns1.crt", "keys/pki/ns1.pem"
    }  # fmt: skip
    check(Credentials(pki / "ca.crt", pki / "ns1.crt", pki / "ns1.pem"), datetime.now(UTC))


def test_node_added_later_gets_a_certificate_and_all_else_stays(tmp_path: Path):
    assert dnsctl("init", root=tmp_path).code == 0
    before = tree(tmp_path)
    config = tmp_path / "dnsctl.yaml"
    third = '      ns3: {listen: ["127.0.0.1:5303"], control: "https://127.0.0.1:8303"}\n  dc2:\n'
    config.write_text(config.read_text().replace("  dc2:\n", third))
    told = dnsctl("init", "--json", root=tmp_path)
    assert told.json["made"] == ["keys/pki/ns3.crt", "keys/pki/ns3.pem"]
    after = tree(tmp_path)
    assert {path for path in before if before[path] != after[path]} == {"dnsctl.yaml"}


def test_files_that_a_person_wrote_are_kept(tmp_path: Path):
    root = repo(tmp_path, example_com_yaml="www: {type: A, value: 192.0.2.1}\n")
    (root / ".gitignore").write_text("mine")
    before = tree(root)
    told = dnsctl("init", "--example", root=root)
    assert told.code == 0, told.err
    assert "kept  dnsctl.yaml" in told.out
    after = tree(root)
    assert after["zones/example.com.yaml"] == before["zones/example.com.yaml"]
    assert after["dnsctl.yaml"] == before["dnsctl.yaml"]
    assert after[".gitignore"].startswith(b"mine\n")
    assert b"\n/keys/*\n" in after[".gitignore"]


def test_example_is_the_one_of_the_project_and_passes_check(tmp_path: Path):
    told = dnsctl("init", tmp_path / "shop", "--example")
    assert told.code == 0, told.err
    after = tree(tmp_path / "shop")
    assert all(after[path] == content for path, content in example_files().items())
    told = dnsctl("check", root=tmp_path / "shop")
    assert (told.code, told.err) == (0, "")
    assert "0 errors" in told.out


def test_inside_another_git_repository_none_is_made_and_the_hook_is_explained(tmp_path: Path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    told = dnsctl("init", tmp_path / "dns")
    assert told.code == 0
    assert not (tmp_path / "dns" / ".git").exists()
    assert "every commit and push: dnsctl hook install" in told.err
    done = subprocess.run(
        ["git", "-C", str(tmp_path), "config", "core.hooksPath"], check=False, capture_output=True
    )
    assert done.returncode == 1


def test_hook_refuses_a_commit_with_an_error_and_lets_others_through(tmp_path: Path):
    assert dnsctl("init", root=tmp_path).code == 0
    program = Path(sys.executable).with_name("dnsctl")
    variables = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    for key, value in (
        ("user.name", "hostmaster"),
        ("user.email", "hostmaster@example.net"),
        ("core.hooksPath", "hooks"),
    ):
        subprocess.run(["git", "-C", str(tmp_path), "config", key, value], check=True)
    zone = tmp_path / "zones" / "example.com.yaml"
    for text, code in (
        ("'': {type: CNAME, value: example.org.}\n", 1),
        ("www: {type: A, value: 192.0.2.1}\n", 0),
    ):
        zone.write_text(text)
        subprocess.run(["git", "-C", str(tmp_path), "add", "-A"], check=True, capture_output=True)
        done = subprocess.run(
            ["git", "-C", str(tmp_path), "commit", "-q", "-m", "x"],
            check=False,
            capture_output=True,
            text=True,
            env=variables,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert ("cname-other-data" in done.stdout + done.stderr) == bool(code)


def test_lost_passphrase_is_never_replaced(tmp_path: Path):
    assert dnsctl("init", root=tmp_path).code == 0
    (tmp_path / "keys" / "passphrase").unlink()
    before = tree(tmp_path)
    told = dnsctl("init", root=tmp_path)
    assert told.code == 1
    assert "keys/passphrase" in told.line
    assert "backup" in told.line
    assert tree(tmp_path) == before


def test_wrong_passphrase_is_told_when_a_certificate_is_needed(tmp_path: Path):
    assert dnsctl("init", root=tmp_path).code == 0
    (tmp_path / "keys" / "passphrase").write_text("another\n")
    (tmp_path / "keys" / "pki" / "ns1.crt").unlink()
    told = dnsctl("init", root=tmp_path)
    assert told.code == 1
    assert "passphrase" in told.line


def test_broken_dnsctl_yaml_makes_no_key(tmp_path: Path):
    told = dnsctl("init", root=repo(tmp_path, "version: 1\nsitse: {}\n"))
    assert told.code == 1
    assert "dnsctl.yaml:2" in told.line
    assert not (tmp_path / "keys" / "release.pem").exists()


def test_file_in_the_way_is_named(tmp_path: Path):
    (tmp_path / "ops").write_text("")
    told = dnsctl("init", tmp_path / "ops")
    assert told.code == 1
    assert "ops" in told.line


def test_zones_of_an_example_go_where_dnsctl_yaml_has_zone_files(tmp_path: Path):
    root = repo(tmp_path / "ops", CONFIG + "zone-files: [dns/zones, more]\n")
    (root / "zones").rmdir()
    told = dnsctl("init", root, "--example")
    assert told.code == 0, told.err
    files = tree(root)
    assert {"dns/zones/README.md", "dns/zones/example.com.yaml"} <= set(files)
    assert not (root / "zones").exists()
    assert (root / "more").is_dir()


def cloned(root: Path) -> Path:
    """Return a clone of a new operations repo: without what git ignores, keys above all."""
    assert dnsctl("init", root / "ops").code == 0
    for arguments in (["add", "-A"], ["-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "first"]):
        subprocess.run(["git", *arguments], cwd=root / "ops", check=True)
    subprocess.run(["git", "clone", "-q", root / "ops", root / "clone"], check=True)
    return root / "clone"


def test_clone_of_a_fleets_repo_gets_no_keys_of_its_own_unless_told(tmp_path: Path):
    clone = cloned(tmp_path)
    before = tree(clone)
    told = dnsctl("init", clone, "--json")
    assert (told.code, told.json["error"]["rule"]) == (1, "fleet-elsewhere")
    assert "keys/release.pem, keys/passphrase, keys/pki/ca.pem and those of zones are missing" in told.line
    assert "`dnsctl restore BACKUP`" in told.line
    assert "dnsctl init --new-fleet" in told.line
    assert tree(clone) == before
    assert dnsctl("init", clone, "--new-fleet").code == 0
    assert (clone / "keys/release.pem").exists()
    assert dnsctl("init", clone).code == 0, "it is a fleet of its own now"


def test_clone_into_which_keys_were_copied_is_the_same_fleet(tmp_path: Path):
    clone = cloned(tmp_path)
    shutil.copytree(tmp_path / "ops/keys", clone / "keys", dirs_exist_ok=True)
    (clone / "keys/pki/ns1.crt").unlink()
    (clone / "keys/pki/ns1.pem").unlink()
    assert dnsctl("init", clone).code == 0
    assert (clone / "keys/release.pub").read_bytes() == (tmp_path / "ops/keys/release.pub").read_bytes()
