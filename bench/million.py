"""One record changed in one large signed zone: what commit to verified costs, here and at both nodes.

    .venv/bin/python bench/million.py [--records 100000] [--format yaml master] [--runs 3] [--nsec3]

An operations repo with one zone of that many records, one an owner, and two nodes on this machine, ECDSA
P-256. Rows are commands as a person types them, after a commit that changes one address, each in a process of
its own: the seconds that passed, CPU seconds of the command, CPU seconds of both nodes meanwhile, and the
peak memory of the command. *start* is `dnsctl --version`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

import manage

from dnsctl.demo.rehearsal import Rehearsal, rehearsal

ZONE = "large.example"
HEAD = {
    "yaml": "---\n'':\n  - {type: NS, values: [ns1.example.net., ns2.example.net.]}\n",
    "master": "$TTL 3600\n@ NS ns1.example.net.\n@ NS ns2.example.net.\n",
}
LINE = {"yaml": "h{0:07}:\n  - {{type: A, value: {1}}}\n", "master": "h{0:07} A {1}\n"}
ENDING = {"yaml": "yaml", "master": "zone"}
_TICKS = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """`passed`, `cpu` and `nodes` in seconds, `memory` in MB."""

    passed: float
    cpu: float
    nodes: float
    memory: int


def address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


class Large:
    """The repo of `stage` with one zone, written in `form`."""

    def __init__(self, stage: Rehearsal, form: str, records: int, denial: str) -> None:
        self._stage, self._form, self._records, self._edits = stage, form, records, 0
        stage.run("init")
        stage.use_free_ports()
        config = stage.root / "dnsctl.yaml"
        policy = f"\npolicies: {{standard: {{denial: {denial}}}}}\n" if denial != "nsec" else ""
        config.write_text(config.read_text() + policy)
        shutil.rmtree(stage.root / "zones")
        (stage.root / "zones").mkdir()
        self._path = stage.root / "zones" / f"{ZONE}.{ENDING[form]}"
        line = LINE[form]
        self._text = HEAD[form] + "".join(line.format(each, address(each)) for each in range(records))
        self._path.write_text(self._text)
        stage.git("init", "-q")
        self.commit()

    def commit(self) -> None:
        self._stage.git("add", "-A")
        self._stage.git("commit", "-q", "-m", "zone")

    def edit(self) -> None:
        """Change the address of one owner in the middle, and commit."""
        self._edits += 1
        number = self._records // 2 + 7 * self._edits
        line = LINE[self._form]
        before, after = line.format(number, address(number)), line.format(number, "192.0.2.1")
        self._text = self._text.replace(before, after)
        self._path.write_text(self._text)
        self.commit()


def nodes_cpu(stage: Rehearsal) -> float:
    """Return the CPU seconds of all processes of the nodes, those that ended included."""
    groups, total = {each.pid for each in stage.nodes.values()}, 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            told = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(told[2]) in groups:
            total += sum(map(int, told[11:15]))
    return total / _TICKS


def ours(stage: Rehearsal, *arguments: str, expect: int = 0) -> Cost:
    """Run a command to its end."""
    nodes = nodes_cpu(stage)
    passed, cpu, memory = manage.ours(stage.root, *arguments, expect=(expect,))
    return Cost(passed, cpu, nodes_cpu(stage) - nodes, memory)


def rows(stage: Rehearsal, large: Large, runs: int) -> dict[str, Cost]:
    found = {"start": median([ours(stage, "--version") for _ in range(runs)])}
    for name in stage.fleet:
        stage.start(name)
    stage.wait(lambda: all(map(manage.is_up, stage.fleet.values())), "both agents listening")
    found["push, the first"] = ours(stage, "push")

    def edited(verb: str, expect: int) -> Cost:
        large.edit()
        return ours(stage, verb, expect=expect)

    found["push, one record, after it"] = edited("push", 0)
    found["push, one record, verified"] = median([edited("push", 0) for _ in range(runs)])
    found["plan, one record"] = median([edited("plan", 2) for _ in range(min(runs, 2))])
    return found


def median(made: list[Cost]) -> Cost:
    passed, cpu, nodes = (statistics.median(each[place] for each in made) for place in range(3))
    return Cost(passed, cpu, nodes, max(each.memory for each in made))


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    asked.add_argument("--records", type=int, default=100_000)
    asked.add_argument("--format", nargs="+", choices=HEAD, default=["yaml", "master"])
    asked.add_argument("--runs", type=int, default=3)
    asked.add_argument("--nsec3", action="store_true")
    asked.add_argument("--keep", type=Path, help="make the repo there, and leave it")
    options = asked.parse_args()
    for form in options.format:
        with tempfile.TemporaryDirectory(prefix="dnsctl-bench-") as name:
            root = options.keep or Path(name)
            root.mkdir(exist_ok=True)
            with rehearsal(root) as stage:
                denial = "nsec3" if options.nsec3 else "nsec"
                found = rows(stage, Large(stage, form, options.records, denial), options.runs)
        print(f"\n{options.records:,} records, {form}\n")
        print("| command | passed s | CPU s | CPU s of nodes | MB |\n|---|---|---|---|---|")
        for label, cost in found.items():
            shown = f"{cost.passed:.2f} | {cost.cpu:.2f} | {cost.nodes:.2f} | {cost.memory}"
            print(f"| {label} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
