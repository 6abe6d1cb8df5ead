"""Fuzz what reads the network, guided by coverage: messages, names, EDNS, the framing of streams, transfers.

    pip install -e .[fuzz]
    nice -n 19 .venv/bin/python bench/fuzz.py --minutes 60 --corpus fuzz-corpus

Zones with NSEC, NSEC3 and without signatures stand in an image; the first octet of an input says what the
others are: a message as it is, the parts of a query (name, type, EDNS options), a name, octets on a
connection, or labels of beside that are asked for in one batch. Beyond what raises, a finding is: an answer
to a response, a wrong id or question, more octets than the client takes, a query the responder could not
handle, or a fast path that differs from the full one.
An input that found something is written to `crash-*`; the corpus keeps what reached new code.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import logging
import random
import shutil
import socket
import struct
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import atheris
import dns.message

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["dnsctl.serve", "dnsctl.model.name", "dnsctl.image"]):
    from dnsctl.errors import NameSyntaxError
    from dnsctl.image.compiler import compile_zone
    from dnsctl.image.difference import difference
    from dnsctl.image.generation import GenerationCounter
    from dnsctl.image.store import Image
    from dnsctl.model.name import Name, from_text, labels, to_text
    from dnsctl.serve.message.chaos import Chaos
    from dnsctl.serve.message.cookies import CLIENT_LENGTH, Cookies
    from dnsctl.serve.message.query import Client, Rejected, Unanswerable, parse
    from dnsctl.serve.message.sections import Response
    from dnsctl.serve.message.tsig import Keyring
    from dnsctl.serve.respond import Responder
    from dnsctl.serve.transport import transfer
    from dnsctl.serve.transport.connection import StreamLimits
    from dnsctl.serve.transport.rate_limit import flow_of, truncated
    from dnsctl.serve.transport.stream import StreamServer
    from dnsctl.serve.transport.udp import UdpWorker

from dnsctl.model.fleet import TransferKey
from dnsctl.model.policy import Policy
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.signer import sign_zone, unsigned_zone
from tests.build import validated
from tests.serve.filled import Filled, answers
from tests.serve.paths import Paths

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CLOCK = NOW.timestamp()
CLIENT = Client(bytes((192, 0, 2, 1)))
ZONE = """\
www A 192.0.2.1
www AAAA 2001:db8::1
alias CNAME www
loop CNAME loop2
loop2 CNAME loop
*.wild TXT "found"
*.deep.wild MX 10 www
sub NS ns1.sub
ns1.sub A 192.0.2.2
d DNAME target
x.target A 192.0.2.4
a.b.c TXT "below empty non-terminals"
big TXT "0123456789012345678901234567890123456789012345678901234567890123456789"
"""
LABELS = [b"www", b"alias", b"loop", b"wild", b"deep", b"sub", b"d", b"b", b"c", b"target", b"*", b"WWW"]
APEXES = [b"\2z0\7example\0", b"\2z1\7example\0", b"\2z2\7example\0", b"\7example\0", b"\0"]
TYPES = [1, 2, 5, 6, 15, 16, 28, 39, 41, 43, 46, 47, 48, 50, 65, 249, 250, 251, 252, 255, 256, 65535]
OPTIONS = [3, 8, 9, 10, 11, 12, 14, 15, 19, 65001]  # NSID, ECS, EXPIRE, COOKIE, keepalive, padding, ...


def fill(directory: Path, image: Image) -> None:
    keystore = Keystore(directory / "keys", lambda: b"fuzz")
    made = []
    for number, policy in enumerate((Policy(), Policy(denial="nsec3"), None)):
        zone = validated(f"z{number}.example.", ZONE)
        if policy is None:
            made.append(unsigned_zone(zone, 1))
        else:
            keys = keystore.signing_keys(zone.origin, policy, NOW)
            made.append(sign_zone(zone, keys, policy, NOW, 1))
    with image.writer() as writer:
        writer.apply(difference(writer, [compile_zone(zone) for zone in made]))


def query(given: atheris.FuzzedDataProvider, cookie: bytes = b"") -> bytes:
    """Return a query whose parts are drawn: most are well formed. `cookie`: one that is valid."""
    name = b""
    for _ in range(given.ConsumeIntInRange(0, 4)):
        label = (
            given.PickValueInList(LABELS)
            if given.ConsumeBool()
            else given.ConsumeBytes(given.ConsumeIntInRange(0, 63))
        )
        name += bytes((len(label),)) + label if label else b""
    name += given.PickValueInList(APEXES)
    rdtype = given.PickValueInList(TYPES) if given.ConsumeBool() else given.ConsumeIntInRange(0, 65535)
    flags = 0 if given.ConsumeBool() else given.ConsumeIntInRange(0, 65535)
    rdclass = 1 if given.ConsumeBool() else given.ConsumeIntInRange(0, 65535)
    body = name + rdtype.to_bytes(2, "big") + rdclass.to_bytes(2, "big")
    additionals = 0
    if given.ConsumeBool():
        options = b""
        for _ in range(given.ConsumeIntInRange(0, 3)):
            code = (
                given.PickValueInList(OPTIONS) if given.ConsumeBool() else given.ConsumeIntInRange(0, 65535)
            )
            data = given.ConsumeBytes(given.ConsumeIntInRange(0, 48))
            if code == 10 and given.ConsumeBool():
                data = cookie
            options += code.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data
        payload, ttl = (
            given.ConsumeIntInRange(0, 65535),
            given.PickValueInList([0, 0x8000, 0x10000, 0x1008000]),
        )
        body += b"\0\0\x29" + payload.to_bytes(2, "big") + ttl.to_bytes(4, "big")
        body += len(options).to_bytes(2, "big") + options
        additionals = 1
    counts = b"\0\1" + bytes(4) + additionals.to_bytes(2, "big")
    rest: bytes = given.ConsumeBytes(given.ConsumeIntInRange(0, 12)) if given.ConsumeBool() else b""
    made: bytes = b"id" + flags.to_bytes(2, "big") + counts + body + rest
    return made


class Target:
    """All that is fuzzed, and what must hold of it."""

    def __init__(self, directory: Path) -> None:
        self.image = Image.open(directory / "image", readonly=False)
        fill(directory, self.image)
        self.reader = self.image.reader()
        (directory / "cookie.secret").write_text("00112233445566778899aabbccddeeff\n")
        self.responder, self.slow = self.new_responder(directory), self.new_responder(directory)
        self.paths = Paths(self.reader, self.responder)
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        counter = GenerationCounter(directory / "generation")
        self.worker = UdpWorker([], self.reader, counter, self.new_responder(directory))
        self.worker.answerer.renew()
        self.filled = Filled()  # one for all, as a worker keeps what it knows of its batches
        limits = StreamLimits(idle=0.5, drain=0.5)
        self.stream_responder = self.new_responder(directory)
        self.server = StreamServer(self.image, counter, self.stream_responder, (), limits)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.running = self.loop.create_task(self.server.run([self.listening], lambda: None))

    def new_responder(self, directory: Path) -> Responder:
        self.cookies = Cookies([directory / "cookie.secret"], lambda: CLOCK)
        keys = Keyring([TransferKey("key.example.", "hmac-sha256", bytes(32))], lambda: CLOCK)
        return Responder("fuzz", about=Chaos(b"fuzz", b"1"), cookies=self.cookies, keys=keys)

    def one(self, data: bytes) -> None:
        if not data:
            return
        kind, rest = data[0] % 9, data[1:]
        if kind < 2:
            self.message(rest)
        elif kind < 5:
            good = self.cookies.judge(bytes(CLIENT_LENGTH), CLIENT.address)
            self.message(query(atheris.FuzzedDataProvider(rest), good.option[4:] if good else b""))
        elif kind == 5:
            self.name(rest)
        elif kind == 6:
            self.transfer(rest)
        elif kind == 8:
            self.batch(atheris.FuzzedDataProvider(rest))
        else:
            self.loop.run_until_complete(self.stream(rest))

    def message(self, message: bytes) -> None:
        found = self.responder.respond(self.reader, message, stream=False, address=CLIENT.address)
        fast = self.paths.fast(message)
        if fast is not None and fast != (found and found.wire):
            raise AssertionError("the fast path differs from the full path")
        over_stream = self.responder.respond(self.reader, message, stream=True)
        if self.responder.failures.count or self.slow.failures.count:
            raise AssertionError("a query could not be handled")
        self.check(message, found, over_stream)

    def batch(self, given: atheris.FuzzedDataProvider) -> None:
        """Ask for names of one length until gaps are known, in a batch with a message of any kind."""
        self.worker.answerer.known.intervals.pause = 0
        above = given.PickValueInList([b"", *(bytes((len(one),)) + one for one in LABELS)])
        asked = given.PickValueInList([b"\0\1\0\1", b"\0\x10\0\1", b"\0\x41\0\1"])
        opt = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0" if given.ConsumeBool() else b""
        behind = above + given.PickValueInList(APEXES[:3]) + asked + opt
        head = b"id\1\0\0\1\0\0\0\0\0" + bytes((len(opt) > 0,))
        for _ in range(2):
            beside = []
            for _ in range(12):
                label = given.ConsumeBytes(given.ConsumeIntInRange(0, 66)) or b"q"
                beside.append(head + bytes((len(label),)) + label + behind)
            wires = [*beside, given.ConsumeBytes(given.ConsumeIntInRange(0, 80)), *beside]
            found = answers(self.worker, self.filled, wires)
            for wire, fast in zip(beside, found[: len(beside)], strict=True):
                full = self.slow.respond(self.reader, wire, stream=False, address=CLIENT.address)
                if fast != (full and full.wire):
                    raise AssertionError("gaps differ from the full path")
        if self.worker.failures:
            raise AssertionError("a query could not be handled")

    def check(self, message: bytes, found: Response | None, over_stream: Response | None) -> None:
        if len(message) < 12 or message[2] & 0x80 or found is None or over_stream is None:
            if found is not over_stream or not (len(message) < 12 or message[2] & 0x80):
                raise AssertionError("an answer to what is not a query, or none to one")
            return
        try:
            question = parse(message)
            edns = question.edns
            limit = min(max(edns.payload if edns else 512, 512), 1232)
        except (Rejected, Unanswerable):
            question, limit = None, 512
        for response, most in ((found, limit), (over_stream, 65535)):
            wire = response.wire
            flow = flow_of(wire, response.kind, response.zone)
            if flow is not None and (len(truncated(wire)) > len(wire) or truncated(wire)[:2] != wire[:2]):
                raise AssertionError("more octets beyond the rate than below it")
            if wire[:2] != message[:2] or not wire[2] & 0x80 or len(wire) > most:
                raise AssertionError("a wrong id, no response, or more than the client takes")
            if question is not None and wire[12 : question.end] != message[12 : question.end]:
                raise AssertionError("another question than was asked")

    def name(self, octets: bytes) -> None:
        text = octets.decode("latin-1")
        try:
            name = from_text(text)
        except NameSyntaxError:
            return
        again = from_text(to_text(name))
        if again != name or Name(b"".join(bytes((len(one),)) + one for one in labels(name)) + b"\0") != name:
            raise AssertionError("a name changes on its way through text")

    def transfer(self, message: bytes) -> None:
        if len(message) < 12:
            return
        if message[3] & 1:
            message = query(atheris.FuzzedDataProvider(message))
        for number, wire in enumerate(transfer.messages(self.reader, message)):
            if wire[:2] != message[:2] or number > 100:
                raise AssertionError("a wrong id, or no end")

    async def stream(self, octets: bytes) -> None:
        """Give `octets` to a connection, then its end; all that comes back must be whole messages."""
        reader, writer = await asyncio.open_connection(*self.listening.getsockname())
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # leaves no port behind
        writer.write(octets)
        writer.write_eof()
        answers = b""
        try:
            while piece := await reader.read(1 << 16):
                answers += piece
        except ConnectionError:
            answers = b""  # cut in the middle, which is right for half a query
        writer.transport.abort()
        at = 0
        while at < len(answers):
            at += 2 + (answers[at] << 8 | answers[at + 1] if at + 1 < len(answers) else 0)
        if at != len(answers) or self.server.failures or self.stream_responder.failures.count:
            raise AssertionError("half a message, or a failure")


def seeds(directory: Path) -> None:
    """Write what the first inputs are made from."""
    directory.mkdir(parents=True, exist_ok=True)
    for number, (name, rdtype) in enumerate(
        (name, rdtype)
        for name in ("www.z0", "nothing.z1", "a.wild.z0", "x.d.z2", "x.sub.z1")
        for rdtype in TYPES
    ):
        wire = dns.message.make_query(
            f"{name}.example.", f"TYPE{rdtype}", want_dnssec=True, id=number
        ).to_wire()
        (directory / f"seed-packet-{number}").write_bytes(b"\0" + wire)
        (directory / f"seed-transfer-{number}").write_bytes(b"\6" + wire)
        framed = len(wire).to_bytes(2, "big") + wire
        (directory / f"seed-stream-{number}").write_bytes(b"\7" + framed * (number % 5 + 1))
    for number in range(40):
        (directory / f"seed-batch-{number}").write_bytes(b"\x08" + random.Random(number).randbytes(600))
    for number, text in enumerate(("www.example.", "\\000\\.a\\255.", ".", "x" * 63 + ".", "A.b\\@c.")):
        (directory / f"seed-name-{number}").write_bytes(b"\5" + text.encode())


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--minutes", type=float, default=60)
    options.add_argument("--corpus", type=Path, default=Path("fuzz-corpus"))
    options.add_argument("inputs", nargs="*", type=Path, help="run these inputs once and end")
    chosen = options.parse_args()
    logging.disable(logging.CRITICAL)
    directory = Path(tempfile.mkdtemp(prefix="dnsctl-fuzz-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    target = Target(directory)
    if chosen.inputs:
        for path in chosen.inputs:
            target.one(path.read_bytes())
        return
    seeds(chosen.corpus)
    atheris.Setup(
        [sys.argv[0], str(chosen.corpus), f"-max_total_time={chosen.minutes * 60:.0f}", "-max_len=2048",
         "-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"],
        target.one,
    )  # fmt: skip
    atheris.Fuzz()


if __name__ == "__main__":
    main()
