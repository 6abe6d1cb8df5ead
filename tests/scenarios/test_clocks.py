"""Clocks that are wrong: on the control host, on one node, on all hosts at once; then right again.

The hosts are real processes, those with another time under `faketime`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import pytest

from dnsctl.control.observations import Observed, amend, recall
from dnsctl.model.name import from_text
from dnsctl.model.observation import ParentView
from dnsctl.model.repo import Repo
from tests import clocks
from tests.control.operations import DNSCTL, NODES, Operations, made, zone

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    """An operations repo whose certificates are old enough for any clock here; no node runs."""
    with made(tmp_path / "ops", issued=datetime.now(UTC) - timedelta(days=100)) as operations:
        yield operations


@pytest.fixture
def nodes() -> Iterator[ExitStack]:
    """Nodes under `faketime`, ended at the end."""
    with ExitStack() as stack:
        yield stack


def start(nodes: ExitStack, repo: Operations, offset: str, *names: str) -> None:
    for name in names:
        command = (*DNSCTL, "-C", str(repo.root), "serve", "--node", name)
        nodes.enter_context(clocks.running(offset, command, repo.root / f"{name}.log"))
    repo.wait(lambda status: all(status[name]["reachable"] for name in names), 40)


def at(repo: Operations, offset: str, *arguments: str) -> tuple[int, str]:
    done = clocks.run(offset, (*DNSCTL, "-C", str(repo.root), *arguments))
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def edit(repo: Operations, address: str) -> None:
    repo.write("zones/example.com.yaml", zone(address))
    repo.commit(f"www is {address}")


def served(repo: Operations, node: str) -> tuple[list[str], bool]:
    """Return the addresses of www at `node`, and whether all signatures in the answer hold now."""
    query = dns.message.make_query("www.example.com.", dns.rdatatype.A, want_dnssec=True)
    response = dns.query.udp(query, "127.0.0.1", port=repo.ports[node][0], timeout=5)
    now = datetime.now(UTC).timestamp()
    signatures = [each for one in response.answer for each in one if one.rdtype == dns.rdatatype.RRSIG]
    addresses = [each.address for one in response.answer for each in one if one.rdtype == dns.rdatatype.A]
    return addresses, bool(signatures) and all(
        each.inception <= now <= each.expiration for each in signatures
    )


def test_wrong_clock_of_the_control_host_is_refused_both_ways(repo: Operations) -> None:
    repo.start(*NODES)
    assert repo.run("push").returncode == 0
    edit(repo, "192.0.2.81")
    for offset, words in {
        "+2h": "2 h 0 min ahead of",
        "-2h": "2 h 0 min behind",
        "+60d": "60 d 0 h ahead of",
        "-60d": "60 d 0 h behind",
        "+365d": "365 d 0 h ahead of",
    }.items():
        code, told = at(repo, offset, "push")
        assert (code, "the clock of this host" in told) == (1, True), told
        assert f"is {words} ns1's and ns2's, which agree with each other" in told
    for arguments in (("push", "--renew"), ("control", "--once")):
        code, told = at(repo, "+90s", *arguments)
        assert (code, "is 90 s ahead of ns1's and ns2's, which agree with each other" in told) == (1, True), (
            told
        )
    code, told = at(repo, "+2h", "rollback", "--reason", "try")
    assert (code, "2 h 0 min ahead of ns1's and ns2's" in told) == (1, True), told
    assert repo.generations() == {"ns1": 1, "ns2": 1}
    assert [served(repo, node) for node in NODES] == [(["192.0.2.80"], True)] * 2
    done = repo.run("push")
    assert (done.returncode, "served and verified" in done.stdout) == (0, True), done
    assert repo.run("verify").returncode == 0
    again = repo.json("control", "--once")
    assert all(each["done"] for each in again["jobs"]), "what was done in the future does not count"


@pytest.mark.parametrize("offset", ["-2d", "+5m"])
def test_parents_are_not_looked_at_by_a_wrong_clock(repo: Operations, offset: str) -> None:
    """Caches drop a DS so many seconds after it was last seen: by a slow clock, that is over at once."""
    repo.start(*NODES)
    assert repo.run("push").returncode == 0
    state, zone_seen = Repo(repo.root).state, from_text("example.com.")
    amend(
        state, zone_seen, lambda known: replace(known, ds=known.ds.after(_views(b"old"), datetime.now(UTC)))
    )
    before = recall(state, zone_seen)
    code, told = at(repo, offset, "control", "--once")
    assert code in (1, 2)
    assert re.search("observe.*clock of this host", told), told
    assert recall(state, zone_seen) == before


def test_zone_is_not_unsigned_by_a_wrong_clock(repo: Operations) -> None:
    """By a clock that is ahead, all caches seem to have dropped the DS that its parent has just removed."""
    repo.start(*NODES)
    assert repo.run("push").returncode == 0
    state, origin = Repo(repo.root).state, from_text("example.com.")

    def looked(known: Observed, ds: tuple[bytes, ...]) -> Observed:
        now = datetime.now(UTC)
        return replace(
            known, ds=known.ds.after([replace(each, ds=ds, ttl=3600) for each in _views(b"old")], now)
        )

    amend(state, origin, lambda known: looked(known, (b"\0\1\15\2old",)))
    config = (repo.root / "dnsctl.yaml").read_text()
    quiet = "  parent: quiet\nparents: {quiet: {watch: off}}\n"  # what is seen there stands above
    repo.write("dnsctl.yaml", config.replace("dnssec: standard", "dnssec: none") + quiet)
    repo.commit("unsigned from now on")
    assert repo.run("push").returncode == 0
    amend(state, origin, lambda known: looked(known, ()))
    edit(repo, "192.0.2.81")
    for offset, *arguments in (("+2h", "push"), ("+2h", "control", "--once")):
        code, text = at(repo, offset, *arguments)
        assert (code, "the clock of this host" in text) == (1, True), text
    assert [served(repo, node) for node in NODES] == [(["192.0.2.80"], True)] * 2
    told = repo.json("control", "--once", code=None)
    (roll,) = (each["message"] for each in told["jobs"] if each["job"] == "roll")
    assert "example.com. waits for caches to drop the DS" in roll


def _views(digest: bytes) -> list[ParentView]:
    return [ParentView("ns1.parent.example.", "", datetime.now(UTC), (b"\0\1\15\2" + digest,), 86400)]


@pytest.mark.parametrize(
    ("offset", "words"),
    [
        ("+90s", "90 s ahead of"),
        ("-90s", "90 s behind"),
        ("+1d", "1 d 0 h ahead of"),
        ("-1d", "1 d 0 h behind"),
    ],
)
def test_wrong_clock_of_one_node_is_refused_and_named(
    repo: Operations, nodes: ExitStack, offset: str, words: str
) -> None:
    repo.start("ns1")
    start(nodes, repo, offset, "ns2")
    done = repo.run("push")
    assert done.returncode == 1
    alone = (
        rf"ns2: the clock of ns2 \(.*\) is {words} that of this host \(.*\); ns1's agrees with this host's"
    )
    assert re.search(alone, done.stderr), done.stderr
    assert repo.generations() == {"ns1": 0, "ns2": 0}
    nodes.close()
    repo.start("ns2")
    assert repo.run("push").returncode == 0


@pytest.mark.parametrize(
    ("offset", "reason"),
    [("+365d", "signatures of example.com. ran out at"), ("-1d", "generation 2 was made at")],
)
def test_node_does_not_catch_up_to_what_does_not_hold_by_its_own_clock(
    repo: Operations, nodes: ExitStack, offset: str, reason: str
) -> None:
    repo.start(*NODES)
    assert repo.run("push").returncode == 0
    repo.end("ns2")
    edit(repo, "192.0.2.81")
    assert repo.run("push", "--without", "dc2", "--reason", "away").returncode == 3
    start(nodes, repo, offset, "ns2")
    repo.wait(lambda status: status["ns2"]["refusal"] is not None, 40)
    refusing = next(node for node in repo.json("status", code=None)["nodes"] if node["node"] == "ns2")
    assert reason in refusing["refusal"]["reason"]
    assert refusing["generation"] == 1
    assert reason in (repo.root / "ns2.log").read_text()
    nodes.close()
    repo.start("ns2")
    repo.wait(lambda status: status["ns2"]["generation"] == 2, 40)


@pytest.mark.parametrize(
    ("offset", "reason"),
    [("+60d", "not valid before"), ("+365d", "not valid before"), ("-60d", "ran out at")],
)
def test_what_a_fleet_signed_at_a_wrong_time_is_healed_by_one_push_at_the_right_time(
    repo: Operations, nodes: ExitStack, offset: str, reason: str
) -> None:
    start(nodes, repo, offset, *NODES)
    code, told = at(repo, offset, "push")
    assert code == 0, told
    nodes.close()
    repo.start(*NODES)
    assert [served(repo, node)[1] for node in NODES] == [False, False]
    assert repo.run("verify").returncode == 1
    pushed = repo.json("push")
    assert (pushed["result"], pushed["zones"][0]["fate"]) == ("served", "renewed")
    assert reason in pushed["zones"][0]["renewal"]
    assert [served(repo, node) for node in NODES] == [(["192.0.2.80"], True)] * 2
    assert repo.run("verify", "--full").returncode == 0
    assert repo.json("push")["result"] == "nothing"
