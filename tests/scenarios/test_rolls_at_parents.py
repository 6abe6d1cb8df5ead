"""A key is rolled while an Unbound watches, by rounds of `control --once` alone: the DS follows at a parent
of our own, and at a BIND that takes dynamic updates (with DNSCTL_PARENTS=all). TTLs are a second long.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from dnsctl.demo.ports import free_port
from dnsctl.model.fleet import Endpoint
from dnsctl.model.key import PublicKey
from dnsctl.model.name import from_text
from dnsctl.model.rrset import Type, rdata_text
from dnsctl.sign.keyfile import KeyState
from dnsctl.sign.keystore import Keystore
from tests.control.operations import NODES, Operations, made
from tests.parent.updates import KEY, SECRET, sig0_named
from tests.passphrase import PASSPHRASE
from tests.peers import need, unbound_config
from tests.serve.peer_servers import running

pytestmark = [pytest.mark.peer, pytest.mark.timeout(240)]
OTHER = PublicKey(from_text("corp.example.org."), 13, 257, bytes(range(64)))
PARENT, CHILD = "example.org.", "corp.example.org."
NS = "'': {type: NS, values: [ns1.example.org., ns2.example.org.]}\n"
HOSTS = "ns1: {type: A, value: 192.0.2.53}\nns2: {type: A, value: 198.51.100.53}\n"
DELEGATION = "corp: {type: NS, values: [ns1.example.org., ns2.example.org.]}\n"
ANY = "'*': {type: A, value: 192.0.2.80}\n"
TEXT = """\
$TTL 1
example.org. SOA ns1.example.org. hostmaster.example.org. 1 7200 1800 1209600 1
example.org. NS ns1.example.org.
ns1.example.org. A 192.0.2.53
ns2.example.org. A 198.51.100.53
corp.example.org. NS ns1.example.org.
corp.example.org. NS ns2.example.org.
"""
UPDATES = "updates.example.org."  # the owner of a KEY, for SIG(0)
LONGEST = 150.0  # seconds for a roll on a busy machine


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    """A child that is served by two nodes, with TTLs of a second."""
    with made(tmp_path / "ops") as operations:
        config = (operations.root / "dnsctl.yaml").read_text()
        config = config.replace("hostmaster.example.com.}", "hostmaster.example.com., minimum: 1s}")
        operations.write("dnsctl.yaml", f"{config}  ttl: 1s\npolicies: {{standard: {{dnskey-ttl: 1s}}}}\n")
        (operations.root / "zones/example.com.yaml").unlink()
        operations.write(f"zones/{CHILD}yaml", NS + ANY)
        operations.commit("a child")
        operations.start(*NODES)
        yield operations


@contextlib.contextmanager
def signed_bind(directory: Path, program: str = "", more: str = "") -> Iterator[Endpoint]:
    """Serve the parent with a BIND that signs it, and takes DS by updates: with a TSIG key, or with SIG(0).

    `more`: records of the zone, such as the KEY of UPDATES.
    """
    program, port = program or need("named"), free_port()
    directory.mkdir()
    (directory / "zone").write_text(TEXT + more)
    (directory / "named.conf").write_text(
        f'key "{KEY.name}" {{ algorithm {KEY.algorithm}; secret "{SECRET}"; }};\n'
        f'options {{ directory "{directory}"; key-directory "{directory}"; pid-file "{directory}/pid";\n'
        f'  session-keyfile "{directory}/session"; listen-on port {port} {{ 127.0.0.1; }};\n'
        "  listen-on-v6 { none; }; recursion no; notify no; dnssec-validation no; };\ncontrols {};\n"
        f'zone "{PARENT}" {{ type primary; file "{directory}/zone"; dnssec-policy default;\n'
        "  inline-signing no;\n"
        f'  update-policy {{ grant "{KEY.name}" zonesub DS; grant "{UPDATES}" zonesub DS; }}; }};\n'
    )
    command = [program, "-g", "-n", "1", "-c", str(directory / "named.conf")]
    with running(command, port, [PARENT], directory / "log"):
        yield Endpoint("127.0.0.1", port)


@contextlib.contextmanager
def resolver(directory: Path, parent: int, child: int) -> Iterator[int]:
    """Yield the port of an Unbound that trusts the keys of the parent."""
    program, port = need("unbound"), free_port()
    directory.mkdir()
    query = dns.message.make_query(PARENT, "DNSKEY")
    keys = dns.query.udp(query, "127.0.0.1", port=parent, timeout=5).answer[0]
    settings = [f'trust-anchor: "{PARENT} DNSKEY {key.to_text()}"' for key in keys]
    stubs = f"stub-zone:\n  name: {PARENT}\n  stub-addr: 127.0.0.1@{parent}\n"
    stubs += f"stub-zone:\n  name: {CHILD}\n  stub-addr: 127.0.0.1@{child}\n"
    (directory / "unbound.conf").write_text(unbound_config(directory, port, settings) + stubs)
    with running([program, "-d", "-c", str(directory / "unbound.conf")], port, [PARENT], directory / "log"):
        yield port


def told(port: int, name: str) -> tuple[str, bool]:
    query = dns.message.make_query(name, "A")
    query.flags |= dns.flags.AD
    message, _ = dns.query.udp_with_fallback(query, "127.0.0.1", port=port, timeout=10)
    return dns.rcode.to_text(message.rcode()), bool(message.flags & dns.flags.AD)


def rolled(repo: Operations, port: int) -> int:
    """Have the child's key roll, and go round until it has; return how many answers were asked for."""
    origin = from_text(CHILD)
    keystore = Keystore(repo.root / "keys", lambda: PASSPHRASE)
    (old,) = keystore.list(origin)
    now = datetime.now(UTC)
    keystore.record(old, old.state, replace(old.roll, leaves=now), now)
    deadline, asked = time.monotonic() + LONGEST, 0
    while {one.public: one.state for one in keystore.list(origin)}[old.public] is not KeyState.REMOVED:
        assert time.monotonic() < deadline, repo.run("status", "--zones")
        done = repo.run("control", "--once")
        assert done.returncode == 0, done
        for _ in range(3):
            asked += 1
            assert told(port, f"n{asked}.{CHILD}") == ("NOERROR", True), done
            time.sleep(0.2)
    (new,) = (one for one in keystore.list(origin) if one.state is KeyState.ACTIVE)
    assert new.public != old.public
    assert [each["state"] for each in repo.json("status")["parents"] if each["zone"] == CHILD] == ["in step"]
    return asked


def test_parent_of_our_own_follows_without_one_servfail_and_keeps_the_ds_of_another_signer(
    repo: Operations, tmp_path: Path
) -> None:
    key = rdata_text(Type.DNSKEY, OTHER.rdata)
    apex = NS.replace("{type: NS", "[{type: NS").replace("]}\n", f"]}}, {{type: DNSKEY, value: '{key}'}}]\n")
    repo.write(f"zones/{CHILD}yaml", apex + ANY)
    config = (repo.root / "dnsctl.yaml").read_text()
    repo.write("dnsctl.yaml", config.replace("{dnskey-ttl: 1s}", "{dnskey-ttl: 1s, foreign-keys: allow}"))
    repo.write(f"zones/{PARENT}yaml", NS + HOSTS + DELEGATION)
    repo.write(
        "dnsctl.yaml",
        (repo.root / "dnsctl.yaml").read_text()
        + "parents: {none: {watch: off}}\nzones: {example.org: {parent: none}}\n",
    )
    repo.commit("and its parent")
    done = repo.run("push")
    assert done.returncode == 0, done
    node = repo.ports["ns1"][0]
    with resolver(tmp_path / "resolver", node, node) as port:
        assert told(port, f"first.{CHILD}") == ("NOERROR", True)
        assert rolled(repo, port) > 9
    query = dns.message.make_query(CHILD, "DS")
    (found,) = dns.query.udp(query, "127.0.0.1", port=node, timeout=5).answer
    assert len(found) == 2
    assert OTHER.ds() in {each.to_wire() for each in found}


def told_by_updates(repo: Operations, bind: Endpoint, signed: str) -> None:
    """Have the DS go to a BIND by updates, which `signed` signs; and go there for the first time."""
    way = f'ds: update, server: "{bind}", servers: "{bind}", {signed}, ttl: 1s'
    config = (repo.root / "dnsctl.yaml").read_text()
    repo.write(
        "dnsctl.yaml",
        f"{config}parents: {{bind: {{{way}}}}}\nzones: {{corp.example.org: {{parent: bind}}}}\n",
    )
    repo.commit("its parent is a BIND")
    time.sleep(1.2)
    assert "took the update" in repo.run("control", "--once").stdout


def with_tsig(repo: Operations) -> str:
    """Give the repo the TSIG key; return the setting."""
    repo.write("keys/tsig/parent-update", SECRET + "\n")
    (repo.root / "keys/tsig/parent-update").chmod(0o600)
    return f"key: {{name: {KEY.name}}}"


@pytest.mark.skipif(os.environ.get("DNSCTL_PARENTS") != "all", reason="takes half a minute")
@pytest.mark.parametrize("how", ["TSIG", "SIG(0)"])
def test_bind_that_takes_updates_follows_without_one_servfail(
    how: str, repo: Operations, tmp_path: Path
) -> None:
    done = repo.run("push")
    assert done.returncode == 0, done
    program, record, signed = "", "", with_tsig(repo)
    if how == "SIG(0)":
        program, signed = sig0_named(), f"sig0: {{name: {UPDATES}}}"
        record = repo.run("key", "generate", UPDATES, "--sig0").stdout
    with signed_bind(tmp_path / "bind", program, record) as bind:
        told_by_updates(repo, bind, signed)
        with resolver(tmp_path / "resolver", bind.port, repo.ports["ns1"][0]) as port:
            time.sleep(1.2)
            assert told(port, f"first.{CHILD}") == ("NOERROR", True)
            assert rolled(repo, port) > 9


def released(repo: Operations, dnssec: str, *allowed: str) -> None:
    """Push the child with another policy, or unsigned."""
    config = (repo.root / "dnsctl.yaml").read_text().partition("parents:")[0]
    zones = f"{{example.org: {{parent: none}}, corp.example.org: {{dnssec: {dnssec}}}}}"
    repo.write("dnsctl.yaml", f"{config}parents: {{none: {{watch: off}}}}\nzones: {zones}\n")
    repo.commit(dnssec)
    done = repo.run("push", *allowed)
    assert done.returncode == 0, done


def rounds(repo: Operations, port: int, prefix: str, until: Callable[[], bool]) -> int:
    """Go round until it is as wanted; return how many answers were asked for, none of them SERVFAIL."""
    deadline, asked = time.monotonic() + LONGEST, 0
    while not until():
        assert time.monotonic() < deadline, repo.run("status", "--zones")
        done = repo.run("control", "--once")
        assert done.returncode == 0, done
        for _ in range(3):
            asked += 1
            for name in (f"{prefix}{asked}.{CHILD}", f"same.{CHILD}"):
                assert told(port, name)[0] == "NOERROR", done
            time.sleep(0.2)
    return asked


@pytest.mark.skipif(os.environ.get("DNSCTL_PARENTS") != "all", reason="takes half a minute")
def test_zone_goes_from_insecure_to_secure_and_back_without_one_servfail(
    repo: Operations, tmp_path: Path
) -> None:
    repo.write(f"zones/{PARENT}yaml", NS + HOSTS + DELEGATION)
    released(repo, "none")
    node = repo.ports["ns1"][0]

    def there(rdtype: str) -> bool:
        query = dns.message.make_query(CHILD, rdtype)
        return bool(dns.query.udp(query, "127.0.0.1", port=node, timeout=5).answer)

    with resolver(tmp_path / "resolver", node, node) as port:
        assert told(port, f"same.{CHILD}") == ("NOERROR", False)
        released(repo, "standard")
        assert there("DNSKEY")
        assert not there("DS")
        assert not there("CDS")
        assert rounds(repo, port, "s", lambda: told(port, f"secure.{CHILD}") == ("NOERROR", True))
        assert there("DS")
        released(repo, "none")
        assert there("DNSKEY"), "it stays signed"
        assert not there("DS"), "and its DS goes at once: the parent is ours"
        assert rounds(repo, port, "u", lambda: not there("DNSKEY"))
        assert told(port, f"last.{CHILD}") == ("NOERROR", False)
    assert repo.json("verify", "--full")["verdict"] == "consistent"
