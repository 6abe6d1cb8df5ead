"""Signing side by side: ours with one and two processes, raw signatures, and the signers of others.

.venv/bin/python bench/sign.py [--names 100000] [--processes 1 2] [--timeout 300] [--skip-peers]

The zone is that of docs/performance.md in small: of 20 names, 18 have an A and every second of these an AAAA,
one is a delegation with DS and one without; 900,000 names are 1.35 million records. All keys are ECDSA P-256,
denial is NSEC. *Raw* is what `cryptography` takes for the signatures and their verifications alone, on one
core. Each row has the seconds that passed, the CPU seconds of all its processes, these as a multiple of raw,
the memory of its largest process and, for ours, that of all its processes: the resident size of the first and
what the others have beside it (Pss, read each quarter of a second, if this user may read it; else their
resident size). Ours holds the zone as it was read, too. ldns-signzone, kzonesign and `dnssec-signzone -P` do
not verify what they made.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from dnsctl.model.key import PublicKey
from dnsctl.model.name import from_text, to_text
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import RRset, Type, rdata_text, rrset, type_text
from dnsctl.model.zone import SignedZone, ValidatedZone, nodes_of
from dnsctl.sign.algorithm import scheme
from dnsctl.sign.keyfile import flags
from dnsctl.sign.keystore import SigningKey
from dnsctl.sign.signer import sign_zone

ORIGIN = from_text("bench.example.")
SAMPLE = 20_000  # raw signatures timed; the rest is multiplied
KNOT = """\
database:
    storage: {directory}/knot
policy:
  - id: bench
    algorithm: ecdsap256sha256
    single-type-signing: on
    signing-threads: 2
template:
  - id: default
    storage: {directory}
    dnssec-signing: on
    dnssec-policy: bench
zone:
  - domain: bench.example
    file: zone
"""


class Cost(NamedTuple):
    """`passed`, `cpu`: seconds. MB of the largest process, and of all `together`; 0: unknown."""

    passed: float
    cpu: float
    memory: int
    together: int = 0


class Watch(threading.Thread):
    """Notes the most memory that a process and its children have together, in kB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._ended = threading.Event()
        self._most = 0

    def run(self) -> None:
        while not self._ended.wait(0.25):
            with contextlib.suppress(OSError, StopIteration):  # it has just ended
                task = Path(f"/proc/{self._pid}/task/{self._pid}/children")
                others = sum(_kilobytes(pid) for pid in task.read_text().split())
                own = _field(Path(f"/proc/{self._pid}/status"), "VmRSS")
                self._most = max(self._most, own + others)

    def most(self) -> int:
        self._ended.set()
        self.join()
        return self._most


def _kilobytes(pid: str) -> int:
    try:
        return _field(Path(f"/proc/{pid}/smaps_rollup"), "Pss")
    except PermissionError:
        return _field(Path(f"/proc/{pid}/status"), "VmRSS")


def _field(path: Path, name: str) -> int:
    return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(f"{name}:"))


def records(names: int) -> list[RRset]:
    target = from_text("ns1.bench.example.")
    soa = target + target + b"".join(each.to_bytes(4, "big") for each in (1, 7200, 1800, 604800, 300))
    made = [
        rrset(ORIGIN, Type.SOA, 3600, [soa]),
        rrset(ORIGIN, Type.NS, 3600, [target]),
        rrset(target, Type.A, 3600, [b"\xc0\x00\x02\x35"]),
    ]
    for number in range(names):
        owner = from_text(f"h{number}.bench.example.")
        if number % 20 in {18, 19}:
            made.append(rrset(owner, Type.NS, 3600, [from_text("ns.example.net.")]))
            if number % 20 == 18:
                made.append(rrset(owner, Type.DS, 3600, [b"\x30\x39\x0d\x02" + number.to_bytes(32, "big")]))
            continue
        made.append(rrset(owner, Type.A, 3600, [b"\xc0\x00\x02" + bytes((number % 256,))]))
        if number % 2:
            made.append(rrset(owner, Type.AAAA, 3600, [b"\x20\x01\x0d\xb8" + number.to_bytes(12, "big")]))
    return made


class Ours(NamedTuple):
    """What a process of ours is to sign."""

    zone: ValidatedZone
    key: SigningKey
    policy: Policy
    now: datetime

    def sign(self, workers: int, previous: SignedZone | None = None) -> SignedZone:
        return sign_zone(self.zone, [self.key], self.policy, self.now, 1, previous=previous, workers=workers)


def in_a_process(work: Callable[[], object]) -> Cost:
    """Run `work` in a process of its own, which begins with what this one holds."""
    began = time.perf_counter()
    pid = os.fork()
    if not pid:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    watch = Watch(pid)
    watch.start()
    cost = _ended(pid, began, "one of our own")
    return cost._replace(together=watch.most() >> 10)


def run(command: list[str], directory: Path, timeout: float) -> Cost | None:
    """Run a command in `directory`; None where it took longer than `timeout` seconds."""
    began = time.perf_counter()
    with (directory / "said").open("wb") as said:
        process = subprocess.Popen(command, cwd=directory, stdout=said, stderr=said)
    late = threading.Timer(timeout, process.kill)
    late.start()
    try:
        cost = _ended(process.pid, began, command[0])
    except RuntimeError as fault:
        sys.exit(f"{fault}: {(directory / 'said').read_text(errors='replace').strip()}")
    if not late.is_alive():
        return None
    late.cancel()
    return cost


def _ended(pid: int, began: float, what: str) -> Cost:
    _, status, used = os.wait4(pid, 0)
    passed = time.perf_counter() - began
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError(f"{what} ended with {os.WEXITSTATUS(status)}")
    return Cost(passed, used.ru_utime + used.ru_stime, used.ru_maxrss >> 10)


def timed(work: Callable[[], object]) -> float:
    """Return the CPU seconds of `work` in this process."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def raw(key: SigningKey) -> tuple[float, float]:
    """Return seconds for one signature and for one verification, over octets of the usual size."""
    made = scheme(key.public.algorithm)
    sign, check = made.signer(key.private), made.checker(key.public.public)
    octets = [number.to_bytes(120, "big") for number in range(SAMPLE)]
    signatures: list[bytes] = []
    signing = timed(lambda: signatures.extend(sign(each) for each in octets))
    checking = timed(lambda: [check(*pair) for pair in zip(signatures, octets, strict=True)])
    return signing / SAMPLE, checking / SAMPLE


def own_rows(ours: Ours, processes: list[int], directory: Path, results: dict[str, Cost | None]) -> int:
    """Put our rows into `results`; return how many signatures the zone has."""
    counted, unchanged = directory / "count", directory / "unchanged"

    def sign(workers: int) -> None:
        signed = ours.sign(workers)
        counted.write_text(str(sum(len(one.signatures) for one in signed.rrsets())))

    def again() -> None:
        previous = ours.sign(2)
        unchanged.write_text(str(timed(lambda: ours.sign(1, previous))))

    for workers in processes:
        results[f"dnsctl, processes: {workers}"] = in_a_process(partial(sign, workers))
    cost = in_a_process(again)
    cpu = float(unchanged.read_text())
    results["dnsctl again, nothing changed"] = cost._replace(passed=cpu, cpu=cpu)
    return int(counted.read_text())


def peers(directory: Path, timeout: float) -> dict[str, Cost | None]:
    """Cost of the other signers over the same zone; those that are not installed are left out."""

    def key(*command: str) -> str:
        made = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True)
        return made.stdout.strip()

    found: dict[str, Cost | None] = {}
    if shutil.which("ldns-signzone"):
        made = key("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "bench.example")
        found["ldns-signzone"] = run(["ldns-signzone", "-f", "signed.ldns", "zone", made], directory, timeout)
    if shutil.which("kzonesign"):
        (directory / "knot.conf").write_text(KNOT.format(directory=directory))
        for one in ("knot", "signed.knot"):
            (directory / one).mkdir()
        key("keymgr", "-c", "knot.conf", "bench.example", "generate", "algorithm=13", "ksk=yes", "zsk=yes")
        command = ["kzonesign", "-c", "knot.conf", "-o", "signed.knot", "bench.example"]
        found["kzonesign, 2 threads"] = run(command, directory, timeout)
    if shutil.which("dnssec-signzone"):
        made = key("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", "bench.example")
        # BIND renames onto its output: as root, /dev/null would be gone
        command = ["dnssec-signzone", "-z", "-S", "-n", "2", "-o", "bench.example", "-f", "signed.bind"]
        found["dnssec-signzone -n 2 -P"] = run([*command, "-P", "zone", made], directory, timeout)
        found["dnssec-signzone -n 2, verifying"] = run([*command, "zone", made], directory, timeout)
    return found


def write(path: Path, made: list[RRset]) -> None:
    with path.open("w") as file:
        for one in made:
            head = f"{to_text(one.owner)} {one.ttl} IN {type_text(one.rdtype)}"
            file.writelines(f"{head} {rdata_text(one.rdtype, rdata)}\n" for rdata in one.rdatas)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--names", type=int, default=100_000)
    asked.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="of ours")
    asked.add_argument("--timeout", type=float, default=300, help="seconds for each peer")
    asked.add_argument("--skip-peers", action="store_true")
    options = asked.parse_args()

    policy, now = Policy(), datetime.now(UTC)
    private = scheme(policy.algorithm).generate()
    public = PublicKey(ORIGIN, int(policy.algorithm), flags("csk"), scheme(policy.algorithm).field(private))
    key = SigningKey(public, "csk", private, now)
    results: dict[str, Cost | None] = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        made = records(options.names)
        total = sum(len(one.rdatas) for one in made)
        write(directory / "zone", made)
        ours = Ours(ValidatedZone(ORIGIN, nodes_of(made)), key, policy, now)
        count = own_rows(ours, options.processes, directory, results)
        signing, checking = raw(key)
        results["raw signatures, one core"] = Cost(signing * count, signing * count, 0)
        results["raw verifications, one core"] = Cost(checking * count, checking * count, 0)
        if not options.skip_peers:
            results |= peers(directory, options.timeout)

    print(f"{options.names} names, {total} records, {count} signatures, algorithm 13, NSEC, {now:%Y-%m-%d}")
    print(f"{'':34}{'passed s':>10}{'CPU s':>9}{'x raw':>8}{'MB':>7}{'all MB':>8}")
    for label, cost in results.items():
        if cost is None:
            print(f"{label:34}{'timed out':>10}")
        else:
            multiple = cost.cpu / (signing + checking) / count
            together = f"{cost.together:8}" if cost.together else ""
            print(f"{label:34}{cost.passed:10.2f}{cost.cpu:9.2f}{multiple:8.2f}{cost.memory:7}{together}")


if __name__ == "__main__":
    main()
