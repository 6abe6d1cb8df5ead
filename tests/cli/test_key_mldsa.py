"""`dnsctl key` with ML-DSA-44: each verb works, and servers that do not know the algorithm get no file."""

from pathlib import Path

import dns.dnssec
import dns.name
import dns.rdata
import pytest

from dnsctl.model.name import from_text
from dnsctl.sign.keystore import Keystore
from tests.cli.shell import dnsctl
from tests.cli.test_key_import import made as operations_repo

ZONE = from_text("example.com.")


def made(root: Path, policy: str = "algorithm: MLDSA44") -> Path:
    return operations_repo(root, f"{{{policy}}}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = made(tmp_path / "ops")
    told = dnsctl("key", "generate", "example.com", root=found)
    assert told.code == 0, told.err
    return found


def test_key_is_generated_and_listed_and_its_ds_is_what_dnspython_makes(root: Path) -> None:
    [key] = dnsctl("key", "list", "--json", root=root).json["keys"]
    assert (key["algorithm"], key["role"], key["state"]) == (18, "csk", "generated")
    [line] = dnsctl("key", "ds", "example.com", root=root).out.splitlines()
    record = dnsctl("key", "export", "example.com", root=root).out.split(maxsplit=4)
    dnskey = dns.rdata.from_text("IN", "DNSKEY", record[-1])
    made_ds = dns.dnssec.make_ds(dns.name.from_text("example.com."), dnskey, "SHA256")
    assert dns.rdata.from_text("IN", "DS", line.split(maxsplit=4)[-1]) == made_ds
    assert (made_ds.algorithm, made_ds.key_tag) == (18, key["tag"])


def test_keys_of_both_algorithms_are_generated_once(tmp_path: Path) -> None:
    place = made(tmp_path / "ops", "beside: MLDSA44, keys: ksk+zsk")
    assert dnsctl("key", "generate", "example.com", "--role", "zsk", root=place).code == 0
    assert dnsctl("key", "generate", "example.com", "--role", "ksk", root=place).code == 0
    keys = dnsctl("key", "list", "--json", root=place).json["keys"]
    assert sorted((each["algorithm"], each["role"]) for each in keys) == [
        (13, "ksk"), (13, "zsk"), (18, "ksk"), (18, "zsk")
    ]  # fmt: skip
    again = dnsctl("key", "generate", "example.com", root=place)
    assert again.code == 1
    assert "was generated before" in again.line


def test_no_file_for_bind_is_written(root: Path, tmp_path: Path) -> None:
    told = dnsctl("key", "export", "example.com", "--private", "--to", tmp_path / "out", "--yes", root=root)
    assert told.code == 1
    assert "BIND, Knot and PowerDNS do not know algorithm 18 (MLDSA44)" in told.line
    assert told.line.endswith("; export it with --format pem")
    assert not (tmp_path / "out").exists()


def test_key_in_pem_comes_back_as_the_same_key_in_another_repo(root: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "out", made(tmp_path / "other", "beside: MLDSA44")
    told = dnsctl(
        "key", "export", "example.com", "--private", "--to", out, "--format", "pem", "--yes", root=root
    )
    assert told.code == 0, told.err
    [private] = out.glob("*.pem")
    told = dnsctl("key", "import", "example.com", private, "--role", "csk", root=other)
    assert told.code == 0, told.err
    [before], [after] = (
        Keystore(each / "keys", lambda: b"correct horse").list(ZONE) for each in (root, other)
    )
    assert before.public == after.public
    assert (
        "is there already" in dnsctl("key", "import", "example.com", private, "--role", "csk", root=root).line
    )


def test_key_that_no_policy_asks_for_is_refused(root: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "out", made(tmp_path / "other", "keys: csk")
    dnsctl("key", "export", "example.com", "--private", "--to", out, "--format", "pem", "--yes", root=root)
    [private] = out.glob("*.pem")
    told = dnsctl("key", "import", "example.com", private, "--role", "csk", root=other)
    assert told.code == 1
    assert "a csk of algorithm 18, and policy ours asks for csk of ECDSAP256SHA256" in told.line


def test_algorithm_beside_itself_is_refused_with_its_line(tmp_path: Path) -> None:
    place = made(tmp_path / "ops", "algorithm: MLDSA44, beside: 18")
    told = dnsctl("check", root=place)
    assert told.code == 1
    assert "MLDSA44 cannot sign beside itself; name another algorithm, or drop beside" in told.err
    assert "dnsctl.yaml:9:39" in told.err
