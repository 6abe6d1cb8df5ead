"""A name server on loopback that says what a test tells it to, over UDP and TCP on one port."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from dnsctl.demo.ports import free_port
from dnsctl.model.fleet import Endpoint
from dnsctl.parent.servers import Server

# From the octets of a query, and whether it came over TCP, to the octets of answers (none: silence).
Script = Callable[[bytes, bool], list[bytes]]


@contextlib.contextmanager
def serving(
    script: Script | Callable[[str], Script], *, by_client: bool = False, streams: bool = True
) -> Iterator[Server]:
    """Answer by `script` until the block ends; `by_client`: by what it returns for the client's address.

    `streams`: else connections are refused.
    """

    def told(query: bytes, tcp: bool, client: str) -> list[bytes]:
        if by_client:
            return cast("Callable[[str], Script]", script)(client)(query, tcp)
        return cast("Script", script)(query, tcp)

    port = free_port()
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", port))
    listener = socket.create_server(("127.0.0.1", port)) if streams else None
    ended = threading.Event()

    def over_udp() -> None:
        while True:
            with contextlib.suppress(ConnectionError):
                query, client = datagrams.recvfrom(65535)
                if ended.is_set():
                    return
                for each in told(query, False, client[0]):
                    datagrams.sendto(each, client)

    def over_tcp() -> None:
        while listener is not None:
            connection, client = listener.accept()
            with connection, contextlib.suppress(OSError, struct.error):
                if ended.is_set():
                    return
                (length,) = struct.unpack("!H", connection.recv(2))
                for each in told(connection.recv(length), True, client[0]):
                    connection.sendall(struct.pack("!H", len(each)) + each)

    threads = [threading.Thread(target=each, daemon=True) for each in (over_udp, over_tcp)]
    for each in threads:
        each.start()
    try:
        yield Server(f"port{port}.", Endpoint("127.0.0.1", port))
    finally:
        ended.set()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", port))
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
        for each in threads:
            each.join(5)
        datagrams.close()
        if listener is not None:
            listener.close()


def answer(
    query: bytes, *, aa: bool = True, rcode: int = 0, sections: tuple[list[str], ...] = (), tc: bool = False
) -> bytes:
    """Return an answer with records as text, by section: answer, authority, additional; class IN if none
    stands there.
    """
    message = dns.message.make_response(dns.message.from_wire(query, ignore_trailing=True))
    message.set_rcode(dns.rcode.Rcode.make(rcode))
    message.flags |= (dns.flags.AA if aa else 0) | (dns.flags.TC if tc else 0)
    for section, lines in zip(
        (message.answer, message.authority, message.additional), sections, strict=False
    ):
        for line in lines:
            name, ttl, rest = line.split(None, 2)
            rdclass, rest = rest.split(None, 1) if rest.startswith(("CH ", "CLASS")) else ("IN", rest)
            section.append(dns.rrset.from_text(name, int(ttl), rdclass, *rest.split(None, 1)))
    return message.to_wire(max_size=65535)


def rdtype_of(query: bytes) -> str:
    return dns.message.from_wire(query).question[0].rdtype.name
