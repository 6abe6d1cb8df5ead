"""Replace the DS of a zone at its parent by a dynamic update (RFC 2136), signed with TSIG (RFC 8945)."""

from __future__ import annotations

from collections.abc import Iterable

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tsig
import dns.update

from dnsctl.model.fleet import Endpoint, TransferKey
from dnsctl.model.name import ROOT, Name, ancestors
from dnsctl.parent.exchange import ExchangeError, exchange, over_tcp
from dnsctl.parent.patience import Patience

FINDING = 30.0  # seconds until the server has named a zone above


def replace_ds(zone: Name, ds: Iterable[bytes], ttl: int, server: Endpoint, key: TransferKey | None) -> None:
    """Have `server`, a primary of the parent, hold exactly `ds` (rdatas) for `zone`, with `ttl` seconds.

    Only where the zone is delegated there. Raises ExchangeError, with what the server says.
    """
    owner = _name(zone)
    update = dns.update.UpdateMessage(_parent_at(zone, server))
    update.present(owner, dns.rdatatype.NS)
    update.delete(owner, dns.rdatatype.DS)
    for each in ds:
        rdata = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.DS, each, 0, len(each))
        update.add(owner, ttl, rdata)
    if key is not None:
        made = dns.tsig.Key(key.name, key.secret, dns.name.from_text(key.algorithm))
        update.use_tsig(made)
    answer = over_tcp(update, server)
    if answer.rcode() == dns.rcode.NXRRSET:
        raise ExchangeError("answers NXRRSET: the zone is not delegated there")
    if answer.rcode() != dns.rcode.NOERROR:
        raise ExchangeError(f"answers {dns.rcode.to_text(answer.rcode())}")
    if key is not None and not answer.had_tsig:
        raise ExchangeError("answers without the TSIG that it was asked with")


def _parent_at(zone: Name, server: Endpoint) -> dns.name.Name:
    """Return the zone above `zone` that `server` is authoritative for."""
    patience = Patience(FINDING)
    for each in ancestors(zone, ROOT):
        if patience.is_over:
            raise ExchangeError(f"does not name a zone above it in {FINDING:g} s")
        name = _name(each)
        answer = exchange(dns.message.make_query(name, dns.rdatatype.SOA), server)
        if answer.flags & dns.flags.AA and any(
            one.rdtype == dns.rdatatype.SOA and one.name == name for one in answer.answer
        ):
            return name
    raise ExchangeError("is not authoritative for a zone above it")


def _name(wire: Name) -> dns.name.Name:
    return dns.name.from_wire(wire, 0)[0]
