"""Keys and wishes about the DS in a zone file, which only the policy may let be published: `foreign-keys`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import pytest

from dnsctl.model.policy import Algorithm
from dnsctl.model.rrset import rdata_text
from tests.control.operations import NODES, Operations
from tests.sign.mutations import ORIGIN
from tests.sign.scenery import signing_key

POLICY = "policies:\n  standard: {foreign-keys: allow}\n"
ZONE = """\
$TTL 3600
@ SOA ns1 hostmaster 1 7200 1800 1209600 300
@ NS ns1
@ NS ns2
ns1 A 192.0.2.53
ns2 A 198.51.100.53
"""
DELETE = "@ CDS 0 0 0 00\n@ CDNSKEY 0 3 0 AA==\n"
DELETE_YAML = """
'':
  - {type: NS, values: [ns1.example.com., ns2.example.com.]}
  - {type: CDS, value: 0 0 0 00}
  - {type: CDNSKEY, value: 0 3 0 AA==}
ns1: {type: A, value: 192.0.2.53}
ns2: {type: A, value: 198.51.100.53}
"""
OTHER = signing_key(ORIGIN, Algorithm.ECDSAP256SHA256, "zsk", 5).public
FOREIGN = f"@ DNSKEY {rdata_text(48, OTHER.rdata)}\n"


@pytest.fixture
def repo(tmp_path: Path) -> Operations:
    operations = Operations(tmp_path / "ops")
    operations.root.mkdir()
    operations.make()
    return operations


def write(repo: Operations, text: str, name: str = "example.com.zone", *, allow: bool) -> None:
    (repo.root / "zones" / "example.com.yaml").unlink()
    repo.write(f"zones/{name}", text)
    if allow:
        repo.write("dnsctl.yaml", (repo.root / "dnsctl.yaml").read_text() + POLICY)
    repo.commit("keys in the zone file")


@pytest.mark.parametrize("text", [ZONE + DELETE, ZONE + FOREIGN])
def test_error_says_how_to_allow_it(repo: Operations, text: str) -> None:
    write(repo, text, allow=False)
    told = repo.run("check")
    assert told.returncode == 1
    assert "error [dnssec-by-hand]" in told.stdout
    assert "`policies: standard: {foreign-keys: allow}` in dnsctl.yaml" in told.stdout


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (ZONE + DELETE, "example.com.zone"),
        (DELETE_YAML, "example.com.yaml"),
        (ZONE + FOREIGN, "example.com.zone"),
    ],
)
def test_allowed_by_the_policy_it_passes(repo: Operations, text: str, name: str) -> None:
    write(repo, text, name, allow=True)
    checked = repo.run("check")
    assert checked.returncode == 0, checked.stdout
    assert repo.run("push", "--dry-run").returncode == 0


def test_setting_that_is_written_otherwise_is_refused_with_what_there_is(repo: Operations) -> None:
    repo.write("dnsctl.yaml", (repo.root / "dnsctl.yaml").read_text() + POLICY.replace("allow", "yes please"))
    told = repo.run("check")
    assert told.returncode == 1
    assert "foreign-keys" in told.stderr
    assert "allow" in told.stderr


@pytest.fixture
def fleet(repo: Operations) -> Iterator[Operations]:
    try:
        repo.start(*NODES)
        yield repo
    finally:
        repo.stop()


def served(repo: Operations, rdtype: str) -> set[str]:
    query = dns.message.make_query("example.com.", rdtype)
    answer = dns.query.udp(query, "127.0.0.1", port=repo.ports["ns1"][0], timeout=5)
    return {rdata.to_text() for rrset in answer.answer for rdata in rrset}


def test_wish_to_withdraw_the_ds_is_served_and_taken_back(fleet: Operations) -> None:
    write(fleet, ZONE, allow=True)
    assert fleet.run("push").returncode == 0
    assert len(served(fleet, "CDS")) == 1
    fleet.write("zones/example.com.zone", ZONE + DELETE)
    fleet.commit("withdraw the DS")
    planned = fleet.run("plan").stdout
    assert "CDS 0 0 0 00" in planned
    told = fleet.run("push")
    assert told.returncode == 0, told.stdout + told.stderr
    assert served(fleet, "CDS") == {"0 0 0 00"}
    assert served(fleet, "CDNSKEY") == {"0 3 0 AA=="}
    fleet.write("zones/example.com.zone", ZONE)
    fleet.commit("keep it after all")
    assert fleet.run("push").returncode == 0
    assert "0 0 0 00" not in served(fleet, "CDS")


def test_key_of_another_signer_is_served_beside_ours(fleet: Operations) -> None:
    write(fleet, ZONE, allow=True)
    assert fleet.run("push").returncode == 0
    fleet.write("zones/example.com.zone", ZONE + FOREIGN.replace("256 3", "257 3"))
    fleet.commit("another signer's key")
    told = fleet.run("push")
    assert told.returncode == 0, told.stdout + told.stderr
    assert len(served(fleet, "DNSKEY")) == 2
    assert fleet.run("push").stdout.startswith("Nothing to push")
