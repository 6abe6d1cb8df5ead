"""Memory of a node under mixed and hostile traffic, over time: does it stay flat?

    .venv/bin/python bench/soak.py [--minutes 10] [--workers 1]

A node serves a signed zone with a rate limit. At it, all the time: questions for data, names that do not
exist, random names, broken messages, EDNS options, cookies; TCP connections that ask, that stay silent, that
send garbage, that never read, that transfer the zone. In the first quarter each process is killed once, and
then the answer cache is filled to its bounds, so that what grows later is not a cache that fills. Printed are
the anonymous memory of the node's processes (of no file, so that what else runs on the machine does not
show), answers a second and descriptors; at the end the growth from the second quarter to the last.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.query

ORIGIN = "soak.example."
NAMES = 500
FILLING = 150_000  # questions for types that are not there, each asked twice: more than a worker keeps
INTERVAL = 5.0  # seconds between two lines
ALLOWED_GROWTH = 0.10  # of the second quarter's median


def zone_text() -> str:
    head = f"$ORIGIN {ORIGIN}\n$TTL 3600\n@ SOA ns1 h 1 7200 1800 1209600 300\n@ NS ns1\n@ NS ns2\n"
    hosts = "".join(f"h{number:03d} A 192.0.2.{number % 256}\n" for number in range(NAMES))
    more = '*.wild TXT "found"\nalias CNAME h001\nsub NS ns1.sub\nns1.sub A 192.0.2.3\nd DNAME x\n'
    return head + "ns1 A 192.0.2.1\nns2 A 192.0.2.2\n" + more + hosts


def datagram(picked: random.Random) -> bytes:
    """Return one message: half of them plain, the rest rare, random or broken."""
    share = picked.random()
    if share < 0.45:
        name = f"h{picked.randrange(NAMES):03d}.{ORIGIN}"
    elif share < 0.6:
        name = f"{picked.randbytes(8).hex()}.{picked.choice(['', 'wild.', 'sub.', 'd.'])}{ORIGIN}"
    else:
        name = picked.choice([f"alias.{ORIGIN}", f"missing{picked.randrange(1000)}.{ORIGIN}", "x.invalid."])
    query = dns.message.make_query(name, picked.choice(["A", "AAAA", "TXT", "ANY", "DS"]), want_dnssec=True)
    if share > 0.7:
        code = dns.edns.OptionType.make(picked.choice([3, 8, 9, 10, 15, 19, 65001]))
        query.use_edns(
            0,
            options=[dns.edns.GenericOption(code, picked.randbytes(picked.randrange(20)))],
        )
    wire = bytearray(query.to_wire())
    if share > 0.8:
        for _ in range(picked.randrange(1, 5)):
            wire[picked.randrange(len(wire))] = picked.randrange(256)
    if share > 0.95:
        wire = bytearray(picked.randbytes(picked.randrange(600)))
    return bytes(wire)


class Traffic:
    """All clients, each in a thread of its own, until `stop`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.ended, self.filling = threading.Event(), threading.Event()
        self.asked = self.answered = self.streams = 0
        jobs = (self.ask, self.ask_streams, self.abuse_streams)
        self._threads = [threading.Thread(target=job, daemon=True) for job in jobs]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self.ended.set()
        for thread in self._threads:
            thread.join(10)

    def ask(self) -> None:
        picked = random.Random(1)
        pool = [datagram(picked) for _ in range(20_000)]
        clients = []
        for number in range(16):
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            client.bind((f"127.0.{number}.1", 0))
            client.setblocking(False)
            clients.append(client)
        while not self.ended.is_set():
            while self.filling.is_set():
                time.sleep(0.01)
            for client in clients:
                for _ in range(32):
                    wire = picked.choice(pool) if picked.random() < 0.8 else datagram(picked)
                    with suppress(OSError):
                        client.sendto(wire, ("127.0.0.1", self.port))
                        self.asked += 1
                with suppress(OSError):
                    while client.recv(65535):
                        self.answered += 1
            time.sleep(0.001)

    def fill(self) -> None:
        """Have more answers remembered than there is room for; nothing else is asked meanwhile."""
        self.filling.set()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", self.port))
            query = dns.message.make_query(f"h000.{ORIGIN}", "TYPE0", want_dnssec=True).to_wire()
            rdtype_at = query.index(b"\0", 12) + 1
            missing = dns.message.make_query(f"x00000.{ORIGIN}", "A", want_dnssec=True).to_wire()
            for number in range(FILLING):
                which, host = divmod(number, NAMES)
                rdtype = (
                    512 + (which // 64 << 8) + which % 64
                )  # no such types, and no letters in their octets
                wire = query.replace(b"h000", b"h%03d" % host)
                wire = wire[:rdtype_at] + rdtype.to_bytes(2, "big") + wire[rdtype_at + 2 :]
                for each in (wire, wire, *(2 * [missing.replace(b"x00000", b"x%05d" % (number // 5))])):
                    with suppress(OSError):
                        client.send(each)
                if not number % 16:
                    time.sleep(0.001)
        self.filling.clear()

    def ask_streams(self) -> None:
        transfer = dns.message.make_query(ORIGIN, "AXFR").to_wire()
        plain = dns.message.make_query(f"h001.{ORIGIN}", "A").to_wire()
        while not self.ended.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 20) as client:
                wires = [plain] * 20 + [transfer]
                client.sendall(b"".join(struct.pack("!H", len(wire)) + wire for wire in wires))
                client.shutdown(socket.SHUT_WR)
                while client.recv(1 << 16):
                    pass
                self.streams += 1
            time.sleep(0.2)

    def abuse_streams(self) -> None:
        picked = random.Random(2)
        held: list[socket.socket] = []
        plain = dns.message.make_query(f"h001.{ORIGIN}", "A", want_dnssec=True).to_wire()
        while not self.ended.is_set():
            with suppress(OSError):
                client = socket.socket()
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.bind((f"127.1.{picked.randrange(200)}.1", 0))
                client.connect(("127.0.0.1", self.port))
                client.setblocking(False)
                kind = picked.randrange(4)
                if kind == 1:
                    client.send(picked.randbytes(2000))
                elif kind == 2:  # never reads
                    client.send((struct.pack("!H", len(plain)) + plain) * 500)
                elif kind == 3:
                    client.send(b"\0\x20half a query")
                held.append(client)
            while len(held) > 400:
                held.pop(picked.randrange(len(held))).close()
            time.sleep(0.02)
        for client in held:
            client.close()


def processes(pid: int) -> dict[str, int]:
    found = {"supervisor": pid}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(OSError):
            name = Path(f"/proc/{child}/comm").read_text().strip().removeprefix("dnsctl ")
            found[name] = int(child)
    return found


def memory(pid: int) -> float:
    """Return the megabytes of anonymous memory."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Anonymous:\s+(\d+)", text, re.MULTILINE)[1]) / 1024  # type: ignore[index]


def watch(pid: int, traffic: Traffic, minutes: float) -> list[float]:
    """Print a line every few seconds; return the totals."""
    totals: list[float] = []
    end = time.monotonic() + minutes * 60
    before, line = traffic.answered, 0
    print("seconds  total MB  by process (MB)                                      answers/s  descriptors")
    while time.monotonic() < end:
        time.sleep(INTERVAL)
        line += 1
        found = processes(pid)
        sizes = {}
        descriptors = 0
        for name, one in found.items():
            with suppress(OSError):
                sizes[name] = memory(one)
                descriptors += len(os.listdir(f"/proc/{one}/fd"))  # noqa: PTH208
        totals.append(sum(sizes.values()))
        each = "  ".join(f"{name} {size:.1f}" for name, size in sizes.items())
        rate = (traffic.answered - before) / INTERVAL
        before = traffic.answered
        print(f"{line * INTERVAL:7.0f}  {totals[-1]:8.1f}  {each:<52} {rate:9.0f}  {descriptors}", flush=True)
        if line == 3:
            for name in ("udp0", "stream"):
                os.kill(found[name], signal.SIGKILL)
        if line == 4:
            threading.Thread(target=traffic.fill, daemon=True).start()
    return totals


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--port", type=int, default=5370)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="dnsctl-soak-") as name:
        zones = Path(name) / "zones"
        zones.mkdir()
        (zones / f"{ORIGIN}zone").write_text(zone_text())
        dnsctl = Path(sys.executable).with_name("dnsctl")
        node = subprocess.Popen(
            [dnsctl, "serve", "--zones", zones, "--sign", "--listen", f"127.0.0.1:{chosen.port}", "--state",
             Path(name) / "state", "--workers", str(chosen.workers), "--transfer", "127.0.0.0/8",
             "--rate-limit", "1000"],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert node.stderr is not None
        try:
            for said in node.stderr:
                if "serving on" in said:
                    break
            lines: list[str] = []
            threading.Thread(target=lambda: lines.extend(node.stderr or ()), daemon=True).start()
            traffic = Traffic(chosen.port)
            totals = watch(node.pid, traffic, chosen.minutes)
            traffic.stop()
            answer = dns.query.udp(dns.message.make_query(f"h001.{ORIGIN}", "A"), "127.0.0.1", 5, chosen.port)
        finally:
            node.terminate()
            node.wait(20)
    quarter = max(len(totals) // 4, 1)
    early, late = statistics.median(totals[quarter : 2 * quarter]), statistics.median(totals[-quarter:])
    growth = late / early - 1
    print(
        f"\n{traffic.asked:,} datagrams, {traffic.answered:,} answers, {traffic.streams:,} transfers; ",
        end="",
    )
    print(
        f"{len(lines)} lines logged; it still answers: {bool(answer.answer or answer.flags & dns.flags.TC)}"
    )
    print(f"median of the second quarter {early:.1f} MB, of the last {late:.1f} MB: {growth:+.1%}")
    for said in lines[:20]:
        print("  " + said.rstrip()[:160])
    sys.exit(growth > ALLOWED_GROWTH)


if __name__ == "__main__":
    main()
