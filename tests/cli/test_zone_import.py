"""`dnsctl zone import`: from a master file and from a server; all of it or nothing."""

import hashlib
import time
from pathlib import Path

import pytest

from dnsctl.demo.ports import free_port
from tests.cli.shell import dnsctl, repo
from tests.node.secondaries import KEY, TEXT, running, serial
from tests.peers import need

ZONE = """\
$TTL 300
@ SOA ns1 hostmaster 7 7200 1800 1209600 300
@ NS ns1
@ NS ns2.example.net.
ns1 A 192.0.2.53
www 60 A 192.0.2.80
www 60 A 192.0.2.81
t TXT "v=spf1 -all; \\"x\\"" "two"
"""
SIGNED = """\
@ DNSKEY 257 3 13 AQID
@ RRSIG NS 13 2 300 20300101000000 20260101000000 1 example.com. AQID
www NSEC @ A
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repo(tmp_path / "repo")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "db.example.com"
    made.write_text(ZONE)
    return made


def shown(root: Path) -> dict[tuple[str, str], tuple[int, list[str]]]:
    found = dnsctl("zone", "show", "example.com", "--json", root=root).json["rrsets"]
    return {(each["owner"], each["type"]): (each["ttl"], each["values"]) for each in found}


def digests(root: Path) -> dict[str, str]:
    zones = root / "zones"
    return {
        str(each): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in zones.rglob("*")
        if each.is_file()
    }


@pytest.mark.parametrize(("form", "name"), [("yaml", "example.com.yaml"), ("zone", "example.com.zone")])
def test_a_master_file_becomes_a_file_that_says_the_same(root: Path, file: Path, form: str, name: str):
    told = dnsctl("zone", "import", "example.com", "--from", file, "--as", form, "--json", root=root)
    assert told.json == {
        "written": True,
        "zones": [
            {
                "zone": "example.com.",
                "file": f"zones/{name}",
                "from": "db.example.com",
                "rrsets": 5,
                "records": 7,
                "left_out": [],
            }
        ],
        "removes": [],
        "not_taken": [],
    }
    assert [each.name for each in (root / "zones").iterdir()] == [name]
    found = shown(root)
    assert found["example.com.", "SOA"] == (
        300,
        ["ns1.example.com. hostmaster.example.com. 7 7200 1800 1209600 300"],
    )
    assert found["www.example.com.", "A"] == (60, ["192.0.2.80", "192.0.2.81"])
    assert found["t.example.com.", "TXT"] == (300, ['"v=spf1 -all; \\"x\\"" "two"'])


def test_import_of_an_export_is_the_same_file(root: Path, file: Path, tmp_path: Path):
    for form, option in (("yaml", "octodns"), ("zone", "zonefile")):
        dnsctl("zone", "import", "example.com", "--from", file, "--as", form, "--overwrite", root=root)
        before = digests(root)
        out = tmp_path / "out"
        arguments = ("zone", "export", "example.com", "--unsigned", "--format", option, "-o", out)
        assert dnsctl(*arguments, root=root).code == 0
        assert out.read_bytes() == (root / "zones" / f"example.com.{form}").read_bytes()
        if form == "zone":
            told = dnsctl(
                "zone", "import", "example.com", "--from", out, "--as", form, "--overwrite", root=root
            )
            assert told.code == 0
            assert digests(root) == before


def test_a_zone_that_has_a_file_is_replaced_only_on_demand(root: Path, file: Path):
    repo(root, example_com_yaml="www: {type: A, value: 192.0.2.1}\n")
    before = digests(root)
    told = dnsctl("zone", "import", "example.com", "--from", file, "--as", "zone", root=root)
    assert told.code == 1
    assert told.line.startswith(
        "dnsctl: zones/example.com.yaml: zone example.com. has a file already; --overwrite"
    )
    assert digests(root) == before
    told = dnsctl("zone", "import", "example.com", "--from", file, "--as", "zone", "--overwrite", root=root)
    assert told.code == 0
    assert "removes zones/example.com.yaml" in told.err
    assert [each.name for each in (root / "zones").iterdir()] == ["example.com.zone"]


def test_a_file_that_is_removed_is_told_before_and_one_that_is_replaced_is_not(root: Path, file: Path):
    (root / "zones" / "example.com.zone").write_text(ZONE)
    arguments = ("zone", "import", "example.com", "--from", file, "--overwrite", "--dry-run")
    told = dnsctl(*arguments, root=root)
    assert told.err.splitlines() == ["removes zones/example.com.zone", "dry run: nothing was written"]
    assert dnsctl(*arguments, "--json", root=root).json["removes"] == ["zones/example.com.zone"]
    assert [each.name for each in (root / "zones").iterdir()] == ["example.com.zone"]
    assert "removes" not in dnsctl(*arguments, "--as", "zone", root=root).err


def test_a_split_zone_is_replaced_as_a_whole(root: Path, file: Path):
    split = root / "zones" / "example.com."
    split.mkdir()
    (split / "www.yaml").write_text("www: {type: A, value: 192.0.2.1}\n")
    assert dnsctl("zone", "import", "example.com", "--from", file, "--overwrite", root=root).code == 0
    assert [each.name for each in (root / "zones").iterdir()] == ["example.com.yaml"]


def test_a_dry_run_writes_nothing(root: Path, file: Path):
    told = dnsctl("zone", "import", "example.com", "--from", file, "--dry-run", root=root)
    assert told.code == 0
    assert "zones/example.com.yaml" in told.out
    assert digests(root) == {}


def test_what_another_signer_made_is_left_out_and_named_or_kept(root: Path, file: Path):
    file.write_text(ZONE + SIGNED)
    told = dnsctl("zone", "import", "example.com", "--from", file, root=root)
    assert "1 DNSKEY, 1 NSEC, 1 RRSIG" in told.out
    assert "--presigned keeps it" in told.err
    assert ("example.com.", "DNSKEY") not in shown(root)
    told = dnsctl("zone", "import", "example.com", "--from", file, "--presigned", "--overwrite", root=root)
    assert told.code == 0
    assert "RRSIG NS" in (root / "zones" / "example.com.zone").read_text()
    assert ("www.example.com.", "NSEC") in shown(root)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("www A 192.0.2.256\n", "rdata-syntax"),
        ("$INCLUDE db.example.com\n", "includes itself"),
        ("$INCLUDE ../secret\n", "is outside"),
        ("$GENERATE 1-2000000000 h$ A 192.0.2.1\n", "$GENERATE"),
        ("www.example.net. A 192.0.2.1\n", "is outside example.com"),
    ],
)
def test_a_file_with_an_error_changes_nothing(root: Path, file: Path, text: str, said: str):
    file.write_text(ZONE + text)
    told = dnsctl("zone", "import", "example.com", "--from", file, root=root)
    assert told.code == 1
    assert said in told.err
    assert "db.example.com:9" in told.err
    assert told.err.splitlines()[-1].startswith(
        "dnsctl: example.com.: cannot be taken: 1 error, and nothing was"
    )
    assert digests(root) == {}


def test_a_link_and_standard_input_are_read(
    root: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link"
    link.symlink_to(file)
    assert dnsctl("zone", "import", "example.com", "--from", link, root=root).code == 0
    before = digests(root)
    with file.open() as opened:
        monkeypatch.setattr("sys.stdin", opened)
        told = dnsctl("zone", "import", "example.com", "--from", "-", "--overwrite", root=root)
    assert (told.code, "standard input" in told.out) == (0, True)
    assert digests(root) == before


def test_a_missing_file_and_wrong_options_are_one_line(root: Path, tmp_path: Path):
    told = dnsctl("zone", "import", "example.com", "--from", tmp_path / "nothing", root=root)
    assert (told.code, "nothing" in told.line) == (1, True)
    for arguments in (
        (),
        ("--from", "x", "--axfr", "192.0.2.1"),
        ("--from", "x", "--tsig", "a:hmac-sha256:env:X"),
        ("--from", "x", "--presigned", "--as", "yaml"),
        ("--axfr", "127.0.0.1@0"),
        ("--axfr", "127.0.0.1", "--tsig", "a:hmac-sha257:env:X"),
        ("--axfr", "127.0.0.1", "--tsig", "a:hmac-sha256:env:DNSCTL_NOT_SET"),
        ("--axfr", "127.0.0.1", "--tsig", "just-a-name"),
    ):
        told = dnsctl("zone", "import", "example.com", *arguments, root=root)
        assert told.code != 0, arguments
        assert "Traceback" not in told.err
        assert digests(root) == {}


@pytest.mark.peer
def test_a_transfer_from_knot_signed_by_tsig(
    root: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    there, port = tmp_path / "knot", free_port()
    there.mkdir()
    config = there / "knot.conf"
    config.write_text(
        f"server:\n  listen: 127.0.0.1@{port}\n  rundir: {there}\n"
        f'key:\n  - id: {KEY}\n    algorithm: hmac-sha256\n    secret: "{TEXT}"\n'
        f"log:\n  - target: stderr\n    any: info\ndatabase:\n  storage: {there}\n"
        f"acl:\n  - id: out\n    key: {KEY}\n    action: transfer\n"
        f"zone:\n  - domain: example.com\n    storage: {tmp_path}\n    file: {file.name}\n    acl: out\n"
        "    dnssec-signing: on\n"
    )
    monkeypatch.setenv("DNSCTL_TEST_TSIG", TEXT)
    with running([need("knotd"), "-c", str(config)], there / "log"):
        answered(port, there / "log")
        server = f"127.0.0.1@{port}"
        told = dnsctl("zone", "import", "example.com", "--axfr", server, root=root)
        assert (told.code, "is refused" in told.line) == (1, True)
        tsig = f"{KEY}:hmac-sha256:env:DNSCTL_TEST_TSIG"
        told = dnsctl("zone", "import", "example.com", "--axfr", server, "--tsig", tsig, "--json", root=root)
        assert told.code == 0, told.err
        monkeypatch.setenv("DNSCTL_TEST_TSIG", "A" * 44)
        arguments = ("--axfr", server, "--tsig", tsig, "--overwrite")
        assert dnsctl("zone", "import", "example.com", *arguments, root=root).code == 1
    [made] = told.json["zones"]
    assert {each["type"] for each in made["left_out"]} >= {"RRSIG", "NSEC", "DNSKEY"}
    found = shown(root)
    assert found["www.example.com.", "A"] == (60, ["192.0.2.80", "192.0.2.81"])
    assert not {kind for _, kind in found} & {"DNSKEY", "NSEC", "CDS"}


def answered(port: int, log: Path) -> None:
    """Wait until the server has the zone."""
    deadline = time.monotonic() + 60
    while not serial("127.0.0.1", port, "example.com."):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
