"""The zone that all servers serve, and the questions they are asked."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.rdatatype

ORIGIN = "bench.example."
LINES = {  # workload -> how many lines dnsperf goes round in
    "hits": 200_000,
    "uniform": 1_000_000,
    "flood": 2_000_000,
}
PROBES = 5000  # questions set aside for measuring latency
FOREIGN_MX = 5
_HEAD = f"""\
$ORIGIN {ORIGIN}
$TTL 3600
@ SOA ns1 hostmaster 1 7200 1800 1209600 300
@ NS ns1
@ NS ns2
@ MX 10 ns1
ns1 A 192.0.2.53
ns2 A 198.51.100.53
*.wild A 192.0.2.7
sub NS ns1.sub
sub NS ns2.sub
sub DS 12345 13 2 {"ab" * 32}
ns1.sub A 192.0.2.54
ns2.sub A 198.51.100.54
"""
_RD = 0x0100  # dnsperf sets it
_OPT = struct.pack("!BHHBBHH", 0, dns.rdatatype.OPT, 4096, 0, 0, 0x8000, 0)  # as dnsperf -D has it


def zone_text(names: int) -> Iterator[str]:
    """Give the lines of a master file: `names` owners with A, every fourth with AAAA, and a few others."""
    yield _HEAD
    for number in range(FOREIGN_MX):
        yield f"foreign MX 10 mx{number}.mail.example.net.\n"
    for number in range(names):
        yield f"h{number} A 192.0.2.{number % 256}\n"
        if number % 4 == 0:
            yield f"h{number} AAAA 2001:db8::{number % 65536:x}\n"


def query_lines(workload: str, names: int, seed: int = 1, count: int = 0) -> Iterator[str]:
    """hits: 82 % data, 12 % names that do not exist, 6 % no data; uniform: data.

    flood: random names that do not exist, spread evenly over the gaps between those that do.
    """
    picked = random.Random(seed)
    for _ in range(count or LINES[workload]):
        if workload == "flood":
            yield f"h{int(picked.random() * names)}-{picked.getrandbits(32):08x}.{ORIGIN} A\n"
            continue
        number, share = int(picked.random() * names), picked.random()
        if workload == "uniform" or share < 0.82:
            rdtype = "AAAA" if number % 4 == 0 and share < 0.2 else "A"
            yield f"h{number}.{ORIGIN} {rdtype}\n"
        elif share < 0.94:
            yield f"missing{number % 1000}.{ORIGIN} A\n"
        else:
            yield f"h{number}.{ORIGIN} TXT\n"


def write_zone(directory: Path, names: int) -> Path:
    """Make `directory` for zones, with the zone in it; return its master file."""
    directory.mkdir()
    path = directory / f"{ORIGIN}zone"
    with path.open("w") as file:
        file.writelines(zone_text(names))
    return path


@dataclass(frozen=True)
class Questions:
    """A file for dnsperf, and lines for the probes: of the same list, or as fresh where none comes twice."""

    path: Path
    probes: tuple[str, ...]


def write_questions(path: Path, workload: str, names: int, seed: int) -> Questions:
    """Write the questions of a round; those of a flood differ by `seed`, so that no cache has seen them."""
    lines = list(query_lines(workload, names, seed if workload == "flood" else 1))
    with path.open("w") as file:
        file.writelines(lines)
    if workload == "flood":
        return Questions(path, tuple(query_lines(workload, names, seed + PROBES, PROBES)))
    return Questions(path, tuple(random.Random(seed).sample(lines, PROBES)))


def query_wire(line: str, number: int, want_dnssec: bool) -> bytes:
    """Return the query of one line, with message ID `number`, as dnsperf would send it."""
    name, rdtype = line.split()
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split("."))  # the last is empty
    head = struct.pack("!6H", number, _RD, 1, 0, 0, int(want_dnssec))
    question = labels + struct.pack("!HH", dns.rdatatype.from_text(rdtype), 1)
    return head + question + (_OPT if want_dnssec else b"")


def sign(zone: Path, signed: Path, nsec3: bool) -> bool:
    """Sign `zone` by ldns-signzone with one ECDSA P-256 key; False where that is not installed.

    It verifies nothing: of a million names it has the signatures in a minute and a half.
    """
    if shutil.which("ldns-signzone") is None:
        return False
    made = subprocess.run(
        ("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", ORIGIN.rstrip(".")),
        cwd=signed.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    denial = ("-n", "-t", "0") if nsec3 else ()
    subprocess.run(
        ("ldns-signzone", *denial, "-f", signed, zone, made.stdout.strip()),
        cwd=signed.parent, capture_output=True, check=True,
    )  # fmt: skip
    return True
