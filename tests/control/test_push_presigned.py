"""Zones that come signed, pushed to two real nodes: what a validator would refuse reaches none of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from tests.cli.test_presigned import with_signatures_of_no_key
from tests.control.operations import NODES, Operations, made
from tests.sign.mutations import NSEC, Records, flipped, records_of, text_of


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    with made(tmp_path / "ops") as operations:
        (operations.root / "zones" / "example.com.yaml").unlink()
        operations.start(*NODES)
        yield operations


def commit(repo: Operations, records: Records) -> None:
    repo.write("zones/example.com.zone", text_of(records))
    repo.commit("a zone that came signed")


def rcode(repo: Operations, node: str) -> int:
    query = dns.message.make_query("www.example.com.", "A")
    return int(dns.query.udp(query, "127.0.0.1", port=repo.ports[node][0], timeout=5).rcode())


def test_one_bogus_signature_among_thousands_of_changes_reaches_no_node(repo: Operations) -> None:
    records = records_of(NSEC, text="".join(f"h{number} A 192.0.2.1\n" for number in range(6000)))
    commit(repo, records_of(NSEC))
    assert repo.run("push").returncode == 0
    flipped("h4711")(records, NSEC)
    commit(repo, records)
    told = repo.run("push", "--allow", "deletes", "--reason", "new zone")
    assert told.returncode == 1
    assert "error [signature-invalid] h4711.example.com. A: the signature by key" in told.stderr
    assert {node["generation"] for node in repo.json("status")["nodes"]} == {1}
    assert rcode(repo, "ns1") == rcode(repo, "ns2") == dns.rcode.NOERROR


def test_zone_with_signatures_of_no_key_is_served_and_is_no_drift(repo: Operations) -> None:
    commit(repo, with_signatures_of_no_key())
    told = repo.run("push")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "served and verified on ns1 and ns2: 1 zone with" in told.stdout
    assert "RRsets compared" in told.stdout
    assert repo.run("verify", "--full").returncode == 0
