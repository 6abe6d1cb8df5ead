"""Grandparent, parent and child in one fleet, behind an Unbound that trusts the key of the first alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from dnsctl.demo.ports import free_port
from tests.control.operations import NODES, Operations, made
from tests.peers import need, unbound_config
from tests.serve.peer_servers import running

pytestmark = pytest.mark.peer
TOP, MIDDLE, LOW, NEW = "example.org", "corp.example.org", "lab.corp.example.org", "new.corp.example.org"
NS = "'': {type: NS, values: [ns1.example.org., ns2.example.org.]}\n"
ADDRESSES = "ns1: {type: A, value: 192.0.2.53}\nns2: {type: A, value: 198.51.100.53}\n"
CUT = "%s: {type: NS, values: [ns1.example.org., ns2.example.org.]}\n"
WWW = "www: {type: A, value: 192.0.2.%d}\n"


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    with made(tmp_path / "ops") as operations:
        (operations.root / "zones" / "example.com.yaml").unlink()
        operations.write(f"zones/{TOP}.yaml", NS + ADDRESSES + CUT % "corp" + WWW % 1)
        operations.write(f"zones/{MIDDLE}.yaml", NS + CUT % "lab" + CUT % "new" + WWW % 2)
        operations.write(f"zones/{LOW}.yaml", NS + WWW % 3)
        operations.commit("three zones")
        operations.start(*NODES)
        yield operations


@contextmanager
def resolver(repo: Operations, directory: Path) -> Iterator[int]:
    """Yield the port of an Unbound whose only trust anchor is the key of the topmost zone."""
    program, port, authority = need("unbound"), free_port(), repo.ports["ns1"][0]
    directory.mkdir()
    keys = dns.query.udp(
        dns.message.make_query(f"{TOP}.", "DNSKEY", use_edns=0), "127.0.0.1", port=authority, timeout=5
    ).answer[0]
    settings = [f'trust-anchor: "{TOP}. DNSKEY {key.to_text()}"' for key in keys]
    stubs = "".join(
        f"stub-zone:\n  name: {zone}.\n  stub-addr: 127.0.0.1@{authority}\n"
        for zone in (TOP, MIDDLE, LOW, NEW)
    )
    (directory / "unbound.conf").write_text(unbound_config(directory, port, settings) + stubs)
    command = [program, "-d", "-c", str(directory / "unbound.conf")]
    with running(command, port, [f"{TOP}."], directory / "log"):
        yield port


def told(port: int, name: str) -> tuple[str, bool]:
    """Return the response code for the address of `name`, and whether the answer was validated."""
    query = dns.message.make_query(name, "A")
    query.flags |= dns.flags.AD
    message, _ = dns.query.udp_with_fallback(query, "127.0.0.1", port=port, timeout=10)
    return dns.rcode.to_text(message.rcode()), bool(message.flags & dns.flags.AD)


def fates(printed: dict[str, Any]) -> dict[str, str]:
    return {each["zone"]: each["fate"] for each in printed["zones"]}


def test_chain_validates_from_the_first_push_and_plan_tells_the_same_as_push(
    repo: Operations, tmp_path: Path
) -> None:
    plan = repo.json("plan", code=2)
    dry = repo.json("push", "--dry-run")
    assert fates(plan) == dict.fromkeys((f"{MIDDLE}.", f"{TOP}.", f"{LOW}."), "new") == fates(dry)
    pushed = repo.run("push")
    assert pushed.returncode == 0, pushed.stdout + pushed.stderr
    assert repo.run("plan").returncode == 0  # nothing is left to do
    with resolver(repo, tmp_path / "resolver") as port:
        for zone in (TOP, MIDDLE, LOW):
            assert told(port, f"www.{zone}.") == ("NOERROR", True)
            assert told(port, f"nowhere.{zone}.") == ("NXDOMAIN", True)

        repo.write(f"zones/{NEW}.yaml", NS + WWW % 4)  # the file of its parent stays as it is
        repo.commit("a new child")
        plan = repo.json("plan", code=2)
        assert fates(plan) == {f"{NEW}.": "new", f"{MIDDLE}.": "changed"}
        parent = next(each for each in plan["zones"] if each["zone"] == f"{MIDDLE}.")
        assert [each["event"] for each in parent["dnssec"]] == ["ds"]
        pushed = repo.run("push")
        assert pushed.returncode == 0, pushed.stdout + pushed.stderr
        assert told(port, f"www.{NEW}.")[0] == "NOERROR"  # its cache may still hold a proof of no DS

        repo.write(f"zones/{LOW}.yaml", NS + WWW % 3 + "more: {type: A, value: 192.0.2.9}\n")
        repo.commit("an edit of one zone")
        assert fates(repo.json("plan", code=2)) == {f"{LOW}.": "changed"}
        assert repo.run("push").returncode == 0
        assert told(port, f"www.{LOW}.") == ("NOERROR", True)
    with resolver(repo, tmp_path / "fresh") as port:
        for name in (f"www.{NEW}.", f"more.{LOW}."):
            assert told(port, name) == ("NOERROR", True)
    assert repo.run("verify", "--full").returncode == 0
