"""Two Knots beside `manage.py`: one signs what changes in a zone file, and sends it to the other by IXFR.

The change begins with `knotc zone-reload` of a file that was written, and ends when the second Knot answers
with the new record: what a push does with two nodes, without its checks.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import dns.exception
import dns.message
import dns.query
from servers import Server

from dnsctl.demo.ports import free_port

KNOTD, KNOTC = Path("/usr/sbin/knotd"), Path("/usr/sbin/knotc")
_PATIENCE = 900.0  # seconds until both serve all zones
_POLL = 0.001  # seconds

_COMMON = """\
server:
  listen: 127.0.0.1@{port}
  rundir: "{directory}"
database:
  storage: "{directory}"
log:
  - target: stderr
    any: warning
remote:
  - id: other
    address: 127.0.0.1@{other}
acl:
  - id: other
    address: 127.0.0.1
    action: [notify, transfer]
"""
_PRIMARY = """\
policy:
  - id: one
    algorithm: ecdsap256sha256
    single-type-signing: on
template:
  - id: default
    storage: "{directory}/zones"
    acl: other
    notify: other
    dnssec-signing: on
    dnssec-policy: one
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
    serial-policy: unixtime
zone:
"""
_SECONDARY = """\
template:
  - id: default
    storage: "{directory}/zones"
    acl: other
    master: other
    zonefile-sync: -1
zone:
"""


class Took(NamedTuple):
    """`passed` and `cpu` in seconds, `memory` of the larger process in MB."""

    passed: float
    cpu: float
    memory: int


class Knots:
    """Both, the one that signs first, once they serve all zones."""

    def __init__(self, root: Path, servers: list[Server]) -> None:
        self._root, self._servers = root, servers

    def change(self, apex: str, text: str, address: str) -> Took:
        """Have the zone file replaced by `text`, in which www has `address`; return what that took."""
        (self._root / "primary" / "zones" / f"{apex}.zone").write_text(text)
        before, began = self._spent(), time.perf_counter()
        self._control("zone-reload", f"{apex}.")
        while address not in answers(self._servers[1].port, f"www.{apex}.", "A"):
            if time.perf_counter() - began > _PATIENCE:
                raise SystemExit(f"Knot does not serve the change of {apex}")
            time.sleep(_POLL)
        passed = time.perf_counter() - began
        return Took(passed, self._spent() - before, max(_resident(each.process) for each in self._servers))

    def _control(self, *arguments: str) -> None:
        socket = self._root / "primary" / "knot.sock"
        subprocess.run((KNOTC, "-s", socket, *arguments), check=True, stdout=subprocess.DEVNULL)

    def _spent(self) -> float:
        children = os.times()
        own = children.children_user + children.children_system  # knotc
        return own + sum(each.cpu_seconds() for each in self._servers)


@contextlib.contextmanager
def knots(root: Path, zones: Mapping[str, str]) -> Iterator[Knots]:
    """Start both in `root` with `zones`, text by apex, and wait until the second answers for each."""
    ports = free_port(), free_port()
    while ports[0] == ports[1]:
        ports = ports[0], free_port()
    lines = "".join(f'  - domain: "{apex}."\n    file: "{apex}.zone"\n' for apex in zones)
    servers: list[Server] = []
    try:
        for name, port, other, kind in (
            ("primary", *ports, _PRIMARY),
            ("secondary", *ports[::-1], _SECONDARY),
        ):
            directory = root / name
            (directory / "zones").mkdir(parents=True)
            if kind is _PRIMARY:
                for apex, text in zones.items():
                    (directory / "zones" / f"{apex}.zone").write_text(text)
            config = directory / "knot.conf"
            config.write_text((_COMMON + kind).format(directory=directory, port=port, other=other) + lines)
            with (directory / "log").open("wb") as log:
                process = subprocess.Popen((KNOTD, "-c", config), stdout=log, stderr=log)
            servers.append(Server(name, process, port))
        _wait(ports[1], zones)
        yield Knots(root, servers)
    finally:
        for each in servers:
            each.end()


def _wait(port: int, zones: Mapping[str, str]) -> None:
    ends = time.monotonic() + _PATIENCE
    for apex in zones:
        while not answers(port, f"{apex}.", "DNSKEY"):
            if time.monotonic() > ends:
                raise SystemExit(f"Knot does not serve {apex}")
            time.sleep(0.05)


def answers(port: int, owner: str, rdtype: str) -> set[str]:
    """Return the rdatas that a server on this machine answers with."""
    with contextlib.suppress(OSError, dns.exception.DNSException):
        query = dns.message.make_query(owner, rdtype)
        reply = dns.query.udp(query, "127.0.0.1", port=port, timeout=0.5)
        return {rdata.to_text() for rrset in reply.answer for rdata in rrset}
    return set()


def _resident(process: subprocess.Popen[bytes]) -> int:
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    return 0
