"""`dnsctl backup` and `restore`: a control host that was lost goes on; a bad file changes nothing."""

import base64
import hashlib
import io
import json
import os
import re
import resource
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from dnsctl.control.backup import sealed as sealed_file
from dnsctl.control.backup.contents import LENGTH
from dnsctl.control.backup.sealed import CHUNK, HEAD, Sealer
from dnsctl.model import pkcs8
from tests.cli.kills import killed_at
from tests.cli.shell import Told, dnsctl, inside
from tests.control.operations import NODES, Operations, made, zone
from tests.passphrase import PASSPHRASE

UNDER = ("--passphrase", "env:BACKUP_PASSPHRASE")


@pytest.fixture(scope="module", autouse=True)
def cheap() -> Iterator[None]:
    """Let scrypt cost little: dozens of backups are opened here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealed_file, "SCRYPT_COST", 2**10)
        yield


@pytest.fixture(autouse=True)
def passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKUP_PASSPHRASE", PASSPHRASE.decode())


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operations]:
    """An operations repo with keys of two zones, large enough for several chunks; no node runs."""
    with made(tmp_path_factory.mktemp("kept") / "ops") as operations:
        operations.write("zones/example.net.yaml", zone().replace("example.com.", "example.net."))
        noise = base64.b64encode(os.urandom(3 * CHUNK)).decode()
        operations.write("notes.txt", noise)
        operations.commit("two zones")
        for name in ("example.com", "example.net"):
            assert operations.run("key", "generate", name).returncode == 0
        yield operations


@pytest.fixture(scope="module")
def backup(kept: Operations) -> Path:
    path = kept.root.parent / "safe.backup"
    done = kept.run("backup", str(path))
    assert done.returncode == 0, done.stderr
    return path


def files(root: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and octets of every file below `root`, without git's and locks."""
    return {
        str(each.relative_to(root)): (stat.S_IMODE(each.stat().st_mode), each.read_bytes())
        for each in root.rglob("*")
        if each.is_file() and ".git" not in each.parts and each.name != ".lock"
    }


def restored(source: Path, target: Path, *options: str) -> Told:
    with inside(target.parent):
        return dnsctl("restore", source, target, *UNDER, *options)


def test_lost_control_host_is_restored_and_pushes_on_also_after_releases_that_the_backup_lacks(
    tmp_path: Path,
) -> None:
    with made(tmp_path / "ops") as repo:
        repo.start(*NODES)
        repo.git("init", "--quiet", "--bare", str(tmp_path / "origin.git"))
        repo.git("remote", "add", "origin", str(tmp_path / "origin.git"))
        first = repo.json("push")
        assert first["backup_wanted"]
        told = repo.json("backup", str(tmp_path / "safe.backup"))
        assert {"keys/release.pem", "keys/pki/ca.pem", "state/control.db", "repo.bundle"} <= {
            each["path"] for each in told["files"]
        }
        repo.write("zones/example.com.yaml", zone("192.0.2.99"))
        repo.commit("made after the backup")
        repo.git("push", "--quiet", "origin", "main")
        assert repo.json("push")["generation"] == 2
        for path in repo.root.iterdir():  # the host is lost; its nodes, which run from here, are not
            if path.name not in ("log", "state"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name in ("image", "archive"):
            shutil.rmtree(repo.root / "state" / name)
        done = restored(tmp_path / "safe.backup", tmp_path / "again")
        assert done.code == 0, done.err
        assert "git pull" in done.err
        again = Operations(tmp_path / "again", repo.ports)
        assert again.json("push", "--renew")["recovered"] == 2
        refused = again.run("push")  # what was released after the backup is not lost by a push
        assert refused.returncode == 1
        assert "guard history" in refused.stderr
        again.git("pull", "--quiet", "origin", "main")
        assert again.json("push")["generation"] == 2
        again.write("zones/example.com.yaml", zone("192.0.2.100"))
        again.commit("after the disaster")
        last = again.json("push")
        assert (last["generation"], last["keys_made"], last["result"]) == (3, [], "served")
        log = subprocess.run(
            ("sqlite3", again.root / "state/control.db", "SELECT count(*) FROM audit WHERE action = 'push'")
            if shutil.which("sqlite3")
            else ("true",),
            check=True,
            capture_output=True,
            text=True,
        )
        assert log.stdout.strip() in ("", "2")  # the log of before, and the last push


def test_restored_files_are_those_that_were_kept_with_modes_for_their_owner(
    kept: Operations, backup: Path, tmp_path: Path
) -> None:
    assert restored(backup, tmp_path / "new").code == 0
    before, after = files(kept.root), files(tmp_path / "new")
    assert {name for name in before if name.startswith("keys/")} <= set(after)
    for name, (mode, octets) in after.items():
        if name.startswith(("keys/", "zones/")) or name == "dnsctl.yaml":
            assert octets == before[name][1], name
        if name.endswith((".pem", ".state", "passphrase")):
            assert mode == 0o600, name
    assert stat.S_IMODE((tmp_path / "new/keys").stat().st_mode) == 0o700
    head = subprocess.run(
        ("git", "log", "--format=%s%D"), cwd=tmp_path / "new", check=True, capture_output=True, text=True
    )
    assert head.stdout.splitlines() == ["two zonesHEAD -> main", "first"]
    subprocess.run(("git", "diff", "--quiet", "HEAD"), cwd=tmp_path / "new", check=True)


def test_backup_lists_what_is_in_it_and_holds_nothing_in_the_clear(kept: Operations, backup: Path) -> None:
    octets = backup.read_bytes()
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    secrets = [PASSPHRASE, b"PRIVATE KEY", b"dnsctl.yaml", b"keys/", b"example"]
    for path in (kept.root / "keys").rglob("*.pem"):
        secrets += [line for line in path.read_bytes().splitlines() if len(line) == 64]
    assert len(secrets) > 15
    assert not [each for each in secrets if each in octets]
    told = dnsctl("restore", "--list", backup, *UNDER)
    assert told.code == 0
    assert "keys/example.com/ (1 private key)" in told.out
    assert "repo.bundle (the git repository)" in told.out
    listed = {each["path"] for each in dnsctl("restore", "--list", "--json", backup, *UNDER).json["files"]}
    assert {path for path in files(kept.root) if path.startswith("keys/")} <= listed


def test_what_was_observed_is_left_out_since_it_would_be_taken_for_seen_without_a_break(
    kept: Operations, tmp_path: Path
) -> None:
    shutil.copytree(kept.root, tmp_path / "ops")
    state = tmp_path / "ops/state"
    for path in (
        "observations/example.com.json",
        "jobs.json",
        "evidence/generation-3.json",
        "image/data.mdb",
    ):
        (state / path).parent.mkdir(parents=True, exist_ok=True)
        (state / path).write_text("{}\n")
    told = dnsctl("backup", tmp_path / "b", "--json", root=tmp_path / "ops").json
    assert {each["path"] for each in told["files"] if each["path"].startswith("state/")} == {
        "state/evidence/generation-3.json"
    }


def test_what_is_not_in_a_backup_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with made(tmp_path / "ops") as repo:
        repo.write(
            "dnsctl.yaml", (repo.root / "dnsctl.yaml").read_text() + "keystore: {passphrase: env:KEYS}\n"
        )
        monkeypatch.setenv("KEYS", PASSPHRASE.decode())
        done = repo.run("backup", str(tmp_path / "b"))
        assert done.returncode == 0
        assert "the passphrase of the keystore is not in it (env:KEYS)" in done.stderr
        assert "changes that are not committed are not in it: dnsctl.yaml" in done.stderr


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "is not a backup of dnsctl"),
    "cut in its first line": (lambda octets: octets[:9], "is cut off"),
    "cut in its head": (lambda octets: octets[: HEAD - 1], "is cut off"),
    "cut after its head": (lambda octets: octets[:HEAD], "is cut off after"),
    "cut between chunks": (lambda octets: octets[: HEAD + CHUNK + 16], "is cut off after"),
    "cut in a chunk": (lambda octets: octets[: HEAD + CHUNK + 5000], "is cut off: its files have"),
    "cut in its last chunk": (lambda octets: octets[:-20], "damaged or cut off after octet"),
    "a chunk left out": (
        lambda octets: octets[:HEAD] + octets[HEAD + CHUNK + 16 :],
        "damaged or cut off after octet",
    ),
    "more behind it": (lambda octets: octets + b"x", "damaged or cut off after octet"),
    "of a later version": (lambda octets: octets.replace(b"backup 1", b"backup 2", 1), "of a version"),
    "another file": (lambda octets: b"PK\3\4" + octets, "is not a backup of dnsctl"),
    "flipped salt": (lambda octets: flipped(octets, 20), "its head is not what was written"),
    "flipped check": (lambda octets: flipped(octets, 40), "its head is not what was written"),
    "flipped index": (lambda octets: flipped(octets, HEAD + 30), "damaged or cut off after octet"),
    "flipped last octet": (lambda octets: flipped(octets, len(octets) - 1), "damaged or cut off after octet"),
}


def flipped(octets: bytes, place: int) -> bytes:
    return octets[:place] + bytes((octets[place] ^ 1,)) + octets[place + 1 :]


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_backup_is_named_and_nothing_is_written(kind: str, backup: Path, tmp_path: Path) -> None:
    change, reason = DAMAGE[kind]
    damaged = tmp_path / "damaged"
    damaged.write_bytes(change(backup.read_bytes()))
    told = restored(damaged, tmp_path / "new")
    assert told.code == 1
    assert reason in told.line
    assert str(damaged) in told.line
    assert os.listdir(tmp_path) == ["damaged"]  # noqa: PTH208 - hidden ones, too


def test_wrong_passphrase_is_named_and_nothing_is_written(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_PASSPHRASE", "wrong")
    told = restored(backup, tmp_path / "new")
    assert told.code == 1
    assert "the passphrase does not open this backup" in told.line
    assert not list(tmp_path.iterdir())


def test_backup_is_opened_by_what_its_format_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(sealed_file, "SCRYPT_COST", 2**17)
    file = io.BytesIO()
    sealer = Sealer(file, b"correct horse")
    sealer.write(b"a" * CHUNK + b"b")
    sealer.close()
    octets = file.getvalue()
    start, chunks = octets[:48], octets[56:]
    derived = hashlib.scrypt(b"correct horse", salt=start[16:32], n=2**17, r=8, p=1, maxmem=2**28, dklen=48)
    assert start == b"dnsctl backup 1\n" + start[16:32] + derived[32:]
    assert octets[48:56] == hashlib.sha256(start).digest()[:8]
    cipher = ChaCha20Poly1305(derived[:32])
    assert cipher.decrypt(bytes(12), chunks[: 65536 + 16], octets[:56]) == b"a" * 65536
    assert cipher.decrypt(bytes(10) + b"\1\1", chunks[65536 + 16 :], octets[:56]) == b"b"


def sealed(path: Path, index: Any, content: bytes = b"", length: int | None = None) -> Path:
    """Write a backup that somebody with the passphrase made by hand."""
    text = index if isinstance(index, bytes) else json.dumps(index).encode()
    with path.open("wb") as file:
        sealer = Sealer(file, PASSPHRASE)
        sealer.write((len(text) if length is None else length).to_bytes(LENGTH, "big") + text + content)
        sealer.close()
    return path


def index(*paths: str, size: Any = 1, **changed: Any) -> dict[str, Any]:
    return {
        "format": 1,
        "created": "2026-11-29T00:00:00Z",
        "host": "control.example.net",
        "root": "",
        "branch": "main",
        "remotes": {},
        "files": [{"path": path, "mode": 0o777, "size": size} for path in paths],
        **changed,
    }


HOSTILE: dict[str, tuple[Any, str]] = {
    "above": (index("../evil"), "leads out"),
    "above, later": (index("keys/../../evil"), "leads out"),
    "absolute": (index("/tmp/evil"), "leads out"),
    "itself": (index("."), "leads out"),
    "git's": (index(".git/hooks/post-checkout"), "leads out"),
    "git's in capitals": (index(".GIT/config"), "leads out"),
    **{
        f"git's as {part!r}": (index(f"{part}/config"), "leads out")
        for part in (
            ".git.",
            ".git ",
            ".g\u200cit",
            ".git::$INDEX_ALLOCATION",
            "git~1",
            "\uff0egit",
            ".git\\x",
        )
    },
    "a NUL": (index("keys/a\0b"), "leads out"),
    "an empty part": (index("keys//a"), "leads out"),
    "twice": (index("keys/a", "keys/a"), "stands twice"),
    "a file and a directory": (index("keys/a", "keys/a/b"), "is a file and a directory"),
    "a root above": (index("keys/a", root="../x"), "leads out"),
    "less than nothing": (index("keys/a", size=-1), "is not a number"),
    "not a size": (index("keys/a", size="1"), "is not a number"),
    "more than it has": (index("keys/a", size=2**40), "is cut off"),
    "a little more than it has": (index("keys/a", size=2), "less in it than its index says"),
    "less than it has": (index("keys/a", size=0), "more in it than its index says"),
    "a remote that is an option": (index("keys/a", remotes={"origin": "--upload-pack=evil"}), "not a remote"),
    "a branch that is an option": (index("keys/a", branch="-q"), "is not a branch"),
    "not JSON": (b"\xff{", "its index is malformed"),
    "nested": (b"[" * 100000, "its index is malformed"),
    "another format": (index("keys/a", format=2), "its format is 2"),
    "no files": ({"format": 1}, "its index is malformed"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_backup_is_refused_and_nothing_is_written(kind: str, tmp_path: Path) -> None:
    told_index, reason = HOSTILE[kind]
    told = restored(sealed(tmp_path / "hostile", told_index, b"x"), tmp_path / "new")
    assert told.code == 1
    assert reason in told.line
    assert os.listdir(tmp_path) == ["hostile"]  # noqa: PTH208 - hidden ones, too


def test_index_that_would_fill_memory_is_refused(tmp_path: Path) -> None:
    told = restored(sealed(tmp_path / "hostile", b"", length=2**32 - 1), tmp_path / "new")
    assert told.code == 1
    assert "its index would have 4294967295 octets" in told.line


def with_link(tmp_path: Path, link: str, to: str) -> Operations:
    """Return an operations repo at `evil` in whose git repository a link stands."""
    with made(tmp_path / "ops") as repo:
        subprocess.run(("cp", "-a", repo.root, tmp_path / "evil"), check=True)
    evil = Operations(tmp_path / "evil")
    if link == "keys":
        shutil.rmtree(evil.root / "keys")
    evil.write(".gitignore", "")
    (evil.root / link).symlink_to(to)
    evil.commit("a link")
    return evil


@pytest.mark.parametrize(
    ("link", "to", "path"),
    [
        ("keys", "{}/outside", "keys/passphrase"),
        ("keys", ".git", "keys/config"),
        ("keys", ".git/hooks", "keys/post-checkout"),
        ("keys", ".git", "notes.txt"),  # its mode would be changed
        ("keys", "zones", "keys/passphrase"),
        ("secrets", ".git", "secrets/config"),
        ("secrets", ".git", "secrets/hooks/post-checkout"),
        ("state", ".git", "state/config"),
    ],
)
def test_link_in_the_repository_of_a_backup_leads_nothing_elsewhere(
    link: str, to: str, path: str, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    evil = with_link(tmp_path, link, to.format(tmp_path))
    bundle = tmp_path / "bundle"
    evil.git("bundle", "create", "--quiet", str(bundle), "--all", "HEAD")
    content = bundle.read_bytes()
    wanted = index("repo.bundle", path)
    wanted["files"][0]["size"] = len(content)
    told = restored(sealed(tmp_path / "hostile", wanted, content + b"x"), tmp_path / "new")
    assert told.code == 1
    assert f"hostile: a link in its git repository leads {link} elsewhere" in told.line
    assert not list((tmp_path / "outside").iterdir())
    assert not (tmp_path / "new").exists()


def test_link_of_a_clone_leads_nothing_into_what_is_gits(tmp_path: Path) -> None:
    evil = with_link(tmp_path, "keys", ".git")
    before = (evil.root / ".git/config").read_bytes()
    told = dnsctl(
        "restore", sealed(tmp_path / "hostile", index("keys/config"), b"x"), evil.root, "--overwrite", *UNDER
    )
    assert told.code == 1
    assert "leads keys into git's own directory" in told.line
    assert (evil.root / ".git/config").read_bytes() == before


def test_empty_directory_that_a_shell_stands_in_is_filled(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "new/.writing-restore-new-0000").mkdir(parents=True)  # a restore was killed here before
    with inside(tmp_path / "new"):
        assert dnsctl("restore", backup, *UNDER).code == 0
        assert Path("dnsctl.yaml").exists()
        assert Path("keys/release.pem").exists()
        assert sorted(os.listdir()) == sorted(  # noqa: PTH208 - hidden ones, too
            [".git", ".gitignore", "dnsctl.yaml", "keys", "notes.txt", "zones"]
        )


def test_branch_and_remote_of_any_name_come_back(tmp_path: Path) -> None:
    with made(tmp_path / "ops") as repo:
        repo.git("checkout", "--quiet", "-b", "größe/#1")
        repo.git("remote", "add", "büro", "ssh://git@git.example.net/dns ops.git")
        assert repo.run("backup", str(tmp_path / "b")).returncode == 0
        assert restored(tmp_path / "b", tmp_path / "new").code == 0
        for question in (("branch", "--show-current"), ("remote", "-v")):
            answers = {
                subprocess.run(("git", *question), cwd=root, check=True, capture_output=True).stdout
                for root in (repo.root, tmp_path / "new")
            }
            assert len(answers) == 1
            assert answers != {b""}


def test_detached_head_comes_back(tmp_path: Path) -> None:
    with made(tmp_path / "ops") as repo:
        repo.git("checkout", "--quiet", "--detach", "HEAD")
        assert repo.run("backup", str(tmp_path / "b")).returncode == 0
        assert restored(tmp_path / "b", tmp_path / "new").code == 0
        heads = {(root / ".git/HEAD").read_text() for root in (repo.root, tmp_path / "new")}
        assert len(heads) == 1


def test_shallow_clone_is_refused_since_it_could_not_be_restored(kept: Operations, tmp_path: Path) -> None:
    subprocess.run(
        ("git", "clone", "--quiet", "--depth", "1", f"file://{kept.root}", tmp_path / "clone"), check=True
    )
    shutil.copytree(kept.root / "keys", tmp_path / "clone/keys", dirs_exist_ok=True)
    told = dnsctl("backup", tmp_path / "b", root=tmp_path / "clone")
    assert told.code == 1
    assert "git fetch --unshallow" in told.line
    assert not (tmp_path / "b").exists()


def test_operations_repo_inside_a_larger_one_comes_back_where_it_was(tmp_path: Path) -> None:
    with made(tmp_path / "ops") as repo:
        pass
    large = tmp_path / "all"
    large.mkdir()
    shutil.rmtree(repo.root / ".git")
    repo.root.rename(large / "dns")
    outer = Operations(large)
    outer.git("init", "--quiet", "--initial-branch=main")
    outer.commit("all of it")
    assert dnsctl("backup", tmp_path / "b", root=large / "dns").code == 0
    told = restored(tmp_path / "b", tmp_path / "new", "--json")
    assert told.json["root"] == str(tmp_path / "new/dns")
    assert (tmp_path / "new/dns/keys/release.pem").exists()
    assert (tmp_path / "new/dns/zones/example.com.yaml").exists()


def test_no_terminal_to_ask_for_a_passphrase_names_the_option(backup: Path, tmp_path: Path) -> None:
    assert "--passphrase: env:NAME" in dnsctl("restore", backup, tmp_path / "new").line


def test_no_restored_file_can_be_executed(tmp_path: Path) -> None:
    assert restored(sealed(tmp_path / "odd", index("hooks/pre-commit"), b"x"), tmp_path / "new").code == 0
    assert stat.S_IMODE((tmp_path / "new/hooks/pre-commit").stat().st_mode) == 0o644


def test_what_is_there_is_not_overwritten_unless_told_and_is_kept_then(
    kept: Operations, backup: Path, tmp_path: Path
) -> None:
    subprocess.run(("git", "clone", "--quiet", kept.root, tmp_path / "clone"), check=True)
    assert restored(backup, tmp_path / "clone").code == 0  # a clone has neither keys nor records
    own = tmp_path / "clone/keys/example.org"
    own.mkdir()
    (own / "made-later").write_text("x")
    before = files(tmp_path / "clone")
    told = restored(backup, tmp_path / "clone")
    assert told.code == 1
    assert "is there already" in told.line
    assert files(tmp_path / "clone") == before
    told = restored(backup, tmp_path / "clone", "--overwrite")
    assert told.code == 0
    assert not own.exists()
    [aside] = (tmp_path / "clone/state/replaced").iterdir()
    assert str(aside) in told.err
    assert (aside / "example.org/made-later").exists()
    assert (tmp_path / "clone/keys/release.pem").read_bytes() == (aside / "release.pem").read_bytes()
    assert "release key" not in told.err
    ignored = subprocess.run(
        ("git", "status", "--porcelain"), cwd=tmp_path / "clone", check=True, capture_output=True, text=True
    )
    assert ignored.stdout == ""


def test_backup_of_another_fleet_is_named_as_such_and_the_way_back_works(
    backup: Path, tmp_path: Path
) -> None:
    with made(tmp_path / "other") as other:
        before = files(other.root / "keys")
        told = restored(backup, other.root, "--overwrite")
        assert told.code == 0
        assert "its release key is not the one of before" in told.err
        assert "if it is a backup of another fleet, remove keys/ and put the one of before back" in told.err
        [aside] = (other.root / "state/replaced").iterdir()
        shutil.rmtree(other.root / "keys")
        aside.rename(other.root / "keys")
        assert files(other.root / "keys") == before


def test_restore_that_is_killed_anywhere_leaves_nothing_or_all_of_it(
    kept: Operations, backup: Path, tmp_path: Path
) -> None:
    whole = {name for name in files(kept.root) if name.startswith(("keys/", "zones/"))}
    target, event, nothing, everything = tmp_path / "new", 1, 0, 0
    while killed_at(lambda: restored(backup, target), event, tmp_path):
        event += 9
        if target.exists():
            assert whole <= set(files(target))
            shutil.rmtree(target)
            everything += 1
        else:
            nothing += 1
    assert nothing > 5
    assert whole <= set(files(target))
    assert sorted(os.listdir(tmp_path)) == ["new"]  # noqa: PTH208 - hidden ones, too


def test_restore_into_a_clone_that_is_killed_anywhere_leaves_the_keys_of_before_or_after(
    kept: Operations, backup: Path, tmp_path: Path
) -> None:
    target = tmp_path / "clone"
    subprocess.run(("git", "clone", "--quiet", kept.root, target), check=True)
    wanted = {name for name in files(kept.root) if name.startswith("keys/")}
    own = {"keys/example.org/made-later"}
    (target / "keys/example.org").mkdir(parents=True)
    (target / "keys/example.org/made-later").write_text("x")
    event, before, after = 1, 0, 0
    while killed_at(lambda: restored(backup, target, "--overwrite"), event, tmp_path):
        event += 7
        found = {name for name in files(target) if name.startswith("keys/")}
        assert found in (own, wanted)
        before, after = before + (found == own), after + (found == wanted)
        if found == wanted:
            shutil.rmtree(target / "keys")
            (target / "keys/example.org").mkdir(parents=True)
            (target / "keys/example.org/made-later").write_text("x")
    assert before > 5
    assert {name for name in files(target) if name.startswith("keys/")} == wanted
    assert not list(target.glob(".writing-*"))


def test_directory_that_is_something_else_is_refused(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/letter").write_text("x")
    told = restored(backup, tmp_path / "home", "--overwrite")
    assert told.code == 1
    assert "neither empty nor an operations repo" in told.line
    assert [each.name for each in (tmp_path / "home").iterdir()] == ["letter"]


@pytest.mark.parametrize("what", ["backup", "restore"])
def test_disk_that_fills_up_leaves_nothing(what: str, kept: Operations, backup: Path, tmp_path: Path) -> None:
    arguments = {"backup": (tmp_path / "b",), "restore": (backup, tmp_path / "new", *UNDER)}[what]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (CHUNK, before[1]))
    try:
        told = dnsctl(what, *arguments, root=kept.root)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert told.code == 1
    assert "File too large" in told.line or "git bundle failed" in told.line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("another passphrase", "the passphrase does not open this key"),
        ("gone", "missing"),
        ("open to all", "opens it to every user"),
    ],
)
def test_key_that_is_of_no_use_stops_a_backup_and_is_named(
    fault: str, reason: str, kept: Operations, tmp_path: Path
) -> None:
    shutil.copytree(kept.root, tmp_path / "ops")
    [key] = (tmp_path / "ops/keys/example.net").glob("*.private.pem")
    if fault == "another passphrase":
        private = pkcs8.opened(key.read_bytes(), PASSPHRASE)
        key.write_bytes(pkcs8.encrypted(private, b"other", pkcs8.fresh_salt()))
    elif fault == "gone":
        key.unlink()
    else:
        key.chmod(0o644)
    told = dnsctl("backup", tmp_path / "b", root=tmp_path / "ops")
    assert told.code == 1
    assert reason in told.line
    assert key.name in told.line
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("reference", ["file:gone", "prompt"])
def test_passphrase_of_a_backup_that_cannot_be_read_blames_its_option(
    reference: str, kept: Operations, tmp_path: Path
) -> None:
    done = kept.run("backup", str(tmp_path / "b"), "--passphrase", reference)
    assert done.returncode == 1
    assert "--passphrase" in done.stderr
    assert "keystore.passphrase" not in done.stderr
    assert not (tmp_path / "b").exists()


def test_backup_does_not_replace_another_unless_told(kept: Operations, tmp_path: Path) -> None:
    (tmp_path / "b").write_text("the one of yesterday")
    done = kept.run("backup", str(tmp_path / "b"))
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert (tmp_path / "b").read_text() == "the one of yesterday"
    assert kept.run("backup", str(tmp_path / "b"), "--overwrite").returncode == 0
    assert re.match(rb"dnsctl backup 1\n", (tmp_path / "b").read_bytes())


@pytest.mark.parametrize(
    ("content", "what"),
    [(None, "no such file"), (b"PK", "is not a backup"), (b"dnsctl backup 1\n", "cut off")],
)
@pytest.mark.parametrize("listed", [("--list",), ()])
def test_file_that_is_not_a_backup_is_told_before_a_passphrase_is_asked_for(
    tmp_path: Path, content: bytes | None, what: str, listed: tuple[str, ...]
) -> None:
    file = tmp_path / "b"
    if content is not None:
        file.write_bytes(content)
    told = dnsctl("restore", *listed, file, tmp_path / "new")
    assert (told.code, what in told.line) == (1, True), told.err
    assert not (tmp_path / "new").exists()
