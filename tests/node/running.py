"""A node in real processes, for tests: zones compiled into an image, `run_node` in a process of its own."""

import contextlib
import ipaddress
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dnsctl.errors import DnsctlError
from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.generation import GenerationCounter
from dnsctl.image.store import Image
from dnsctl.model.fleet import Endpoint, Node, NodeSettings, Secondary, ServeSettings, TransferKey
from dnsctl.model.name import to_text
from dnsctl.model.repo import NodeFiles
from dnsctl.model.zone import SignedZone, ValidatedZone
from tests.processes import Forked, start

READY = re.compile(r"dnsctl: (\S+) serving on (.+) udp tcp \(generation (\d+)\)")


def publish(
    state: Path,
    zones: Iterable[ValidatedZone | SignedZone],
    *,
    generation: int = 1,
    image: Image | None = None,
    serials: Mapping[str, int] | None = None,
) -> None:
    """Make `zones` what the image in `state` holds, with `generation` as serial, or that in `serials`.

    `image`: that image, where this process has it open (LMDB opens an environment once a process).
    """
    signed = [
        SignedZone(
            one.origin,
            one.nodes,
            serial=(serials or {}).get(to_text(one.origin), generation),
            signed=bool(one.get(one.origin, 48)),
            nsec3=one.nsec3 if isinstance(one, SignedZone) else None,
            nsec3_nodes=one.nsec3_nodes if isinstance(one, SignedZone) else {},
        )
        for one in zones
    ]
    wanted = {one.origin for one in signed}
    used = image or Image.open(NodeFiles(state).image, readonly=False)
    with used.writer() as writer:
        gone = [origin for origin in writer.apexes() if origin not in wanted]
        writer.apply(list(difference(writer, map(compile_zone, signed), gone)))
        writer.set_release(generation, "")
    if image is None:
        used.close()
    counter = GenerationCounter(NodeFiles(state).generation)
    counter.advance()
    counter.close()


def _serve(
    state: Path,
    listen: list[tuple[str, int]],
    workers: int,
    transfer: tuple[str, ...],
    metrics: tuple[str, int] | None,
    more: dict[str, Any],
) -> None:
    """Be the node `ns1`."""
    from dnsctl.node.launch import run_node

    logging.basicConfig(format="dnsctl: %(message)s", level=logging.INFO)
    endpoints = tuple(Endpoint(*one) for one in listen)
    keys = tuple(TransferKey(one, how, secret.encode()) for one, how, secret in more.pop("keys", ()))
    by_name = {one.name: one for one in keys}
    notify = tuple(
        Secondary(Endpoint(*where), by_name.get(key), tuple(zones))
        for where, key, zones in more.pop("notify", ())
    )
    if "cookie_secret" in more:
        more["cookie_secret"] = Path(more["cookie_secret"])
    networks = tuple(map(ipaddress.ip_network, transfer))
    serve = ServeSettings(endpoints, workers=workers, transfer=networks, keys=keys, notify=notify, **more)
    where = Endpoint(*metrics) if metrics else None
    try:
        run_node(NodeSettings(Node("ns1", "site", endpoints, ""), serve, state, metrics=where))
    except DnsctlError as fault:
        sys.exit(f"dnsctl: {fault}")


class RunningNode:
    """The supervisor's process, its lines on standard error, and the ports it told."""

    def __init__(self, process: subprocess.Popen[str] | Forked) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, pattern: str, seconds: float = 60.0) -> re.Match[str]:
        """Return the first line that `pattern` is found in."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in list(self.lines):
                if found := re.search(pattern, line):
                    return found
            if self.process.poll() is not None and not self._reading.is_alive():
                break
            time.sleep(0.005)
        raise AssertionError(f"no line matches {pattern!r}: {self.lines}")

    @property
    def ports(self) -> list[int]:
        addresses = self.wait_for(READY.pattern).group(2)
        return [int(one.rpartition(":")[2]) for one in addresses.split(", ")]

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def metrics(self) -> str:
        """Where the node told that its metrics are: http://ADDRESS:PORT."""
        return self.wait_for(r"metrics on (http://\S+)/metrics").group(1)

    def children(self) -> dict[str, int]:
        """Return name to process id of the supervisor's children."""
        return children_of(self.process.pid)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(60)
        self._reading.join(10)
        return code


def children_of(supervisor: int) -> dict[str, int]:
    """Return name to process id of a supervisor's children, once each has the name of what it does."""
    deadline = time.monotonic() + 60
    while True:
        found = {}
        for child in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
            with contextlib.suppress(OSError):  # it may have ended meanwhile
                name = Path(f"/proc/{child}/comm").read_text().strip()
                found[name.removeprefix("dnsctl ")] = int(child)
        if not found.keys() & {"dnsctl", "python"} or time.monotonic() > deadline:
            return found
        time.sleep(0.01)


@contextmanager
def running(
    state: Path,
    listen: list[tuple[str, int]] | None = None,
    *,
    workers: int = 1,
    transfer: tuple[str, ...] = (),
    metrics: tuple[str, int] | None = None,
    by_zone: bool = True,
    environment: dict[str, str] | None = None,
    more: dict[str, Any] | None = None,
) -> Iterator[RunningNode]:
    """Run a node on `state`; by default on a free loopback port. Ended at the end, whatever happens.

    `more`: further fields of ServeSettings; `keys` as (name, algorithm, text of the secret);
    `notify` as (address and port, name of the key or "", zones).
    """
    process = start(
        *(_serve, state, listen or [("127.0.0.1", 0)], workers, transfer, metrics),
        {**(more or {}), "zone_metrics": by_zone},
        variables={**os.environ, **(environment or {})},
    )
    node = RunningNode(process)
    try:
        yield node
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)
