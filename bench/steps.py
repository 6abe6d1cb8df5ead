"""Where a query's microseconds go: CPU time of a worker's own code by kind of question, without the kernel's.

    .venv/bin/python bench/steps.py [--names 2000] [--rounds 9]

The worker's answering of a batch runs in this process, on buffers instead of a socket. Questions are in no
cache but for the first row; a round's are asked for the first time, and what a worker learns of a zone
(forms, plans, denials) it has learned in the rounds before. Medians of the rounds.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import dns.edns
import dns.message

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.generation import GenerationCounter
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.model.policy import Policy
from dnsctl.serve.message.cookies import Cookies, fresh_secret
from dnsctl.serve.message.datagrams import BATCH
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport.udp import UdpWorker
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.signer import sign_zone
from tests.build import validated
from tests.serve.filled import Filled

ASKED = 15 * BATCH  # questions of a round, none twice
WARM = 25  # rounds that do not count
MORE = "alias CNAME h0001\n*.wild TXT found\nsub NS ns.sub\nns.sub A 192.0.2.1\ndeep.er A 192.0.2.2\n"
MORE += "*.away CNAME h0001\n"
MORE += "".join(f"many NS ns{number}.many\nns{number}.many A 192.0.2.1\n" for number in range(40))


class Worker(UdpWorker):
    """A worker without sockets."""

    def time(self, wires: list[bytes]) -> float:
        """Return CPU microseconds a query."""
        batch, spent = Filled(), 0
        for first in range(0, len(wires), BATCH):
            batch.fill(wires[first : first + BATCH])
            before = time.thread_time_ns()
            self.answerer.answer(batch, BATCH, [])
            spent += time.thread_time_ns() - before
        return spent / 1000 / len(wires)

    def forget(self) -> None:
        """Let the cache forget all, and which questions have come once."""
        cache = self.answerer.cache
        cache.clear()
        cache.doors[:] = bytes(len(cache.doors))


def query(name: str, rdtype: str, cookie: bytes = b"") -> bytes:
    options: list[dns.edns.Option] = [dns.edns.GenericOption(dns.edns.COOKIE, cookie)] if cookie else []
    made = dns.message.make_query(f"{name}.example.com.", rdtype, use_edns=0, payload=1232, options=options)
    made.want_dnssec()
    return made.to_wire()


Draw = Callable[[random.Random], list[bytes]]


def kinds(names: int) -> dict[str, Draw]:
    """Return how the questions of a round are drawn, by kind."""

    def drawn(name: str, rdtype: str) -> Draw:
        """Draw names with something new in the place of `q`."""
        form = query(name.replace("q", "qqqqqqqq"), rdtype)
        return lambda picked: [
            form.replace(b"qqqqqqqq", b"%08x" % number) for number in picked.sample(range(1 << 32), ASKED)
        ]

    def known(rdtype: str, cookie: bytes = b"") -> Draw:
        wires = [query(f"h{number:04d}", rdtype, cookie) for number in range(names)]
        return lambda picked: picked.sample(wires, ASKED)

    return {
        "data, cached": known("A"),
        "data": known("A"),
        "data, with a client's cookie": known("A", b"12345678"),
        "a type that is not there": known("TXT"),
        "a name that is not there": lambda picked: [beside(picked, names) for _ in range(ASKED)],
        "a name that is not there, below another": drawn("q.er", "A"),
        "a wildcard's answer": drawn("q.wild", "TXT"),
        "a wildcard that is an alias": drawn("q.away", "A"),
        "a referral": drawn("q.sub", "A"),
        "a referral that does not fit": drawn("q.many", "A"),
        "an alias": lambda picked: [
            ALIAS[:TYPE_AT] + rdtype.to_bytes(2, "big") + ALIAS[TYPE_AT + 2 :]
            for rdtype in picked.sample(range(512, 60_000), ASKED)
        ],
    }


ALIAS = query("alias", "A")
TYPE_AT = ALIAS.index(b"\0", 12) + 1
BESIDE = query("hqqqq-qqqqqqqq", "A")


def beside(picked: random.Random, names: int) -> bytes:
    """Return a question for a name that is not there, in any gap of the zone."""
    name = b"h%04d-%08x" % (picked.randrange(names), picked.getrandbits(32))
    return BESIDE.replace(b"hqqqq-qqqqqqqq", name)


def measure(reader: Reader, directory: Path, names: int, rounds: int) -> dict[str, float]:
    """Return medians by kind of question."""
    secret, counter = directory / "secret", directory / "generation"
    secret.write_bytes(fresh_secret())
    secret.chmod(0o600)
    found = {}
    for kind, draw in kinds(names).items():
        responder = Responder(cookies=Cookies([secret]))
        worker = Worker([], reader, GenerationCounter(counter), responder)
        worker.answerer.renew()
        picked, taken = random.Random(1), list[float]()
        same = draw(picked)
        for _ in range(rounds + WARM):
            if "cached" not in kind:
                worker.forget()
            taken.append(worker.time(same if "cached" in kind else draw(picked)))
        found[kind] = statistics.median(taken[WARM:])
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--names", type=int, default=2000)
    options.add_argument("--rounds", type=int, default=9)
    chosen = options.parse_args()
    gc.disable()
    columns = []
    text = MORE + "".join(f"h{number:04d} A 192.0.2.{number % 256}\n" for number in range(chosen.names))
    now = datetime.now(UTC)
    for denial in ("nsec", "nsec3"):
        with tempfile.TemporaryDirectory(prefix="dnsctl-bench-") as name:
            directory, policy = Path(name), Policy(denial=denial)
            keystore = Keystore(directory / "keys", lambda: b"bench")
            zone = validated("example.com.", text)
            signed = sign_zone(zone, keystore.signing_keys(zone.origin, policy, now), policy, now, 1)
            with Image.open(directory / "image", readonly=False) as image:
                with image.writer() as writer:
                    writer.apply(difference(writer, [compile_zone(signed)]))
                columns.append(measure(image.reader(), directory, chosen.names, chosen.rounds))
    print("| question | NSEC, µs | NSEC3, µs |\n|---|---|---|")
    for kind in columns[0]:
        print(f"| {kind} | " + " | ".join(f"{column[kind]:.2f}" for column in columns) + " |")


if __name__ == "__main__":
    main()
