"""`dnsctl key`: what the keystore holds, and what goes to the parent."""

from datetime import UTC, datetime
from pathlib import Path

import dns.dnssec
import dns.name
import dns.rdata
import pytest

from dnsctl.model.name import from_text
from dnsctl.model.policy import Policy
from dnsctl.sign.keystore import Keystore
from tests.cli.shell import CONFIG, dnsctl, repo

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ZONE = from_text("example.com.")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = repo(tmp_path, example_com_yaml="www: {type: A, value: 192.0.2.1}\n")
    (made / "keys").mkdir()
    (made / "keys" / "passphrase").write_text("correct horse\n")
    (made / "keys" / "passphrase").chmod(0o600)
    return made


def sign_with(root: Path, policy: Policy) -> None:
    Keystore(root / "keys", lambda: b"correct horse").signing_keys(ZONE, policy, NOW)


def test_list_shows_zone_role_and_state(root: Path):
    sign_with(root, Policy(keys="ksk+zsk"))
    keys = dnsctl("key", "list", "--json", root=root).json["keys"]
    assert {each["role"] for each in keys} == {"ksk", "zsk"}
    assert {each["state"] for each in keys} == {"active"}
    assert keys[0]["times"]["active"] == "2026-11-21T00:00:00Z"
    assert (root / keys[0]["file"]).is_file()
    told = dnsctl("key", "list", "example.com", root=root)
    assert told.out.splitlines()[0].split("\t") == ["zone", "tag", "role", "algorithm", "state", "since"]
    assert len(told.out.splitlines()) == 3


def test_list_of_another_zone_is_empty_and_says_how_keys_come_to_be(root: Path):
    sign_with(root, Policy())
    (root / "zones/example.net.yaml").write_text("www: {type: A, value: 192.0.2.1}\n")
    told = dnsctl("key", "list", "example.net", root=root)
    assert told.code == 0
    assert "example.net. has no keys: `dnsctl push` makes it" in told.err


def test_list_of_a_zone_that_is_not_there_or_outside_of_a_repo_is_refused(root: Path, tmp_path: Path):
    told = dnsctl("key", "list", "exampel.com", root=root)
    assert told.code == 1
    assert "unknown zone exampel.com.; did you mean example.com.?" in told.line
    (tmp_path / "empty").mkdir()
    for zone in ((), ("example.com",)):
        told = dnsctl("key", "list", *zone, root=tmp_path / "empty")
        assert told.code == 1
        assert "dnsctl.yaml" in told.line
        assert not told.out


def test_list_of_a_zone_that_was_removed_still_shows_its_keys(root: Path):
    sign_with(root, Policy())
    (root / "zones/example.com.yaml").unlink()
    assert len(dnsctl("key", "list", "example.com", "--json", root=root).json["keys"]) == 1


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        (("--continue", "--emergency"), "--emergency: is for the beginning of a roll"),
        (("--continue", "--role", "zsk"), "--role: is for the beginning of a roll"),
        (("--undo", "--role", "zsk"), "--role: is for the beginning of a roll"),
        (("--undo", "--emergency"), "--emergency: is for the beginning of a roll"),
        (("--undo", "--continue"), "--continue: goes on with a roll, and --undo takes it back"),
        (
            ("--plan", "--emergency", "--break-chain", "example.com"),
            "--break-chain: is for a step that is taken",
        ),
    ],
)
def test_option_that_another_leaves_without_effect_is_refused(
    options: tuple[str, ...], refused: str, root: Path
):
    told = dnsctl("key", "roll", "example.com", *options, root=root)
    assert told.code == 1
    assert refused in told.line


@pytest.mark.parametrize(
    ("digest", "algorithm"), [("sha256", "SHA256"), ("sha384", "SHA384"), ("sha1", "SHA1")]
)
def test_ds_is_what_dnspython_makes_of_the_dnskey(root: Path, digest: str, algorithm: str):
    sign_with(root, Policy(keys="ksk+zsk"))
    told = dnsctl("key", "ds", "example.com", "--digest", digest, root=root)
    [line] = told.out.splitlines()
    owner, ttl, rdclass, rdtype, rdata = line.split(maxsplit=4)
    assert (owner, ttl, rdclass, rdtype) == ("example.com.", "3600", "IN", "DS")
    [ksk] = [each for each in Keystore(root / "keys", lambda: b"").list(ZONE) if each.role == "ksk"]
    dnskey = dns.rdata.from_wire("IN", "DNSKEY", ksk.public.rdata, 0, len(ksk.public.rdata))
    expected = dns.dnssec.make_ds(
        dns.name.from_text("example.com."), dnskey, algorithm, policy=dns.dnssec.allow_all_policy
    )
    assert dns.rdata.from_text("IN", "DS", rdata) == expected


def test_ds_of_a_zone_without_keys_says_how_they_come_to_be(root: Path):
    told = dnsctl("key", "ds", "example.com", root=root)
    assert told.code == 1
    assert "dnsctl push" in told.line


def test_ds_of_a_zone_that_has_no_file_or_is_not_signed_does_not_send_people_to_push(tmp_path: Path):
    root = repo(tmp_path, CONFIG + "  dnssec: none\n", example_com_yaml="www: {type: A, value: 192.0.2.1}\n")
    assert "it is not signed here" in dnsctl("key", "ds", "example.com", root=root).line
    assert "no file in zones/" in dnsctl("key", "ds", "exmple.com", root=root).line


def test_generated_key_is_listed_and_its_ds_is_given_with_a_warning(root: Path):
    told = dnsctl("key", "generate", "example.com", root=root)
    assert told.code == 0, told.err
    [key] = dnsctl("key", "list", "--json", root=root).json["keys"]
    assert (key["state"], key["role"]) == ("generated", "csk")
    told = dnsctl("key", "ds", "example.com", "--json", root=root)
    assert told.json["ds"][0]["tag"] == key["tag"]
    assert "not signed with it yet" in dnsctl("key", "ds", "example.com", root=root).err


def test_generate_for_an_unsigned_zone_is_refused(tmp_path: Path):
    root = repo(tmp_path, CONFIG + "  dnssec: none\n", example_com_yaml="www: {type: A, value: 192.0.2.1}\n")
    told = dnsctl("key", "generate", "example.com", root=root)
    assert told.code == 1
    assert "is not signed" in told.line


def test_generate_for_a_zone_that_does_not_exist_names_the_nearest_and_makes_nothing(root: Path):
    told = dnsctl("key", "generate", "exmple.com", root=root)
    assert told.code == 1
    assert "unknown zone exmple.com." in told.line
    assert "example.com." in told.line
    assert not list((root / "keys").glob("*/*"))


def test_second_key_is_made_only_where_it_is_asked_for(root: Path):
    [first] = dnsctl("key", "generate", "example.com", "--json", root=root).json["keys"]
    told = dnsctl("key", "generate", "example.com", root=root)
    assert told.code == 1
    assert first["file"] in told.line
    assert "--another" in told.line
    assert len(dnsctl("key", "list", "--json", root=root).json["keys"]) == 1
    assert dnsctl("key", "generate", "example.com", "--another", root=root).code == 0
    assert len(dnsctl("key", "list", "--json", root=root).json["keys"]) == 2


def test_generate_without_a_passphrase_says_where_it_was_looked_for(root: Path):
    (root / "keys" / "passphrase").unlink()
    told = dnsctl("key", "generate", "example.com", root=root)
    assert told.code == 1
    assert "keys/passphrase" in told.line
    assert not list((root / "keys").glob("*/*.pem"))


def test_damaged_key_file_is_named(root: Path):
    sign_with(root, Policy())
    [path] = (root / "keys").glob("*/*.state")
    path.write_text("rubbish\n")
    told = dnsctl("key", "list", root=root)
    assert told.code == 1
    assert path.name in told.line
