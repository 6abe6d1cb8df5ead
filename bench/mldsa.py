"""ML-DSA-44 beside ECDSA P-256: sizes, what signing and verifying cost, and which answers UDP takes.

.venv/bin/python bench/mldsa.py [--names 400]

The zone is that of bench/sign.py, with NSEC and CSKs, signed by one process. Times are of the processor, so
that a busy machine changes them little. Answers are what a node sends to
a query with DO and a payload of 1232 octets: octets over TCP, and whether it truncates them over UDP.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import dns.flags
import dns.message
from sign import ORIGIN, records

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.model.key import PublicKey
from dnsctl.model.name import to_text
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.model.zone import SignedZone, ValidatedZone, nodes_of
from dnsctl.serve.respond import Responder
from dnsctl.sign.algorithm import scheme
from dnsctl.sign.keyfile import flags
from dnsctl.sign.keystore import SigningKey
from dnsctl.sign.signer import sign_zone

SAMPLE = 2000  # raw signatures
UDP = 1232  # octets, RFC 9715
ECDSA, MLDSA44 = Algorithm.ECDSAP256SHA256, Algorithm.MLDSA44
KINDS = {"13": (ECDSA,), "18": (MLDSA44,), "13 and 18": (ECDSA, MLDSA44)}
QUESTIONS = (  # what it is, name, type
    ("data", "h4", "A"),
    ("a type that is not there", "h4", "MX"),
    ("a name that is not there", "nope", "A"),
    ("referral, signed", "x.h18", "A"),
    ("keys", "", "DNSKEY"),
)


class Measured(NamedTuple):
    """A zone as it was signed. `seconds`: for signing and verifying it; the others in octets."""

    zone: SignedZone
    seconds: float
    octets: int


def spent(work: Callable[[], object]) -> float:
    """Return the seconds of processor time that `work` takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def raw(key: SigningKey) -> tuple[float, float]:
    """Return seconds for one signature and for one verification, over octets of the usual size."""
    made = scheme(key.public.algorithm)
    sign, check = made.signer(key.private), made.checker(key.public.public)
    octets = [number.to_bytes(120, "big") for number in range(SAMPLE)]
    signatures: list[bytes] = []
    signing = spent(lambda: signatures.extend(sign(each) for each in octets))
    checking = spent(lambda: [check(*pair) for pair in zip(signatures, octets, strict=True)])
    return signing / SAMPLE, checking / SAMPLE


def key_of(algorithm: Algorithm, now: datetime) -> SigningKey:
    private = scheme(algorithm).generate()
    public = PublicKey(ORIGIN, int(algorithm), flags("csk"), scheme(algorithm).field(private))
    return SigningKey(public, "csk", private, now)


def measured(zone: ValidatedZone, keys: list[SigningKey], now: datetime) -> Measured:
    kept: list[SignedZone] = []
    seconds = spent(lambda: kept.append(sign_zone(zone, keys, Policy(), now, 1)))
    parts = [part for one in kept[0].rrsets() for part in (*one.rdatas, *one.signatures)]
    return Measured(kept[0], seconds, sum(map(len, parts)))


def answers(zone: SignedZone) -> Iterator[str]:
    """Yield for each question how large the answer is, with an asterisk where UDP truncates it."""
    with tempfile.TemporaryDirectory() as place, Image.open(Path(place) / "image", readonly=False) as image:
        with image.writer() as writer:
            writer.apply(list(difference(writer, [compile_zone(zone)])))
        with image.reader() as reader:
            for _, name, rdtype in QUESTIONS:
                whole, short = (_asked(reader, name, rdtype, stream=stream) for stream in (True, False))
                yield f"{len(whole):,}{'*' if short[2] & dns.flags.TC >> 8 else ''}"


def _asked(reader: Reader, name: str, rdtype: str, *, stream: bool) -> bytes:
    owner = f"{name}.{to_text(ORIGIN)}".removeprefix(".")
    query = dns.message.make_query(owner, rdtype, want_dnssec=True, payload=UDP, flags=0)
    response = Responder().respond(reader, query.to_wire(), stream=stream)
    if response is None:
        raise RuntimeError(f"no answer for {owner} {rdtype}")
    return response.wire


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--names", type=int, default=400)
    options = asked.parse_args()
    now = datetime.now(UTC)
    zone = ValidatedZone(ORIGIN, nodes_of(records(options.names)))
    keys = {algorithm: key_of(algorithm, now) for algorithm in (ECDSA, MLDSA44)}
    print("| algorithm | DNSKEY rdata | RRSIG rdata | raw signature, us | raw verification, us |")
    print("|---|---|---|---|---|")
    for algorithm, key in keys.items():
        signing, checking = raw(key)
        apex = sign_zone(zone, [key], Policy(), now, 1).get(ORIGIN, 6)
        size = len(apex.signatures[0]) if apex is not None else 0
        told = f"{len(key.public.rdata)} | {size} | {signing * 1e6:.0f} | {checking * 1e6:.0f}"
        print(f"| {algorithm.name} | {told} |")
    print(
        "\n| signed with | rdata of the zone | signed and verified, s | "
        + " | ".join(what for what, _, _ in QUESTIONS)
        + " |"
    )
    print("|---" * (3 + len(QUESTIONS)) + "|")
    for kind, algorithms in KINDS.items():
        found = measured(zone, [keys[each] for each in algorithms], now)
        told = " | ".join(answers(found.zone))
        print(f"| {kind} | {found.octets:,} | {found.seconds:.2f} | {told} |")


if __name__ == "__main__":
    main()
