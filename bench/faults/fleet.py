"""A fleet of two sites that things happen to: real commands, real nodes, a git repo.

With a network of our own each node and the control host are hosts of their own; else all are on loopback.
Where file systems can be mounted, the state of each host is one of its own, of little size.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

from bench.faults.judge import Releases
from bench.faults.life import ends_with_us
from bench.faults.network import ADDRESSES, NODES, Network
from bench.faults.starter import Starter
from bench.faults.watch import MARK, Keys, marked
from dnsctl.demo.ports import free_port
from dnsctl.demo.rehearsal import Ran, Rehearsal, environment, rehearsal
from dnsctl.errors import ReleaseError
from dnsctl.model.fleet import Endpoint
from dnsctl.model.name import from_text
from dnsctl.release.archive import Archive, activated

ZONES = {"example.com.": "standard", "example.net.": "hashed", "example.org.": "none"}
BOUND = 120.0  # seconds within which all must be well again
COMMAND_LIMIT = 180.0  # seconds; beyond that a command hangs
DISK = 64 * 2**20  # octets that a host has for its state
_HOSTS_A_ZONE = 20
_HERE = Path(__file__).parents[2]
_NAME_SERVERS = {"ns1": "192.0.2.53", "ns2": "198.51.100.53"}
_CONFIG = """\
version: 1
sites:
  dc1: {{nodes: {{ns1: {{listen: ["{ns1}"], control: "https://{agent1}", workers: 2}}}}}}
  dc2: {{nodes: {{ns2: {{listen: ["{ns2}"], control: "https://{agent2}"}}}}}}
release: {{keys: [keys/release.pub], threshold: 1}}
defaults:
  ttl: 1h
  soa: {{mname: ns1.example.net., rname: hostmaster.example.net., refresh: 2h, retry: 30m, expire: 14d}}
  ns: [ns1.example.net., ns2.example.net.]
  dnssec: standard
policies:
  standard: {{algorithm: ECDSAP256SHA256, keys: csk, denial: nsec}}
  hashed: {{algorithm: ED25519, keys: ksk+zsk, denial: nsec3}}
zones:
  "*": {{}}
  example.net: {{dnssec: hashed}}
  example.org: {{dnssec: none}}
keystore: {{passphrase: "file:keys/passphrase"}}
"""


class MissedError(Exception):
    """What must come about within BOUND has not."""


@dataclass
class Command:
    """A command line that runs. `wait` for it; `kill` it before."""

    pid: int
    starter: Starter
    output: Path
    ended: Callable[[int, float], None]  # is told exit code and seconds
    began: float = field(default_factory=time.monotonic)

    def wait(self) -> Ran:
        """Return how it ended: lines are those of both outputs. Raises MissedError where it hangs."""
        hangs = threading.Timer(COMMAND_LIMIT, self.kill)
        hangs.start()
        code = self.starter.told()
        hangs.cancel()
        lines = tuple(self.output.read_text("utf-8", "replace").splitlines())
        self.output.unlink()
        self.ended(code, time.monotonic() - self.began)
        if time.monotonic() - self.began > COMMAND_LIMIT:
            raise MissedError(f"a command did not end in {COMMAND_LIMIT:.0f} s: {lines[-3:]}")
        return Ran(code, lines)

    def kill(self) -> None:
        """End it and all its processes, as `kill -9` does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


@dataclass
class Fleet:
    """`states`: where each host keeps its state. `disks`: those of them that are of little size."""

    stage: Rehearsal
    network: Network | None
    listen: dict[str, Endpoint]
    agents: dict[str, Endpoint]
    states: dict[str, Path]
    disks: dict[str, Path] = field(default_factory=dict)
    records: int = 0  # number of the last commit
    commits: dict[str, int] = field(default_factory=dict)
    releases: Releases = field(default_factory=Releases)
    suspect: set[str] = field(default_factory=set)  # nodes under which octets were flipped
    pushes: list[float] = field(default_factory=list)  # seconds that pushes took that went well

    # -- Commands and nodes ---

    def begin(self, *arguments: str) -> Command:
        """Begin `dnsctl` on the control host."""
        output = Path(tempfile.mkstemp(prefix=f"{arguments[0]}-", dir=self.stage.root.parent)[1])
        pid = self.starter.begin(arguments, self.stage.root, output)
        return Command(pid, self.starter, output, partial(self._ended, arguments[0]))

    def _ended(self, verb: str, code: int, seconds: float) -> None:
        if verb == "push" and code == 0:
            self.pushes.append(seconds)

    def run(self, *arguments: str) -> Ran:
        return self.begin(*arguments).wait()

    @cached_property
    def starter(self) -> Starter:
        pipe = subprocess.PIPE
        return Starter(self._spawn("control", "bench.faults.starter", stdin=pipe, stdout=pipe, cwd=_HERE))

    def start(self, name: str) -> None:
        with (self.stage.root.parent / f"{name}.log").open("ab") as log:
            self.stage.nodes[name] = self._spawn(
                name, "dnsctl", "serve", "--node", name, "--state", str(self.states[name]),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.stage.root,
            )  # fmt: skip

    def _spawn(self, host: str, *module: str, **options: Any) -> subprocess.Popen[bytes]:
        """Begin a Python module on a host, in a process group of its own."""
        inside = self.network.inside(host) if self.network else ()
        return subprocess.Popen(
            (*inside, sys.executable, "-m", *module),
            env=environment(),
            start_new_session=True,
            preexec_fn=ends_with_us(),  # noqa: PLW1509 - no thread of ours holds a lock
            **options,
        )

    def children(self, name: str) -> dict[str, int]:
        """Return role to process id of a node's processes."""
        pid = self.stage.nodes[name].pid
        found = {"supervisor": pid}
        with contextlib.suppress(OSError):
            for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                with contextlib.suppress(OSError):
                    role = Path(f"/proc/{each}/comm").read_text().strip().removeprefix("dnsctl ")
                    found[role] = int(each)
        return found

    # -- Releases ---

    def commit(self) -> None:
        """Change each zone and commit that."""
        self.records += 1
        for zone in ZONES:
            lines = [
                f'{MARK}: {{type: TXT, ttl: 60, value: "{marked(self.records, zone)}"}}',
                f"r{self.records}: {{type: A, value: 192.0.2.{self.records % 256}}}",
                *(f"{name}: {{type: A, value: {address}}}" for name, address in _NAME_SERVERS.items()),
                *(f"h{number}: {{type: A, value: 198.51.100.{number}}}" for number in range(_HOSTS_A_ZONE)),
            ]
            (self.stage.root / "zones" / f"{zone}yaml").write_text("\n".join(lines) + "\n")
        self.stage.git("add", "--all")
        self.stage.git("commit", "--quiet", "--no-verify", "--message", f"records {self.records}")
        self.commits[self.stage.git("rev-parse", "HEAD").lines[0]] = self.records

    def attempt(self, chance: random.Random, *options: str) -> Command:
        """Begin a push of a new commit; now and then a rollback."""
        if not options and chance.random() < 0.15 and len(self.releases.records) > 2:
            return self.begin("rollback", "--reason", "drawn at random")
        self.commit()
        return self.begin("push", *options)

    def usual(self) -> float:
        """Return the seconds that a push takes now."""
        return statistics.median(self.pushes[-9:])

    def learn(self) -> None:
        """Take notice of what was released since, by the archive of whatever host has it."""
        for root in (self.states["control"] / "archive", *(self.states[name] / "releases" for name in NODES)):
            archive = Archive(root)
            with contextlib.suppress(OSError):
                for generation in archive.generations():
                    if generation in self.releases.records:
                        continue
                    with contextlib.suppress(ReleaseError):  # damaged here; another host has it
                        self._learn(archive, generation)

    def _learn(self, archive: Archive, generation: int) -> None:
        manifest = activated(archive, generation)
        if manifest is not None and manifest.commit in self.commits:
            serials = {zone: entry.serial for zone in ZONES if (entry := manifest.zones.get(from_text(zone)))}
            self.releases.add(generation, self.commits[manifest.commit], serials)

    # -- What is served ---

    def ask(self, name: str, owner: str, rdtype: str) -> dns.message.Message | None:
        """Return what a node answers; None where it is silent."""
        query = dns.message.make_query(owner, rdtype, want_dnssec=True)
        where = self.listen[name]
        with contextlib.suppress(OSError, dns.exception.DNSException):
            return dns.query.udp_with_fallback(query, where.address, 1.0, where.port)[0]
        return None

    def serials(self, name: str) -> list[int]:
        """Return the serial of each zone at a node; fewer where it does not answer for all."""
        answers = [self.ask(name, zone, "SOA") for zone in ZONES]
        return [each.answer[0][0].serial for each in answers if each and each.answer]

    def is_agreed(self) -> bool:
        """True where both nodes answer for all zones, and alike."""
        one, other = self.serials("ns1"), self.serials("ns2")
        return len(one) == len(ZONES) and one == other

    def keys(self) -> Keys:
        found = {}
        for zone, policy in ZONES.items():
            if policy != "none":
                answer = self.ask("ns1", zone, "DNSKEY")
                assert answer is not None
                rrset = next(each for each in answer.answer if each.rdtype == dns.rdatatype.DNSKEY)
                found[rrset.name] = rrset
        return found

    # -- Making good ---

    def mend(self) -> None:
        """End what was done to hosts and links, and start what has died, as systemd does."""
        if self.network:
            self.network.heal()
        for name in self.disks:
            self.filler(name).unlink(missing_ok=True)
        self.revive()

    def revive(self) -> None:
        for name in NODES:
            process = self.stage.nodes.get(name)
            if process is None or process.poll() is not None:
                self.start(name)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = BOUND) -> float:
        """Return the seconds until `condition` held; meanwhile, what dies is started. Raises MissedError."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > seconds:
                raise MissedError(f"{what} did not come about within {seconds:.0f} s")
            self.revive()
            time.sleep(0.05)
        return time.monotonic() - began

    def filler(self, name: str) -> Path:
        """Return the file that fills the disk of a host."""
        return self.disks[name] / "filler"


@contextlib.contextmanager
def deployed(directory: Path, network: Network | None, *, mounts: bool) -> Iterator[Fleet]:
    """Yield a fleet that serves its second release. `mounts`: file systems are ours alone."""
    with rehearsal(directory / "ops") as stage:
        listen, agents = _addresses(network)
        states = {"control": stage.root / "state"} | {name: directory / "nodes" / name for name in NODES}
        fleet = Fleet(stage, network, listen, agents, states)
        with contextlib.ExitStack() as stack:
            for name, path in states.items():
                path.mkdir(parents=True, exist_ok=True)
                if mounts and _mount(path):
                    fleet.disks[name] = path
                    stack.callback(subprocess.run, ("umount", "--lazy", path), check=False)
            _make(fleet)
            try:
                yield fleet
            finally:
                fleet.starter.process.kill()
                fleet.starter.process.wait()
                stage.close()


def _addresses(network: Network | None) -> tuple[dict[str, Endpoint], dict[str, Endpoint]]:
    if network:
        return (
            {name: Endpoint(ADDRESSES[name], 53) for name in NODES},
            {name: Endpoint(ADDRESSES[name], 8853) for name in NODES},
        )
    listen, agents = ({name: Endpoint("127.0.0.1", free_port()) for name in NODES} for _ in range(2))
    return listen, agents


def _mount(path: Path) -> bool:
    """Mount a file system of DISK octets; False where that is not allowed."""
    command = ("mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "tmpfs", str(path))
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _make(fleet: Fleet) -> None:
    root, listen, agents = fleet.stage.root, fleet.listen, fleet.agents
    (root / "dnsctl.yaml").write_text(
        _CONFIG.format(ns1=listen["ns1"], ns2=listen["ns2"], agent1=agents["ns1"], agent2=agents["ns2"])
    )
    fleet.stage.run("init")
    fleet.commit()
    fleet.revive()
    fleet.until(
        lambda: all(fleet.ask(name, "example.com.", "SOA") for name in NODES), "an answer of both nodes"
    )
    for number in range(2):
        if number:
            fleet.commit()
        ran = fleet.run("push")
        if ran.code:
            raise MissedError(f"push {number + 1} ends with {ran.code}: {ran.lines}")
    fleet.until(fleet.is_agreed, "the same release at both nodes")
    fleet.learn()
