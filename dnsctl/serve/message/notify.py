"""NOTIFY (RFC 1996): the message that tells a secondary of a new serial, and what its response means.

Signed and verified by TSIG (RFC 8945) where the secondary has a key. Sends nothing: see `node.notifier`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig

from dnsctl.model.fleet import TransferKey
from dnsctl.model.name import Name
from dnsctl.model.rrset import RRset

_MOST_OCTETS: Final = 512  # RFC 1035 §4.2.1: a secondary may know no EDNS


class Notice(NamedTuple):
    """One NOTIFY as it leaves, and what its response must match."""

    wire: bytes
    message: dns.message.Message
    key: dns.tsig.Key | None


def notice(origin: Name, soa: RRset, key: TransferKey | None, number: int) -> Notice:
    """Return a NOTIFY with id `number`; the new SOA goes with it (RFC 1996 §3.7) where there is room."""
    secret = (
        None if key is None else dns.tsig.Key(key.name.removesuffix(".") + ".", key.secret, key.algorithm)
    )
    hint = _hint(soa)
    made = _message(origin, hint, secret, number)
    wire = made.to_wire(max_size=65535)
    if len(wire) > _MOST_OCTETS:
        made = _message(origin, None, secret, number)
        wire = made.to_wire(max_size=65535)
    return Notice(wire, made, secret)


def verdict(sent: Notice, response: bytes) -> str | None:
    """Return what `response` says: `NOERROR` or another rcode, or why it is not believed; None: ignore it.

    What is not a response to `sent` is ignored: id, opcode and question must match, and the TSIG must hold.
    """
    try:
        found = dns.message.from_wire(response, keyring=sent.key, request_mac=sent.message.mac)
    except dns.tsig.PeerError as error:
        return f"{type(error).__name__.removeprefix('Peer').upper()} for our TSIG key"
    except (dns.exception.DNSException, ValueError):
        rcode = None if sent.key is None else _rcode_without_tsig(sent, response)
        return rcode and f"{rcode} without TSIG"
    return dns.rcode.to_text(found.rcode()) if sent.message.is_response(found) else None


def _rcode_without_tsig(sent: Notice, response: bytes) -> str | None:
    """Return the rcode of an unsigned response; None for a signed one, or one to something else."""
    try:
        found = dns.message.from_wire(response)
    except (dns.exception.DNSException, ValueError):
        return None
    return dns.rcode.to_text(found.rcode()) if sent.message.is_response(found) else None


def _message(
    origin: Name, hint: dns.rrset.RRset | None, key: dns.tsig.Key | None, number: int
) -> dns.message.Message:
    name, _ = dns.name.from_wire(origin, 0)
    made = dns.message.make_query(name, dns.rdatatype.SOA, id=number)
    made.flags = int(dns.flags.AA)  # type: ignore[assignment, unused-ignore]
    made.set_opcode(dns.opcode.NOTIFY)
    if hint is not None:
        made.answer.append(hint)
    if key is not None:
        made.use_tsig(key)
    return made


def _hint(soa: RRset) -> dns.rrset.RRset:
    owner, _ = dns.name.from_wire(soa.owner, 0)
    octets = soa.rdatas[0]
    rdata = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.SOA, octets, 0, len(octets))
    return dns.rrset.from_rdata(owner, soa.ttl, rdata)
