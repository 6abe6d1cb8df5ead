"""Take a zone from another name server by AXFR (RFC 5936), over TCP, signed by TSIG (RFC 8945) where asked.

Bounded: a transfer that takes too long, falls silent, or holds too much ends with an error, and so does one
that is cut short. Nothing of it is used then.
"""

from __future__ import annotations

import io
import socket
import time
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tsig
import dns.xfr
import dns.zone

from dnsctl.errors import DnsctlError, RefusalRule
from dnsctl.interchange.incoming import Incoming
from dnsctl.load.draft import Draft, ZoneDefaults
from dnsctl.model.canonical import canonical
from dnsctl.model.finding import Position
from dnsctl.model.name import Name, from_wire, to_text


@dataclass(frozen=True)
class Limits:
    """Seconds until a transfer ends, and until the next message of it is there; octets of all messages."""

    seconds: float = 1800.0
    silence: float = 30.0
    octets: int = 2**30  # a signed zone of a million names has 300 MB


@dataclass(frozen=True)
class Server:
    """Who is asked for the transfer; `key`: what signs the request and every answer."""

    address: str
    port: int = 53
    key: dns.tsig.Key | None = None

    def __str__(self) -> str:
        return f"{self.address}@{self.port}"


# What dnspython raises for a message or a zone that is wrong, besides its own exceptions.
_WRONG = (dns.exception.DNSException, ValueError, KeyError, LookupError, AttributeError)


def transferred(origin: Name, server: Server, limits: Limits = Limits()) -> Incoming:
    """Return the zone that `server` sends. Raises DnsctlError where it sends none, or not all of it."""
    zone = dns.zone.Zone(dns.name.from_wire(origin, 0)[0], relativize=False)
    try:
        _receive(zone, server, limits)
    except OverflowError as error:
        raise _failed(origin, server, str(error), "take the zone's file instead: --from FILE") from None
    except TimeoutError as error:
        raise _failed(origin, server, str(error), "try again, or see the log of that server") from None
    except OSError as error:
        raise _failed(origin, server, f"fails: {error.strerror or error}", "check address and port") from None
    except EOFError:
        raise _failed(origin, server, "is cut short", "see the log of that server") from None
    except dns.xfr.TransferError as error:
        advice = "allow transfers to this host there, or give --tsig"
        raise _failed(origin, server, f"is refused: {error}", advice) from None
    except _WRONG as error:
        reason = str(error) or type(error).__name__
        raise _failed(origin, server, f"is not one: {reason}", "see the log of that server") from None
    return _incoming(origin, zone, server)


def _receive(zone: dns.zone.Zone, server: Server, limits: Limits) -> None:
    query, _ = dns.xfr.make_query(
        zone, None, keyring=server.key, keyname=server.key.name if server.key else None
    )
    deadline = time.monotonic() + limits.seconds
    with socket.create_connection((server.address, server.port), limits.silence) as connection:
        wire = query.to_wire()
        connection.sendall(len(wire).to_bytes(2, "big") + wire)
        received, context, done = 0, None, False
        with dns.xfr.Inbound(zone, dns.rdatatype.AXFR) as inbound:
            while not done:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"takes longer than {limits.seconds:.0f} seconds")
                frame = _frame(connection, limits.silence)
                received += len(frame)
                if received > limits.octets:
                    raise OverflowError(f"holds more than {limits.octets} octets")
                reply = dns.message.from_wire(
                    frame,
                    keyring=query.keyring,
                    request_mac=query.mac,
                    xfr=True,
                    origin=zone.from_wire_origin(),
                    tsig_ctx=context,
                    multi=True,
                )
                if reply.id != query.id:
                    raise dns.query.BadResponse
                done = inbound.process_message(reply)
                context = reply.tsig_ctx
        if server.key is not None and not reply.had_tsig:
            raise ValueError("the last message is not signed")


def _frame(connection: socket.socket, silence: float) -> bytes:
    """Return the next message. Raises TimeoutError, and EOFError where the connection ends."""
    until = time.monotonic() + silence
    length = int.from_bytes(_exactly(connection, 2, until), "big")
    return _exactly(connection, length, until)


def _exactly(connection: socket.socket, count: int, until: float) -> bytes:
    made = bytearray()
    while len(made) < count:
        connection.settimeout(max(until - time.monotonic(), 0.001))
        try:
            part = connection.recv(count - len(made))
        except TimeoutError:
            raise TimeoutError("falls silent") from None
        if not part:
            raise EOFError
        made += part
    return bytes(made)


def _failed(origin: Name, server: Server, what: str, advice: str) -> DnsctlError:
    return DnsctlError(
        f"the transfer of {to_text(origin)} {what}",
        where=str(server),
        advice=advice,
        rule=RefusalRule.TRANSFER,
    )


def _incoming(origin: Name, zone: dns.zone.Zone, server: Server) -> Incoming:
    """Make our zone of dnspython's."""
    at = str(server)
    draft = Draft(origin, at, ZoneDefaults())
    for name, rdataset in zone.iterate_rdatasets():
        owner = from_wire(name.to_digestable())
        for rdata in rdataset:
            wire = canonical(int(rdataset.rdtype), octets(rdata))
            if rdataset.rdtype == dns.rdatatype.RRSIG:
                draft.sign(owner, wire, Position(at))
            else:
                draft.add(owner, int(rdataset.rdtype), rdataset.ttl, wire, at, 1, 1)
    return Incoming(draft.zone(), f"AXFR from {at}", tuple(draft.findings))


def octets(rdata: dns.rdata.Rdata) -> bytes:
    """Return dnspython's rdata in wire form."""
    made = io.BytesIO()
    rdata.to_wire(made)
    return made.getvalue()
