"""Activation under load: a release is committed every second while queries come at half of full load.

    .venv/bin/python bench/activate.py [--names 10000] [--seconds 10]

Prints lost queries, mean and worst latency without and with activations. The image is changed as an agent
does it: one transaction and the counter, from a process of its own.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import servers
import workload

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.generation import GenerationCounter
from dnsctl.image.store import Image
from dnsctl.model.name import from_text
from dnsctl.model.rrset import Type
from dnsctl.model.zone import SignedZone

ORIGIN = from_text(workload.ORIGIN)


def load(port: int, queries: Path, seconds: int, rate: int = 0) -> dict[str, float]:
    """Run dnsperf for `seconds`, at `rate` a second where given; return what it tells."""
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(queries), "-l", str(seconds)]
    command += ["-c", "8", "-T", "1", "-q", "200", "-D", *(["-Q", str(rate)] if rate else [])]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    completed, lost = (re.search(rf"Queries {what}:\s+(\d+)", told) for what in ("completed", "lost"))
    latency = re.search(r"Average Latency \(s\):\s+([0-9.]+) \(min [0-9.]+, max ([0-9.]+)\)", told)
    assert completed and lost and latency
    return {
        "queries": int(completed[1]),
        "lost": int(lost[1]),
        "mean": float(latency[1]) * 1e3,
        "worst": float(latency[2]) * 1e3,
    }


def changed(zone: SignedZone, number: int) -> SignedZone:
    """Return the zone with another address at h0: the least a release can hold."""
    owner = from_text(f"h0.{workload.ORIGIN}")
    node = tuple(
        one._replace(rdatas=(bytes([192, 0, 2, number % 256]),)) if one.rdtype == Type.A else one
        for one in zone.nodes[owner]
    )
    return SignedZone(
        zone.origin,
        {**zone.nodes, owner: node},
        zone.serial + number,
        zone.signed,
        zone.nsec3,
        zone.nsec3_nodes,
    )


def activate_every_second(state: Path, stop: threading.Event, times: list[float]) -> None:
    counter = GenerationCounter(state / "generation")
    with Image.open(state / "image", readonly=False) as image:
        with image.reader() as reader:
            zone = reader.signed_zone(ORIGIN)
        made = [compile_zone(changed(zone, number)) for number in range(1, 4)]
        number = 0
        while not stop.wait(1.0):
            began = time.perf_counter()
            with image.writer() as writer:
                writer.apply(difference(writer, [made[number % 3]]))
            counter.advance()
            times.append(time.perf_counter() - began)
            number += 1


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--names", type=int, default=10_000)
    options.add_argument("--seconds", type=int, default=10)
    options.add_argument("--port", type=int, default=5395)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="dnsctl-bench-") as name:
        directory = Path(name)
        zones, queries, state = directory / "zones", directory / "queries.txt", directory / "state"
        workload.write_zone(zones, chosen.names)
        with queries.open("w") as file:
            file.writelines(workload.query_lines("hits", chosen.names))
        server = servers.ours(zones, state, chosen.port, 1)
        try:
            server.wait_until_ready(workload.ORIGIN)
            rate = int(load(chosen.port, queries, 3)["queries"] / 3 / 2)
            quiet = load(chosen.port, queries, chosen.seconds, rate)
            stop, times = threading.Event(), list[float]()
            thread = threading.Thread(target=activate_every_second, args=(state, stop, times))
            thread.start()
            busy = load(chosen.port, queries, chosen.seconds, rate)
            stop.set()
            thread.join()
        finally:
            server.end()
    print(f"half of full load: {rate:,} queries a second; {len(times)} activations")
    print("| | queries | lost | mean ms | worst ms |\n|---|---|---|---|---|")
    for label, figures in (("no activations", quiet), ("one a second", busy)):
        queried, lost, mean, worst = figures.values()
        print(f"| {label} | {queried:,} | {lost:.0f} | {mean:.2f} | {worst:.1f} |")


if __name__ == "__main__":
    main()
