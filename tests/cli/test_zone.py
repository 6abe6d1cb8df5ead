"""`dnsctl zone`: list, show, export from the work tree and from the release."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import dns.zone
import pytest

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.store import Image
from dnsctl.model.policy import Policy
from dnsctl.sign.signer import sign_zone
from tests.build import validated
from tests.cli.shell import CONFIG, dnsctl, inside, repo
from tests.peers import need
from tests.sign.scenery import keys_for

ZONE = "www: {type: A, ttl: 300, values: [192.0.2.80, 192.0.2.81]}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repo(tmp_path, example_com_yaml=ZONE)


def release(root: Path, text: str, serial: int = 42, policy: Policy | None = None) -> None:
    """Put one signed zone into the image of the control host, as a push does."""
    policy = policy or Policy()
    zone = validated("example.com.", text)
    signed = sign_zone(zone, keys_for(zone.origin, policy), policy, datetime.now(UTC), serial)
    with Image.open(root / "state" / "image", readonly=False) as image, image.writer() as writer:
        writer.apply(difference(writer, [compile_zone(signed)], ()))
        writer.set_release(1, "00")


def test_list_tells_file_counts_and_policy(root: Path):
    repo(root, CONFIG + "zones: {example.net: {dnssec: none}}\n", example_net_yaml="")
    told = dnsctl("zone", "list", "--json", root=root)
    assert told.json["zones"] == [
        {
            "zone": "example.com.",
            "file": "zones/example.com.yaml",
            "rrsets": 3,
            "records": 5,
            "dnssec": "standard",
        },
        {
            "zone": "example.net.",
            "file": "zones/example.net.yaml",
            "rrsets": 2,
            "records": 3,
            "dnssec": "none",
        },
    ]
    assert "example.net.\tzones/example.net.yaml\t2\t3\tnone" in dnsctl("zone", "list", root=root).out


def test_list_names_zones_that_have_errors(root: Path):
    repo(root, bad_example_yaml="www: {type: A, value: 192.0.2.256}\n", worse_example_yaml="a: [\n")
    told = dnsctl("zone", "list", root=root)
    assert (told.code, "bad.example" in told.out) == (0, False)
    assert told.err.splitlines() == [
        f"warning: {each}.example. is not listed: it has errors; see `dnsctl check`"
        for each in ("bad", "worse")
    ]


def test_show_tells_records_and_lines(root: Path):
    told = dnsctl("zone", "show", "example.com", root=root)
    assert "www\t300\tA\t192.0.2.80\t1" in told.out.splitlines()
    rrsets = dnsctl("zone", "show", "example.com.", "--json", root=root).json["rrsets"]
    [www] = [each for each in rrsets if each["owner"] == "www.example.com."]
    assert www["values"] == ["192.0.2.80", "192.0.2.81"]
    assert (www["file"], www["line"]) == ("zones/example.com.yaml", 1)


def test_show_of_a_zone_that_is_not_there_is_exit_1(root: Path):
    told = dnsctl("zone", "show", "example.org", root=root)
    assert told.code == 1
    assert "example.org." in told.line


def test_export_without_a_release_is_the_work_tree(root: Path):
    told = dnsctl("zone", "export", "example.com", root=root)
    zone = dns.zone.from_text(told.out, origin="example.com.", relativize=False)
    assert len(zone.find_rdataset("www.example.com.", "A")) == 2
    assert zone.get_rdataset("example.com.", "DNSKEY") is None


def test_export_is_the_release_where_there_is_one_and_the_work_tree_on_demand(root: Path):
    release(root, "released A 192.0.2.1\n")
    told = dnsctl("zone", "export", "example.com", root=root)
    zone = dns.zone.from_text(told.out, origin="example.com.", relativize=False)
    assert zone.get_soa().serial == 42
    assert zone.get_rdataset("released.example.com.", "A")
    assert zone.get_rdataset("example.com.", "DNSKEY")
    told = dnsctl("zone", "export", "example.com", "--unsigned", root=root)
    assert "released" not in told.out
    assert "RRSIG" not in told.out


def test_signed_export_without_a_release_says_what_to_do(root: Path):
    told = dnsctl("zone", "export", "example.com", "--signed", root=root)
    assert told.code == 1
    assert "dnsctl push" in told.line


def test_signed_export_of_a_zone_that_is_not_in_the_release_is_refused(root: Path):
    release(root, "")
    told = dnsctl("zone", "export", "example.net", "--signed", root=root)
    assert told.code == 1
    assert "example.net." in told.line


def test_export_to_a_file_is_whole_or_not_at_all(root: Path, tmp_path: Path):
    target = tmp_path / "out.zone"
    with inside(tmp_path):
        assert dnsctl("zone", "export", "example.com", "-o", "out.zone", root=root) == (0, "", "")
    assert "www.example.com. 300 IN A 192.0.2.80\n" in target.read_text()
    told = dnsctl("zone", "export", "example.com", "-o", tmp_path / "missing" / "x", root=root)
    assert told.code == 1
    assert "missing" in told.line
    assert str(tmp_path / "missing" / "x") in told.line
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def test_export_for_octodns_is_what_loads_the_same(root: Path, tmp_path: Path):
    (root / "zones" / "example.net.zone").write_text(
        '$TTL 300\n@ TXT "v=spf1 -all; x"\nwww A 192.0.2.1\n'
        "www RRSIG A 13 3 300 20300101000000 20260101000000 1 @ AQID\n"
        'h HINFO "a" "b"\n'
    )
    target = tmp_path / "out.yaml"
    told = dnsctl("zone", "export", "example.net", "--format", "octodns", "-o", target, root=root)
    assert told.code == 0
    assert "octoDNS does not know HINFO" in told.err
    assert "left out, as a signer makes them: 1 RRSIG" in told.err
    assert target.read_text().startswith("---\n'':\n  ttl: 300\n  type: TXT\n  value: v=spf1 -all\\; x\n")
    before = dnsctl("zone", "show", "example.net", "--json", root=root).json["rrsets"]
    (root / "zones" / "example.net.zone").unlink()
    target.rename(root / "zones" / "example.net.yaml")
    after = dnsctl("zone", "show", "example.net", "--json", root=root).json["rrsets"]
    told_of = [
        [(each["owner"], each["type"], each["ttl"], each["values"]) for each in one]
        for one in (before, after)
    ]
    assert told_of[0] == told_of[1]


def test_octodns_has_no_signatures(root: Path):
    told = dnsctl("zone", "export", "example.com", "--format", "octodns", "--signed", root=root)
    assert told.code != 0
    assert "octoDNS has no signatures" in told.err


@pytest.mark.peer
@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_exported_release_is_accepted_by_peers(root: Path, tmp_path: Path, denial: str):
    policy = Policy(denial="nsec3" if denial == "nsec3" else "nsec")
    release(root, "www A 192.0.2.1\n*.w TXT hello\nsub NS ns.sub\nns.sub A 192.0.2.2\n", policy=policy)
    target = tmp_path / "out.zone"
    assert dnsctl("zone", "export", "example.com", "--signed", "-o", target, root=root).code == 0
    for command in (
        (need("ldns-verify-zone"), str(target)),
        (need("dnssec-verify"), "-q", "-z", "-o", "example.com", str(target)),
        (need("named-checkzone"), "-q", "-i", "local", "example.com", str(target)),
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
        assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_zone_with_a_fault_is_named_where_it_cannot_be_shown(tmp_path: Path):
    root = repo(tmp_path, example_com_yaml="www: [oops\n")
    told = dnsctl("zone", "show", "example.com", root=root)
    assert told.code == 1
    assert told.out == ""
    assert "zones/example.com.yaml:" in told.err
    assert "Traceback" not in told.err
