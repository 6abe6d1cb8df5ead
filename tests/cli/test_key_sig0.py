"""`dnsctl key … --sig0`: keys that sign updates to parents are made, taken over, listed, kept encrypted."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from typing import Any

import dns.rdata
import pytest

from dnsctl.cli import keys_sig0
from dnsctl.cli.main import run
from dnsctl.model.name import from_text
from dnsctl.model.policy import Algorithm
from dnsctl.sign import disk
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.sig0 import Sig0Key
from dnsctl.sign.sig0_keys import chosen, drafted, key_record, listed, opened, store
from tests.cli.shell import dnsctl, repo
from tests.peers import need

NAME = "updates.example.com"
OWNER = from_text(f"{NAME}.")
PASSPHRASE = b"correct horse"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
PARENTS = f"parents: {{bind: {{ds: update, server: 192.0.2.1, sig0: {{name: {NAME}}}}}}}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = repo(tmp_path, example_com_yaml="www: {type: A, value: 192.0.2.1}\n")
    (made / "keys").mkdir()
    (made / "keys" / "passphrase").write_bytes(PASSPHRASE + b"\n")
    (made / "keys" / "passphrase").chmod(0o600)
    with (made / "dnsctl.yaml").open("a") as settings:
        settings.write(PARENTS)
    return made


def keystore(root: Path) -> Keystore:
    return Keystore(root / "keys", lambda: PASSPHRASE)


def files(root: Path) -> list[str]:
    return sorted(str(each.relative_to(root)) for each in (root / "keys/sig0").rglob("*") if each.is_file())


def bind_pair(directory: Path, algorithm: str = "ECDSAP256SHA256", name: str = NAME) -> Path:
    """Make a key with BIND's own tool; return the file of its private half."""
    directory.mkdir(exist_ok=True)
    command = [need("dnssec-keygen"), "-q", "-T", "KEY", "-n", "HOST", "-a", algorithm, name]
    done = subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True, timeout=60)
    return directory / f"{done.stdout.strip()}.private"


def test_check_tells_of_a_key_that_is_missing_where_the_others_are(root: Path) -> None:
    assert "update-key-missing" not in dnsctl("check", root=root).out, "a clone has no keys"
    (root / "keys/release.pem").touch()
    told = dnsctl("check", "--json", root=root)
    [found] = [each for each in told.json["findings"] if each["rule"] == "update-key-missing"]
    assert (told.code, found["severity"], found["file"]) == (0, "warning", "dnsctl.yaml")
    assert found["message"].startswith(f"parent bind takes updates, and no key for SIG(0) of {NAME}. in")
    assert f"dnsctl key generate {NAME}. --sig0" in found["advice"]
    assert dnsctl("key", "generate", NAME, "--sig0", root=root).code == 0
    assert "update-key-missing" not in dnsctl("check", root=root).out


def test_check_tells_of_a_shared_key_that_is_missing(root: Path) -> None:
    (root / "keys/release.pem").touch()
    settings = root / "dnsctl.yaml"
    settings.write_text(settings.read_text().replace("sig0: {name", "key: {name"))
    told = dnsctl("check", root=root)
    [line] = [each for each in told.out.splitlines() if "update-key-missing" in each]
    assert "parent bind takes updates, and" in line and "keys/tsig/updates.example.com" in line


@pytest.mark.parametrize("algorithm", ["", "RSASHA256", "ECDSAP384SHA384", "ED25519", "ED448"])
def test_generated_key_is_printed_as_a_key_record_and_kept_encrypted(root: Path, algorithm: str) -> None:
    told = dnsctl(
        "key", "generate", NAME, "--sig0", *(["--algorithm", algorithm] * bool(algorithm)), root=root
    )
    assert told.code == 0
    name, rdclass, rdtype, rest = told.out.strip().split(" ", 3)
    assert (name, rdclass, rdtype) == (f"{NAME}.", "IN", "KEY")
    wire = dns.rdata.from_text("IN", "KEY", rest).to_wire()
    assert wire is not None
    number = int(Algorithm[algorithm or "ECDSAP256SHA256"])
    assert (wire[:2], wire[2], wire[3]) == (b"\x02\x00", 3, number)
    key = opened(keystore(root), chosen(root / "keys", OWNER, None))
    assert key.public.rdata == wire
    public, private = files(root)
    stem = f"keys/sig0/{NAME}/K{NAME}.+{number:03d}+{key.public.tag:05d}"
    assert (public, private) == (f"{stem}.key", f"{stem}.private.pem")
    assert "ENCRYPTED PRIVATE KEY" in (root / private).read_text()
    assert (root / private).stat().st_mode & 0o777 == 0o600
    assert told.out.strip() in (root / public).read_text()
    assert "backup" in told.err


def test_list_names_the_parents_that_a_key_is_for_and_export_prints_the_record_again(root: Path) -> None:
    made = dnsctl("key", "generate", NAME, "--sig0", root=root).out
    dnsctl("key", "generate", "other.example.com", "--sig0", root=root)
    (row, other) = dnsctl("key", "list", "--sig0", root=root).out.splitlines()[:0:-1]
    assert row.split("\t")[0] == f"{NAME}."
    assert row.split("\t")[2:] == ["13", "bind"]
    assert other.split("\t")[3] == "-"
    assert dnsctl("key", "export", NAME, "--sig0", root=root).out == made
    (told,) = dnsctl("key", "list", NAME, "--sig0", "--json", root=root).json["keys"]
    assert (told["parents"], told["record"]) == (["bind"], made.strip())
    assert told == dnsctl("key", "export", NAME, "--sig0", "--json", root=root).json["keys"][0]


def test_keys_for_sig0_are_not_among_those_of_zones_whatever_the_zone_is_called(root: Path) -> None:
    shutil.copy(root / "zones/example.com.yaml", root / "zones/sig0.yaml")
    dnsctl("key", "generate", NAME, "--sig0", root=root)
    assert dnsctl("key", "generate", "sig0", root=root).code == 0
    (told,) = dnsctl("key", "list", "--json", root=root).json["keys"]
    assert told["zone"] == "sig0."
    (told,) = dnsctl("key", "list", "--sig0", "--json", root=root).json["keys"]
    assert told["name"] == f"{NAME}."


@pytest.mark.parametrize("name", [r"a\;b.example", r"a\\b.example", r"a\059.example"])
def test_key_of_a_name_with_an_escape_is_listed_and_exported(root: Path, name: str) -> None:
    made = dnsctl("key", "generate", name, "--sig0", root=root)
    assert made.code == 0
    assert dnsctl("key", "list", "--sig0", root=root).code == 0
    told = dnsctl("key", "export", name, "--sig0", root=root)
    assert (told.code, told.out) == (0, made.out)


def test_second_key_of_a_name_is_made_only_where_it_is_asked_for(root: Path) -> None:
    dnsctl("key", "generate", NAME, "--sig0", root=root)
    before = files(root)
    told = dnsctl("key", "generate", NAME, "--sig0", root=root)
    assert told.code == 1
    assert "is there already" in told.line
    assert "--another" in told.line
    assert files(root) == before
    more = dnsctl("key", "generate", NAME, "--sig0", "--another", root=root)
    assert more.code == 0
    assert re.search(r"sig0: \{name: \S+, tag: \d+\}", more.line), "without its tag, none of the two is used"
    assert len(listed(root / "keys", OWNER)) == 2


def test_of_commands_at_one_moment_one_makes_the_key(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three commands find no key and make one in memory; only then does each try to store its own."""
    together = Barrier(3)

    def drafted_together(*known: Any) -> Sig0Key:
        made = drafted(*known)
        together.wait(60)
        return made

    monkeypatch.setattr(keys_sig0, "drafted", drafted_together)
    with ThreadPoolExecutor(3) as pool:
        command = ["-C", str(root), "key", "generate", NAME, "--sig0"]
        codes = list(pool.map(lambda _: run(command), range(3)))
    assert sorted(codes) == [0, 1, 1]
    assert len(listed(root / "keys", OWNER)) == 1
    assert len(files(root)) == 2
    assert chosen(root / "keys", OWNER, None)


@pytest.mark.peer
@pytest.mark.parametrize("algorithm", ["RSASHA256", "ECDSAP256SHA256", "ECDSAP384SHA384", "ED25519", "ED448"])
def test_pair_of_bind_is_taken_over_with_its_tag_and_record(
    algorithm: str, root: Path, tmp_path: Path
) -> None:
    private = bind_pair(tmp_path / "bind", algorithm)
    theirs = private.with_suffix(".key").read_text().splitlines()[-1]
    told = dnsctl("key", "import", NAME, str(private), "--sig0", root=root)
    assert told.code == 0
    assert told.out.split() == [*theirs.split()[:6], "".join(theirs.split()[6:])]
    key = opened(keystore(root), chosen(root / "keys", OWNER, None))
    assert f"+{key.public.tag:05d}.private" in private.name
    assert "opens it to" not in told.err
    again = dnsctl("key", "import", NAME, str(private), "--sig0", root=root)
    assert (again.code, "is there already" in again.line) == (1, True)


@pytest.mark.peer
def test_pair_that_everybody_could_read_is_taken_over_with_a_warning(root: Path, tmp_path: Path) -> None:
    private = bind_pair(tmp_path / "bind", "ED25519")
    private.chmod(0o644)
    told = dnsctl("key", "import", NAME, str(private), "--sig0", root=root)
    assert told.code == 0
    assert "0644 opens it to every user of this host; who has read it can sign as you" in told.err


@pytest.mark.peer
def test_pair_that_cannot_be_used_is_named_and_nothing_is_stored(root: Path, tmp_path: Path) -> None:
    good, other = bind_pair(tmp_path / "bind"), bind_pair(tmp_path / "bind", name="other.example.com")
    zone = tmp_path / "zone"
    zone.mkdir()
    command = [need("dnssec-keygen"), "-q", "-a", "ED25519", NAME]
    subprocess.run(command, cwd=zone, check=True, capture_output=True, timeout=60)
    (dnskey,) = zone.glob("*.private")
    mixed = tmp_path / "bind" / "Kmixed.private"
    shutil.copy(good, mixed)
    shutil.copy(other.with_suffix(".key"), mixed.with_suffix(".key"))
    changed = mixed.with_suffix(".key").read_text().replace("other.example.com", NAME)
    mixed.with_suffix(".key").write_text(changed)
    for path, said in (
        (other, "is a key of other.example.com.; name the files of updates.example.com."),
        (dnskey, "holds a DNSKEY record, not a KEY"),
        (mixed, "the private half does not belong to the KEY beside it"),
        (good.parent, "is a directory; name the file of one key"),
        (tmp_path / "absent", "no such file"),
    ):
        told = dnsctl("key", "import", NAME, str(path), "--sig0", root=root)
        assert (told.code, said in told.line) == (1, True), told
    assert not (root / "keys/sig0").exists()


@pytest.mark.peer
def test_key_record_is_not_taken_for_a_key_of_a_zone(root: Path, tmp_path: Path) -> None:
    private = bind_pair(tmp_path / "bind", name="example.com")
    told = dnsctl("key", "import", "example.com", str(private), root=root)
    assert told.code == 1
    assert "holds a KEY record, not a DNSKEY" in told.line
    assert "--sig0" in told.line


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("generate", NAME, "--sig0", "--role", "csk"), "--role"),
        (("generate", "example.com", "--algorithm", "ED25519"), "goes with --sig0"),
        (("generate", NAME, "--sig0", "--algorithm", "MLDSA44"), "ED448"),
        (("import", NAME, "a", "--sig0", "--active"), "--active"),
        (("import", NAME, "a", "b", "--sig0"), "name one key"),
        (("export", NAME, "--sig0", "--private"), "--private"),
        (("export", NAME, "--sig0"), "has no such key for SIG(0)"),
        (("generate", "a..b", "--sig0"), "empty label"),
    ],
)
def test_option_or_name_that_does_not_go_with_sig0_is_refused(
    command: tuple[str, ...], said: str, root: Path
) -> None:
    told = dnsctl("key", *command, root=root)
    assert told.code in (1, 2)
    assert said in told.line
    assert not (root / "keys/sig0").exists()


def test_wrong_passphrase_stops_a_key_before_anything_is_written(root: Path) -> None:
    dnsctl("key", "generate", "example.com", root=root)
    (root / "keys/passphrase").write_text("another\n")
    told = dnsctl("key", "generate", NAME, "--sig0", root=root)
    assert told.code == 1
    assert "nothing is written under it" in told.line
    assert not (root / "keys/sig0").exists()


def test_new_passphrase_opens_keys_for_sig0_too_and_a_backup_brings_them_back(tmp_path: Path) -> None:
    root = tmp_path / "dns"
    assert dnsctl("init", root).code == 0
    record = dnsctl("key", "generate", NAME, "--sig0", root=root).out
    old = (root / "keys/passphrase").read_bytes().strip()
    assert dnsctl("key", "passphrase", root=root).code == 0
    new = (root / "keys/passphrase").read_bytes().strip()
    assert old != new
    stored = chosen(root / "keys", OWNER, None)
    assert key_record(opened(Keystore(root / "keys", lambda: new), stored).public) == record.strip()
    secret = tmp_path / "secret"
    secret.write_text("of the backup\n")
    secret.chmod(0o600)
    under = ("--passphrase", f"file:{secret}")
    assert dnsctl("backup", tmp_path / "file", *under, root=root).code == 0
    assert dnsctl("restore", tmp_path / "file", tmp_path / "back", *under).code == 0
    assert dnsctl("key", "export", NAME, "--sig0", root=tmp_path / "back").out == record
    stored.private_path.write_text("damaged\n")
    told = dnsctl("backup", tmp_path / "second", *under, root=root)
    assert (told.code, "damaged or no PKCS#8 key" in told.line) == (1, True)


def test_disk_that_fails_between_the_halves_leaves_no_key(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = disk.write

    def full(path: Path, content: bytes, mode: int) -> None:
        if path.suffix == ".key":
            raise disk.unwritable(path, OSError(28, os.strerror(28)))
        write(path, content, mode)

    monkeypatch.setattr(disk, "write", full)
    told = dnsctl("key", "generate", NAME, "--sig0", root=root)
    assert (told.code, "No space left" in told.line) == (1, True)
    assert files(root) == []


def test_private_half_that_was_lost_is_taken_over_again_and_a_damaged_public_one_is_named(root: Path) -> None:
    key = drafted(OWNER, Algorithm.ED25519, ())
    stored = store(keystore(root), key, NOW)
    stored.private_path.unlink()
    store(keystore(root), key, NOW)
    assert opened(keystore(root), stored).public == key.public
    text = stored.path.read_text()
    for damage, said in (
        ("", "no KEY record in it"),
        (text.replace(NAME, "a.example"), "not what its name says"),
    ):
        stored.path.write_text(damage)
        told = dnsctl("key", "list", "--sig0", root=root)
        assert (told.code, said in told.line) == (1, True)
