"""Queries a second, CPU a query, latency, sizes, memory: dnsctl beside its peers, on one signed zone.

    .venv/bin/python bench/serve.py [--names 10000] [--denial nsec3] [--workload hits …] [--no-do] [--tcp]
    .venv/bin/python bench/serve.py --short | --full [--before CHECKOUT] [--no-peers]

Each server is pinned to core 0 and dnsperf to core 1 (8 clients, 200 outstanding, DO set unless --no-do).
Rounds go through the servers in turn, so that what else the machine does hits all alike; the median round
counts. Latency is that of 500 probes a second of our own beside dnsperf's load (`latency`), median and 99th
percentile over all rounds. Memory is that of all processes with shared pages once; "of it files": pages of
files or shared memory, such as our image. Absolute figures move with the machine, ratios in one run are what
counts. Peers not installed are left out. --before has dnsctl of another checkout, such as a worktree of an
earlier commit, as a peer.

--two adds two workers against one, each at its own limit: beside two workers on two cores a generator would
be the limit, so they answer queries that wait in their sockets, while nothing else runs (`drain`).

--short is `make bench`. --full goes through everything in docs/performance.md, and prints its tables.
Zones from 50,000 names on are signed by ldns-signzone, smaller ones by ours (which verifies each signature).
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import drain
import servers
import sizes
from latency import percentile
from load import Load, measure
from servers import Server
from workload import LINES, ORIGIN, query_lines, sign, write_questions, zone_text

from dnsctl.demo.ports import free_port

LARGE = 50_000  # names from which on another signer takes over
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


@dataclass(frozen=True)
class Zone:
    """What is served: so many names, with that denial of existence, or a signed master file as it is."""

    names: int
    denial: str = "nsec"
    signed: Path | None = None

    def text(self) -> str:
        return f"{self.names:,} names, {self.denial.upper()}"


@dataclass(frozen=True)
class Case:
    """A table: a workload, and how it is asked."""

    workload: str
    load: Load
    rounds: int

    def text(self) -> str:
        how = "" if self.load.want_dnssec else ", without DO"
        return f"*{self.workload}*{how}{', TCP' if self.load.tcp else ''}"


def run(
    zone: Zone, cases: Sequence[Case], peers: Sequence[str], before: Path | None = None
) -> list[sizes.Sizes]:
    """Start all servers on one zone, print a table for each case, and return the sizes of answers."""
    with tempfile.TemporaryDirectory(prefix="dnsctl-bench-") as name:
        directory = Path(name)
        with _served(directory, zone, peers, before) as found:
            compared = sizes.compare(found, zone.denial)
            for case in cases:
                asked = [one for one in found if not (case.load.tcp and one.name == "echo")]
                for server in asked:
                    server.forget()
                path = directory / "questions"
                questions = write_questions(path, case.workload, zone.names, 1)
                for number in range(1, case.rounds + 1):
                    if number > 1 and case.workload == "flood":
                        questions = write_questions(path, case.workload, zone.names, number)
                    for server in _from_another_on(asked, number):
                        measure(server, questions, case.load)
                report(asked, f"{case.text()}, {zone.text()}")
    return compared


def _from_another_on(servers: Sequence[Server], number: int) -> list[Server]:
    """Return `servers` in turn, from another one on each round: the first pays for cold pages."""
    first = (number - 1) % len(servers)
    return [*servers[first:], *servers[:first]]


def report(found: Sequence[Server], title: str) -> None:
    ours = found[0]
    print(f"\n{title}:\n")
    print(
        "| server | kqps | CPU µs a query | median ms | 99 % ms | lost | memory MB | of it files "
        "| dnsctl is, in queries | in CPU |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    for server in found:
        queries, cpu = statistics.median(server.queries), statistics.median(server.cpu)
        ratios = [mine / theirs for mine, theirs in zip(ours.queries, server.queries, strict=True)]
        cheaper = [theirs / mine for mine, theirs in zip(ours.cpu, server.cpu, strict=True)]
        resident, files = server.memory()
        print(
            f"| {server.name} | {queries / 1000:.0f} | {cpu:.2f} | {percentile(server.latency, 0.5):.2f}"
            f" | {percentile(server.latency, 0.99):.2f} | {server.lost} | {resident:.0f} | {files:.0f}"
            f" | {statistics.median(ratios):.2f} × | {statistics.median(cheaper):.2f} × |",
            flush=True,
        )


@contextmanager
def _served(directory: Path, zone: Zone, peers: Sequence[str], before: Path | None) -> Iterator[list[Server]]:
    """Serve `zone` with ours and the peers that are installed; end them all behind the block."""
    found: list[Server] = []
    try:
        for server in _start(directory, zone, peers, before):
            found.append(server)
        for server in found:
            server.wait_until_ready(ORIGIN)
        yield found
    finally:
        for server in found:
            server.end()


def _start(directory: Path, zone: Zone, peers: Sequence[str], before: Path | None) -> Iterator[Server]:
    """Start ours and the peers on a zone signed beforehand, or the peers on what ours has signed."""
    signed = directory / "signed.zone"
    zones = _zone_files(directory, zone, signed)
    mine = servers.ours(zones, directory / "state", free_port(), 1)
    yield mine
    if before is not None:
        yield servers.ours(zones, directory / "before", free_port(), 1, "before", checkout=before)
    if not signed.exists():
        mine.wait_until_ready(ORIGIN)
        ask = ("dig", "@127.0.0.1", "-p", str(mine.port), ORIGIN, "AXFR", "+noall", "+answer", "+onesoa")
        with signed.open("wb") as output:
            subprocess.run(ask, stdout=output, check=True)
    for peer in peers:
        try:
            yield servers.PEERS[peer](directory, signed, ORIGIN, free_port())
        except FileNotFoundError as missing:
            print(f"{missing} is not installed: left out", file=sys.stderr)


def _zone_files(directory: Path, zone: Zone, signed: Path) -> Path:
    """Make the directory that ours serves; `signed` where another signer is to be used, or was."""
    zones = directory / "zones"
    zones.mkdir()
    served = zones / f"{ORIGIN}zone"
    if zone.denial == "nsec3":
        (directory / "dnsctl.yaml").write_text(NSEC3_CONFIG)
    if zone.signed is not None:
        signed.symlink_to(zone.signed.absolute())
        shutil.copyfile(zone.signed, served)
        return zones
    with served.open("w") as file:
        file.writelines(zone_text(zone.names))
    if zone.names >= LARGE and sign(served, signed, zone.denial == "nsec3"):
        signed.replace(served)
        signed.hardlink_to(served)
    return zones


def two_workers(names: int, bursts: int) -> None:
    """Print what a second worker is worth; see `drain`."""
    with tempfile.TemporaryDirectory(prefix="dnsctl-bench-") as name:
        directory = Path(name)
        zones = _zone_files(directory, Zone(names), directory / "signed.zone")
        lines = list(query_lines("hits", names, count=drain.DEPTH))
        server = servers.ours(zones, directory / "state", free_port(), 2, "dnsctl, 2 workers")
        try:
            server.wait_until_ready(ORIGIN)
            drained = drain.drain(server, lines, bursts)
        except drain.BusyError as busy:
            print(f"\nTwo workers were not measured: {busy}")
            return
        finally:
            server.end()
    each = drain.CLIENTS * drain.depth()
    one = statistics.mean(drained.alone)
    print(
        f"\n## Two workers\n\n*hits*, {names:,} names, NSEC; {each:,} queries wait for each worker, which has"
    )
    print("a core to itself; nothing else runs until all are answered:\n")
    print("| | worker 1, kqps | worker 2, kqps | both, kqps | against one |\n|---|---|---|---|---|")
    print(f"| one at a time | {_thousands(*drained.alone, one)} | 1.00 × |")
    both = sum(drained.together)
    print(f"| both at the same time | {_thousands(*drained.together, both)} | {both / one:.2f} × |")
    print(
        f"\nMedians of {drained.bursts} bursts; {drained.skipped} more did not count (the machine had other"
    )
    print(f"work). Of {drain.SPREAD} clients, the kernel gives {drained.busier:.0%} to the worker with more.")


def _thousands(*rates: float) -> str:
    return " | ".join(f"{rate / 1000:.0f}" for rate in rates)


def full(options: argparse.Namespace) -> None:
    """Print every table of docs/performance.md's serving part."""
    rounds, load = options.rounds or 5, Load(options.seconds or 2)
    plain, tcp = replace(load, want_dnssec=False), replace(load, tcp=True)
    print("\n## Serving: 10,000 names")
    cases = [Case(each, load, rounds) for each in LINES]
    cases += [Case(each, plain, rounds) for each in ("hits", "uniform", "flood")] + [
        Case("hits", tcp, rounds)
    ]
    compared = run(Zone(10_000), cases, options.peer, options.before)
    cases = [Case(each, load, rounds) for each in ("hits", "flood")]
    compared += run(Zone(10_000, "nsec3"), cases, options.peer, options.before)
    two_workers(10_000, 20 * rounds)
    print("\n## Serving: a million names", flush=True)
    others = options.peer, options.before
    longer, fewer = Load(load.seconds + 1), max(1, rounds - 2)
    run(Zone(1_000_000), [Case(each, longer, fewer) for each in ("uniform", "flood", "hits")], *others)
    run(Zone(1_000_000, "nsec3"), [Case(each, longer, fewer) for each in ("uniform", "flood")], *others)
    sizes.report(compared)


def parsed() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    length = options.add_mutually_exclusive_group()
    length.add_argument(
        "--short", action="store_true", help="10,000 names, 2 rounds of 2 s, two workers; some two minutes"
    )
    length.add_argument("--full", action="store_true", help="all tables of docs/performance.md; half an hour")
    options.add_argument("--names", type=int, default=10_000)
    options.add_argument("--rounds", type=int)
    options.add_argument("--seconds", type=int, help="of a round; at least 1")
    options.add_argument("--workload", choices=LINES, action="append")
    options.add_argument("--denial", choices=("nsec", "nsec3"), default="nsec")
    options.add_argument("--no-do", action="store_true", help="ask without DNSSEC")
    options.add_argument("--tcp", action="store_true", help="over connections that are used again")
    options.add_argument("--two", action="store_true", help="two workers against one, too")
    options.add_argument("--peer", choices=servers.PEERS, action="append", help="beside ours; default: all")
    options.add_argument("--no-peers", action="store_true")
    options.add_argument("--before", type=Path, metavar="CHECKOUT", help="dnsctl of this checkout as a peer")
    options.add_argument("--signed", type=Path, help="serve this signed master file instead of making one")
    chosen = options.parse_args()
    chosen.peer = [] if chosen.no_peers else chosen.peer or list(servers.PEERS)
    return chosen


def main() -> None:
    options = parsed()
    if (os.cpu_count() or 1) < 2 or shutil.which("dnsperf") is None:
        sys.exit("needs two cores, and dnsperf: on Debian, apt-get install dnsperf")
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, ", end="")
    print(f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} before", flush=True)
    if options.full:
        full(options)
        return
    rounds = options.rounds or (2 if options.short else 3)
    load = Load(options.seconds or (2 if options.short else 5), not options.no_do, options.tcp)
    cases = [Case(each, load, rounds) for each in options.workload or LINES]
    compared = run(Zone(options.names, options.denial, options.signed), cases, options.peer, options.before)
    if options.two or options.short:
        two_workers(options.names, 20 * rounds)
    sizes.report(compared)


if __name__ == "__main__":
    main()
