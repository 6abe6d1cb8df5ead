"""A parent that shows each site something else: what is seen from every site counts, on two real nodes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dnsctl.control.daemon.job import StoppedError
from dnsctl.control.observations import Observed, recall
from dnsctl.control.observing import Round, observe
from dnsctl.control.sites import _requests, sites_of
from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.file import load_config
from dnsctl.model.fleet import Endpoint
from dnsctl.model.name import from_text
from dnsctl.model.repo import Repo
from dnsctl.model.rrset import Type, rdata_text
from dnsctl.parent.errand import Errand
from dnsctl.parent.servers import Server
from dnsctl.publish.intent import Progress, no_progress
from dnsctl.sign.keyfile import KeyState
from tests.control.operations import NODES, made, zone
from tests.control.rolls import ORIGIN, POLICY, Rolling
from tests.parent.scripted import Script, answer, rdtype_of, serving
from tests.passphrase import PASSPHRASE

HERE, DC1, DC2 = "127.0.0.1", "127.0.0.11", "127.0.0.12"
SOURCES = {"ns1": DC1, "ns2": DC2}
SOA = "com. 1 SOA ns.com. hostmaster.com. 1 7200 1800 1209600 1"
NS = ["example.com. 60 NS ns1.example.com.", "example.com. 60 NS ns2.example.com."]


@dataclass
class Parent:
    """What com. says to whom, by the address that asks: DS and their TTL. None: nothing."""

    ds: dict[str, tuple[bytes, ...] | None] = field(default_factory=dict)
    ttl: dict[str, int] = field(default_factory=dict)

    def everywhere(self, ds: tuple[bytes, ...]) -> None:
        self.ds = dict.fromkeys((HERE, DC1, DC2), ds)

    def to(self, client: str) -> Script:
        def script(query: bytes, _tcp: bool) -> list[bytes]:
            shown = self.ds.get(client, ())
            if shown is None:
                return []
            if rdtype_of(query) != "DS":
                return [answer(query, aa=False, sections=([], NS))]
            ttl = self.ttl.get(client, 1)
            records = [f"example.com. {ttl} DS {rdata_text(Type.DS, each)}" for each in shown]
            return [answer(query, sections=(records, [] if shown else [SOA]))]

        return script


@dataclass
class World(Rolling):
    """The repo, its two nodes, and a parent that knows who asks."""

    com: Parent = field(default_factory=Parent)

    def look(self, progress: Progress = no_progress) -> Round:
        """Do what the job `observe` does first."""
        root, config = self.repo.root, load_config(WorkTree(self.repo.root))
        return observe(root, config, datetime.now(UTC), sites_of(root, config, PASSPHRASE), progress)

    @property
    def known(self) -> Observed:
        return recall(Repo(self.repo.root).state, ORIGIN)

    def shown(self) -> dict[str, set[str]]:
        """Return what the last round saw, by site: key tags, `none` or the fault."""
        found: dict[str, set[str]] = {}
        for each in self.known.ds.views:
            tags = {str(int.from_bytes(one[:2])) for one in each.ds or ()} or {each.fault or "none"}
            found.setdefault(each.site, set()).update(tags)
        return found


@contextmanager
def world(directory: Path, *, streams: bool = True) -> Iterator[World]:
    """Yield a zone that is served and signed, with its DS at the parent, and seen from both sites."""
    com = Parent()
    with serving(com.to, by_client=True, streams=streams) as server, made(directory / "ops") as operations:
        config = (operations.root / "dnsctl.yaml").read_text()
        config = config.replace("defaults:\n", "defaults:\n  ttl: 1s\n  parent: com\n")
        config = config.replace("hostmaster.example.com.}", "hostmaster.example.com., minimum: 1s}")
        parents = f'parents: {{com: {{servers: "{server.endpoint}", ds: none}}}}\n'
        operations.write("dnsctl.yaml", config + parents + POLICY % "")
        operations.write("zones/example.com.yaml", zone())
        operations.commit("TTLs of a second")
        operations.sources = SOURCES
        operations.start(*NODES)
        assert operations.run("push").returncode == 0
        found = World(operations, com=com)
        (key,) = found.stored()
        com.everywhere((key.public.ds(),))
        yield found


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as found:
        yield found


def until(world: World, wanted: Any, seconds: float = 60) -> None:
    """Look and advance until it is as wanted."""
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline, (world.waits, world.shown())
        world.look()
        world.advance()
        time.sleep(0.2)


def test_roll_waits_until_every_site_sees_the_new_ds_and_goes_on_then(seen: World) -> None:
    (old,) = seen.stored()
    until(seen, lambda: seen.known.served.began is not None and seen.known.ds.began is not None)
    seen.leave(old)
    until(seen, lambda: seen.rdatas("CDS") and seen.rdatas("CDS") != {old.public.ds()})
    new = tuple(sorted(seen.rdatas("CDS")))
    tag = str(int.from_bytes(new[0][:2]))
    seen.com.ds[HERE] = seen.com.ds[DC1] = new
    until(seen, lambda: ORIGIN in seen.waits and seen.waits[ORIGIN].reason.endswith(" from dc2"))
    for _ in range(5):  # for longer than a TTL of a second
        seen.look()
        seen.advance()
        assert old.public.rdata in seen.rdatas("DNSKEY")
        time.sleep(0.5)
    assert seen.shown() == {"": {tag}, "dc1": {tag}, "dc2": {str(old.public.tag)}}
    seen.com.ds[DC2] = new
    until(seen, lambda: old.public not in {one.public for one in seen.stored(KeyState.ACTIVE)})
    assert seen.rdatas("DNSKEY") != {old.public.rdata}


def test_what_sites_see_counts_and_is_told_where_it_differs(seen: World) -> None:
    (key,) = seen.stored()
    seen.com.ttl[DC2] = 4000
    seen.look()
    assert seen.known.ds.ttl == 4000, "the largest TTL that any site sees"
    assert {each.site for each in seen.known.delegation} == {"", "dc1", "dc2"}
    told = seen.repo.json("status")
    assert told["concerns"] == []
    assert [each["site"] for each in told["parents"][0]["servers"]] == ["", "dc1", "dc2"]

    seen.com.ds[DC2] = ()
    for told in (seen.repo.json("verify", "--parents"), seen.repo.json("verify")):
        (differs,) = (each["message"] for each in told["notes"] if "from every site" in each["message"])
        assert f"from the control host and dc1 has {key.public.tag}; " in differs
        assert "from dc2 has none" in differs
    assert any("from dc2" in each["message"] for each in seen.repo.json("status")["concerns"])


def test_site_that_cannot_be_reached_is_silent_and_is_told_once(seen: World) -> None:
    seen.look()
    began = seen.known.ds.everywhere_since((seen.known.ds.views[0].ds or ())[0])
    assert began is not None
    seen.repo.end("ns2")
    found = seen.look()
    assert {site: bool(each) for site, each in seen.shown().items()} == {"": True, "dc1": True, "dc2": True}
    (silent,) = seen.known.ds.silent
    assert (silent.server, silent.site, silent.place) == ("", "dc2", "dc2")
    assert "ns2" in silent.fault
    assert seen.known.ds.everywhere_since((seen.known.ds.views[0].ds or ())[0]) is None, "nothing goes on"
    (concern,) = (each for each in seen.repo.json("status", code=None)["concerns"] if each["about"] == "dc2")
    assert concern["message"].startswith(
        "could not look at the parent of example.com.: no node can look: ns2 "
    )
    (parent,) = seen.repo.json("status", code=None)["parents"]
    assert [each["site"] for each in parent["unseen"]] == ["dc2"]
    assert parent["state"] == "in step", "as those that see it say"
    assert found.stand_ins == {}


def test_verification_without_a_site_leaves_what_that_saw_last(seen: World) -> None:
    seen.com.ds[DC2] = ()
    seen.look()
    seen.repo.end("ns2")
    seen.com.everywhere(seen.com.ds[HERE] or ())
    told = seen.repo.json("verify", "--parents", code=None)
    assert any("from dc2 has none" in each["message"] for each in told["notes"])
    assert seen.shown()["dc2"] == {"none"}


def test_look_from_here_counts_for_a_node_of_an_older_version_and_that_is_told(seen: World) -> None:
    seen.repo.end("ns2")
    seen.repo.lacking = {"ns2": "/v1/look"}
    seen.repo.start("ns2")
    seen.com.ds[DC2] = ()
    found = seen.look()
    assert found.stand_ins == {"dc2": "ns2 runs an older version, which does not look at parents"}
    assert seen.shown().keys() == {"", "dc1"}
    assert not seen.known.ds.silent
    status = seen.repo.json("status")
    assert [(each["weight"], each["about"]) for each in status["concerns"]] == [("soon", "dc2")]
    assert status["parents"][0]["stand_ins"] == [{"site": "dc2", "reason": found.stand_ins["dc2"]}]
    jobs = {each["job"]: each for each in seen.repo.json("control", "--once", code=None)["jobs"]}
    assert "dc2: ns2 runs an older version" in jobs["observe"]["message"]
    assert jobs["observe"]["verdict"] == "well"


def test_parent_that_only_the_control_host_reaches_is_seen_by_it_alone_and_that_is_told(
    tmp_path: Path,
) -> None:
    with world(tmp_path, streams=False) as hidden:
        hidden.com.ds[DC1] = hidden.com.ds[DC2] = None
        found = hidden.look()
        assert hidden.known.ds.began is not None, "rolls go on"
        assert not hidden.known.ds.silent
        assert hidden.shown().keys() == {""}
        assert found.stand_ins.keys() == {"dc1", "dc2"}
        (concern, _) = hidden.repo.json("status")["concerns"]
        assert (concern["weight"], concern["about"]) == ("soon", "dc1")
        assert concern["message"].startswith("ns1 gets no answer from 127.0.0.1 port ")
        assert concern["message"].endswith("what the control host sees of parents counts for it")

        (key,) = hidden.stored()
        hidden.com.everywhere((key.public.ds(),))
        assert hidden.look().stand_ins == {}
        assert hidden.shown().keys() == {"", "dc1", "dc2"}
        hidden.com.ds[DC1] = hidden.com.ds[DC2] = None
        hidden.repo.json("verify", "--parents")
        assert not hidden.known.ds.silent, "a site stays as it saw it last"
        assert hidden.shown().keys() == {"", "dc1", "dc2"}


def test_zones_of_all_parents_are_asked_for_in_few_requests_each_once() -> None:
    com = tuple(
        Server(f"{letter}.", Endpoint(f"192.0.2.{n}", 53)) for n, letter in enumerate("abcdefghijklm")
    )
    twice = Server("z.", com[0].endpoint)  # two names of one address
    zones = {from_text(f"z{number}.example."): (*com, twice) for number in range(405)}
    zones |= {from_text(f"z{number}.example.org."): (twice,) for number in range(7)}
    requests = [Errand(1, each) for each in _requests(zones)]
    assert len(requests) == 2
    asked = [zone for each in requests for zone, _ in each.asked()]
    assert sorted(asked) == sorted(zones)
    assert [Errand.from_bytes(each.to_bytes()) for each in requests] == requests
    assert list(_requests({})) == []


def test_round_that_is_given_up_waits_for_no_site(seen: World) -> None:
    seen.com.ds[DC1] = seen.com.ds[DC2] = None
    began = time.monotonic()

    def stop(what: str, done: int, _total: int) -> None:
        if what == "ask parents" and done:
            raise StoppedError

    with pytest.raises(StoppedError):
        seen.look(stop)
    assert time.monotonic() - began < 60, "a site may take three minutes"
    assert seen.known == Observed()
