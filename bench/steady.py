"""A steady load during a flood of random names: how much of it the answer cache still serves, and how soon.

    .venv/bin/python bench/steady.py [--names 10000] [--popular 1000] [--rate 5000] [--seconds 10]

One dnsperf asks for `--popular` names at `--rate` queries a second, first alone, then while another asks for
names that do not exist, none twice, as fast as it gets answers. No query of the flood can be a hit, so the
hits that the node counts are those of the steady load.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import servers
import workload
from activate import load

from dnsctl.demo.ports import free_port

HEAD = "| steady load | queries | lost | mean ms | worst ms | from the cache |\n|---|---|---|---|---|---|"
FOLDED = 3.0  # seconds until all that was counted is told


def hits(port: int) -> int:
    """Return how many queries the node has answered from its cache."""
    time.sleep(FOLDED)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
        found = re.findall(
            r"^dnsctl_cache_hits_total(?:\{[^}]*\})? ([0-9.e+]+)$", response.read().decode(), re.M
        )
    return int(sum(map(float, found)))


@contextmanager
def flooded(port: int, queries: Path, seconds: int) -> Iterator[None]:
    command = ("dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(queries), "-l", str(seconds))
    with subprocess.Popen((*command, "-c", "8", "-q", "200", "-D"), stdout=subprocess.DEVNULL) as process:
        yield
        process.terminate()


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--names", type=int, default=10_000)
    options.add_argument("--popular", type=int, default=1000, help="names of the steady load")
    options.add_argument("--rate", type=int, default=5000, help="queries a second of the steady load")
    options.add_argument("--seconds", type=int, default=10)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="dnsctl-bench-") as name:
        directory = Path(name)
        zones, steady, flood = directory / "zones", directory / "steady.txt", directory / "flood.txt"
        workload.write_zone(zones, chosen.names)
        with steady.open("w") as file:
            file.writelines(workload.query_lines("uniform", chosen.popular, count=100_000))
        with flood.open("w") as file:
            file.writelines(workload.query_lines("flood", chosen.names))
        port, metrics = free_port(), free_port()
        server = servers.ours(zones, directory / "state", port, 1, more=("--metrics", f"127.0.0.1:{metrics}"))
        print(HEAD)
        try:
            server.wait_until_ready(workload.ORIGIN)
            load(port, steady, 2, chosen.rate)
            for label in ("alone", "during the flood"):
                before = hits(metrics)
                if label == "alone":
                    figures = load(port, steady, chosen.seconds, chosen.rate)
                else:
                    with flooded(port, flood, chosen.seconds + 5):
                        figures = load(port, steady, chosen.seconds, chosen.rate)
                queried, lost, mean, worst = figures.values()
                share = (hits(metrics) - before) / queried
                print(f"| {label} | {queried:,} | {lost:.0f} | {mean:.2f} | {worst:.1f} | {share:.1%} |")
        finally:
            server.end()


if __name__ == "__main__":
    main()
