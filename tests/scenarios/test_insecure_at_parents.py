"""A signed zone becomes unsigned while an Unbound watches, by rounds of `control --once` alone.

Its DS goes at a BIND and at a Knot that take updates, and at a Knot for which somebody scans CDS. TTLs are a
second long. Only with DNSCTL_PARENTS=all.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.query
import pytest

from dnsctl.model.fleet import Endpoint
from tests.control.operations import Operations
from tests.scenarios.test_rolls_at_a_knot import knot, taking_cds
from tests.scenarios.test_rolls_at_parents import (
    CHILD,
    repo,
    resolver,
    rounds,
    signed_bind,
    told,
    told_by_updates,
    with_tsig,
)

__all__ = ["repo"]  # a fixture
pytestmark = [
    pytest.mark.peer,
    pytest.mark.timeout(240),
    pytest.mark.skipif(os.environ.get("DNSCTL_PARENTS") != "all", reason="takes half a minute"),
]


def there(server: Endpoint, rdtype: str) -> bool:
    """True where a server has a record of that type at the child."""
    query = dns.message.make_query(CHILD, rdtype)
    return bool(dns.query.udp(query, server.address, port=server.port, timeout=5).answer)


def goes_insecure(repo: Operations, parent: Endpoint, port: int) -> int:
    """Push `dnssec: none`, and go round until no DNSKEY is served; return how many answers were asked for."""
    node = Endpoint("127.0.0.1", repo.ports["ns1"][0])
    assert told(port, f"first.{CHILD}") == ("NOERROR", True)
    config = (repo.root / "dnsctl.yaml").read_text()
    repo.write("dnsctl.yaml", config.replace("corp.example.org: {", "corp.example.org: {dnssec: none, "))
    repo.commit("to be unsigned")
    done = repo.run("push")
    assert done.returncode == 0, done
    assert there(node, "DNSKEY"), "it stays signed"
    assert there(parent, "DS")
    asked = rounds(repo, port, "n", lambda: not there(node, "DNSKEY"))
    assert not there(parent, "DS")
    assert told(port, f"last.{CHILD}") == ("NOERROR", False)
    assert repo.json("verify", "--full")["verdict"] == "consistent"
    return asked


@pytest.mark.parametrize("parent", [signed_bind, knot])
def test_zone_is_unsigned_without_one_servfail_at_a_parent_that_takes_updates(
    parent: Callable[[Path], contextlib.AbstractContextManager[Endpoint]], repo: Operations, tmp_path: Path
) -> None:
    assert repo.run("push").returncode == 0
    with parent(tmp_path / "parent") as server:
        told_by_updates(repo, server, with_tsig(repo))
        with resolver(tmp_path / "resolver", server.port, repo.ports["ns1"][0]) as port:
            time.sleep(1.2)
            assert goes_insecure(repo, server, port) > 3


def test_zone_is_unsigned_without_one_servfail_at_a_knot_that_takes_its_cds_after_notify(
    repo: Operations, tmp_path: Path
) -> None:
    assert repo.run("push").returncode == 0
    with knot(tmp_path / "knot") as parent, taking_cds(repo, parent, tmp_path) as registry:
        with resolver(tmp_path / "resolver", parent.port, repo.ports["ns1"][0]) as port:
            time.sleep(1.2)
            assert goes_insecure(repo, parent, port) > 3
        assert registry.scanned.is_set()
