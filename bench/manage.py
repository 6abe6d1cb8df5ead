"""What an operator waits for: check, plan, push and verify of many zones, and octoDNS beside it.

    .venv/bin/python bench/manage.py [--zones 405 10000] [--rrsets 21] [--runs 3] [--skip-peers]
        [--skip-verify] [--cold]

An operations repo with that many zones in YAML and two nodes on this machine, ECDSA P-256, NSEC. Every row is
a command as a person types it, in a process of its own: the seconds that passed and the CPU seconds of the
command, medians of `--runs`, and the peak memory of its largest process. *start* is `dnsctl --version`.
`x octoDNS` is passed seconds by those of octoDNS for the same, from the same files in the same run:
`octodns-sync` without `--doit` from one YamlProvider to another that holds the same, and `octodns-validate`.
Two Knots take one record each run, too (`knots.py`). `--cold`, as root: one run each after all that the
kernel keeps of files was dropped.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from knots import KNOTD, knots

from dnsctl.demo.rehearsal import Rehearsal, environment, rehearsal
from dnsctl.model.fleet import Node

TLDS = ("example", "test", "invalid")
OCTODNS = """\
providers:
  config: {class: octodns.provider.yaml.YamlProvider, directory: ./zones, enforce_order: false}
  target: {class: octodns.provider.yaml.YamlProvider, directory: ./target, enforce_order: false}
zones:
  '*': {sources: [config], targets: [target]}
"""


class Cost(NamedTuple):
    """`passed` and `cpu` in seconds, `memory` of the largest process in MB."""

    passed: float
    cpu: float
    memory: int


def apex(number: int) -> str:
    return f"zone{number}.{TLDS[number % len(TLDS)]}"


def zone_text(number: int, rrsets: int, address: int = 1) -> str:
    """Return a zone file of `rrsets` RRsets, with the apex's NS and SOA, which come from dnsctl.yaml."""
    name = apex(number)
    lines = [
        "'':",
        "- {type: A, value: 192.0.2.1}",
        f"- {{type: MX, values: [{{preference: 10, exchange: mail.{name}.}}]}}",
        "- {type: NS, values: [ns1.example.net., ns2.example.net.]}",
        "- {type: TXT, value: v=spf1 mx -all}",
        "_dmarc: {type: TXT, value: v=DMARC1\\; p=none}",
        f"ftp: {{type: CNAME, value: www.{name}.}}",
        "mail: {type: A, value: 192.0.2.25}",
        f"www: {{type: A, value: 192.0.2.{address}}}",
    ]
    lines += [f"h{each}: {{type: A, value: 192.0.2.{each}}}" for each in range(rrsets - 9)]
    return "---\n" + "\n".join(lines) + "\n"


def master_text(number: int, rrsets: int, address: int = 1) -> str:
    """Return the same zone as a master file, for others."""
    name = apex(number)
    lines = [
        "$TTL 3600",
        f"@ SOA ns1.example.net. hostmaster.{name}. 1 86400 7200 3600000 3600",
        "@ A 192.0.2.1",
        f"@ MX 10 mail.{name}.",
        "@ NS ns1.example.net.",
        "@ NS ns2.example.net.",
        '@ TXT "v=spf1 mx -all"',
        '_dmarc TXT "v=DMARC1; p=none"',
        f"ftp CNAME www.{name}.",
        "mail A 192.0.2.25",
        f"www A 192.0.2.{address}",
        *(f"h{each} A 192.0.2.{each}" for each in range(rrsets - 9)),
    ]
    return "\n".join(lines) + "\n"


def run(command: list[str], directory: Path, expect: tuple[int, ...] = (0,)) -> Cost:
    """Run a command in `directory`, to its end."""
    said = directory / "state" / "said"
    with said.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=directory, env=environment(), stdout=output, stderr=output)
        _, status, used = os.wait4(process.pid, 0)
        passed = time.perf_counter() - began
    process.returncode = code = os.waitstatus_to_exitcode(status)
    if code not in expect:
        raise SystemExit(f"{' '.join(command)} ended with {code}:\n{said.read_text()[-2000:]}")
    return Cost(passed, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024)


def ours(root: Path, *arguments: str, expect: tuple[int, ...] = (0,)) -> Cost:
    return run([sys.executable, "-m", "dnsctl", *arguments], root, expect)


def median(runs: int, work: Callable[[], Cost]) -> Cost:
    made = [work() for _ in range(runs)]
    return Cost(
        statistics.median(each.passed for each in made),
        statistics.median(each.cpu for each in made),
        max(each.memory for each in made),
    )


class Repo:
    """The operations repo of a rehearsal, and edits in it."""

    def __init__(self, stage: Rehearsal, zones: int, rrsets: int) -> None:
        self._stage, self._zones, self._rrsets, self._edits = stage, zones, rrsets, 1
        stage.run("init")
        stage.use_free_ports()
        self._directory = stage.root / "zones"
        shutil.rmtree(self._directory)
        self._directory.mkdir()
        for number in range(zones):
            self._write(number)
        stage.git("init", "-q")
        self.commit()

    def commit(self) -> None:
        self._stage.git("add", "-A")
        self._stage.git("commit", "-q", "-m", "zones")

    def edit(self) -> None:
        """Change one record of one zone, and commit."""
        self._edits += 1
        self._write(1, self._edits)
        self.commit()

    def edit_all(self) -> None:
        """Change one record of each zone, and commit."""
        self._edits += 1
        for number in range(self._zones):
            self._write(number, self._edits)
        self.commit()

    def set_guard(self) -> None:
        """Change a setting of dnsctl.yaml that concerns no zone, and commit."""
        path = self._stage.root / "dnsctl.yaml"
        path.write_text(path.read_text().replace("deletes: 30%", "deletes: 40%"))
        self.commit()

    def _write(self, number: int, address: int = 1) -> None:
        path = self._directory / f"{apex(number)}.yaml"
        path.write_text(zone_text(number, self._rrsets, address))


def own_rows(stage: Rehearsal, repo: Repo, options: argparse.Namespace) -> dict[str, Cost]:
    root, runs = stage.root, options.runs
    found = {"start": median(runs, lambda: ours(root, "--version"))}
    found["check"] = median(min(runs, 2), lambda: ours(root, "check"))
    for name in stage.fleet:
        stage.start(name)
    stage.wait(lambda: all(map(is_up, stage.fleet.values())), "both agents listening")
    found["push, the first"] = ours(root, "push")
    found["plan, after the first push"] = ours(root, "plan")
    found["plan, nothing changed"] = median(runs, lambda: ours(root, "plan"))
    found["push, nothing changed"] = median(runs, lambda: ours(root, "push"))

    def edited(verb: str, expect: tuple[int, ...]) -> Cost:
        repo.edit()
        return ours(root, verb, expect=expect)

    found["plan, one record"] = median(runs, lambda: edited("plan", (2,)))
    found["push, one record, verified"] = median(runs, lambda: edited("push", (0,)))
    if options.cold:
        found["plan, nothing changed, cold"] = cold(lambda: ours(root, "plan"))
        found["push, one record, verified, cold"] = cold(lambda: edited("push", (0,)))
    repo.set_guard()
    found["plan, after a change of dnsctl.yaml"] = ours(root, "plan")
    allowed = ("--allow", "updates", "--reason", "bench")
    ours(root, "push")
    repo.edit_all()
    found["push, one record in each zone"] = ours(root, "push", *allowed)
    found["rollback of it"] = ours(root, "rollback", *allowed)
    if not options.skip_verify:
        found["verify"] = ours(root, "verify")
        found["verify --full"] = ours(root, "verify", "--full")
    return found


def cold(work: Callable[[], Cost]) -> Cost:
    """Do `work` once, with nothing of any file in memory."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")
    return work()


def is_up(node: Node) -> bool:
    """True once the node's agent can be connected to."""
    host, _, port = node.control.rpartition("/")[2].rpartition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False


def peer_rows(root: Path, runs: int) -> dict[str, Cost]:
    """Have octoDNS check the same files, and plan from them to a copy."""
    sync = Path(sys.executable).with_name("octodns-sync")
    if not sync.exists():
        return {}
    config = root / "state" / "octodns.yaml"
    config.write_text(OCTODNS.replace("./", f"{root}/state/"))
    for name in ("zones", "target"):
        shutil.copytree(root / "zones", root / "state" / name)
    arguments = ["--config-file", str(config)]
    validate = [str(sync.with_name("octodns-validate")), *arguments]
    return {
        "check": median(min(runs, 2), lambda: run(validate, root)),
        "plan, nothing changed": median(min(runs, 2), lambda: run([str(sync), *arguments], root)),
    }


def knot_rows(root: Path, options: argparse.Namespace, zones: int) -> dict[str, Cost]:
    """Have two Knots take one record of one of as many zones, from the reload of its file to an answer."""
    if not KNOTD.exists():
        return {}
    texts = {apex(each): master_text(each, options.rrsets) for each in range(zones)}
    with knots(root / "state" / "knots", texts) as pair:

        def changed(number: int) -> Cost:
            return Cost(*pair.change(apex(1), master_text(1, options.rrsets, number), f"192.0.2.{number}"))

        numbers = iter(range(2, 250))
        return {"two Knots: one record": median(options.runs, lambda: changed(next(numbers)))}


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    asked.add_argument("--zones", type=int, nargs="+", default=[405])
    asked.add_argument("--rrsets", type=int, default=21, help="of each zone, SOA included")
    asked.add_argument("--runs", type=int, default=3)
    asked.add_argument("--skip-peers", action="store_true")
    asked.add_argument("--skip-verify", action="store_true")
    asked.add_argument("--cold", action="store_true", help="as root: drops the kernel's caches")
    options = asked.parse_args()
    if options.rrsets < 10:
        asked.error("a zone has 10 RRsets at least")
    for zones in options.zones:
        with tempfile.TemporaryDirectory(prefix="dnsctl-bench-") as name, rehearsal(Path(name)) as stage:
            rows = own_rows(stage, Repo(stage, zones, options.rrsets), options)
            peers = {}
            if not options.skip_peers:
                peers = peer_rows(stage.root, options.runs) | knot_rows(stage.root, options, zones)
        show(f"{zones:,} zones of {options.rrsets} RRsets", rows, peers)


def show(title: str, rows: dict[str, Cost], peers: dict[str, Cost]) -> None:
    print(f"\n{title}\n\n| command | passed s | CPU s | MB | x octoDNS |\n|---|---|---|---|---|")
    for label, cost in rows.items():
        ratio = f"{cost.passed / peers[label].passed:.3f}" if label in peers else ""
        print(f"| {label} | {cost.passed:.2f} | {cost.cpu:.2f} | {cost.memory} | {ratio} |")
    for label, cost in peers.items():
        whose = "" if label.startswith("two Knots") else "octoDNS: "
        print(f"| {whose}{label} | {cost.passed:.2f} | {cost.cpu:.2f} | {cost.memory} | |", flush=True)


if __name__ == "__main__":
    main()
