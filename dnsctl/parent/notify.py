"""NOTIFY(CDS): tell the parent that the CDS of a zone have changed (RFC 9859)."""

from __future__ import annotations

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
_LABEL = b"_dsync"


def targets(zone: Name, parent: Name, resolvers: Resolvers) -> tuple[Endpoint, ...]:
    """Return where `parent` wants NOTIFY(CDS) for `zone`; nothing where it says nothing (RFC 9859 §4.1).

    Raises ParentUnknownError where the resolvers do not answer.
    """
    above = labels(parent)
    own = labels(zone)[: len(labels(zone)) - len(above)]
    for name in ((*own, _LABEL, *above), (_LABEL, *above)):
        found = [
            each
            for each in resolvers.records(from_labels(list(name)), DSYNC)
            if (each.rrtype, each.scheme) == (Type.CDS, NOTIFY_SCHEME)  # type: ignore[attr-defined]
        ]
        if found:
            return tuple(
                Endpoint(address.address, each.port)  # type: ignore[attr-defined]
                for each in found
                for address in resolvers.addresses(from_wire(each.target.to_wire()))  # type: ignore[attr-defined]
            )
    return ()


def notify_cds(zone: Name, target: Endpoint) -> None:
    """Send NOTIFY(CDS). Raises ExchangeError where it is not acknowledged."""
    message = dns.message.make_query(dns.name.from_wire(zone, 0)[0], dns.rdatatype.CDS)
    message.set_opcode(dns.opcode.NOTIFY)
    message.flags |= dns.flags.AA  # RFC 1996 §3.7
    message.flags &= ~dns.flags.RD
    answer = exchange(message, target)
    if answer.rcode() != dns.rcode.NOERROR:
        raise ExchangeError(f"answers {dns.rcode.to_text(answer.rcode())}")
