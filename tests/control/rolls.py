"""A zone with TTLs of a second that is rolled on two real nodes, and a parent that follows its CDS."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype

from dnsctl.control.host import control_host
from dnsctl.control.observations import amend
from dnsctl.control.push import Request, Result
from dnsctl.control.rolling import advance
from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.file import load_config
from dnsctl.model.name import from_text
from dnsctl.model.observation import ParentView
from dnsctl.model.parental import DELETE
from dnsctl.model.repo import Repo
from dnsctl.model.rrset import Type
from dnsctl.sign.keyfile import KeyState
from dnsctl.sign.keystore import Keystore, StoredKey
from tests.control.operations import NODES, Operations, made, zone
from tests.passphrase import PASSPHRASE

ORIGIN = from_text("example.com.")
POLICY = "policies: {standard: {%sdnskey-ttl: 1s}}\n"
_LONGEST = 120.0  # seconds for a whole roll


@dataclass
class Rolling:
    """The repo, and the DS that its parent has. `parent`: what it makes of the DS that it is asked for."""

    repo: Operations
    ds: tuple[bytes, ...] = ()
    parent: Callable[[tuple[bytes, ...]], tuple[bytes, ...]] = lambda asked: asked
    watch: Callable[[], None] = lambda: None

    @property
    def keystore(self) -> Keystore:
        return Keystore(self.repo.root / "keys", lambda: PASSPHRASE)

    def stored(self, *states: KeyState) -> list[StoredKey]:
        return [one for one in self.keystore.list(ORIGIN) if not states or one.state in states]

    def policy(self, settings: str) -> None:
        """Release another policy."""
        config = (self.repo.root / "dnsctl.yaml").read_text().partition("policies:")[0]
        self.repo.write("dnsctl.yaml", config + POLICY % settings)
        self.repo.commit("another policy")
        done = self.repo.run("push")
        assert done.returncode == 0, done

    def ask(self, rdtype: str, node: str = "ns1", owner: str = "example.com.") -> dns.message.Message:
        query = dns.message.make_query(owner, rdtype, want_dnssec=True)
        return dns.query.udp(query, "127.0.0.1", port=self.repo.ports[node][0], timeout=5)

    def rdatas(self, rdtype: str, node: str = "ns1", owner: str = "example.com.") -> set[bytes]:
        kind = dns.rdatatype.from_text(rdtype)
        answer = self.ask(rdtype, node, owner).answer
        return {each.to_wire() for one in answer if one.rdtype == kind for each in one}

    def signers(self, rdtype: str, owner: str = "example.com.") -> set[int]:
        """Return the tags of keys that sign an RRset."""
        return {
            each.key_tag
            for one in self.ask(rdtype, owner=owner).answer
            if one.rdtype == dns.rdatatype.RRSIG
            for each in one
        }

    def observe(self, ttl: int = 1) -> None:
        """Let the parent take what the zone asks for, and look at it. `ttl`: seconds, of its DS."""
        if cds := self.rdatas("CDS"):
            asked = () if cds == {DELETE[Type.CDS]} else tuple(sorted(cds))
            self.ds = tuple(sorted(self.parent(asked)))
        state, now = Repo(self.repo.root).state, datetime.now(UTC)
        views = [ParentView(f"ns{each}.example.", "dc1", now, self.ds, ttl) for each in (1, 2)]
        amend(state, ORIGIN, lambda known: replace(known, ds=known.ds.after(views, now)))

    def advance(self, **options) -> Result:
        config = load_config(WorkTree(self.repo.root))
        with control_host(self.repo.root, config, PASSPHRASE) as host:
            self.result, self.waits = advance(host, Request(), **options)
        return self.result

    def roll(self, seconds: float = _LONGEST) -> list[str]:
        """Advance until nothing is left to do, or fail after `seconds`; return what was done."""
        done: list[str] = []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.observe()
            result = self.advance()
            self.watch()
            if result.release is not None:
                done += [
                    event.message
                    for each in result.release.zones
                    for event in each.events
                    if event.name == "roll"
                ]
            elif not self.waits:
                return done
            else:
                time.sleep(0.3)
        raise AssertionError((done, self.waits))

    def leave(self, *which: StoredKey) -> None:
        """Say that keys are to go, as a person does."""
        now = datetime.now(UTC)
        for one in which:
            self.keystore.record(one, one.state, replace(one.roll, leaves=now), now)


@contextlib.contextmanager
def rolling(directory: Path, settings: str = "", dnssec: str = "standard") -> Iterator[Rolling]:
    """Yield a zone that is served by two nodes, signed, with its DS at the parent; or unsigned."""
    with made(directory / "ops", dnssec) as operations:
        config = (
            (operations.root / "dnsctl.yaml").read_text().replace("defaults:\n", "defaults:\n  ttl: 1s\n")
        )
        config = config.replace("hostmaster.example.com.}", "hostmaster.example.com., minimum: 1s}")
        operations.write("dnsctl.yaml", config + POLICY % settings)
        operations.write("zones/example.com.yaml", zone())
        operations.commit("TTLs of a second")
        operations.start(*NODES)
        done = operations.run("push")
        assert done.returncode == 0, done
        rolls = Rolling(operations)
        assert rolls.roll() == []
        time.sleep(1.2)  # what was served before anything was looked at is in no cache any more
        yield rolls
