"""Nodes that are cut off, a site that serves old data, releases in an emergency: on a fleet of their own."""

from __future__ import annotations

from collections.abc import Iterator

import dns.message
import dns.query
import pytest

from dnsctl.model.guard_names import GUARDS
from tests.control.operations import NODES, Operations, made, zone

ALLOW_ALL = [option for guard in GUARDS for option in ("--allow", guard)]
RELEASES = (
    ("push",),
    ("push", *ALLOW_ALL, "--reason", "an emergency"),
    ("push", "--renew"),
    ("rollback",),
    ("rollback", "1", *ALLOW_ALL, "--reason", "an emergency"),
    ("key", "roll", "example.com"),
    ("key", "roll", "example.com", "--emergency", "--break-chain", "example.com"),
)


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operations]:
    """A fleet that serves its second release."""
    with made(tmp_path_factory.mktemp("alone") / "ops") as operations:
        operations.start(*NODES)
        assert operations.run("push").returncode == 0
        change(operations, "192.0.2.81")
        assert operations.run("push").returncode == 0
        yield operations


def change(repo: Operations, address: str) -> None:
    repo.write("zones/example.com.yaml", zone(address))
    repo.commit(f"www is {address}")


def address(repo: Operations, node: str) -> str:
    query = dns.message.make_query("www.example.com.", "A")
    found = dns.query.udp(query, "127.0.0.1", port=repo.ports[node][0], timeout=5).answer[0]
    return str(found[0].to_text())


def test_no_release_goes_out_that_a_node_cannot_prepare_however_urgent(repo: Operations) -> None:
    before, served = repo.generations(), address(repo, "ns1")
    keys = sorted(path.name for path in (repo.root / "keys").rglob("K*"))
    repo.end("ns2")
    change(repo, "192.0.2.82")
    try:
        for command in RELEASES:
            done = repo.run(*command)
            assert done.returncode == 1, (command, done)
            assert "ns2" in done.stderr, (command, done)
    finally:
        repo.start("ns2")
    assert repo.generations() == before
    assert address(repo, "ns1") == address(repo, "ns2") == served
    assert sorted(path.name for path in (repo.root / "keys").rglob("K*")) == keys


def test_old_commit_that_is_pushed_late_is_refused(repo: Operations) -> None:
    served = address(repo, "ns1")
    done = repo.run("push", "--rev", "main~2")
    assert done.returncode == 1
    assert "guard history: " in done.stderr
    assert address(repo, "ns1") == address(repo, "ns2") == served


def test_node_that_reaches_nobody_serves_on_also_after_a_restart(repo: Operations) -> None:
    served = address(repo, "ns1")
    repo.end("ns2")
    assert address(repo, "ns1") == served
    repo.end("ns1")
    repo.start("ns1")
    try:
        assert address(repo, "ns1") == served
    finally:
        repo.start("ns2")


def test_site_that_serves_old_data_is_named_by_status_and_verify(repo: Operations) -> None:
    old = address(repo, "ns2")
    repo.end("ns2")
    change(repo, "192.0.2.83")
    assert repo.run("push", "--without", "dc2", "--reason", "dc2 is away").returncode == 3
    repo.end("ns1")  # so that ns2 has nobody to catch up from
    repo.start("ns2")
    try:
        assert address(repo, "ns2") == old
        released = repo.json("status", code=1)
        (told,) = (each for each in released["concerns"] if each["about"] == "ns2")
        assert (
            f"serves generation {released['generation'] - 1}, not {released['generation']}" in told["message"]
        )
        verified = repo.json("verify", code=1)
        assert {each["rule"] for each in verified["faults"] if each["node"] == "ns2"} >= {"serial-differs"}
    finally:
        repo.start("ns1")
    repo.wait(lambda nodes: nodes["ns1"]["manifest"] == nodes["ns2"]["manifest"])
    assert address(repo, "ns2") == "192.0.2.83"
