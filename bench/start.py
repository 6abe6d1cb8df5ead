"""What commands cost before they work: CPU time beyond that of bare Python, the least of several runs.

    .venv/bin/python bench/start.py [--runs 5] [COMMAND...]

Prints a table. The operations repo is that of `dnsctl init --example`, committed; no node answers. A command
that would ask nodes opens the key of the control host for that: `scrypt` says what this takes of its time.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from dnsctl.model import pkcs8

COMMANDS = (
    "--version",
    "--help",
    "push --help",
    "check --rules",
    "check",
    "zone list",
    "zone show example.com",
    "zone export example.com --unsigned",
    "key list",
    "explain www.example.com A --work-tree",
    "plan --offline",
    "plan",
    "status",
    "verify",
    "push --dry-run",
    "rollback --dry-run",
    "control --once",
    "schema",
)
OPENS_KEY = ("plan", "status", "verify", "push --dry-run", "rollback --dry-run", "control --once")
_DNSCTL = (sys.executable, "-m", "dnsctl")
_GIT = ("git", "-c", "user.name=Bench", "-c", "user.email=bench@example.com")


def cpu(command: Sequence[str], directory: Path, variables: Mapping[str, str]) -> float:
    """Return user and system seconds of a command with its children, whatever its exit code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, **variables}
    subprocess.run(command, cwd=directory, env=environment, capture_output=True, check=False, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def scrypt() -> float:
    """Return what it takes to derive the key that opens a private key."""
    before = time.process_time()
    costs = {"n": pkcs8.SCRYPT_COST, "r": pkcs8.SCRYPT_BLOCK, "p": pkcs8.SCRYPT_PASSES}
    hashlib.scrypt(b"passphrase", salt=pkcs8.fresh_salt(), maxmem=64 * 2**20, **costs)
    return time.process_time() - before


def make_repo(root: Path) -> None:
    subprocess.run((*_DNSCTL, "init", "--example", root), capture_output=True, check=True, timeout=120)
    for step in (("add", "-A"), ("commit", "-q", "--no-verify", "-m", "The zones of a small mail provider")):
        subprocess.run((*_GIT, *step), cwd=root, check=True, timeout=120)


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("commands", nargs="*", metavar="COMMAND", help="as one word: 'plan --offline'")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="dnsctl-bench-") as name:
        root = Path(name, "repo")
        make_repo(root)
        completing = {
            "COMP_WORDS": "dnsctl check exam",
            "COMP_CWORD": "2",
            "_DNSCTL_COMPLETE": "complete_bash",
        }
        rows: list[tuple[str, Sequence[str], Mapping[str, str]]] = [
            (each, (*_DNSCTL, *each.split()), {}) for each in chosen.commands or COMMANDS
        ]
        if not chosen.commands:
            rows.insert(0, ("completion of a zone", _DNSCTL, completing))
        bare = [cpu((sys.executable, "-c", "pass"), root, {}) for _ in range(chosen.runs)]
        taken: dict[str, list[float]] = {label: [] for label, _, _ in rows}
        for _ in range(chosen.runs):  # in turn, so that a busy moment does not hit one command alone
            for label, command, variables in rows:
                taken[label].append(cpu(command, root, variables) - min(bare))
        key = min(scrypt() for _ in range(chosen.runs))
    print(f"bare Python: {min(bare):.2f} s; scrypt: {key:.2f} s; load: {os.getloadavg()[0]:.1f}\n")
    print("| command | CPU seconds | of which scrypt |\n|---|---|---|")
    for label, times in taken.items():
        print(f"| {label} | {min(times):.2f} | {f'{key:.2f}' if label in OPENS_KEY else ''} |")


if __name__ == "__main__":
    main()
