"""Name servers for the benchmarks: ours, and peers from Debian's packages, each on the same signed zone.

A peer that is not installed raises FileNotFoundError. All listen on 127.0.0.1, write below the directory they
are given, and answer without rate limiting; what else they do is what they do by default, with one worker.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception
import dns.message
import dns.query

READY_SECONDS = 900.0  # for signing and loading a large zone


@dataclass
class Server:
    """A running server and what was measured of it, by round."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    queries: list[float] = field(default_factory=list)  # a second
    cpu: list[float] = field(default_factory=list)  # microseconds a query
    latency: list[float] = field(default_factory=list)  # milliseconds, of all probes of all rounds
    lost: int = 0

    def forget(self) -> None:
        self.queries, self.cpu, self.latency, self.lost = [], [], [], 0

    def wait_until_ready(self, origin: str) -> None:
        query = dns.message.make_query(origin, "SOA")
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended with {self.process.returncode} before it answered")
            with suppress(dns.exception.DNSException, OSError):
                answer = dns.query.udp(query, "127.0.0.1", port=self.port, timeout=0.5).answer
                if answer or self.name == "echo":
                    return
            time.sleep(0.05)
        sys.exit(f"{self.name} did not answer within {READY_SECONDS:.0f} s")

    def family(self) -> list[int]:
        """Return the process ids of the server and all below it."""
        return _family(self.process.pid)

    def workers(self) -> list[int]:
        """Return the process ids of our UDP workers, in order."""
        named = {Path(f"/proc/{pid}/comm").read_text().strip(): pid for pid in self.family()}
        return [pid for name, pid in sorted(named.items()) if name.startswith("dnsctl udp")]

    def cpu_seconds(self) -> float:
        ticks = 0
        for pid in self.family():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def pin(self, core: int) -> None:
        """Keep all threads of all its processes on one core."""
        for pid in self.family():
            pin(pid, core)

    def memory(self) -> tuple[float, float]:
        """Return resident megabytes of all its processes, and how many of them are pages of files or shared.

        Shared pages count once (PSS). Of files are our image and code: the kernel may drop such pages and
        read them again, and they are there once for all workers.
        """
        resident = shared = 0
        for pid in self.family():
            told = dict(re.findall(r"^(Pss\w*):\s+(\d+)", _rollup(pid), re.MULTILINE))
            resident += int(told["Pss"])
            shared += int(told["Pss_File"]) + int(told["Pss_Shmem"])
        return resident / 1024, shared / 1024

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def pin(pid: int, core: int) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def _rollup(pid: int) -> str:
    return Path(f"/proc/{pid}/smaps_rollup").read_text()


def _family(pid: int) -> list[int]:
    found = [pid]
    for tasks in Path(f"/proc/{pid}/task").iterdir():
        for child in (tasks / "children").read_text().split():
            found += _family(int(child))
    return found


def _program(name: str) -> str:
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/usr/bin")
    if found is None:
        raise FileNotFoundError(name)
    return found


def _spawn(*command: str | Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment or os.environ
    )


def ours(
    zones: Path,
    state: Path,
    port: int,
    workers: int,
    name: str = "dnsctl",
    more: Sequence[str] = (),
    checkout: Path = Path(__file__).parents[1],
) -> Server:
    """Sign and serve the files in `zones` with the code of `checkout`.

    `state` keeps the image; `more` options of `dnsctl serve`.
    """
    command = (sys.executable, "-m", "dnsctl", "serve", "--zones", zones, "--sign", "--state", state)
    listen = ("--listen", f"127.0.0.1:{port}", "--transfer", "127.0.0.1/32", "--workers", str(workers))
    environment = os.environ | {"PYTHONPATH": str(checkout.absolute())}
    return Server(name, _spawn(*command, *listen, *more, environment=environment), port)


def echo(directory: Path, zone: Path, origin: str, port: int) -> Server:
    return Server("echo", _spawn(sys.executable, Path(__file__).with_name("echo.py"), str(port)), port)


def knot(directory: Path, zone: Path, origin: str, port: int) -> Server:
    config = directory / "knot.conf"
    config.write_text(
        f"server:\n  rundir: {directory}\n  listen: 127.0.0.1@{port}\n"
        "  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n"
        f"database:\n  storage: {directory}\nzone:\n  - domain: {origin}\n    file: {zone}\n"
    )
    return Server("Knot", _spawn(_program("knotd"), "-c", config), port)


def nsd(directory: Path, zone: Path, origin: str, port: int) -> Server:
    config = directory / "nsd.conf"
    config.write_text(
        f'server:\n  ip-address: 127.0.0.1@{port}\n  server-count: 1\n  rrl-ratelimit: 0\n  username: ""\n'
        f'  chroot: ""\n  zonesdir: {directory}\n  pidfile: {directory}/nsd.pid\n  tcp-count: 100\n'
        f"  xfrdfile: {directory}/xfrd.state\n  zonelistfile: {directory}/zone.list\n"
        f'  database: ""\n  cookie-secret-file: ""\nremote-control:\n  control-enable: no\n'
        f"zone:\n  name: {origin}\n  zonefile: {zone}\n"
    )
    return Server("NSD", _spawn(_program("nsd"), "-d", "-c", config), port)


def bind(directory: Path, zone: Path, origin: str, port: int) -> Server:
    config = directory / "named.conf"
    config.write_text(
        f'options {{ directory "{directory}"; listen-on port {port} {{ 127.0.0.1; }};\n'
        "  listen-on-v6 { none; }; recursion no; minimal-responses yes; dnssec-validation no;\n"
        "  pid-file none; session-keyfile none; };\n"
        "controls { };\nlogging { category default { null; }; };\n"
        f'zone "{origin}" {{ type primary; file "{zone}"; check-names ignore; }};\n'
    )
    return Server("BIND", _spawn(_program("named"), "-f", "-n", "1", "-c", config), port)


def powerdns(directory: Path, zone: Path, origin: str, port: int) -> Server:
    home = directory / "pdns"
    home.mkdir()
    (home / "named.conf").write_text(f'zone "{origin}" {{ type master; file "{zone}"; }};\n')
    (home / "pdns.conf").write_text(
        f"launch=bind\nbind-config={home}/named.conf\nbind-dnssec-db={home}/dnssec.db\nsocket-dir={home}\n"
        f"local-address=127.0.0.1\nlocal-port={port}\nreceiver-threads=1\ndistributor-threads=1\nsecurity-poll-suffix=\n"
        "guardian=no\ndaemon=no\nversion-string=anonymous\n"
    )
    server, tool = _program("pdns_server"), _program("pdnsutil")
    for command in (("create-bind-db", f"{home}/dnssec.db"), ("set-presigned", origin)):
        subprocess.run(
            (tool, f"--config-dir={home}", *command),
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return Server("PowerDNS", _spawn(server, f"--config-dir={home}"), port)


PEERS: dict[str, Callable[[Path, Path, str, int], Server]] = {
    "knot": knot,
    "nsd": nsd,
    "bind": bind,
    "powerdns": powerdns,
    "echo": echo,
}
