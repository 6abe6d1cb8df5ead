"""Replace the DS of a zone at its parent by a dynamic update (RFC 2136).

It is signed with TSIG (RFC 8945), by a shared secret, or with SIG(0) (RFC 2931), by a key pair. An answer to
TSIG is signed, too. One to SIG(0) is not: it is believed only as far as that the parent is looked at again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update

from dnsctl.model.fleet import Endpoint, TransferKey
from dnsctl.model.name import ROOT, Name, ancestors, to_text
from dnsctl.parent.exchange import ExchangeError, exchange, over_tcp
from dnsctl.parent.patience import Patience
from dnsctl.sign.sig0 import WINDOW, Sig0Key, sig_rdata

# What servers answer to a signature that they do not take. BIND says SERVFAIL to a wrong one.
_NOT_BELIEVED = frozenset(
    (dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTAUTH, dns.rcode.FORMERR, dns.rcode.NOTIMP)
)
FINDING = 30.0  # seconds until the server has named a zone above


def replace_ds(
    zone: Name,
    ds: Iterable[bytes],
    ttl: int,
    server: Endpoint,
    key: TransferKey | Sig0Key | None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Have `server`, a primary of the parent, hold exactly `ds` (rdatas) for `zone`, with `ttl` seconds.

    Only where the zone is delegated there. `clock`: asked when a SIG(0) is made. Raises ExchangeError, with
    what the server says.
    """
    owner = _name(zone)
    update = dns.update.UpdateMessage(_parent_at(zone, server))
    update.present(owner, dns.rdatatype.NS)
    update.delete(owner, dns.rdatatype.DS)
    for each in ds:
        rdata = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.DS, each, 0, len(each))
        update.add(owner, ttl, rdata)
    if isinstance(key, TransferKey):
        made = dns.tsig.Key(key.name, key.secret, dns.name.from_text(key.algorithm))
        update.use_tsig(made)
    elif key is not None:
        _add_sig0(update, key, clock())
    answer = over_tcp(update, server)
    if answer.rcode() == dns.rcode.NXRRSET:
        raise ExchangeError("answers NXRRSET: the zone is not delegated there")
    if answer.rcode() != dns.rcode.NOERROR:
        said = dns.rcode.to_text(answer.rcode())
        if isinstance(key, Sig0Key) and answer.rcode() in _NOT_BELIEVED:
            said += f": {_why_refused(key, server)}"
        raise ExchangeError(f"answers {said}")
    if isinstance(key, TransferKey) and not answer.had_tsig:
        raise ExchangeError("answers without the TSIG that it was asked with")


def _add_sig0(message: dns.message.Message, key: Sig0Key, now: datetime) -> None:
    """Sign `message` as it is, with a SIG as its last record, of owner root and class ANY (RFC 2931 §3)."""
    octets = sig_rdata(message.to_wire(), key, now)
    rdata = dns.rdata.GenericRdata(dns.rdataclass.ANY, dns.rdatatype.SIG, octets)
    message.additional.append(dns.rrset.from_rdata(dns.name.root, 0, rdata))


def _why_refused(key: Sig0Key, server: Endpoint) -> str:
    """Say what may be wrong with a SIG(0): servers answer alike to all of it, and log the reason."""
    public, name = key.public, to_text(key.public.zone)
    named = f"KEY {public.tag} of {name}"
    rest = (
        f"its policy does not let that key change this DS, its clock is more than {WINDOW // 60} minutes "
        "off, or it checks no SIG(0) (BIND 9.18 does not, since 9.18.28); its log says which"
    )
    try:
        answer = exchange(dns.message.make_query(_name(public.zone), dns.rdatatype.KEY), server)
    except ExchangeError:
        return f"it may not have {named}; or {rest}"
    if any(each.to_wire() == public.rdata for rrset in answer.answer for each in rrset):
        return f"{named} is there; {rest}"
    if answer.flags & dns.flags.AA:
        return f"it does not have {named}: give its operator what `dnsctl key export {name} --sig0` prints"
    return f"it may not have {named}; or {rest}"


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
