"""Denial of existence changes behind an Unbound that denies names from the denials in its cache (RFC 8198).

With each release, the chain is another, and a name begins to exist that Unbound holds to be absent. It may
say so until the TTL of negative answers has passed, and must at no moment say SERVFAIL.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from dnsctl.demo.ports import free_port
from tests.control.operations import NODES, Operations, made, zone
from tests.peers import need, unbound_config
from tests.serve.peer_servers import running

pytestmark = [pytest.mark.peer, pytest.mark.timeout(600)]
NEGATIVE = 2  # seconds
PATIENCE = 60.0  # seconds, for a state to come on a busy machine
POLICIES = f"""policies:
  nsec: {{denial: nsec, dnskey-ttl: {NEGATIVE}s}}
  nsec3: {{denial: nsec3, dnskey-ttl: {NEGATIVE}s}}
  opt-out: {{denial: nsec3, opt-out: true, dnskey-ttl: {NEGATIVE}s}}
parents: {{none: {{watch: off}}}}
"""
PLAIN = "plain: {type: NS, values: [ns1.example.com., ns2.example.com.]}\n"
BELOW = "'': {type: NS, values: [ns1.example.com., ns2.example.com.]}\n'*': {type: A, value: 192.0.2.90}\n"
CHANGES = ("nsec3", "opt-out", "nsec3", "nsec")


@dataclass(frozen=True)
class Seen:
    """An answer. `at`: when it was asked for; `ttl`: of the SOA that denies."""

    at: float
    name: str
    rcode: str
    is_secure: bool
    ttl: int | None


@dataclass
class Watch:
    """Asks all the while: for what is there, what is not, and what begins to be."""

    port: int
    begins: str = "begins-0"
    seen: list[Seen] = field(default_factory=list)
    runs: Future[None] | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        for number in itertools.count():
            if self._ended.is_set():
                return
            names = ("www", f"a{number}.dyn", f"n{number}.plain", f"absent-{number}", "mail", self.begins)
            for name in names:
                self.ask(f"{name}.example.com.", "MX" if name == "mail" else "A")
            time.sleep(0.1)

    def ask(self, name: str, rdtype: str) -> None:
        query = dns.message.make_query(name, rdtype)
        query.flags |= dns.flags.AD
        at = time.monotonic()
        answer, _ = dns.query.udp_with_fallback(query, "127.0.0.1", port=self.port, timeout=PATIENCE)
        ttls = [each.ttl for each in answer.authority if each.rdtype == dns.rdatatype.SOA]
        rcode = dns.rcode.to_text(answer.rcode())
        self.seen.append(Seen(at, name, rcode, bool(answer.flags & dns.flags.AD), min(ttls, default=None)))

    def wait_for(self, rcode: str, name: str) -> Seen:
        """Wait until the last answer about `name` has this RCODE."""
        deadline = time.monotonic() + PATIENCE
        while True:
            last = next((each for each in reversed(self.seen) if each.name == name), None)
            if last is not None and last.rcode == rcode:
                return last
            assert self.runs is None or not self.runs.done(), self.runs
            assert time.monotonic() < deadline, last
            time.sleep(0.02)

    def end(self) -> None:
        self._ended.set()


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    with made(tmp_path / "ops") as operations:
        config = (operations.root / "dnsctl.yaml").read_text()
        config = config.replace(
            "hostmaster.example.com.}", f"hostmaster.example.com., minimum: {NEGATIVE}s}}"
        )
        operations.write("dnsctl.yaml", f"{config}  ttl: {NEGATIVE}s\n{POLICIES}")
        operations.write("zones/plain.example.com.yaml", BELOW)
        operations.start(*NODES)
        yield operations


def released(repo: Operations, policy: str, names: list[str]) -> float:
    """Push the zone with a policy and with these names; return when it was served by all."""
    config = (repo.root / "dnsctl.yaml").read_text().partition("zones:")[0]
    zones = f"{{example.com: {{parent: none, dnssec: {policy}}}, plain.example.com: {{dnssec: none}}}}"
    repo.write("dnsctl.yaml", f"{config}zones: {zones}\n")
    more = "".join(f"{each}: {{type: A, value: 192.0.2.91}}\n" for each in names)
    repo.write("zones/example.com.yaml", zone(more=PLAIN + more))
    repo.commit(policy)
    done = repo.run("push")
    assert done.returncode == 0, done
    return time.monotonic()


@contextlib.contextmanager
def watched(directory: Path, node: int) -> Iterator[Watch]:
    """Run an Unbound that trusts the zone's key and uses denials again, and ask it all the while."""
    program, port = need("unbound"), free_port()
    directory.mkdir()
    query = dns.message.make_query("example.com.", "DNSKEY")
    keys = dns.query.udp(query, "127.0.0.1", port=node, timeout=PATIENCE).answer[0]
    settings = ["aggressive-nsec: yes"]
    settings += [f'trust-anchor: "example.com. DNSKEY {key.to_text()}"' for key in keys]
    stubs = "".join(
        f"stub-zone:\n  name: {each}\n  stub-addr: 127.0.0.1@{node}\n"
        for each in ("example.com.", "plain.example.com.")
    )
    (directory / "unbound.conf").write_text(unbound_config(directory, port, settings) + stubs)
    command = [program, "-d", "-c", str(directory / "unbound.conf")]
    with running(command, port, ["example.com."], directory / "log"):
        watch = Watch(port)
        with ThreadPoolExecutor(1) as threads:
            watch.runs = threads.submit(watch.run)
            try:
                yield watch
            finally:
                watch.end()
        watch.runs.result()


def test_denial_changes_without_servfail_and_no_name_is_denied_longer_than_the_negative_ttl(
    repo: Operations, tmp_path: Path
) -> None:
    names: list[str] = []
    released(repo, "nsec", names)
    with watched(tmp_path / "resolver", repo.ports["ns1"][0]) as watch:
        for number, policy in enumerate(CHANGES):
            name = f"begins-{number}"
            watch.begins = name
            watch.wait_for("NXDOMAIN", f"{name}.example.com.")
            names.append(name)
            served = released(repo, policy, names)
            found = watch.wait_for("NOERROR", f"{name}.example.com.")
            assert found.is_secure
            late = [
                each
                for each in watch.seen
                if each.name == f"{name}.example.com."
                and each.rcode == "NXDOMAIN"
                and each.at > served + NEGATIVE + 1
            ]
            assert late == [], (policy, served)
    judged(watch.seen)


def judged(seen: list[Seen]) -> None:
    """Refuse wrong answers about names that were there, or were not, all the while; and a cache not used.

    AD is not told of wildcards: it is clear under opt-out (RFC 5155 §9.2).
    """
    for each in seen:
        label = each.name.removesuffix(".example.com.")
        expected = {"absent": {"NXDOMAIN"}, "begins": {"NOERROR", "NXDOMAIN"}}
        assert each.rcode in expected.get(label.partition("-")[0], {"NOERROR"}), each
        if label in ("www", "mail"):
            assert each.is_secure, each
        if label.endswith(".plain"):
            assert not each.is_secure, each
    once = [each.ttl for each in seen if each.name.startswith("absent-")]
    assert any(ttl is not None and ttl < NEGATIVE for ttl in once), "no name was denied from the cache"
