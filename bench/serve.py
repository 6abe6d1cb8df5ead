"""Queries a second, CPU a query, latency, sizes, memory: dnsctl beside its peers, on one signed zone.

    .venv/bin/python bench/serve.py [--short] [--names 10000] [--denial nsec3] [--workload hits …]

Each server is pinned to core 0 and dnsperf to core 1 (8 clients, 200 outstanding, DO set unless --no-do).
Rounds go through the servers in turn, so that what else the machine does hits all alike; the median round
counts. Absolute figures move with the machine, ratios in one run are what counts. Peers not installed are
left out.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import servers
from servers import Server

ORIGIN = "bench.example."
SERVER_CORE, CLIENT_CORE = "0", "1"
WORKLOADS = {  # name -> how many lines dnsperf goes round in
    "hits": 200_000,
    "uniform": 1_000_000,
    "flood": 2_000_000,
}
NSEC3_CONFIG = """\
version: 1
sites: {here: {nodes: {ns: {listen: ["127.0.0.1:5301"], control: "https://127.0.0.1:8301"}}}}
release: {keys: [keys/release.pub], threshold: 1}
defaults:
  ttl: 1h
  soa: {mname: ns1.bench.example., rname: hostmaster.bench.example.,
        refresh: 2h, retry: 30m, expire: 14d, minimum: 5m}
  ns: [ns1.bench.example., ns2.bench.example.]
  dnssec: hashed
policies: {hashed: {algorithm: ECDSAP256SHA256, keys: csk, denial: nsec3}}
"""


def zone_text(names: int) -> Iterator[str]:
    yield f"$ORIGIN {ORIGIN}\n$TTL 3600\n@ SOA ns1 hostmaster 1 7200 1800 1209600 300\n"
    yield "@ NS ns1\n@ NS ns2\n@ MX 10 ns1\nns1 A 192.0.2.53\nns2 A 198.51.100.53\n"
    for number in range(names):
        yield f"h{number} A 192.0.2.{number % 256}\n"
        if number % 4 == 0:
            yield f"h{number} AAAA 2001:db8::{number % 65536:x}\n"


def query_lines(workload: str, names: int) -> Iterator[str]:
    """hits: 82 % data, 12 % names that do not exist, 6 % no data; uniform: data; flood: random names."""
    picked = random.Random(1)
    for _ in range(WORKLOADS[workload]):
        if workload == "flood":
            yield f"{picked.getrandbits(64):016x}.{ORIGIN} A\n"
            continue
        number, share = int(picked.random() * names), picked.random()
        if workload == "uniform" or share < 0.82:
            rdtype = "AAAA" if number % 4 == 0 and share < 0.2 else "A"
            yield f"h{number}.{ORIGIN} {rdtype}\n"
        elif share < 0.94:
            yield f"missing{number % 1000}.{ORIGIN} A\n"
        else:
            yield f"h{number}.{ORIGIN} TXT\n"


def measure(server: Server, queries: Path, options: argparse.Namespace) -> None:
    """One round: pin, load, and read what it took from /proc."""
    for pid in server.family():
        core = SERVER_CORE if server.name != "dnsctl, 2 workers" else f"{SERVER_CORE},{CLIENT_CORE}"
        subprocess.run(["taskset", "-acp", core, str(pid)], stdout=subprocess.DEVNULL, check=True)
    before = server.cpu_seconds()
    command = [
        "taskset",
        "-c",
        CLIENT_CORE,
        "dnsperf",
        "-s",
        "127.0.0.1",
        "-p",
        str(server.port),
        "-d",
        str(queries),
    ]
    command += ["-l", str(options.seconds), "-c", "8", "-T", "1", "-q", "200"]
    command += [] if options.no_do else ["-D"]
    command += ["-m", "tcp"] if options.tcp else []
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = server.cpu_seconds() - before
    figures = {
        what: float(found[1]) if (found := re.search(rf"{what}:\s+([0-9.]+)", told)) else 0.0
        for what in (r"Queries completed", r"Queries lost", r"Average Latency \(s\)")
    }
    done, lost, latency = figures.values()
    server.lost += int(lost)
    server.queries.append(done / options.seconds)
    server.cpu.append(used / max(done, 1) * 1e6)
    server.latency.append(latency * 1e3)


def report(found: list[Server], workload: str, options: argparse.Namespace) -> None:
    ours = found[0]
    print(f"\n### {workload}, {options.names:,} names, {options.denial}", end="")
    print(f"{', without DO' if options.no_do else ''}{', TCP' if options.tcp else ''}\n")
    print(
        "| server | kqps | CPU µs a query | latency ms | lost | memory MB | dnsctl is, in queries | in CPU |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for server in found:
        queries, cpu = statistics.median(server.queries), statistics.median(server.cpu)
        ratios = [mine / theirs for mine, theirs in zip(ours.queries, server.queries, strict=True)]
        cheaper = [theirs / mine for mine, theirs in zip(ours.cpu, server.cpu, strict=True)]
        print(
            f"| {server.name} | {queries / 1000:.0f} | {cpu:.2f} | {statistics.median(server.latency):.2f}"
            f" | {server.lost} | {server.memory():.0f}"
            f" | {statistics.median(ratios):.2f} × | {statistics.median(cheaper):.2f} × |"
        )


def sizes(found: list[Server]) -> None:
    """Print how large answers are, ours against Knot's: what an attacker could have sent elsewhere."""
    by_name = {server.name: server for server in found}
    if "Knot" not in by_name:
        return
    print("\n### Octets of a response\n\n| question | dnsctl | Knot | ratio |\n|---|---|---|---|")
    for name, rdtype in (
        ("h4", "A"),
        ("h4", "AAAA"),
        ("h4", "TXT"),
        ("nope", "A"),
        ("@", "MX"),
        ("@", "DNSKEY"),
        ("@", "ANY"),
    ):
        query = dns.message.make_query(
            ORIGIN if name == "@" else f"{name}.{ORIGIN}", rdtype, want_dnssec=True, payload=1232
        )
        query.flags &= ~dns.flags.RD
        mine, theirs = (
            len(dns.query.udp(query, "127.0.0.1", port=by_name[who].port, timeout=2).wire or b"")
            for who in ("dnsctl", "Knot")
        )
        print(f"| {name} {rdtype} | {mine} | {theirs} | {mine / theirs:.2f} |")


def parsed() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument(
        "--short", action="store_true", help="10,000 names, 2 rounds of 2 s, Knot and NSD only"
    )
    options.add_argument("--names", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=int, default=5)
    options.add_argument("--workload", choices=WORKLOADS, action="append")
    options.add_argument("--denial", choices=("nsec", "nsec3"), default="nsec")
    options.add_argument("--no-do", action="store_true", help="ask without DNSSEC")
    options.add_argument("--tcp", action="store_true", help="over connections that are used again")
    options.add_argument("--two", action="store_true", help="add ours with two workers, on both cores")
    options.add_argument("--peer", choices=servers.PEERS, action="append")
    options.add_argument("--signed", type=Path, help="serve this signed master file instead of making one")
    options.add_argument("--port", type=int, default=5380, help="first of eight")
    chosen = options.parse_args()
    if chosen.short:
        chosen.rounds, chosen.seconds, chosen.peer = 2, 2, ["knot", "nsd"]
        chosen.workload = chosen.workload or ["hits", "flood"]
    chosen.workload = chosen.workload or list(WORKLOADS)
    return chosen


def save_zone(path: Path, port: int) -> None:
    """Write what we serve as a master file, signatures and all: the peers serve the same."""
    ask = ("dig", "@127.0.0.1", "-p", str(port), ORIGIN, "AXFR", "+noall", "+answer", "+onesoa")
    with path.open("wb") as output:
        subprocess.run(ask, stdout=output, check=True)


def start(directory: Path, options: argparse.Namespace) -> Iterator[Server]:
    """Start ours, take the zone that it signed by AXFR, and start the peers on that."""
    zones = directory / "zones"
    zones.mkdir()
    if options.signed is not None:
        shutil.copyfile(options.signed, zones / f"{ORIGIN}zone")
    else:
        with (zones / f"{ORIGIN}zone").open("w") as file:
            file.writelines(zone_text(options.names))
    if options.denial == "nsec3":
        (directory / "dnsctl.yaml").write_text(NSEC3_CONFIG)
    mine = servers.ours(zones, directory / "state", options.port, 1)
    yield mine
    mine.wait_until_ready(ORIGIN)
    signed = directory / "signed.zone"
    if options.signed is not None:
        signed.symlink_to(options.signed.absolute())
    else:
        save_zone(signed, options.port)
    if options.two:
        pair = directory / "two"
        pair.mkdir()
        shutil.copyfile(signed, pair / f"{ORIGIN}zone")
        yield servers.ours(pair, directory / "state2", options.port + 7, 2, "dnsctl, 2 workers")
    for offset, peer in enumerate(options.peer or servers.PEERS, start=1):
        try:
            yield servers.PEERS[peer](directory, signed, ORIGIN, options.port + offset)
        except FileNotFoundError as missing:
            print(f"{missing} is not installed: left out", file=sys.stderr)


def main() -> None:
    options = parsed()
    found: list[Server] = []
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, ", end="")
    print(f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} before")
    with tempfile.TemporaryDirectory(prefix="dnsctl-bench-") as name:
        directory = Path(name)
        try:
            for server in start(directory, options):
                found.append(server)
                server.wait_until_ready(ORIGIN)
            sizes(found)
            for workload in options.workload:
                queries = directory / "queries.txt"
                with queries.open("w") as file:
                    file.writelines(query_lines(workload, options.names))
                for server in found:
                    server.forget()
                for _ in range(options.rounds):
                    for server in found:
                        measure(server, queries, options)
                report(found, workload, options)
        finally:
            for server in found:
                server.end()


if __name__ == "__main__":
    main()
