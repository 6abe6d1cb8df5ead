"""Files with secrets that others may read: refused with the command that mends it, by every reader."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.file import load_config
from tests.control.operations import NODES, Done, Operations

TSIG = "transfers: {keys: {xfr.example.net: {algorithm: hmac-sha256}}}\n"  # its secret in keys/tsig/


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Operations:
    """An operations repo that was released once; its nodes are gone again."""
    repo = Operations(tmp_path_factory.mktemp("released") / "ops")
    repo.root.mkdir()
    repo.make()
    repo.write("keys/tsig/xfr.example.net", "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I=\n")
    (repo.root / "keys/tsig/xfr.example.net").chmod(0o600)
    repo.write("dnsctl.yaml", (repo.root / "dnsctl.yaml").read_text() + TSIG)
    assert repo.run("init").returncode == 0
    repo.commit("transfers")
    try:
        repo.start(*NODES)
        assert repo.run("push").returncode == 0
    finally:
        repo.stop()
    return repo


@pytest.fixture
def repo(released: Operations, tmp_path: Path) -> Operations:
    shutil.copytree(released.root, tmp_path / "ops")
    copied = Operations(tmp_path / "ops", released.ports)
    copied.write(
        "zones/example.com.yaml",
        (copied.root / "zones/example.com.yaml").read_text() + "ftp: {type: A, value: 192.0.2.2}\n",
    )
    copied.commit("a change")
    return copied


def open_to(repo: Operations, pattern: str, mode: int) -> Path:
    (path,) = repo.root.glob(pattern)
    path.chmod(mode)
    return path


def push(repo: Operations) -> Done:
    return repo.run("push", "--dry-run")


def generate(repo: Operations) -> Done:
    return repo.run("key", "generate", "example.com")


def init(repo: Operations) -> Done:
    (repo.root / "keys/pki/ns2.crt").unlink(missing_ok=True)  # so that the authority is needed
    return repo.run("init")


def serve(repo: Operations) -> Done:
    return repo.run("serve", "--node", "ns1", "--state", str(repo.root / "state/nodes/other"))


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o640])
@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("keys/passphrase", push),
        ("keys/passphrase", generate),
        ("keys/passphrase", init),
        ("keys/release.pem", push),
        ("keys/example.com/K*.private.pem", push),
        ("keys/pki/control.pem", push),
        ("keys/pki/ca.pem", init),
    ],
)
def test_secret_of_the_operator_that_others_may_read_is_refused(
    repo: Operations, file: str, command: Callable[[Operations], Done], mode: int
) -> None:
    path = open_to(repo, file, mode)
    done = command(repo)
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    whom = "every user of this host" if mode & 0o007 else "its group"
    assert f"holds a secret, and its mode {mode:04o} opens it to {whom}; chmod 600 " in line
    assert line.rstrip().endswith(path.name)
    path.chmod(0o400)
    assert command(repo).returncode == 0


def test_transfer_key_that_every_user_may_read_is_refused(repo: Operations) -> None:
    path = open_to(repo, "keys/tsig/xfr.example.net", 0o644)
    done = serve(repo)
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert "its mode 0644 opens it to every user of this host; chmod 600 " in line
    assert path.name in line
    path.chmod(0o640)  # the service is in its group, root the owner
    repo.start("ns1")
    repo.stop()


@pytest.mark.parametrize("file", ["keys/cookie.secret", "keys/pki/ns1.pem"])
def test_nodes_own_secret_that_every_user_may_read_is_warned_of_and_it_serves(
    repo: Operations, file: str
) -> None:
    path = open_to(repo, file, 0o644)
    repo.start("ns1")
    repo.stop()
    log = (repo.root / "log/ns1.log").read_text()
    assert f"{path.name}: holds a secret, and its mode 0644 opens it to every user of this host" in log


@pytest.mark.parametrize("form", ["base64", "PEM", "OpenSSH", "PEM under comments"])
def test_release_key_is_read_in_every_form_by_push_and_by_nodes(repo: Operations, form: str) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    (octets,) = load_config(WorkTree(repo.root)).node_settings("ns1", repo.root).release_keys
    public = Ed25519PublicKey.from_public_bytes(octets)
    path = repo.root / "keys/release.pub"
    if form == "OpenSSH":
        path.write_bytes(
            public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b" release@example.org\n"
        )
    elif form != "base64":
        comment = b"# our release key\n\n" if "comments" in form else b""
        path.write_bytes(comment + public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    try:
        repo.start(*NODES)
        told = repo.json("push")
        assert (told["result"], told["generation"]) == ("served", 2)
    finally:
        repo.stop()


@pytest.mark.parametrize("what", ["private half", "RSA"])
def test_what_is_not_a_public_release_key_is_told_alike_by_push_and_by_nodes(
    repo: Operations, what: str
) -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    path = repo.root / "keys/release.pub"
    if what == "RSA":
        public = rsa.generate_private_key(65537, 2048).public_key()
        path.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        expected = "is not an Ed25519 key; releases are signed with Ed25519 only"
    else:
        path.write_bytes((repo.root / "keys/release.pem").read_bytes())
        expected = "is a private key, no public release key; copy the public half there"
    for done in (push(repo), serve(repo)):
        assert done.returncode == 1
        assert expected in done.stderr.splitlines()[-1]
