"""NOTIFY(CDS): tell the parent that the CDS of a zone have changed (RFC 9859).

The parent's DSYNC name whom to tell, and may name thousands: a few of them are told, in bounded time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype

from dnsctl.model.fleet import Endpoint
from dnsctl.model.name import Name, from_labels, from_wire, labels
from dnsctl.model.rrset import Type
from dnsctl.parent.exchange import ExchangeError, exchange
from dnsctl.parent.servers import Resolvers

DSYNC = 66  # RFC 9859 §2.1
NOTIFY_SCHEME = 1  # RFC 9859 §2.1
MAX_NAMES = 4  # DSYNC records of a parent that are followed
MAX_TARGETS = 8  # addresses that are told, of all of them
_LABEL = b"_dsync"


class Targets(NamedTuple):
    """Where a parent wants NOTIFY(CDS), `MAX_TARGETS` at most. `left_out`: what it names beside, in words."""

    endpoints: tuple[Endpoint, ...] = ()
    left_out: str = ""


def targets(zone: Name, parent: Name, resolvers: Resolvers) -> Targets:
    """Return where `parent` wants NOTIFY(CDS) for `zone`; nothing where it says nothing (RFC 9859 §4.1).

    Raises ParentUnknownError where the resolvers do not answer.
    """
    above = labels(parent)
    own = labels(zone)[: len(labels(zone)) - len(above)]
    for name in ((*own, _LABEL, *above), (_LABEL, *above)):
        named = {
            (from_wire(each.target.to_wire()), int(each.port)): None  # type: ignore[attr-defined]
            for each in resolvers.records(from_labels(list(name)), DSYNC)
            if (each.rrtype, each.scheme) == (Type.CDS, NOTIFY_SCHEME)  # type: ignore[attr-defined]
        }
        if named:
            followed = list(named)[:MAX_NAMES]
            found = list(
                dict.fromkeys(
                    Endpoint(address.address, port)
                    for target, port in followed
                    for address in resolvers.addresses(target)
                )
            )
            left_out = _left_out(len(named) - len(followed), len(found) - MAX_TARGETS)
            return Targets(tuple(found[:MAX_TARGETS]), left_out)
    return Targets()


def _left_out(names: int, addresses: int) -> str:
    def counted() -> Iterator[str]:
        if names > 0:
            yield f"{names} more DSYNC records"
        if addresses > 0:
            yield f"{addresses} more addresses"

    return " and ".join(counted())


def notify_cds(zone: Name, target: Endpoint) -> None:
    """Send NOTIFY(CDS). Raises ExchangeError where it is not acknowledged."""
    message = dns.message.make_query(dns.name.from_wire(zone, 0)[0], dns.rdatatype.CDS)
    message.set_opcode(dns.opcode.NOTIFY)
    message.flags |= dns.flags.AA  # RFC 1996 §3.7
    message.flags &= ~dns.flags.RD
    answer = exchange(message, target)
    if answer.rcode() != dns.rcode.NOERROR:
        raise ExchangeError(f"answers {dns.rcode.to_text(answer.rcode())}")
