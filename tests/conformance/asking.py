"""Ask a responder and read what it says with dnspython."""

import dns.edns
import dns.message
import dns.rcode

from dnsctl.image.reader import Reader
from dnsctl.serve.respond import Responder
from tests.build import edns_option

ADDRESS = bytes((198, 51, 100, 100))


def option(code: int, data: bytes = b"") -> dns.edns.GenericOption:
    return edns_option(code, data)


def query(
    name: str = "www.example.com.",
    rdtype: str = "A",
    *options: dns.edns.Option,
    rdclass: str = "IN",
    payload: int = 1232,
    dnssec: bool = False,
) -> dns.message.Message:
    """Return a query with EDNS."""
    made = dns.message.make_query(
        name, rdtype, rdclass, use_edns=0, payload=payload, want_dnssec=dnssec, options=list(options)
    )
    made.flags = 0
    return made


def octets(
    responder: Responder,
    reader: Reader,
    wire: bytes,
    *,
    stream: bool = False,
    address: bytes = ADDRESS,
    idle: float = 0.0,
) -> bytes:
    response = responder.respond(reader, wire, stream=stream, address=address, idle=idle)
    assert response is not None
    return response.wire


def ask(
    responder: Responder,
    reader: Reader,
    asked: dns.message.Message,
    *,
    stream: bool = False,
    address: bytes = ADDRESS,
    idle: float = 0.0,
) -> dns.message.Message:
    wire = octets(responder, reader, asked.to_wire(), stream=stream, address=address, idle=idle)
    return dns.message.from_wire(wire)


def told(message: dns.message.Message, code: int) -> bytes | None:
    """Return the data of option `code` of a response, None without it."""
    found: list[bytes] = [one.to_wire() for one in message.options if one.otype == code]
    assert len(found) < 2
    return found[0] if found else None


def rcode(message: dns.message.Message) -> str:
    return dns.rcode.to_text(message.rcode())
