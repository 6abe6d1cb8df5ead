"""ML-DSA-44 from policy to resolver, by rounds of `control --once` alone.

Two real nodes, a parent of our own, and an Unbound that does not know the algorithm; TTLs are a second long.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from tests.control.operations import NODES, Operations, made
from tests.scenarios.test_rolls_at_parents import CHILD, PARENT, resolver

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]
NS = "'': {type: NS, values: [ns1.example.org., ns2.example.org.]}\n"
HOSTS = "ns1: {type: A, value: 192.0.2.53}\nns2: {type: A, value: 198.51.100.53}\n"
DELEGATION = "corp: {type: NS, values: [ns1.example.org., ns2.example.org.]}\n"
ANY = "'*': {type: A, value: 192.0.2.80}\nwww: {type: A, value: 192.0.2.80}\n"
QUESTIONS = (
    *((CHILD, rdtype) for rdtype in ("SOA", "NS", "DNSKEY", "CDS")),
    *((f"www.{CHILD}", rdtype) for rdtype in ("A", "MX")),
    (f"any.{CHILD}", "A"),
)
WWW = "www: {type: A, value: 192.0.2.90}"
LONGEST = 120.0  # seconds for a roll on a busy machine
WHOLE = os.environ.get("DNSCTL_MLDSA") == "all"


class Rolled:
    """A child with a policy of its own, and what is seen of it."""

    def __init__(self, repo: Operations, config: str) -> None:
        self.repo, self.config, self.resolver = repo, config, 0

    def policy(self, settings: str) -> str:
        """Push another policy for the child; return what is said of it before."""
        self.repo.write("dnsctl.yaml", self.config % settings)
        self.repo.commit(f"policy {settings}")
        planned = self.repo.run("plan").stdout
        done = self.repo.run("push")
        assert done.returncode == 0, done
        return planned

    def ask(self, name: str, rdtype: str, node: str = "ns1") -> dns.message.Message:
        query = dns.message.make_query(name, rdtype, want_dnssec=True)
        return dns.query.tcp(query, "127.0.0.1", port=self.repo.ports[node][0], timeout=5)

    def algorithms(self) -> dict[str, list[int]]:
        """Return the algorithms of DS, of DNSKEYs, and of signatures over data, as each node has them."""
        told = []
        for node in NODES:
            found: dict[str, list[int]] = {}
            for what, name, rdtype in (
                ("ds", CHILD, "DS"), ("dnskey", CHILD, "DNSKEY"), ("data", f"www.{CHILD}", "A")
            ):  # fmt: skip
                kind = dns.rdatatype.RRSIG if what == "data" else dns.rdatatype.from_text(rdtype)
                answer = self.ask(name, rdtype, node).answer
                found[what] = sorted(
                    {int(each.algorithm) for one in answer if one.rdtype == kind for each in one}
                )
            told.append(found)
        assert told[0] == told[1]
        return told[0]

    def signatures(self) -> dict[tuple[str, str], list[bytes]]:
        """Return the signatures of some RRsets, which both nodes must have alike."""
        told = []
        for node in NODES:
            found: dict[tuple[str, str], list[bytes]] = {}
            for name, rdtype in QUESTIONS:
                message = self.ask(name, rdtype, node)
                for one in (*message.answer, *message.authority):
                    if one.rdtype == dns.rdatatype.RRSIG:
                        kind = dns.rdatatype.to_text(one.covers)
                        found[one.name.to_text(), kind] = sorted(each.to_wire() for each in one)
            told.append(found)
        assert told[0] == told[1]
        return told[0]

    def resolved(self, name: str) -> bool:
        """Ask the resolver, which must have an answer; return whether it says that this is authentic."""
        query = dns.message.make_query(name, "A")
        query.flags |= dns.flags.AD
        message, _ = dns.query.udp_with_fallback(query, "127.0.0.1", port=self.resolver, timeout=10)
        assert dns.rcode.to_text(message.rcode()) == "NOERROR", message
        return bool(message.flags & dns.flags.AD)

    def until(self, *algorithms: int) -> list[bool]:
        """Go round until DS, DNSKEYs and signatures are of these; return what was authentic meanwhile."""
        wanted = dict.fromkeys(("ds", "dnskey", "data"), sorted(algorithms))
        deadline, secure = time.monotonic() + LONGEST, list[bool]()
        while self.algorithms() != wanted:
            assert time.monotonic() < deadline, (self.algorithms(), self.repo.run("status", "--zones"))
            done = self.repo.run("control", "--once")
            assert done.returncode == 0, done
            for _ in range(3):
                secure.append(self.resolved(f"n{len(secure)}-{time.monotonic_ns()}.{CHILD}"))
                time.sleep(0.2)
        return secure

    def agreed(self) -> None:
        """Check that every verb calls the zone well, and that nothing is left to do."""
        done = self.repo.run("verify", "--full")
        assert done.returncode == 0, done
        assert [each for each in self.repo.json("plan", code=None)["zones"] if each["zone"] == CHILD] == []
        concerns = self.repo.json("status", code=None)["concerns"]
        assert [each for each in concerns if "roll" in each["message"]] == []


@pytest.fixture
def rolled(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rolled]:
    """A child that is signed, with 13 if not told otherwise, its DS in a parent of ours; and a resolver."""
    with made(tmp_path / "ops") as repo:
        config = (repo.root / "dnsctl.yaml").read_text()
        config = config.replace("hostmaster.example.com.}", "hostmaster.example.com., minimum: 1s}")
        config += "  ttl: 1s\nparents: {none: {watch: off}}\n"
        config += "zones: {example.org: {parent: none}, corp.example.org: {dnssec: child}}\n"
        config += "policies: {standard: {dnskey-ttl: 1s}, child: {%sdnskey-ttl: 1s}}\n"
        (repo.root / "zones/example.com.yaml").unlink()
        repo.write(f"zones/{CHILD}yaml", NS + ANY)
        repo.write(f"zones/{PARENT}yaml", NS + HOSTS + DELEGATION)
        repo.start(*NODES)
        found = Rolled(repo, config)
        found.policy(getattr(request, "param", ""))
        node = repo.ports["ns1"][0]
        with resolver(tmp_path / "resolver", node, node) as found.resolver:
            yield found


def test_18_comes_beside_13_and_who_does_not_know_it_stays_secure(rolled: Rolled) -> None:
    assert rolled.until(13) == []
    assert rolled.resolved(f"first.{CHILD}")
    assert "csk of ECDSAP256SHA256 and MLDSA44: MLDSA44 is added" in rolled.policy("beside: MLDSA44, ")
    assert all(rolled.until(13, 18))
    rolled.agreed()
    told = rolled.repo.json("check")["findings"]
    assert [each["zone"] for each in told if each["rule"] == "algorithm-experimental"] == [CHILD]


@pytest.mark.parametrize("rolled", ["algorithm: MLDSA44, "], indirect=True)
def test_signatures_that_differ_at_each_making_are_kept_by_all_nodes_and_over_pushes(rolled: Rolled) -> None:
    assert not rolled.resolved(f"first.{CHILD}"), "insecure to who does not know 18, and not bogus"
    first = rolled.signatures()
    assert {
        (CHILD, "SOA"),
        (CHILD, "DNSKEY"),
        (f"any.{CHILD}", "A"),
        (f"www.{CHILD}", "NSEC"),
    } <= first.keys()
    assert {each[2] for signatures in first.values() for each in signatures} == {18}
    assert rolled.repo.json("push")["result"] == "nothing"
    assert rolled.repo.run("push", "--renew").returncode == 0
    assert rolled.signatures() == first
    rolled.repo.write(f"zones/{CHILD}yaml", NS + ANY.replace("www: {type: A, value: 192.0.2.80}", WWW))
    rolled.repo.commit("another address")
    assert rolled.repo.json("push")["result"] == "served"
    then = rolled.signatures()
    assert {each for each in first if then[each] != first[each]} == {(CHILD, "SOA"), (f"www.{CHILD}", "A")}


@pytest.mark.skipif(not WHOLE, reason="takes a minute")
@pytest.mark.parametrize("keys", ["", "keys: ksk+zsk, "])
def test_zone_is_rolled_to_18_alone_and_back_without_one_servfail(rolled: Rolled, keys: str) -> None:
    """Unbound calls the zone insecure while its only DS is of an algorithm that it does not know."""
    rolled.policy(keys)
    assert all(rolled.until(13))
    rolled.policy(f"{keys}algorithm: MLDSA44, ")
    secure = rolled.until(18)
    assert secure == sorted(secure, reverse=True), "secure, then insecure"
    time.sleep(2)
    assert not rolled.resolved(f"alone.{CHILD}")
    rolled.agreed()
    rolled.policy(keys)
    secure = rolled.until(13)
    assert secure == sorted(secure), "insecure, then secure"
    time.sleep(2)
    assert rolled.resolved(f"back.{CHILD}")
    rolled.agreed()
