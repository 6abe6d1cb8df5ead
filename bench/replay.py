"""Are all answers still the same, octet for octet? Ask once with one version of the code, again with another.

    .venv/bin/python bench/replay.py record DIR [--pairs 100000] [--seed N]
    .venv/bin/python bench/replay.py replay DIR
    .venv/bin/python bench/replay.py both

`record` draws zones (NSEC, NSEC3, opt-out, unsigned; parents with a child; the root), signs them, keeps the
images, the questions and the answers in DIR. `replay`, run from another work tree, serves the same images
and asks the same. Questions go to a real node over UDP, in bursts of 1 to 64, and over TCP: with and
without EDNS, DO, CD, RD, in odd letter case, of other classes and opcodes, cut short and with octets flipped.
What gets no answer is recorded as such. Ends with 1 where an answer differs, and prints the first of them.
"""

from __future__ import annotations

import argparse
import json
import random
import select
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import dns.edns
import dns.message
import dns.opcode
import dns.rcode

from dnsctl.model.zone import SignedZone
from tests.node.running import publish, running
from tests.reference import drawing

ZONES = 240
ROOTS = 8  # images that hold the root, each with one question in a hundred
QUIET = 0.25  # seconds without an answer: what is still missing gets none
BURSTS = (1, 1, 4, 16, 64)
SHOWN = 8  # answers that differ


def drawn(rng: random.Random, root: bool) -> tuple[list[SignedZone], list[tuple[str, str]]]:
    """Draw the zones of one image; return them and the questions."""
    now = datetime.now(UTC) - timedelta(minutes=1)
    zones: list[SignedZone] = []
    asked: list[tuple[str, str]] = []
    for index in range(1 if root else ZONES):
        sign = drawing.signer(rng.choice(list(drawing.POLICIES)), now)
        shapes = ("root",) * 9 if root else ("one", "pair", "apex")
        made, pool = drawing.zones(rng, sign, f"z{index}.example.", shapes=shapes)
        zones += made
        asked += drawing.questions(rng, made, pool, 1000 if root else 420)
    rng.shuffle(asked)
    return zones, asked


def query(rng: random.Random, name: str, rdtype: str) -> bytes:
    """Return a question as a resolver, or something odd, would send it."""
    if rng.random() < 0.1:
        name = "".join(rng.choice((each.lower(), each.upper())) for each in name)
    message = dns.message.make_query(name, rdtype, rdclass=rng.choice(["IN"] * 60 + ["CH", "ANY", "HS"]))
    message.flags = rng.choice((0, 0x0100, 0x0110, 0x0010, 0x0120))  # RD, CD, AD as they come
    if rng.random() < 0.75:
        code = dns.edns.OptionType.make(rng.choice((3, 12, 65001)))
        options: list[dns.edns.Option] = [dns.edns.GenericOption(code, bytes(rng.randrange(9)))]
        message.use_edns(
            rng.choice([0] * 60 + [1]),
            0x8000 if rng.random() < 0.7 else 0,
            rng.choice((512, 1232, 1232, 4096, 65535)),
            options=options if rng.random() < 0.05 else None,
        )
    if rng.random() < 0.01:
        message.set_opcode(rng.choice((dns.opcode.IQUERY, dns.opcode.STATUS, dns.opcode.UPDATE)))
    wire = bytearray(message.to_wire())
    if rng.random() < 0.02:
        wire[rng.randrange(2, len(wire))] = rng.randrange(256)
    if rng.random() < 0.005:
        del wire[rng.randrange(len(wire)) :]
    return bytes(wire)


def bursts(rng: random.Random, asked: Iterable[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """Yield the questions, numbered by burst: those of one go out together and differ in their ids."""
    number, left, over = 0, 0, "udp"
    for name, rdtype in asked:
        if not left:
            number, left = number + 1, rng.choice(BURSTS)
            over = "tcp" if rng.random() < 0.2 else "udp"
        left -= 1
        wire = query(rng, name, rdtype)
        yield {
            "burst": number,
            "over": over,
            "wire": struct.pack(">H", left) + wire[2:] if wire[2:] else wire,
        }


def datagrams(port: int, wires: list[bytes]) -> list[bytes]:
    """Ask over UDP, all at once; an empty answer for none."""
    found: dict[bytes, bytes] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("127.0.0.1", port))
        for wire in wires:
            asking.send(wire)
        while len(found) < len(wires) and select.select([asking], [], [], QUIET)[0]:
            answer = asking.recv(65535)
            found[answer[:2]] = answer
    return [found.get(wire[:2], b"") for wire in wires]


def stream(port: int, wires: list[bytes]) -> list[bytes]:
    """Ask over one TCP connection, all at once; an empty answer for none."""
    found: dict[bytes, bytes] = {}
    came = bytearray()
    with socket.create_connection(("127.0.0.1", port), 5) as asking:
        asking.sendall(b"".join(struct.pack(">H", len(wire)) + wire for wire in wires))
        while len(found) < len(wires) and select.select([asking], [], [], QUIET)[0]:
            try:
                some = asking.recv(65535)
            except ConnectionResetError:
                break
            if not some:
                break
            came += some
            while len(came) > 2 and len(came) >= 2 + (size := struct.unpack(">H", came[:2])[0]):
                found[bytes(came[2:4])] = bytes(came[2 : 2 + size])
                del came[: 2 + size]
    return [found.get(wire[:2], b"") for wire in wires]


def answers(port: int, asked: list[dict[str, Any]]) -> Iterator[bytes]:
    for (_, over), group in groupby(asked, key=lambda one: (one["burst"], one["over"])):
        wires = [bytes.fromhex(one["wire"]) for one in group]
        yield from (datagrams if over == "udp" else stream)(port, wires)


def record(directory: Path, pairs: int, seed: str) -> int:
    rng = random.Random(seed)
    for number in range(1 + ROOTS):
        here = directory / f"{number}"
        here.mkdir(parents=True)
        zones, asked = drawn(rng, root=number > 0)
        publish(here / "state", zones)
        asked = asked[: max(1, pairs // 100) if number else pairs - ROOTS * (pairs // 100)]
        with (here / "questions").open("w") as file:
            for one in bursts(rng, asked):
                file.write(json.dumps({**one, "wire": one["wire"].hex()}) + "\n")
        questions = [json.loads(line) for line in (here / "questions").read_text().splitlines()]
        with running(here / "state") as node, (here / "answers").open("w") as file:
            for answer in answers(node.port, questions):
                file.write(answer.hex() + "\n")
        print(f"image {number}: {len(zones)} zones, {len(questions)} questions recorded", flush=True)
    return 0


def replay(directory: Path) -> int:
    count = silent = different = 0
    began = time.monotonic()
    for here in sorted(path.parent for path in directory.glob("*/answers")):
        asked = [json.loads(line) for line in (here / "questions").read_text().splitlines()]
        recorded = [bytes.fromhex(line) for line in (here / "answers").read_text().splitlines()]
        with running(here / "state") as node:
            for one, before, after in zip(asked, recorded, answers(node.port, asked), strict=True):
                count += 1
                silent += not before
                if before != after:
                    different += 1
                    if different <= SHOWN:
                        print(f"{one['over']} {one['wire']}\n  before {before.hex()}\n  after  {after.hex()}")
    seconds = time.monotonic() - began
    print(f"{count} questions ({silent} without an answer) in {seconds:.0f} s: {different} answers differ")
    return 1 if different or not count else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("verb", choices=("record", "replay", "both"))
    parser.add_argument("directory", type=Path, nargs="?", help="what is recorded; made by record")
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--seed", default="replay")
    arguments = parser.parse_args()
    if arguments.verb == "both":
        with tempfile.TemporaryDirectory() as made:
            record(Path(made), arguments.pairs, arguments.seed)
            return replay(Path(made))
    if arguments.directory is None:
        parser.error("which directory?")
    if arguments.verb == "record":
        return record(arguments.directory, arguments.pairs, arguments.seed)
    return replay(arguments.directory)


if __name__ == "__main__":
    sys.exit(main())
