"""Queries a second and CPU a query: dnsctl beside Knot and NSD, on the same signed zone, in one run.

    .venv/bin/python bench/serve.py [--names 10000] [--rounds 3] [--seconds 5] [--workload hits|uniform|flood]

Each server is pinned to core 0 and dnsperf to core 1 (8 clients, 200 outstanding, DO set). Rounds go through
the servers in turn, so that what else the machine does hits all alike; the median round counts. Absolute
figures move with the machine, ratios in one run are what counts. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import dns.exception
import dns.message
import dns.query

ORIGIN = "bench.example."
SERVER_CORE, CLIENT_CORE = "0", "1"
READY_SECONDS = 600.0  # for signing and loading a large zone


@dataclass
class Server:
    """A running server and what was measured of it."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    queries: list[float] = field(default_factory=list)  # a second, by round
    cpu: list[float] = field(default_factory=list)  # microseconds a query, by round
    lost: int = 0


def zone_text(names: int) -> Iterator[str]:
    yield f"$ORIGIN {ORIGIN}\n$TTL 3600\n@ SOA ns1 hostmaster 1 7200 1800 1209600 300\n"
    yield "@ NS ns1\n@ NS ns2\n@ MX 10 ns1\nns1 A 192.0.2.53\nns2 A 198.51.100.53\n"
    for number in range(names):
        yield f"h{number} A 192.0.2.{number % 256}\n"
        if number % 4 == 0:
            yield f"h{number} AAAA 2001:db8::{number % 65536:x}\n"


def query_lines(workload: str, names: int, count: int = 200_000) -> Iterator[str]:
    """hits: 82 % data, 12 % of names that do not exist, 6 % of no data; the same names again and again."""
    picked = random.Random(1)
    for _ in range(count):
        number, share = picked.randrange(names), picked.random()
        if workload == "flood":
            yield f"{picked.randbytes(8).hex()}.{ORIGIN} A\n"
        elif workload == "uniform" or share < 0.82:
            rdtype = "AAAA" if number % 4 == 0 and share < 0.2 else "A"
            yield f"h{number}.{ORIGIN} {rdtype}\n"
        elif share < 0.94:
            yield f"missing{number % 1000}.{ORIGIN} A\n"
        else:
            yield f"h{number}.{ORIGIN} TXT\n"


def start_ours(directory: Path, names: int, port: int) -> Server:
    zones = directory / "zones"
    zones.mkdir()
    with (zones / f"{ORIGIN}zone").open("w") as file:
        file.writelines(zone_text(names))
    process = subprocess.Popen(
        [Path(sys.executable).with_name("dnsctl"), "serve", "--zones", zones, "--sign",
         "--listen", f"127.0.0.1:{port}", "--state", directory / "state", "--transfer", "127.0.0.1/32"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return Server("dnsctl", process, port)


def save_zone(port: int, path: Path) -> None:
    """Write what we serve as a master file, signatures and all: the peers serve the same."""
    with path.open("wb") as file:
        subprocess.run(
            ["dig", "@127.0.0.1", "-p", str(port), ORIGIN, "AXFR", "+noall", "+answer", "+onesoa"],
            stdout=file,
            check=True,
        )


def start_knot(directory: Path, zone: Path, port: int) -> Server:
    config = directory / "knot.conf"
    config.write_text(
        f"""\
server:
    rundir: {directory}
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: {directory}
zone:
  - domain: {ORIGIN}
    file: {zone}
"""
    )
    return Server("Knot", _spawn([_program("knotd"), "-c", str(config)]), port)


def start_nsd(directory: Path, zone: Path, port: int) -> Server:
    config = directory / "nsd.conf"
    config.write_text(
        f"""\
server:
    ip-address: 127.0.0.1@{port}
    server-count: 1
    rrl-ratelimit: 0
    username: ""
    chroot: ""
    zonesdir: {directory}
    pidfile: {directory}/nsd.pid
    xfrdfile: {directory}/xfrd.state
    zonelistfile: {directory}/zone.list
    cookie-secret-file: ""
remote-control:
    control-enable: no
zone:
    name: {ORIGIN}
    zonefile: {zone}
"""
    )
    return Server("NSD", _spawn([_program("nsd"), "-d", "-c", str(config)]), port)


def _program(name: str) -> str:
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    if found is None:
        raise FileNotFoundError(name)
    return found


def _spawn(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_until_ready(server: Server) -> None:
    query = dns.message.make_query(ORIGIN, "SOA")
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            sys.exit(f"{server.name} ended with {server.process.returncode} before it answered")
        try:
            if dns.query.udp(query, "127.0.0.1", port=server.port, timeout=0.5).answer:
                return
        except (dns.exception.DNSException, OSError):
            time.sleep(0.05)
    sys.exit(f"{server.name} did not answer within {READY_SECONDS:.0f} s")


def family(pid: int) -> list[int]:
    """Return `pid` and all processes below it."""
    found = [pid]
    for tasks in Path(f"/proc/{pid}/task").iterdir():
        for child in (tasks / "children").read_text().split():
            found += family(int(child))
    return found


def cpu_seconds(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pids: list[int]) -> float:
    """Return resident megabytes, shared pages counted once (PSS)."""
    return (
        sum(
            int(re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])  # type: ignore[index]
            for pid in pids
        )
        / 1024
    )


def measure(server: Server, queries: Path, seconds: int) -> None:
    pids = family(server.process.pid)
    for pid in pids:
        subprocess.run(["taskset", "-acp", SERVER_CORE, str(pid)], stdout=subprocess.DEVNULL, check=True)
    before = cpu_seconds(pids)
    told = subprocess.run(
        ["taskset", "-c", CLIENT_CORE, "dnsperf", "-s", "127.0.0.1", "-p", str(server.port),
         "-d", str(queries), "-l", str(seconds), "-c", "8", "-T", "1", "-q", "200", "-D"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    used = cpu_seconds(pids) - before
    done = int(re.search(r"Queries completed:\s+(\d+)", told)[1])  # type: ignore[index]
    server.lost += int(re.search(r"Queries lost:\s+(\d+)", told)[1])  # type: ignore[index]
    server.queries.append(done / seconds)
    server.cpu.append(used / max(done, 1) * 1e6)


def report(servers: list[Server], workload: str, names: int) -> None:
    ours = servers[0]
    print(f"\n{workload}, {names:,} names, {datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, ", end="")
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| server | kqps | CPU µs a query | lost | memory MB | dnsctl is, in queries | in CPU |")
    print("|---|---|---|---|---|---|---|")
    for server in servers:
        queries, cpu = statistics.median(server.queries), statistics.median(server.cpu)
        ratios = [mine / theirs for mine, theirs in zip(ours.queries, server.queries, strict=True)]
        cheaper = [theirs / mine for mine, theirs in zip(ours.cpu, server.cpu, strict=True)]
        print(
            f"| {server.name} | {queries / 1000:.0f} | {cpu:.2f} | {server.lost}"
            f" | {memory(family(server.process.pid)):.0f}"
            f" | {statistics.median(ratios):.2f} × | {statistics.median(cheaper):.2f} × |"
        )


def end(servers: list[Server]) -> None:
    for server in servers:
        server.process.send_signal(signal.SIGTERM)
    for server in servers:
        try:
            server.process.wait(20)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--names", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=int, default=5)
    options.add_argument("--workload", choices=("hits", "uniform", "flood"), action="append")
    options.add_argument("--port", type=int, default=5380, help="first of three")
    chosen = options.parse_args()
    servers: list[Server] = []
    with tempfile.TemporaryDirectory(prefix="dnsctl-bench-") as name:
        directory = Path(name)
        try:
            servers.append(start_ours(directory, chosen.names, chosen.port))
            wait_until_ready(servers[0])
            zone = directory / "signed.zone"
            save_zone(chosen.port, zone)
            for offset, start in ((1, start_knot), (2, start_nsd)):
                try:
                    servers.append(start(directory, zone, chosen.port + offset))
                except FileNotFoundError as missing:
                    print(f"{missing} is not installed: left out", file=sys.stderr)
            for server in servers:
                wait_until_ready(server)
            for workload in chosen.workload or ["hits"]:
                queries = directory / f"{workload}.txt"
                with queries.open("w") as file:
                    file.writelines(query_lines(workload, chosen.names))
                for server in servers:
                    server.queries, server.cpu, server.lost = [], [], 0
                for _ in range(chosen.rounds):
                    for server in servers:
                        measure(server, queries, chosen.seconds)
                report(servers, workload, chosen.names)
        finally:
            end(servers)


if __name__ == "__main__":
    main()
