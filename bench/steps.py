"""Where a query's microseconds go: CPU time of a worker's own code by kind of question, without the kernel's.

    .venv/bin/python bench/steps.py [--names 2000] [--rounds 9] [--before CHECKOUT] [--question "data" …]

The worker's answering of a batch runs in this process, on buffers instead of a socket. Questions are in no
cache but for the first row; a round's are asked for the first time, and what a worker learns of a zone
(forms, plans, denials) it has learned in the rounds before. Medians of the rounds.

--before compares with the code of another checkout, such as a worktree of an earlier commit, which has this
script as well. A process of each takes turns, round by round, so that what else the machine does hits both
alike; the median of the rounds' ratios counts. Where a process lies in memory moves its times by percents, so
that is done with several pairs of processes: the median pair is printed, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, Self

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
DENIALS: Final[tuple[Literal["nsec", "nsec3"], ...]] = ("nsec", "nsec3")
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


class Rows:
    """Each kind of question with a worker of its own, on one zone."""

    def __init__(self, reader: Reader, directory: Path, names: int) -> None:
        self._reader = reader
        self._counter = GenerationCounter(directory / "generation")
        self._secret = directory / "secret"
        self._secret.write_bytes(fresh_secret())
        self._secret.chmod(0o600)
        self._draws = kinds(names)
        self._begun: dict[str, tuple[Worker, random.Random, list[bytes]]] = {}

    def round(self, kind: str) -> float:
        """Return CPU microseconds a query of the kind's next round."""
        if kind not in self._begun:
            responder = Responder(cookies=Cookies([self._secret]))
            worker = Worker([], self._reader, self._counter, responder)
            worker.answerer.renew()
            picked = random.Random(1)
            self._begun[kind] = worker, picked, self._draws[kind](picked)
            for _ in range(WARM):
                self.round(kind)
        worker, picked, same = self._begun[kind]
        if "cached" in kind:
            return worker.time(same)
        worker.forget()
        return worker.time(self._draws[kind](picked))


@contextmanager
def served(denial: Literal["nsec", "nsec3"], names: int) -> Iterator[Rows]:
    """Sign a zone, put it into an image, and yield its rows."""
    text = MORE + "".join(f"h{number:04d} A 192.0.2.{number % 256}\n" for number in range(names))
    now, policy = datetime.now(UTC), Policy(denial=denial)
    with tempfile.TemporaryDirectory(prefix="dnsctl-bench-") as name:
        directory = Path(name)
        keystore = Keystore(directory / "keys", lambda: b"bench")
        zone = validated("example.com.", text)
        signed = sign_zone(zone, keystore.signing_keys(zone.origin, policy, now), policy, now, 1)
        with Image.open(directory / "image", readonly=False) as image:
            with image.writer() as writer:
                writer.apply(difference(writer, [compile_zone(signed)]))
            yield Rows(image.reader(), directory, names)


def take_turns(names: int) -> None:
    """Run a round for each line of standard input, `DENIAL KIND`, and print what it took."""
    with served("nsec", names) as nsec, served("nsec3", names) as nsec3:
        rows = {"nsec": nsec, "nsec3": nsec3}
        for line in sys.stdin:
            denial, _, kind = line.rstrip("\n").partition(" ")
            print(rows[denial].round(kind), flush=True)


class Turns:
    """A process that takes turns, with the code of a checkout."""

    def __init__(self, checkout: Path, names: int) -> None:
        script = checkout.absolute() / "bench" / "steps.py"
        self._process = subprocess.Popen(
            [sys.executable, script, "--turns", "--names", str(names)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(checkout.absolute())},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def round(self, denial: str, kind: str) -> float:
        ask, told = self._process.stdin, self._process.stdout
        if ask is None or told is None:
            raise AssertionError
        ask.write(f"{denial} {kind}\n")
        ask.flush()
        return float(told.readline())


def compare(before: Path, names: int, rounds: int, pairs: int, chosen: Sequence[str]) -> None:
    """Print how the times of this checkout stand to those of another."""
    now = Path(__file__).parents[1]
    cells = [(denial, kind) for denial in DENIALS for kind in chosen]
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {cell: [] for cell in cells}
    for _ in range(pairs):
        with Turns(before, names) as old, Turns(now, names) as new:
            for cell in cells:
                taken: list[tuple[float, float]] = []
                for number in range(rounds + 1):
                    first, second = (old, new) if number % 2 else (new, old)
                    one, other = first.round(*cell), second.round(*cell)
                    taken.append((one, other) if first is old else (other, one))
                del taken[0]  # with it came the rounds that do not count
                ratio = statistics.median(new_time / old_time for old_time, new_time in taken)
                times = [statistics.median(side) for side in zip(*taken, strict=True)]
                found[cell].append((ratio, times[0], times[1]))
    print("| denial | question | before, µs | now, µs | now / before | lowest and highest pair |")
    print("|---|---|---|---|---|---|")
    for (denial, kind), rows in found.items():
        rows.sort()
        ratio, older, newer = rows[len(rows) // 2]
        ends = f"{rows[0][0]:.3f} to {rows[-1][0]:.3f}"
        print(f"| {denial.upper()} | {kind} | {older:.2f} | {newer:.2f} | {ratio:.3f} | {ends} |")


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--names", type=int, default=2000)
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--before", type=Path, metavar="CHECKOUT", help="compare with the code there")
    options.add_argument("--pairs", type=int, default=5, help="of processes, to compare")
    options.add_argument("--question", choices=kinds(1), action="append", help="default: all")
    options.add_argument("--turns", action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    questions = chosen.question or list(kinds(1))
    gc.disable()
    if chosen.turns:
        take_turns(chosen.names)
        return
    if chosen.before:
        compare(chosen.before, chosen.names, chosen.rounds, chosen.pairs, questions)
        return
    columns = []
    for denial in DENIALS:
        with served(denial, chosen.names) as rows:
            found = {}
            for kind in questions:
                found[kind] = statistics.median(rows.round(kind) for _ in range(chosen.rounds))
            columns.append(found)
    print("| question | NSEC, µs | NSEC3, µs |\n|---|---|---|")
    for kind in columns[0]:
        print(f"| {kind} | " + " | ".join(f"{column[kind]:.2f}" for column in columns) + " |")


if __name__ == "__main__":
    main()
