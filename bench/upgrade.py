"""A node taken over by a new version again and again, under a steady load: prints what was lost of it.

    .venv/bin/python -m bench.upgrade --times 10 --rate 1000

Begins a fleet of two nodes, asks the first over UDP at the rate and over TCP at a twentieth of it, a
connection each, and sends it SIGHUP each time that the last takeover is over. Exit code 1 where an answer is
missing or wrong.
"""

import argparse
import tempfile
import time
from pathlib import Path

from dnsctl.demo.rehearsal import rehearsal
from tests.node.test_upgrade import Load, reload
from tests.scenarios.fleet import ZONE, commit, start_all, write_zone


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--times", type=int, default=10)
    options.add_argument("--rate", type=int, default=1000, help="queries a second over UDP")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as directory, rehearsal(Path(directory) / "ops") as stage:
        stage.run("init")
        stage.use_free_ports()
        write_zone(stage, ZONE)
        commit(stage)
        start_all(stage)
        stage.run("push")
        where = stage.fleet["ns1"].listen[0]
        began = time.monotonic()
        with (
            Load(where, asked.rate, tcp=False) as udp,
            Load(where, max(1, asked.rate // 20), tcp=True) as tcp,
        ):
            for _ in range(asked.times):
                reload(stage)
        seconds = time.monotonic() - began
    wrong = len(udp.faults) + len(tcp.faults)
    print(f"{asked.times} takeovers in {seconds:.0f} s")
    for name, load in (("UDP", udp), ("TCP", tcp)):
        print(f"{name}: {load.asked} asked, {load.asked / seconds:.0f}/s, {load.asked - load.answered} lost")
    print(f"wrong or failed: {wrong}", *udp.faults[:3], *tcp.faults[:3], sep="\n  ")
    return int(bool(wrong or udp.answered < udp.asked or tcp.answered < tcp.asked))


if __name__ == "__main__":
    raise SystemExit(main())
