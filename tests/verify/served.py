"""Zones signed and put into an image, and a server that answers from one, truly or tampered with."""

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from dnsctl.demo.ports import free_port
from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.store import Image
from dnsctl.model.fleet import Endpoint, Node
from dnsctl.model.policy import Policy
from dnsctl.model.zone import SignedZone
from dnsctl.serve.respond import Responder
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.signer import sign_zone, unsigned_zone
from tests.build import validated

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RECORDS = r"""
www 300 A 192.0.2.80
www 300 AAAA 2001:db8::80
alias CNAME www
mail MX 10 www
text TXT "one" "two" "semi;colon"
_sip._tcp SRV 0 5 5060 www
deep.below.nothing A 192.0.2.9
*.wild TXT "from the wildcard"
sub NS ns.sub
sub NS ns.example.net.
sub DS 12345 13 2 49FD46E6C4B45C55D4AC69CBD3CD34AC1AFE51DE9BA1B6B4F1B1F6F9C6C6E3C1
ns.sub A 192.0.2.99
plain NS ns.plain
ns.plain AAAA 2001:db8::99
old DNAME example.net.
svc HTTPS 1 . alpn=h2 ipv4hint=192.0.2.80
odd TYPE65400 \# 4 DEADBEEF
empty TYPE65401 \# 0
\200\255 A 192.0.2.7
_443._tcp.www TLSA 3 1 1 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF
@ CAA 0 issue "ca.example.net"
"""

Answering = Callable[[bytes, bytes], bytes | None]  # query, true answer -> what is sent


def signed(
    keys: Path,
    text: str = RECORDS,
    origin: str = "example.com.",
    policy: Policy | None = None,
    serial: int = 7,
    now: datetime = NOW,
) -> SignedZone:
    zone = validated(origin, text)
    policy = policy or Policy()
    store = Keystore(keys, lambda: b"passphrase of the test")
    return sign_zone(zone, store.signing_keys(zone.origin, policy, now), policy, now, serial)


def unsigned(text: str = RECORDS, origin: str = "example.com.", serial: int = 7) -> SignedZone:
    return unsigned_zone(validated(origin, text), serial)


def image_of(directory: Path, *zones: SignedZone, generation: int = 1) -> Image:
    image = Image.open(directory, readonly=False)
    with image.writer() as writer:
        writer.apply(list(difference(writer, [compile_zone(each) for each in zones])))
        writer.set_release(generation, "00" * 32)
    return image


def node_at(port: int, name: str = "ns1", site: str = "dc1") -> Node:
    return Node(name, site, (Endpoint("127.0.0.1", port),), "https://127.0.0.1:1")


class Server:
    """Answers over UDP and TCP on 127.0.0.1 from `image`, in a thread, until the block ends."""

    def __init__(self, image: Image, answering: Answering | None = None, *, truncates: bool = True) -> None:
        self._image = image
        self._truncates = truncates
        self.closes_streams = False
        self._answering = answering
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.port = free_port()
        self._datagrams.bind(("127.0.0.1", self.port))
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self._serve)

    def node(self, name: str = "ns1", site: str = "dc1") -> Node:
        return node_at(self.port, name, site)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop[0].send(b"x")
        self._thread.join()
        for one in (self._datagrams, self._listening, *self._stop):
            one.close()

    def _serve(self) -> None:
        responder = Responder()
        with self._image.reader() as reader, selectors.DefaultSelector() as selector:
            for one in (self._datagrams, self._listening, self._stop[1]):
                selector.register(one, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._stop[1]:
                        return
                    if key.fileobj is self._datagrams:
                        query, peer = self._datagrams.recvfrom(65535)
                        if answer := self._answer(responder, reader, query, stream=not self._truncates):
                            self._datagrams.sendto(answer, peer)
                    else:
                        self._serve_stream(responder, reader)

    def _answer(self, responder: Responder, reader, query: bytes, *, stream: bool) -> bytes | None:
        response = responder.respond(reader, query, stream=stream)
        wire = response.wire if response else None
        return self._answering(query, wire) if self._answering and wire else wire

    def _serve_stream(self, responder: Responder, reader) -> None:
        connection, _ = self._listening.accept()
        if self.closes_streams:
            connection.close()
            return
        with connection, connection.makefile("rb") as incoming, contextlib.suppress(OSError):
            connection.settimeout(2)
            while header := incoming.read(2):
                query = incoming.read(struct.unpack("!H", header)[0])
                if answer := self._answer(responder, reader, query, stream=True):
                    connection.sendall(struct.pack("!H", len(answer)) + answer)


@contextlib.contextmanager
def serving(directory: Path, *zones: SignedZone, answering: Answering | None = None) -> Iterator[Server]:
    with image_of(directory, *zones) as image, Server(image, answering) as server:
        yield server
