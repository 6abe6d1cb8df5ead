"""Asks one node all the time, from a process of its own, and notes what each answer tells.

One question at a time, over UDP from a few sockets (a worker each, as the kernel spreads them) and over one
TCP connection, for one zone and another: TXT of a name that changes with each release, SOA, and a name that
does not exist. Answers of signed zones are validated, once each.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import random
import re
import socket
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection

import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from bench.faults.judge import Kind, Seen
from bench.faults.life import ends_with_us
from dnsctl.model.fleet import Endpoint

PAUSE = 0.003  # seconds between an answer and the next question
PATIENCE = 0.5  # seconds for an answer
MARK, ABSENT = "release", "absent"  # owners below each apex; the second does not exist
SOCKETS = 8
_SILENCE_PAUSE = 0.02
IN = dns.rdataclass.IN
_TEXT = re.compile(r"release ([0-9]+) of (\S+)")

Keys = Mapping[dns.name.Name, dns.rrset.RRset]  # DNSKEY by apex, of the zones that are signed
_Told = tuple[Kind, int | str]
_SILENT: _Told = ("silence", "")


def marked(records: int, zone: str) -> str:
    """Return the text that stands at MARK in the zone of a release."""
    return f"release {records} of {zone}"


def tell(zone: str, question: str, wire: bytes, keys: Keys) -> _Told:
    """Read the answer to MARK, ABSENT or "" (the SOA) in `zone`."""
    try:
        answer = dns.message.from_wire(wire)
    except (dns.exception.DNSException, ValueError, struct.error) as fault:
        return "fault", f"{type(fault).__name__}: {fault}"
    if answer.rcode() == dns.rcode.SERVFAIL:
        return "servfail", ""
    wanted = dns.rcode.NXDOMAIN if question == ABSENT else dns.rcode.NOERROR
    if answer.rcode() != wanted or not answer.flags & dns.flags.AA or answer.flags & dns.flags.TC:
        return "fault", f"{dns.rcode.to_text(answer.rcode())} {dns.flags.to_text(answer.flags)}"
    apex = dns.name.from_text(zone)
    section = answer.authority if question == ABSENT else answer.answer
    try:
        if apex in keys:
            _validate(section, apex, keys, denies=question == ABSENT)
        if question == MARK:
            text = answer.find_rrset(section, dns.name.from_text(f"{MARK}.{zone}"), IN, dns.rdatatype.TXT)
            match = _TEXT.fullmatch(text[0].strings[0].decode())
            assert match and match[2] == zone and len(text) == 1
            return "records", int(match[1])
        return "serial", answer.find_rrset(section, apex, IN, dns.rdatatype.SOA)[0].serial
    except (dns.exception.DNSException, KeyError, AssertionError, ValueError) as fault:
        return "fault", f"{type(fault).__name__}: {fault} in {[each.to_text() for each in section]}"


def _validate(section: Sequence[dns.rrset.RRset], apex: dns.name.Name, keys: Keys, *, denies: bool) -> None:
    """Verify each RRset of the section. Raises dns.exception.DNSException, AssertionError, KeyError."""
    signatures = {(each.name, each.covers): each for each in section if each.rdtype == dns.rdatatype.RRSIG}
    types = set()
    for rrset in section:
        if rrset.rdtype != dns.rdatatype.RRSIG:
            types.add(rrset.rdtype)
            dns.dnssec.validate(rrset, signatures[rrset.name, rrset.rdtype], {apex: keys[apex]})
    assert not denies or types & {dns.rdatatype.NSEC, dns.rdatatype.NSEC3}, "a denial without proof"


class Asker:
    """Sends questions to one node and waits for each answer."""

    def __init__(self, where: Endpoint, zones: Sequence[str], keys: Keys) -> None:
        self._where = (where.address, where.port)
        self._keys = keys
        self._wires = {
            (zone, question): _wire(zone, question) for zone in zones for question in (MARK, ABSENT, "")
        }
        self._datagrams: list[socket.socket] = []
        self._stream: socket.socket | None = None
        self._known: dict[tuple[str, str, bytes], _Told] = {}
        self._ids = itertools.cycle(range(1 << 16))

    def ask(self, zone: str, question: str, by: str) -> Seen:
        wire = next(self._ids).to_bytes(2, "big") + self._wires[zone, question]
        try:
            reply = self._by_tcp(wire) if by == "tcp" else self._by_udp(wire)
        except (OSError, EOFError):
            self._forget()
            return Seen(time.monotonic(), by, zone, *_SILENT)
        at, key = time.monotonic(), (zone, question, reply[2:])
        told = self._known.get(key)
        if told is None:
            if len(self._known) > 10_000:
                self._known.clear()
            told = self._known[key] = tell(zone, question, reply, self._keys)
        return Seen(at, by, zone, *told)

    def _by_udp(self, wire: bytes) -> bytes:
        if not self._datagrams:
            self._datagrams = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOCKETS)]
            for each in self._datagrams:
                each.connect(self._where)
        used = self._datagrams[wire[1] % SOCKETS]
        used.send(wire)
        ends = time.monotonic() + PATIENCE
        while True:
            used.settimeout(max(0.001, ends - time.monotonic()))
            reply = used.recv(65536)
            if reply[:2] == wire[:2]:  # not what came too late for another
                return reply

    def _by_tcp(self, wire: bytes) -> bytes:
        if self._stream is None:
            self._stream = socket.create_connection(self._where, timeout=PATIENCE)
        self._stream.settimeout(PATIENCE)
        self._stream.sendall(struct.pack("!H", len(wire)) + wire)
        reply = self._exactly(struct.unpack("!H", self._exactly(2))[0])
        if reply[:2] != wire[:2]:
            raise EOFError
        return reply

    def _exactly(self, octets: int) -> bytes:
        assert self._stream is not None
        got = b""
        while len(got) < octets:
            more = self._stream.recv(octets - len(got))
            if not more:
                raise EOFError
            got += more
        return got

    def _forget(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None


def _wire(zone: str, question: str) -> bytes:
    """Return the query but for its id."""
    owner, rdtype = (zone, "SOA") if not question else (f"{question}.{zone}", "TXT")
    query = dns.message.make_query(owner, rdtype, want_dnssec=True, payload=1232)
    query.flags &= ~dns.flags.RD
    return query.to_wire()[2:]


@contextlib.contextmanager
def watching(where: Endpoint, zones: Sequence[str], keys: Keys) -> Iterator[Connection]:
    """Yield a connection that gives what was seen since, as a list of Seen, for whatever is sent to it."""
    ours, theirs = multiprocessing.Pipe()
    fork = multiprocessing.get_context("fork")
    watcher = fork.Process(target=_watch, args=(where, zones, keys, theirs, os.getpid()), daemon=True)
    watcher.start()
    try:
        yield ours
    finally:
        watcher.kill()
        watcher.join()


def _watch(where: Endpoint, zones: Sequence[str], keys: Keys, orders: Connection, parent: int) -> None:
    ends_with_us(parent)()
    asker, chance, seen = Asker(where, zones, keys), random.Random(), list[Seen]()
    while True:
        if orders.poll():
            orders.recv()
            orders.send(seen)
            seen = []
        zone, by = chance.choice(zones), chance.choice(("udp", "tcp"))
        seen.append(asker.ask(zone, chance.choice((MARK, MARK, "", ABSENT)), by))
        time.sleep(_SILENCE_PAUSE if seen[-1].kind == "silence" else PAUSE)
