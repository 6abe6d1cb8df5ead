"""Signing side by side: ours with one and two processes, raw signatures, ldns-signzone, dnssec-signzone.

.venv/bin/python bench/sign.py [--names 100000] [--timeout 300] [--skip-peers]

The zone is that of docs/performance.md in small: of 20 names, 18 have an A and every second of these an AAAA,
one is a delegation with DS and one without. All keys are ECDSA P-256, denial is NSEC. Times are wall clock;
the row "raw signatures" is what `cryptography` takes for the signatures alone, "raw verifications" for
checking them.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

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
SAMPLE = 5000  # raw signatures timed; the rest is multiplied


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


def sign_into(
    kept: list[SignedZone], zone: ValidatedZone, key: SigningKey, policy: Policy, now: datetime, workers: int
) -> None:
    kept.append(sign_zone(zone, [key], policy, now, 1, workers=workers))


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def raw(key: SigningKey) -> tuple[float, float]:
    """Return seconds for one signature and for one verification, over octets of the usual size."""
    made = scheme(key.public.algorithm)
    sign, check = made.signer(key.private), made.checker(key.public.public)
    octets = [number.to_bytes(120, "big") for number in range(SAMPLE)]
    signatures: list[bytes] = []
    signing = timed(lambda: signatures.extend(sign(each) for each in octets))
    checking = timed(lambda: [check(*pair) for pair in zip(signatures, octets, strict=True)])
    return signing / SAMPLE, checking / SAMPLE


def peers(directory: Path, timeout: float) -> dict[str, float | None]:
    """Time the other signers over the same zone; None where one is missing or took too long."""

    def key(*options: str) -> str:
        made = subprocess.run(
            ["ldns-keygen", "-a", "ECDSAP256SHA256", *options, "bench.example"],
            cwd=directory, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return made.stdout.strip()

    found: dict[str, float | None] = {}
    if shutil.which("ldns-signzone"):
        found["ldns-signzone"] = run(
            ["ldns-signzone", "-f", "signed.ldns", "zone", key("-k")], directory, timeout
        )
    if shutil.which("dnssec-signzone"):
        made = subprocess.run(
            ["dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", "bench.example"],
            cwd=directory, capture_output=True, text=True, check=True,
        )  # fmt: skip
        command = [
            "dnssec-signzone",
            "-z",
            "-P",
            "-S",
            "-n",
            "2",
            "-o",
            "bench.example",
            "-f",
            "signed.bind",
        ]  # BIND renames onto it: as root, /dev/null would be gone
        found["dnssec-signzone -n 2"] = run([*command, "zone", made.stdout.strip()], directory, timeout)
        found["dnssec-signzone -n 2, verifying (no -P)"] = run(
            [one for one in [*command, "zone", made.stdout.strip()] if one != "-P"], directory, timeout
        )
    return found


def run(command: list[str], directory: Path, timeout: float) -> float | None:
    start = time.perf_counter()
    try:
        subprocess.run(command, cwd=directory, capture_output=True, timeout=timeout, check=True)
    except subprocess.TimeoutExpired:
        return None
    except subprocess.CalledProcessError as error:
        sys.exit(f"{command[0]} failed: {error.stderr.decode(errors='replace').strip()}")
    return time.perf_counter() - start


def write(path: Path, made: list[RRset]) -> None:
    with path.open("w") as file:
        for one in made:
            head = f"{to_text(one.owner)} {one.ttl} IN {type_text(one.rdtype)}"
            file.writelines(f"{head} {rdata_text(one.rdtype, rdata)}\n" for rdata in one.rdatas)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--names", type=int, default=100_000)
    asked.add_argument("--timeout", type=float, default=300, help="seconds for each peer")
    asked.add_argument("--skip-peers", action="store_true")
    options = asked.parse_args()

    policy, now = Policy(), datetime.now(UTC)
    private = scheme(policy.algorithm).generate()
    public = PublicKey(ORIGIN, int(policy.algorithm), flags("csk"), scheme(policy.algorithm).field(private))
    key = SigningKey(public, "csk", private, now)
    made = records(options.names)
    zone = ValidatedZone(ORIGIN, nodes_of(made))

    results: dict[str, float | None] = {}
    kept: list[SignedZone] = []
    for workers, label in ((1, "dnsctl, 1 process"), (2, "dnsctl, 2 processes")):
        kept.clear()
        results[label] = timed(partial(sign_into, kept, zone, key, policy, now, workers))
    previous = kept[0]
    results["dnsctl again, nothing changed"] = timed(
        lambda: sign_zone(zone, [key], policy, now, 1, previous=previous)
    )
    count = sum(len(one.signatures) for one in previous.rrsets())
    signing, checking = raw(key)
    results["raw signatures, one core"] = signing * count
    results["raw verifications, one core"] = checking * count
    if not options.skip_peers:
        with tempfile.TemporaryDirectory() as directory:
            write(Path(directory) / "zone", made)
            results |= peers(Path(directory), options.timeout)

    total = sum(len(one.rdatas) for one in made)
    print(f"{options.names} names, {total} records, {count} signatures, algorithm 13, NSEC, {now:%Y-%m-%d}")
    print(f"{'':42}{'seconds':>10}{'x raw':>8}{'us each':>9}")
    for label, seconds in results.items():
        if seconds is None:
            print(f"{label:42}{'timed out':>10}")
        else:
            print(f"{label:42}{seconds:10.2f}{seconds / (signing * count):8.2f}{seconds / count * 1e6:9.1f}")


if __name__ == "__main__":
    main()
