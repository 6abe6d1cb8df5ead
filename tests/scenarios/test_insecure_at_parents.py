"""A signed zone becomes unsigned while an Unbound watches, by rounds of `control --once` alone.

Its DS goes at a BIND and at a Knot that take updates, and at a Knot for which somebody scans CDS. TTLs are a
second long. Only with DNSCTL_PARENTS=all.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.message
import dns.query
import pytest

from dnsctl.demo.ports import free_port
from dnsctl.model.fleet import Endpoint
from tests.control.operations import Operations
from tests.parent.registry import Registry
from tests.parent.scripted import serving
from tests.parent.updates import KEY, SECRET
from tests.peers import need
from tests.scenarios.test_rolls_at_parents import (
    CHILD,
    PARENT,
    TEXT,
    repo,
    resolver,
    rounds,
    signed_bind,
    told,
    told_by_updates,
    with_tsig,
)
from tests.serve.peer_servers import running

__all__ = ["repo"]  # a fixture
pytestmark = [
    pytest.mark.peer,
    pytest.mark.timeout(240),
    pytest.mark.skipif(os.environ.get("DNSCTL_PARENTS") != "all", reason="takes half a minute"),
]
KNOT = """\
server:
  listen: 127.0.0.1@{port}
  rundir: "{directory}"
database:
  storage: "{directory}"
log:
  - target: stderr
    any: info
key:
  - id: {name}
    algorithm: hmac-sha256
    secret: "{secret}"
acl:
  - id: updates
    key: {name}
    action: update
policy:
  - id: one
    algorithm: ecdsap256sha256
    single-type-signing: on
zone:
  - domain: {parent}
    file: "{directory}/zone"
    acl: updates
    dnssec-signing: on
    dnssec-policy: one
"""


@contextlib.contextmanager
def signed_knot(directory: Path) -> Iterator[Endpoint]:
    """Serve the parent with a Knot that signs it, and takes updates with a TSIG key."""
    program, port = need("knotd"), free_port()
    directory.mkdir()
    (directory / "zone").write_text(TEXT)
    config = directory / "knot.conf"
    config.write_text(
        KNOT.format(port=port, directory=directory, name=KEY.name, secret=SECRET, parent=PARENT)
    )
    with running([program, "-c", str(config)], port, [PARENT], directory / "log"):
        yield Endpoint("127.0.0.1", port)


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


@pytest.mark.parametrize("parent", [signed_bind, signed_knot])
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
    with signed_knot(tmp_path / "knot") as knot:
        registry = Registry(tmp_path, knot, repo.ports["ns1"][0], CHILD, 1)
        first = repo.run("key", "ds", CHILD).stdout.split("DS ")[1].strip()
        registry.update(f"update add {CHILD} 1 DS {first}\n")
        with serving(registry.script) as scanner:
            config = (repo.root / "dnsctl.yaml").read_text()
            way = f'parents: {{knot: {{servers: "{knot}", notify: "{scanner.endpoint}"}}}}'
            repo.write("dnsctl.yaml", f"{config}{way}\nzones: {{corp.example.org: {{parent: knot}}}}\n")
            repo.commit("its parent is a Knot")
            assert repo.run("control", "--once").returncode == 0
            with resolver(tmp_path / "resolver", knot.port, repo.ports["ns1"][0]) as port:
                time.sleep(1.2)
                assert goes_insecure(repo, knot, port) > 3
        assert registry.scanned.is_set()
