"""An operations repo with two sites on loopback, and its nodes as real `dnsctl serve --node` processes."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import dns.query

from dnsctl.cli import main
from dnsctl.demo.ports import free_port
from dnsctl.release.envelope import ensure_release_key
from dnsctl.release.manifest import FORMAT
from dnsctl.replicate import api
from dnsctl.replicate.pki import ensure_authority
from dnsctl.replicate.rights import RIGHTS
from tests.passphrase import PASSPHRASE
from tests.processes import FORKED

DNSCTL = (sys.executable, "-c", "from dnsctl.__main__ import main; main()")
NODES = {"ns1": "dc1", "ns2": "dc2"}

ZONE = """\
'':
  - {type: NS, values: [ns1.example.com., ns2.example.com.]}
  - {type: MX, value: {exchange: mail.example.com., preference: 10}}
ns1: {type: A, value: 192.0.2.53}
ns2: {type: A, value: 198.51.100.53}
mail: {type: A, value: 192.0.2.25}
www: {type: A, value: %s}
'*.dyn': {type: A, value: 192.0.2.81}
"""


def zone(address: str = "192.0.2.80", more: str = "") -> str:
    return ZONE % address + more


ORG = zone().replace("example.com.", "example.org.")
BRIEF = (
    "policies: {standard: {signatures: {lifetime: 1h, refresh: 3599s, inception-offset: 1h, jitter: 0s}}}\n"
)


class Done(NamedTuple):
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


def _serve(arguments: list[str], log: Path, source: str, lacks: str, reads: int) -> None:
    """Be `dnsctl serve`, writing to `log`, on a host whose own questions come from `source`, if given.

    `lacks`: a path of the agent that its version does not know; `reads`: the format of manifests it reads.
    """
    vars(api)["FORMAT"] = reads
    if lacks:
        vars(api)["RIGHTS"] = tuple(each for each in RIGHTS if each.path != lacks)
    if source:
        for name in ("udp", "tcp"):
            setattr(dns.query, name, functools.partial(getattr(dns.query, name), source=source))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.exit(main.run(arguments))


@dataclass
class Operations:
    """The repo at `root`. Nodes are started by name; all are ended by `stop`."""

    root: Path
    ports: Mapping[str, tuple[int, int]] = field(
        default_factory=lambda: {name: (free_port(), free_port()) for name in NODES}
    )
    running: dict[str, multiprocessing.process.BaseProcess] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)  # of the questions that nodes send, by node
    lacking: dict[str, str] = field(default_factory=dict)  # what agents of older nodes do not know, by node
    reading: dict[str, int] = field(default_factory=dict)  # manifests that older nodes read, by node

    def make(self, dnssec: str = "standard", issued: datetime | None = None) -> None:
        sites = "\n".join(
            f'  {site}: {{nodes: {{{name}: {{listen: ["127.0.0.1:{self.ports[name][0]}"],'
            f' control: "https://127.0.0.1:{self.ports[name][1]}"}}}}}}'
            for name, site in NODES.items()
        )
        self.write(
            "dnsctl.yaml",
            f"version: 1\nsites:\n{sites}\ndefaults:\n  dnssec: {dnssec}\n"
            "  soa: {mname: ns1.example.com., rname: hostmaster.example.com.}\n",
        )
        self.write("zones/example.com.yaml", zone())
        self.write(".gitignore", "/state/\n/keys/\n/log/\n")
        keys = self.root / "keys"
        keys.mkdir()
        (keys / "passphrase").write_bytes(PASSPHRASE + b"\n")
        (keys / "passphrase").chmod(0o600)
        ensure_release_key(keys, PASSPHRASE)
        ensure_authority(keys, lambda: PASSPHRASE, NODES, issued or datetime.now(UTC))
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("first")

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=Operator", "-c", "user.email=operator@example.org")
        subprocess.run(("git", *identity, *arguments), cwd=self.root, check=True, capture_output=True)

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)

    def run(self, *arguments: str) -> Done:
        """Run one command to its end, in this process."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main.run(["-C", str(self.root), *arguments])
        return Done(code, out.getvalue(), err.getvalue())

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command as a process of its own; the caller waits for it or kills it."""
        return subprocess.Popen(
            (*DNSCTL, "-C", str(self.root), *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def failure(self, *arguments: str) -> Any:
        """Return the failure that a command prints."""
        return self.json(*arguments, code=1)["error"]

    def json(self, *arguments: str, code: int | None = 0) -> dict[str, Any]:
        """Return what a command prints; `code` None: whatever its exit code."""
        done = self.run(*arguments, "--json")
        assert code is None or done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    def start(self, *names: str) -> None:
        log = self.root / "log"
        log.mkdir(exist_ok=True)
        for name in names:
            arguments = ["-C", str(self.root), "serve", "--node", name]
            process = FORKED.Process(
                target=_serve,
                args=(
                    arguments,
                    log / f"{name}.log",
                    self.sources.get(name, ""),
                    self.lacking.get(name, ""),
                    self.reading.get(name, FORMAT),
                ),
            )
            process.start()
            self.running[name] = process
        self._listening(*names)
        self.wait(lambda status: all(status[name]["reachable"] for name in names))

    def _listening(self, *names: str) -> None:
        """Wait until agents take connections, which costs less to ask than `dnsctl status`."""
        deadline = time.monotonic() + 60
        for name in names:
            while self.running[name].is_alive() and time.monotonic() < deadline:
                with contextlib.suppress(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", self.ports[name][1]), timeout=60).close()
                    break
                time.sleep(0.01)

    def wait(self, until: Any, seconds: float = 60) -> None:
        """Poll `dnsctl status` until it is as wanted."""
        deadline = time.monotonic() + seconds
        while True:
            nodes = {each["node"]: each for each in self.json("status", code=None)["nodes"]}
            if until(nodes):
                return
            assert time.monotonic() < deadline, nodes
            time.sleep(0.05)

    def end(self, name: str) -> None:
        """End a node with all its processes."""
        process = self.running.pop(name)
        process.terminate()
        process.join(60)

    def stop(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            process.join(60)
        self.running.clear()

    def generations(self) -> dict[str, int]:
        return {each["node"]: each.get("generation", -1) for each in self.json("status", code=None)["nodes"]}


@contextlib.contextmanager
def made(root: Path, dnssec: str = "standard", issued: datetime | None = None) -> Iterator[Operations]:
    """Make a repo at `root`, whose nodes do not run yet; end what is started there, whatever happens."""
    operations = Operations(root)
    root.mkdir()
    operations.make(dnssec, issued)
    try:
        yield operations
    finally:
        operations.stop()


@contextlib.contextmanager
def soon_due(root: Path) -> Iterator[Operations]:
    """Make a repo with two zones that are served, and whose signatures are due a second later."""
    with made(root) as operations:
        operations.write("dnsctl.yaml", (operations.root / "dnsctl.yaml").read_text() + BRIEF)
        operations.write("zones/example.org.yaml", ORG)
        operations.commit("brief signatures")
        operations.start(*NODES)
        assert operations.run("push").returncode == 0
        yield operations
