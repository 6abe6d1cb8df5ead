"""Parent, child and reverse zones of one fleet are unsigned and signed again, while an Unbound watches.

By pushes and rounds of `control --once` alone; TTLs are a second long. With DNSCTL_PARENTS=all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from dnsctl.demo.ports import free_port
from dnsctl.model.key import PublicKey
from dnsctl.model.name import from_text
from dnsctl.model.rrset import Type, rdata_text
from dnsctl.sign.keyfile import KeyState
from dnsctl.sign.keystore import Keystore, StoredKey
from tests.control.operations import NODES, Operations, made
from tests.passphrase import PASSPHRASE
from tests.peers import need, unbound_config
from tests.serve.peer_servers import running

pytestmark = [
    pytest.mark.peer,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.environ.get("DNSCTL_PARENTS") != "all", reason="takes minutes"),
]
TOP, MIDDLE, LOW = "example.org.", "corp.example.org.", "lab.corp.example.org."
TOP4, REVERSE4 = "0.192.in-addr.arpa.", "2.0.192.in-addr.arpa."
TOP6, REVERSE6 = "b.d.0.1.0.0.2.ip6.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa."
TOPS = (TOP, TOP4, TOP6)
BELOW = (MIDDLE, LOW, REVERSE4, REVERSE6)
OTHER = PublicKey(from_text(MIDDLE), 13, 257, bytes(range(64)))
SERVERS = "{type: NS, values: [ns1.example.org., ns2.example.org.]}"
ANY = "'*': {type: TXT, value: here}\n"
PATIENCE = 200.0  # seconds


def zones() -> dict[str, str]:
    key = rdata_text(Type.DNSKEY, OTHER.rdata)
    return {
        TOP: f"'': {SERVERS}\nns1: {{type: A, value: 192.0.2.53}}\nns2: {{type: A, value: 198.51.100.53}}\n"
        f"corp: {SERVERS}\n",
        MIDDLE: f"'': [{SERVERS}, {{type: DNSKEY, value: '{key}'}}]\nlab: {SERVERS}\n{ANY}",
        LOW: f"'': {SERVERS}\n{ANY}",
        TOP4: f"'': {SERVERS}\n'2': {SERVERS}\n",
        REVERSE4: f"'': {SERVERS}\n{ANY}",
        TOP6: f"'': {SERVERS}\n'8': {SERVERS}\n",
        REVERSE6: f"'': {SERVERS}\n{ANY}",
    }


@dataclass
class World:
    """Control hosts that share a fleet, each with a clone of its own, and a validator. `hosts`: by turns."""

    hosts: list[Operations]
    port: int = 0
    asked: int = 0
    unsigned: set[str] = field(default_factory=set)
    base: str = ""

    @property
    def first(self) -> Operations:
        return self.hosts[0]

    def there(self, rdtype: str, owner: str) -> bool:
        query = dns.message.make_query(owner, rdtype)
        return bool(dns.query.udp(query, "127.0.0.1", port=self.first.ports["ns1"][0], timeout=5).answer)

    def algorithms(self, zone: str) -> set[int]:
        """Return the algorithms of the keys in the DNSKEY RRset, without another signer's."""
        return {each.algorithm for each in self.ask("DNSKEY", zone, dns.rdatatype.DNSKEY)}

    def signers(self, zone: str) -> set[int]:
        return {each.algorithm for each in self.ask("SOA", zone, dns.rdatatype.RRSIG)}

    def ask(self, rdtype: str, zone: str, wanted: dns.rdatatype.RdataType) -> list[Any]:
        query = dns.message.make_query(zone, rdtype, want_dnssec=True)
        found = dns.query.tcp(query, "127.0.0.1", port=self.first.ports["ns1"][0], timeout=5).answer
        return [each for one in found if one.rdtype == wanted for each in one]

    def commit(self, *unsigned: str) -> None:
        """Say which zones are to be unsigned; all hosts get that commit."""
        self.unsigned = set(unsigned)
        told = [f"{each[:-1]}: {{parent: none}}" for each in TOPS]
        told += [f"{each[:-1]}: {{dnssec: none}}" for each in unsigned]
        self.first.write("dnsctl.yaml", f"{self.base}zones: {{{', '.join(told)}}}\n")
        self.first.commit(" ".join(unsigned) or "all signed")
        for each in self.hosts[1:]:
            subprocess.run(
                ("git", "pull", "--quiet", str(self.first.root)),
                cwd=each.root,
                check=True,
                capture_output=True,
            )

    def push(self, *unsigned: str, host: int = 0) -> None:
        self.commit(*unsigned)
        done = self.hosts[host].run("push")
        assert done.returncode == 0, done
        self.watch()

    def watch(self) -> None:
        """Ask for a new name and a known one in each zone: never a SERVFAIL."""
        for _ in range(3):
            self.asked += 1
            for zone in BELOW:
                for label in (f"n{self.asked}", "same"):
                    query = dns.message.make_query(f"{label}.{zone}", "TXT")
                    query.flags |= dns.flags.AD
                    told, _ = dns.query.udp_with_fallback(query, "127.0.0.1", port=self.port, timeout=10)
                    assert told.rcode() == dns.rcode.NOERROR, (zone, self.unsigned, self.status())
            time.sleep(0.2)

    def secure(self, zone: str) -> bool:
        self.asked += 1
        query = dns.message.make_query(f"s{self.asked}.{zone}", "TXT")
        query.flags |= dns.flags.AD
        told, _ = dns.query.udp_with_fallback(query, "127.0.0.1", port=self.port, timeout=10)
        assert told.rcode() == dns.rcode.NOERROR
        return bool(told.flags & dns.flags.AD)

    def status(self) -> str:
        return "\n".join(str(each.run("status", "--zones")) for each in self.hosts)

    def rounds(self, until: Callable[[], bool], *, least: int = 0) -> None:
        deadline, count = time.monotonic() + PATIENCE, 0
        while count < least or not until():
            assert time.monotonic() < deadline, self.status()
            done = self.hosts[count % len(self.hosts)].run("control", "--once")
            assert done.returncode == 0, done
            self.watch()
            count += 1

    def is_settled(self) -> bool:
        """True where what is to be unsigned is, and the rest is secure as far as its parents are."""
        for zone in BELOW:
            if zone in self.unsigned:
                if self.there("DNSKEY", zone) and not (zone == MIDDLE and not self.there("NSEC", zone)):
                    return False
            elif not (zone == LOW and MIDDLE in self.unsigned) and not self.secure(zone):
                return False
        return True


def keys(repo: Operations, zone: str) -> tuple[StoredKey, ...]:
    return Keystore(repo.root / "keys", lambda: PASSPHRASE).list(from_text(zone))


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    with made(tmp_path / "ops") as operations:
        config = (operations.root / "dnsctl.yaml").read_text()
        config = config.replace("hostmaster.example.com.}", "hostmaster.example.com., minimum: 1s}")
        (operations.root / "zones/example.com.yaml").unlink()
        for name, text in zones().items():
            operations.write(f"zones/{name}yaml", text)
        operations.write(
            "dnsctl.yaml",
            f"{config}  ttl: 1s\npolicies: {{standard: {{dnskey-ttl: 1s, foreign-keys: allow}}}}\n"
            "parents: {none: {watch: off}}\n",
        )
        operations.start(*NODES)
        yield operations


@contextmanager
def watched(repo: Operations, directory: Path) -> Iterator[World]:
    """Yield the world after the first push, which all is signed by."""
    world = World([repo], base=(repo.root / "dnsctl.yaml").read_text())
    world.commit()
    done = repo.run("push")
    assert done.returncode == 0, done
    program, port, authority = need("unbound"), free_port(), repo.ports["ns1"][0]
    directory.mkdir()
    settings = []
    for zone in TOPS:
        keys = dns.query.udp(
            dns.message.make_query(zone, "DNSKEY"), "127.0.0.1", port=authority, timeout=5
        ).answer[0]
        settings += [f'trust-anchor: "{zone} DNSKEY {key.to_text()}"' for key in keys]
    settings += [f'local-zone: "{each}" nodefault' for each in (*TOPS, *BELOW)]
    stubs = "".join(
        f"stub-zone:\n  name: {zone}\n  stub-addr: 127.0.0.1@{authority}\n" for zone in (*TOPS, *BELOW)
    )
    (directory / "unbound.conf").write_text(unbound_config(directory, port, settings) + stubs)
    with running([program, "-d", "-c", str(directory / "unbound.conf")], port, [TOP], directory / "log"):
        world.port = port
        time.sleep(1.2)
        assert all(map(world.secure, BELOW))
        yield world


def test_all_is_unsigned_taken_back_in_the_middle_and_unsigned_again(
    repo: Operations, tmp_path: Path
) -> None:
    with watched(repo, tmp_path / "resolver") as world:
        world.rounds(lambda: True, least=2)
        world.push(*BELOW)
        assert not any(world.there("DS", each) for each in BELOW), "each has a parent of ours"
        world.rounds(lambda: True, least=1)
        world.push()
        world.rounds(world.is_settled)
        world.push(*BELOW)
        world.rounds(world.is_settled)
        assert not any(map(world.secure, BELOW))
        assert repo.json("status")["concerns"] == []
        world.push()
        world.rounds(world.is_settled)


def test_parent_alone_then_child_alone(repo: Operations, tmp_path: Path) -> None:
    with watched(repo, tmp_path / "resolver") as world:
        world.rounds(lambda: True, least=2)
        world.push(MIDDLE)
        world.rounds(world.is_settled)
        assert not world.there("DS", LOW), "nothing is below an unsigned zone that validates"
        (left,) = repo.json("plan", code=2)["zones"]
        assert [each["type"] for each in left["records"]] == ["SOA"], "its expire, which signing lowered"
        rolled = repo.run("key", "roll", "lab.corp.example.org")
        assert rolled.returncode == 0, rolled
        (old,) = (one for one in keys(repo, LOW) if one.roll.leaves is not None)
        world.rounds(
            lambda: {one.public: one.state for one in keys(repo, LOW)}[old.public] is KeyState.REMOVED
        )
        world.push()
        world.rounds(world.is_settled)
        world.push(LOW, REVERSE6)
        world.rounds(world.is_settled)
        assert repo.json("status")["concerns"] == []


def test_other_control_host_goes_on_in_the_middle(repo: Operations, tmp_path: Path) -> None:
    with watched(repo, tmp_path / "resolver") as world:
        world.rounds(lambda: True, least=2)
        second = Operations(tmp_path / "second", repo.ports)
        shutil.copytree(repo.root, second.root, ignore=shutil.ignore_patterns("state", "log"))
        world.hosts.append(second)
        world.push(*BELOW)
        world.rounds(lambda: True, least=2)
        world.push(host=1)
        world.rounds(world.is_settled)
        world.push(*BELOW, host=1)
        (tmp_path / "passphrase").write_bytes((repo.root / "keys/passphrase").read_bytes())
        (tmp_path / "passphrase").chmod(0o600)
        code = repo.run("backup", str(tmp_path / "safe"))
        assert code.returncode == 0, code
        restored = repo.run(
            "restore",
            str(tmp_path / "safe"),
            str(tmp_path / "third"),
            "--passphrase",
            f"file:{tmp_path}/passphrase",
        )
        assert restored.returncode == 0, restored
        world.hosts = [Operations(tmp_path / "third", repo.ports), second]
        world.rounds(world.is_settled)
        assert not any(map(world.secure, BELOW))


def test_second_algorithm_comes_and_is_rolled_on_by_a_host_that_got_the_keys(
    repo: Operations, tmp_path: Path
) -> None:
    with watched(repo, tmp_path / "resolver") as world:
        world.rounds(lambda: True, least=2)
        second = Operations(tmp_path / "second", repo.ports)
        shutil.copytree(repo.root, second.root, ignore=shutil.ignore_patterns("state", "log"))
        first = world.hosts
        world.hosts = [repo, second]
        world.base = world.base.replace("foreign-keys: allow", "foreign-keys: allow, beside: MLDSA44")
        world.push()
        world.hosts = first
        world.rounds(lambda: all(world.signers(each) == {13, 18} for each in BELOW))
        made = {one.public for each in BELOW for one in keys(repo, each)}
        generation = repo.generations()
        done = second.run("control", "--once")
        assert done.returncode == 1, done
        assert "as well, which is not in keys/: no roll goes on here" in done.stdout + done.stderr
        world.watch()
        assert repo.generations() == generation, "it took no step"
        assert {one.public for each in BELOW for one in keys(second, each)} < made, "and made no key"
        shutil.copytree(repo.root / "keys", second.root / "keys", dirs_exist_ok=True)
        world.hosts = [second]
        world.rounds(lambda: all(world.algorithms(each) == {13, 18} for each in BELOW), least=1)
        world.hosts = [second, repo]
        world.base = world.base.replace(", beside: MLDSA44", "")
        second.write(
            "dnsctl.yaml", repo.root.joinpath("dnsctl.yaml").read_text().replace(", beside: MLDSA44", "")
        )
        second.commit("13 alone")
        assert second.run("push").returncode == 0
        world.hosts = [second]
        world.rounds(lambda: all(world.algorithms(each) == world.signers(each) == {13} for each in BELOW))
        assert {one.public for each in BELOW for one in keys(second, each)} == made
