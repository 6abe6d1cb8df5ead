"""Private keys at rest: under scrypt, with one salt a keystore; earlier files are read, and renewed."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from dnsctl.model import pkcs8
from dnsctl.sign.passphrase import locked
from tests.cli.shell import dnsctl

_PROGRAM = str(Path(sys.executable).with_name("dnsctl"))
_ZONE = "www: {type: A, value: 192.0.2.1}\n"
pytestmark = pytest.mark.usefixtures("fresh_salts")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An operations repo with a key of each kind."""
    assert dnsctl("init", tmp_path / "dns").code == 0
    (tmp_path / "dns/zones/example.com.yaml").write_text(_ZONE)
    assert dnsctl("key", "generate", "example.com", root=tmp_path / "dns").code == 0
    return tmp_path / "dns"


def keys(root: Path) -> list[Path]:
    return list(locked(root / "keys"))


def passphrase(root: Path) -> bytes:
    return (root / "keys/passphrase").read_bytes().strip()


def public_halves(root: Path) -> list[bytes]:
    """Open every key; return what is public of it."""
    opened = [pkcs8.opened(path.read_bytes(), passphrase(root)) for path in keys(root)]
    form = Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    return [each.public_key().public_bytes(*form) for each in opened]


def weaken(root: Path) -> None:
    """Encrypt every key as an earlier dnsctl did."""
    for path in keys(root):
        private = pkcs8.opened(path.read_bytes(), passphrase(root))
        how = BestAvailableEncryption(passphrase(root))
        path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))


def salts(root: Path) -> set[bytes | None]:
    return {pkcs8.salt_of(path.read_bytes()) for path in keys(root)}


def test_keys_of_every_kind_are_under_scrypt_with_one_salt(root: Path) -> None:
    assert [path.name.split(".")[0] for path in keys(root)][:3] == ["release", "ca", "control"]
    assert len(keys(root)) == 4
    assert len(salts(root)) == 1
    assert None not in salts(root)


def test_every_salt_is_drawn_anew() -> None:
    assert len({pkcs8.fresh_salt() for _ in range(100)}) == 100


def test_openssl_reads_a_key_and_its_parameters(root: Path) -> None:
    openssl = shutil.which("openssl") or pytest.skip("openssl is not installed")
    for path in keys(root):
        done = subprocess.run(
            [openssl, "pkey", "-noout", "-in", path, "-passin", f"file:{root}/keys/passphrase"], check=False
        )
        assert done.returncode == 0
        told = subprocess.run([openssl, "asn1parse", "-in", path], capture_output=True, text=True, check=True)
        lines = [line.rsplit(":", 1)[-1] for line in told.stdout.splitlines()]
        assert {"PBES2", "scrypt", "aes-256-cbc"} <= set(lines)
        assert lines[lines.index("scrypt") + 3 :][:3] == ["4000", "08", "05"]  # cost, block, passes


def test_earlier_keys_are_read_and_init_renews_them(root: Path) -> None:
    before = public_halves(root)
    weaken(root)
    assert salts(root) == {None}
    assert (
        dnsctl("key", "generate", "example.com", "--another", root=root).code == 0
    )  # which opens earlier ones
    told = dnsctl("init", "--json", root=root)
    assert told.code == 0, told.err
    assert {"keys/release.pem", "keys/pki/ca.pem", "keys/pki/control.pem"} <= set(told.json["renewed"])
    assert len(told.json["renewed"]) == 4
    assert None not in salts(root)
    assert len(salts(root)) == 1
    assert set(before) < set(public_halves(root))
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in keys(root))
    assert dnsctl("init", "--json", root=root).json["renewed"] == []


def test_renewal_that_is_killed_leaves_every_key_open_to_the_passphrase(root: Path) -> None:
    for _ in range(12):
        assert dnsctl("key", "generate", "example.com", "--another", root=root).code == 0
    began = time.monotonic()
    assert subprocess.run([_PROGRAM, "-C", root, "init"], check=False, capture_output=True).returncode == 0
    whole = time.monotonic() - began
    chance = random.Random(13)
    for _ in range(5):
        weaken(root)
        process = subprocess.Popen([_PROGRAM, "-C", root, "init"], stdout=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.6, 1.1) * whole)
        process.kill()
        process.wait()
        assert len(public_halves(root)) == 16
    assert dnsctl("init", root=root).code == 0
    assert None not in salts(root)


def test_key_of_another_passphrase_stays_as_it_is(root: Path) -> None:
    weaken(root)
    path = next(path for path in keys(root) if path.name.startswith("K"))
    private = load_pem_private_key(path.read_bytes(), passphrase(root))
    foreign = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"other"))
    path.write_bytes(foreign)
    assert dnsctl("init", root=root).code == 0
    assert path.read_bytes() == foreign
    assert None not in {pkcs8.salt_of(each.read_bytes()) for each in keys(root) if each != path}
