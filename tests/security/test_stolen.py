"""What stolen files are good for, and how a fleet goes on afterwards. Real nodes; see SECURITY.md."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dns.message
import dns.query
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dnsctl.model import pkcs8
from dnsctl.release.envelope import ensure_release_key
from dnsctl.replicate.pki import ensure_authority
from dnsctl.sign.passphrase import locked
from tests.cli.shell import dnsctl
from tests.control.operations import NODES, Operations, made, zone
from tests.passphrase import PASSPHRASE

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pushed(tmp_path: Path) -> Iterator[Operations]:
    """An operations repo, its nodes serving the first release."""
    with made(tmp_path / "ops") as operations:
        operations.start(*NODES)
        assert operations.run("push").returncode == 0
        yield operations


def secrets_of(repo: Operations) -> dict[str, bytes]:
    """Return the octets that matter of the passphrase and of every key that signs."""
    found = {"passphrase": PASSPHRASE}
    for path in locked(repo.root / "keys"):
        private = pkcs8.opened(path.read_bytes(), PASSPHRASE)
        found[path.name] = (
            private.private_bytes_raw()
            if isinstance(private, Ed25519PrivateKey)
            else private.private_numbers().private_value.to_bytes(32, "big")  # type: ignore[union-attr]
        )
    return found


def served(repo: Operations) -> set[str]:
    """Return the addresses that the nodes have for www."""
    query = dns.message.make_query("www.example.com.", "A")
    ports = [port for port, _ in repo.ports.values()]
    answers = [dns.query.udp(query, "127.0.0.1", port=port, timeout=5).answer for port in ports]
    return {rdata.to_text() for answer in answers for rdata in answer[0]}


def goes_on(repo: Operations) -> None:
    """Push a change, and see it served."""
    repo.write("zones/example.com.yaml", zone("192.0.2.99"))
    repo.commit("moved")
    done = repo.run("push")
    assert done.returncode == 0, done.stdout + done.stderr
    assert served(repo) == {"192.0.2.99"}


def test_nodes_disk_holds_no_key_that_signs_and_no_passphrase(pushed: Operations) -> None:
    state = pushed.root / "state/nodes/ns1"
    copied = ["dnsctl.yaml", "keys/release.pub", "keys/pki/ca.crt", "keys/pki/ns1.crt", "keys/pki/ns1.pem"]
    files = [each for each in state.rglob("*") if each.is_file()]
    assert any(each.name == "data.mdb" for each in files)
    octets = b"".join(each.read_bytes() for each in (*files, *(pushed.root / each for each in copied)))
    secrets = secrets_of(pushed)
    assert {"release.pem", "ca.pem", "control.pem"} < secrets.keys()
    assert [name for name, secret in secrets.items() if secret in octets] == []
    assert octets.count(b"PRIVATE KEY-----") == 2  # the node's own


def test_keys_without_the_passphrase_open_nothing_but_what_nodes_have(tmp_path: Path) -> None:
    assert dnsctl("init", tmp_path / "dns").code == 0
    (tmp_path / "dns/zones/example.com.yaml").write_text("www: {type: A, value: 192.0.2.1}\n")
    assert dnsctl("key", "generate", "example.com", root=tmp_path / "dns").code == 0
    assert dnsctl("key", "generate", "updates.example.com", "--sig0", root=tmp_path / "dns").code == 0
    clear = set()
    for path in (tmp_path / "dns/keys").rglob("*.pem"):
        try:
            load_pem_private_key(path.read_bytes(), None)
        except TypeError:  # encrypted
            continue
        clear.add(path.name)
    assert clear == {"ns1.pem", "ns2.pem"}


def test_passphrase_without_keys_pushes_nothing(pushed: Operations) -> None:
    for path in list(locked(pushed.root / "keys")):
        path.unlink()
    pushed.write("zones/example.com.yaml", zone("192.0.2.99"))
    pushed.commit("moved")
    assert pushed.run("push").returncode == 1
    assert served(pushed) == {"192.0.2.80"}


def test_keys_and_passphrase_are_the_operator(pushed: Operations, tmp_path: Path) -> None:
    shutil.copytree(pushed.root, tmp_path / "thief", ignore=shutil.ignore_patterns("state", "log"))
    thief = Operations(tmp_path / "thief", pushed.ports)
    goes_on(thief)


def test_fleet_goes_on_with_a_new_release_key_and_the_old_one_releases_no_more(
    pushed: Operations, tmp_path: Path
) -> None:
    shutil.copytree(pushed.root, tmp_path / "thief", ignore=shutil.ignore_patterns("log"))
    pushed.stop()
    for name in ("release.pem", "release.pub"):
        (pushed.root / "keys" / name).unlink()
    ensure_release_key(pushed.root / "keys", PASSPHRASE)
    pushed.start(*NODES)
    thief = Operations(tmp_path / "thief", pushed.ports)
    thief.write("zones/example.com.yaml", zone("203.0.113.66"))
    thief.commit("mine")
    assert thief.run("push").returncode == 1
    goes_on(pushed)


def test_fleet_goes_on_with_a_new_authority_and_old_certificates_are_refused(
    pushed: Operations, tmp_path: Path
) -> None:
    shutil.copytree(pushed.root, tmp_path / "thief", ignore=shutil.ignore_patterns("log"))
    pushed.stop()
    shutil.rmtree(pushed.root / "keys/pki")
    ensure_authority(pushed.root / "keys", lambda: PASSPHRASE, NODES, datetime.now(UTC))
    pushed.start(*NODES)
    thief = Operations(tmp_path / "thief", pushed.ports)
    assert not any(each["reachable"] for each in thief.json("status", code=None)["nodes"])
    assert thief.run("push").returncode == 1
    goes_on(pushed)


def test_every_line_of_the_table_names_tests_that_are_there() -> None:
    rows = re.findall(r"^\| .*\|$", (ROOT / "SECURITY.md").read_text(), re.MULTILINE)
    lines = [row for row in rows if "---" not in row and "| shown by |" not in row]
    assert len(lines) > 12
    for line in lines:
        named = re.findall(r"`(tests/[a-z_/]+\.py)::(test_\w+)`", line)
        assert named, line
        for path, test in named:
            assert re.search(rf"^def {test}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path}::{test}"
