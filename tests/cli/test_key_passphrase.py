"""`dnsctl key passphrase`: every private key under another passphrase, or none, whenever it is killed."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsctl.control.release_keys import load_release_keys
from dnsctl.control.rotation import rotate
from dnsctl.files.lock import lock_file, take
from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.file import load_config
from dnsctl.model import pkcs8
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.passphrase import locked
from tests.cli import kills
from tests.cli.shell import dnsctl

pytestmark = pytest.mark.usefixtures("fresh_salts")


@pytest.fixture(autouse=True, scope="module")
def cheap() -> Iterator[None]:
    """Let scrypt cost little: keys are opened thousands of times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pkcs8, "SCRYPT_COST", 2**4)
        patch.setattr(pkcs8, "SCRYPT_PASSES", 1)
        yield
    pkcs8._derived.cache_clear()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "dns"
    assert dnsctl("init", root, "--example").code == 0
    for zone in ("example.com", "example.net"):
        assert dnsctl("key", "generate", zone, root=root).code == 0
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "dns")
    return tmp_path / "dns"


def told_passphrase(root: Path) -> bytes:
    return (root / "keys/passphrase").read_bytes().strip()


def opens(root: Path, passphrase: bytes) -> int:
    """Return how many private keys `passphrase` opens."""
    count = 0
    for path in locked(root / "keys"):
        try:
            pkcs8.opened(path.read_bytes(), passphrase)
            count += 1
        except ValueError:
            pass
    return count


def total(root: Path) -> int:
    return len(list(locked(root / "keys")))


def test_every_private_key_opens_with_the_new_passphrase_alone(root: Path) -> None:
    old, before = told_passphrase(root), total(root)
    others = {path: path.read_bytes() for path in (root / "keys").rglob("*.key")}
    told = dnsctl("key", "passphrase", "--json", root=root)
    assert told.code == 0, told.err
    new = told_passphrase(root)
    assert new != old
    assert len(new) >= 43  # 32 octets in base64
    assert told.json == {"keys": before, "file": str(root / "keys/passphrase")}
    assert new not in told.out.encode() + told.err.encode()
    assert (opens(root, new), opens(root, old)) == (before, 0)
    assert len({pkcs8.salt_of(path.read_bytes()) for path in locked(root / "keys")}) == 1
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in locked(root / "keys"))
    assert (root / "keys").stat().st_mode & 0o777 == 0o700
    assert {path: path.read_bytes() for path in others} == others
    store = Keystore(root / "keys", lambda: new)
    assert [store.open(each) for each in store.list()]
    assert load_release_keys(root, load_config(WorkTree(root)), new)
    assert dnsctl("key", "generate", "example.org", root=root).code == 0
    assert not list(root.glob(".writing-*"))
    assert "make a new one" in told.err  # a backup


def killed_at(root: Path, old: bytes, new: bytes, event: int) -> bool:
    """Rotate in a process that kills itself at its `event`th event; True if it was killed."""
    config = load_config(WorkTree(root))
    return kills.killed_at(lambda: rotate(root, config, old, new, print), event, root.parent)


@pytest.mark.timeout(300)
def test_whenever_it_is_killed_one_passphrase_opens_everything_and_it_is_the_one_in_the_file(
    root: Path,
) -> None:
    wanted, event, seen_old, seen_new = total(root), 0, 0, 0
    while True:
        event += 1
        old = told_passphrase(root)
        new = b"the new one of event %d" % event
        if not killed_at(root, old, new, event):
            break
        told = told_passphrase(root)
        assert told in (old, new)
        assert opens(root, told) == total(root) == wanted
        seen_old, seen_new = seen_old + (told == old), seen_new + (told == new)
    assert seen_old > 30
    assert seen_new > 1
    assert told_passphrase(root) == new
    assert not list(root.glob(".writing-*"))  # what killed ones had left
    assert dnsctl("key", "passphrase", root=root).code == 0


def elsewhere(root: Path, place: str) -> Path:
    """Have the passphrase in a file that is not below keys/."""
    file = root / place
    file.parent.mkdir(exist_ok=True, parents=True)
    (root / "keys/passphrase").rename(file)
    configure(root, f"keystore: {{passphrase: 'file:{place}'}}")
    return file


def configure(root: Path, line: str) -> None:
    """Put `line` into dnsctl.yaml in place of the one with that key."""
    settings, key = root / "dnsctl.yaml", line.partition(":")[0]
    text = re.sub(rf"(?m)^{key}:.*\n", "", settings.read_text())
    settings.write_text(text + line + "\n")


@pytest.mark.timeout(300)
def test_passphrase_in_a_file_elsewhere_is_found_again_whenever_it_is_killed(root: Path) -> None:
    file = elsewhere(root, "../safe/passphrase")
    event, finished = 0, 0
    while True:
        event += 1
        old, new = file.read_bytes().strip(), b"the new one of event %d" % event
        if not killed_at(root, old, new, event):
            break
        if opens(root, old) == total(root):
            continue
        assert opens(root, new) == total(root)
        if file.read_bytes().strip() == old:
            told = dnsctl("key", "passphrase", root=root)
            assert told.code == 0, told.err
            assert "interrupted is complete" in told.err
            finished += 1
        assert opens(root, file.read_bytes().strip()) == total(root)
    assert finished
    assert opens(root, new) == total(root)


def test_new_passphrase_comes_from_where_it_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEW", "battery staple")
    monkeypatch.setenv("EMPTY", "")
    assert dnsctl("key", "passphrase", "--new", "env:NEW", root=root).code == 0
    assert told_passphrase(root) == b"battery staple"
    assert opens(root, b"battery staple") == total(root)
    assert "is empty" in dnsctl("key", "passphrase", "--new", "env:EMPTY", root=root).line


def test_passphrase_from_a_variable_needs_a_new_one_and_says_what_is_left_to_do(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(root, "keystore: {passphrase: 'env:KEYS'}")
    monkeypatch.setenv("KEYS", told_passphrase(root).decode())
    monkeypatch.setenv("NEW", "battery staple")
    assert "name the new one" in dnsctl("key", "passphrase", root=root).line
    told = dnsctl("key", "passphrase", "--new", "env:NEW", "--json", root=root)
    assert told.json["file"] is None
    assert "have env:KEYS give the new one" in told.err
    assert opens(root, b"battery staple") == total(root)


@pytest.mark.parametrize("fault", ["wrong", "another key", "elsewhere", "in use"])
def test_nothing_changes_where_not_every_key_can_be_encrypted_again(
    fault: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [key] = (root / "keys/example.com").glob("*.pem")
    reason = "does not open this key"
    descriptor = -1
    if fault == "wrong":
        (root / "keys/passphrase").write_text("wrong\n")
    elif fault == "another key":
        private = pkcs8.opened(key.read_bytes(), told_passphrase(root))
        key.write_bytes(pkcs8.encrypted(private, b"other", pkcs8.fresh_salt()))
    elif fault == "elsewhere":
        reason = "a release key outside of keys/"
        for name in ("release.pem", "release.pub"):
            (root / "keys" / name).rename(root / name)
        configure(root, "release: {keys: [release.pub], threshold: 1}")
    else:
        reason = "is running on this host"
        (root / "state").mkdir(exist_ok=True)
        descriptor = lock_file(root / "state/push.lock")
        assert take(descriptor)
    before = {
        path: path.read_bytes() for path in root.rglob("*") if path.is_file() and ".git" not in path.parts
    }
    told = dnsctl("key", "passphrase", root=root)
    if descriptor >= 0:
        os.close(descriptor)
    assert told.code == 1
    assert reason in told.line
    if fault == "wrong":
        assert "it opens no key: check what keystore.passphrase in dnsctl.yaml refers to" in told.line
    elif fault == "another key":
        assert "other keys open with it" in told.line
    assert {path: path.read_bytes() for path in before} == before
    assert not list(root.glob(".writing-*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a directory: needs root")
def test_keys_that_are_a_mount_point_are_named_and_stay(root: Path) -> None:
    keys = root / "keys"
    if subprocess.run(("mount", "--bind", keys, keys), check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        told = dnsctl("key", "passphrase", root=root)
        assert told.code == 1
        assert "cannot be exchanged as a whole" in told.line
        assert opens(root, told_passphrase(root)) == total(root)
    finally:
        subprocess.run(("umount", "--lazy", keys), check=True)
