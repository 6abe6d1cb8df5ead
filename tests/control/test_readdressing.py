"""ALIAS to a target that is not ours, from a push to other addresses, on two real nodes and with a resolver
that says what the test tells it to."""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import pytest

from dnsctl.control.aliases.keeping import Followed, Kept
from dnsctl.control.daemon.job import Verdict, Work
from dnsctl.control.daemon.readdressing import readdressed
from dnsctl.control.readdressing import changed, followed_in
from dnsctl.load.revision import WorkTree, head
from dnsctl.load.settings.file import load_config
from dnsctl.model.alias import Known
from dnsctl.model.name import from_text, to_text
from dnsctl.model.repo import HostFiles
from tests.control.operations import NODES, Operations, made, zone
from tests.parent.scripted import answer, rdtype_of, serving
from tests.passphrase import PASSPHRASE
from tests.publish.host import Host, intent

ALIAS = (
    "shop: {type: ALIAS, ttl: 600, value: edge.example.net.}\nnear: {type: ALIAS, value: www.example.com.}\n"
)
SOA = "example.net. 900 SOA ns1.example.net. hostmaster.example.net. 1 1 1 1 60"


@dataclass
class World:
    """What the resolver says of edge.example.net."""

    repo: Operations
    addresses: dict[str, list[str]] = field(
        default_factory=lambda: {"A": ["192.0.2.7"], "AAAA": ["2001:db8::7"]}
    )
    rcode: int = 0
    questions: int = 0

    def script(self, query: bytes, tcp: bool) -> list[bytes]:
        self.questions += 1
        kind = rdtype_of(query)
        lines = [f"edge.example.net. 300 {kind} {each}" for each in self.addresses.get(kind, [])]
        sections = ([], [] if self.rcode else [SOA]) if not lines or self.rcode else (lines,)
        return [answer(query, rcode=self.rcode, sections=sections)]

    def job(self) -> Verdict:
        """Do the job, as the daemon does once the TTLs are over."""
        state = HostFiles(self.repo.root / "state")
        kept = Kept.read(state)
        stale = {name: one._replace(until=int(time.time())) for name, one in kept.known.items()}
        Kept(stale, kept.commit, kept.followed).write(state)
        config = load_config(WorkTree(self.repo.root))
        return readdressed(Work(self.repo.root, config, PASSPHRASE, datetime.now(UTC)))

    def served(self, owner: str = "shop", kind: str = "A") -> tuple[int, list[str], int]:
        """Return TTL, addresses and number of signatures, which are the same at both nodes."""
        query = dns.message.make_query(f"{owner}.example.com.", kind, want_dnssec=True)
        found: list[tuple[int, list[str], int]] = []
        for name in NODES:
            message = dns.query.udp(query, "127.0.0.1", port=self.repo.ports[name][0], timeout=5)
            assert message.flags & dns.flags.AA
            if not message.answer:
                found.append((0, [], 0))
                continue
            data, signatures = message.answer
            found.append((data.ttl, sorted(each.to_text() for each in data), len(signatures)))
        assert found[0] == found[1]
        return found[0]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with made(tmp_path_factory.mktemp("alias") / "ops") as repo:
        world = World(repo)
        with serving(world.script) as server:
            config = (repo.root / "dnsctl.yaml").read_text()
            repo.write(
                "dnsctl.yaml",
                f"{config}alias: {{resolvers: '127.0.0.1:{server.endpoint.port}', floor: 5s}}\n",
            )
            repo.write("zones/example.com.yaml", zone(more=ALIAS))
            repo.commit("aliases")
            repo.start(*NODES)
            assert repo.run("push").returncode == 0
            yield world


def test_story_of_an_alias(world: World) -> None:
    """In one test, since each part begins where the last ended."""
    repo = world.repo
    assert world.served() == (300, ["192.0.2.7"], 1)
    assert world.served(kind="AAAA") == (300, ["2001:db8::7"], 1)
    assert world.served("near") == (3600, ["192.0.2.80"], 1)
    first = repo.generations()["ns1"]

    told = repo.json("explain", "shop.example.com", "A")["aliases"]
    assert [(each["owner"], each["source"], each["validated"], each["failing"]) for each in told] == [
        ("shop.example.com.", "resolvers", False, None)
    ]
    assert told[0]["path"] == ["edge.example.net."]
    shown = repo.run("explain", "near.example.com", "A").stdout
    assert "  near.example.com. ALIAS www.example.com.: from our zones\n" in shown
    assert repo.json("explain", "www.example.com", "A")["aliases"] == []

    assert world.job() == Verdict("well", "the addresses of 1 target of ALIAS are what is served")
    assert repo.generations()["ns1"] == first

    world.addresses = {"A": ["192.0.2.8", "192.0.2.9"]}
    repo.write("zones/example.com.yaml", "half: {typ")  # nobody's half-done work comes along, or stops it
    assert world.job() == Verdict("well", f"other addresses in example.com.: generation {first + 1}")
    assert world.served() == (300, ["192.0.2.8", "192.0.2.9"], 1)
    assert world.served(kind="AAAA") == (0, [], 0)
    assert world.served("near") == (3600, ["192.0.2.80"], 1)
    assert repo.run("verify", "--full").returncode == 0

    questions = world.questions
    repo.git("checkout", "--", "zones")
    done = repo.run("push")
    assert (done.returncode, repo.generations()["ns1"]) == (0, first + 1), done.stderr
    assert world.questions == questions, "what is fresh is not asked for"

    world.rcode = 2
    verdict = world.job()
    assert "it cannot be resolved since" in repo.run("explain", "shop.example.com", "A").stdout
    assert (verdict.weight, repo.generations()["ns1"]) == ("unknown", first + 1)
    assert "edge.example.net. cannot be resolved since" in verdict.message
    assert "SERVFAIL; its addresses of" in verdict.message and "are kept" in verdict.message
    world.rcode, world.addresses = 3, {}
    assert world.job().weight == "unknown"
    assert world.served() == (300, ["192.0.2.8", "192.0.2.9"], 1)

    repo.write("zones/example.com.yaml", zone("192.0.2.99", ALIAS))
    repo.commit("something else, meanwhile")
    plan = repo.run("plan")
    assert plan.returncode == 2
    assert "near.example.com. ALIAS www.example.com.: from our zones\n" in plan.stdout
    assert "not validated; it cannot be resolved since" in plan.stdout
    assert "[alias-kept]" in plan.stderr
    found = repo.json("plan", "--offline", code=2)["aliases"]
    assert {each["owner"]: each["addresses"] for each in found} == {
        "shop.example.com.": ["192.0.2.8", "192.0.2.9"],
        "near.example.com.": ["192.0.2.99"],
    }
    assert repo.run("push").returncode == 0
    assert world.served() == (300, ["192.0.2.8", "192.0.2.9"], 1)
    assert world.served("near") == (3600, ["192.0.2.99"], 1)


def test_lost_file_is_made_again_from_the_commit_that_was_released(world: World) -> None:
    world.rcode, world.addresses = 0, {"A": ["192.0.2.10"]}
    (world.repo.root / "state/aliases.json").unlink()
    (world.repo.root / "zones/example.com.yaml").unlink()
    assert world.job().weight == "well"
    assert world.served() == (300, ["192.0.2.10"], 1)
    world.repo.git("checkout", "--", "zones")


def test_push_of_an_alias_that_was_never_resolved_is_refused_and_nothing_changes(world: World) -> None:
    repo, before = world.repo, world.repo.generations()
    world.rcode = 2
    repo.write("zones/example.com.yaml", zone(more=ALIAS + "new: {type: ALIAS, value: other.example.net.}\n"))
    repo.commit("unresolved")
    done = repo.run("push")
    assert done.returncode == 1
    assert "zones/example.com.yaml:11:" in done.stderr and "[alias-unresolved]" in done.stderr
    assert repo.generations() == before
    assert repo.run("plan").returncode == 1
    repo.git("reset", "--hard", "--quiet", "HEAD~1")
    world.rcode = 0


def test_alias_that_was_removed_after_its_day_is_not_followed_again(tmp_path: Path) -> None:
    settings = "version: 1\nsites:\n  dc1: {nodes: {ns1: {listen: ['127.0.0.1:5301'], control: 'https://127.0.0.1:8301'}}}\n"
    settings += "alias: {resolvers: [192.0.2.53]}\ndefaults:\n"
    settings += "  soa: {mname: ns1.example.net., rname: hostmaster.example.net.}\n  ns: [ns1.example.net.]\n"
    (tmp_path / "dnsctl.yaml").write_text(settings)
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones/example.com.yaml").write_text(
        "sale: {type: ALIAS, value: edge.example.net., expires: {at: 2020-01-01, then: remove}}\n"
        "late: {type: ALIAS, value: edge.example.net., expires: 2020-01-01}\n"
        "shop: {type: ALIAS, value: edge.example.net.}\n"
    )
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.net", "-c", "commit.gpgsign=false")
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "zones")):
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True)
    found = followed_in(tmp_path, load_config(WorkTree(tmp_path), fleet=False), head(tmp_path))
    assert [to_text(each.owner) for each in found] == ["late.example.com.", "shop.example.com."]


def test_alias_that_is_served_without_addresses_gets_none(tmp_path: Path) -> None:
    host, origin, target = Host(tmp_path), from_text("example.com."), from_text("edge.example.net.")
    host.push(intent({"example.com.": "shop A 192.0.2.1\n"}))
    followed = [
        Followed(origin, from_text(f"{each}.example.com."), (1, 28), 300, (target,), target)
        for each in ("shop", "sale")
    ]
    known = Known({1: (b"\xc0\0\2\2",)}, 300, (target,), 0, 0)
    with host.image.reader() as reader:
        [wanted] = changed(reader, followed, {target: known})[origin]
    assert wanted.owner == from_text("shop.example.com.")
