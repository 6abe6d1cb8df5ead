"""What another name server serves of a zone, compared with the zone here: before it moves, and after.

By a transfer where the server allows one, else question by question: then what it alone has cannot be seen.
What signers make, the serial of the SOA, and EXPIRE above what signing lowers it to are not compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype

from dnsctl.errors import DnsctlError, RefusalRule
from dnsctl.interchange.axfr import Server, octets, transferred
from dnsctl.interchange.signer import unsigned
from dnsctl.model.canonical import canonical
from dnsctl.model.name import Name, to_text
from dnsctl.model.rrset import RRset, Type, rrset, type_text
from dnsctl.model.soa import with_expire_at_most
from dnsctl.model.zone import Zone

SIDE_BY_SIDE = 16  # questions that are on their way at once
MAX_UDP = 1232  # octets, DNS Flag Day 2020
PATIENCE = 3.0  # seconds for an answer
TRIES = 3
MAX_EXPIRE = 2**32 - 1  # seconds: what the field holds
_SERIAL = slice(-20, -16)  # of SOA rdata: the first of the five numbers at its end (RFC 1035 §3.3.13)


class Difference(NamedTuple):
    """An RRset that is not the same on both sides; None: there is none."""

    owner: Name
    rdtype: int
    here: RRset | None
    live: RRset | None


@dataclass(frozen=True)
class Compared:
    """A zone's differences, and how they were found; `refused`: why there was no transfer."""

    origin: Name
    by: Literal["transfer", "questions"]
    rrsets: int
    differences: tuple[Difference, ...]
    refused: str = ""


_Content = Mapping[tuple[Name, int], RRset]


def compared(zone: Zone, server: Server, longest_expire: int = MAX_EXPIRE) -> Compared:
    """Compare a zone with what `server` serves.

    `longest_expire`: what signing lowers the SOA's EXPIRE to, in seconds; it may be lowered there or not yet.
    Raises DnsctlError where the server does not serve the zone.
    """
    ours = _lowered(_content(zone), zone.origin, longest_expire)
    try:
        theirs = _lowered(_content(transferred(zone.origin, server).zone), zone.origin, longest_expire)
    except DnsctlError as error:
        if error.rule is not RefusalRule.TRANSFER:
            raise
        asked = {key: one for key, one in ours.items() if zone.occluder(key[0]) is None}
        answered = _lowered(_asked(zone.origin, asked, server), zone.origin, longest_expire)
        found = _differences(asked, answered)
        return Compared(zone.origin, "questions", len(asked), tuple(found), str(error))
    return Compared(zone.origin, "transfer", len(ours), tuple(_differences(ours, theirs)))


def _content(zone: Zone) -> _Content:
    return {(one.owner, one.rdtype): one._replace(position=None) for one in unsigned(zone)[0].rrsets()}


def _lowered(content: _Content, origin: Name, longest_expire: int) -> _Content:
    """Return the content with the EXPIRE that we would serve at most."""
    key = (origin, int(Type.SOA))
    if (soa := content.get(key)) is None:
        return content
    rdatas = tuple(with_expire_at_most(each, longest_expire) for each in soa.rdatas)
    return {**content, key: soa._replace(rdatas=rdatas)}


def _differences(ours: _Content, theirs: _Content) -> Iterator[Difference]:
    for key in sorted(ours.keys() | theirs.keys(), key=lambda each: (to_text(each[0]), each[1])):
        here, live = ours.get(key), theirs.get(key)
        if _comparable(here) != _comparable(live):
            yield Difference(*key, here, live)


def _comparable(one: RRset | None) -> object:
    if one is None or one.rdtype != Type.SOA:
        return one
    return one.ttl, *((rdata[: _SERIAL.start], rdata[_SERIAL.stop :]) for rdata in one.rdatas)


def _asked(origin: Name, ours: _Content, server: Server) -> _Content:
    """Return what the server answers to the questions for `ours`; the SOA is asked for first."""
    soa = _ask(origin, int(Type.SOA), server)
    if not soa.flags & dns.flags.AA or soa.rcode() != dns.rcode.NOERROR:
        raise DnsctlError(
            f"does not serve {to_text(origin)}: {dns.rcode.to_text(soa.rcode())}, not authoritative",
            where=str(server),
            advice="name a server that the zone is delegated to, not a resolver",
            rule=RefusalRule.UNEXPECTED,
        )
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        replies = pool.map(lambda key: _ask(key[0], key[1], server), ours)
        found = {key: _answer(*key, reply) for key, reply in zip(ours, replies, strict=True)}
    return {key: one for key, one in found.items() if one is not None}


def _ask(owner: Name, rdtype: int, server: Server) -> dns.message.Message:
    kind = dns.rdatatype.RdataType.make(rdtype)
    query = dns.message.make_query(dns.name.from_wire(owner, 0)[0], kind, use_edns=0, payload=MAX_UDP)
    query.flags &= ~dns.flags.RD
    error: Exception | None = None
    for _ in range(TRIES):
        try:
            return dns.query.udp_with_fallback(query, server.address, PATIENCE, server.port)[0]
        except (dns.exception.DNSException, OSError, EOFError, ValueError) as caught:
            error = caught
    raise DnsctlError(
        f"no answer to {to_text(owner)} {type_text(rdtype)}: {str(error) or type(error).__name__}",
        where=str(server),
        advice="check the address, or try again",
        rule=RefusalRule.NO_ANSWER,
    )


def _answer(owner: Name, rdtype: int, reply: dns.message.Message) -> RRset | None:
    """Return the RRset that answers; one at a cut stands among the authority (RFC 1034 §4.3.2)."""
    name = dns.name.from_wire(owner, 0)[0]
    for section in (reply.answer, reply.authority):
        for each in section:
            if each.name == name and each.rdtype == rdtype:
                wires = [canonical(rdtype, octets(rdata)) for rdata in each]
                return rrset(owner, rdtype, each.ttl, wires)
    return None
