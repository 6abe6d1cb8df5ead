"""Look at the parent of a zone: every server of it is asked for DS, NS and glue, with their TTLs.

A server that is not authoritative for the parent says nothing about the DS (RFC 4035 §3.1.4.1): one that
refers elsewhere, answers from the child, or without authority, has no usable answer. Where an address cannot
be reached from this host because it has no such route (IPv6, mostly), and another address of the same server
answers, that one counts alone.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import Final, NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from dnsctl.model.fleet import Endpoint
from dnsctl.model.name import Name
from dnsctl.model.observation import ParentView
from dnsctl.parent.exchange import NO_WAY, SILENT, UDP_PAYLOAD, ExchangeError, exchange
from dnsctl.parent.patience import Patience
from dnsctl.parent.servers import MAX_NAMES, Server, address_of
from dnsctl.parent.view import DelegationView

WORKERS = 16  # questions under way
AHEAD = 256  # zones whose looks are queued: enough for all workers, whatever the number of zones
GIVEN_UP = 3  # questions in a row without an answer
SLOW = 2.0  # seconds for a look at one server, which takes milliseconds
TOO_SLOW = 10.0  # seconds of slow looks at one server
MAX_DS = 64  # records: more are not a DS RRset that anybody meant
DS_LENGTHS = range(5, 513)  # octets of one; SHA-384 makes 52
MAX_DS_OCTETS = 4096  # of all of a zone
MAX_GLUE = 128  # addresses of all name servers of a zone
MAX_NAMES_TEXT = 8192  # characters of the names of all of them
_NOT_AGAIN = "was not asked again"
_GAVE_UP = f"{_NOT_AGAIN}: it answered none of "
# A look that brought nothing back is told by a reason that begins with one of these, at a node of any version
SILENCES: Final = (SILENT, _GAVE_UP, *(os.strerror(each) for each in NO_WAY))


class Look(NamedTuple):
    """What one server says of one zone.

    `is_silent`: it did not answer; `no_route`: this host cannot reach it.
    """

    server: Server
    ds: ParentView
    delegation: DelegationView
    is_silent: bool = False
    no_route: bool = False


class _UnusableError(Exception):
    """An answer that says nothing about the parent's side, and why."""


def look_at_all(
    asked: Iterable[tuple[Name, Sequence[Server]]], now: datetime, patience: Patience | None = None
) -> Iterator[tuple[Name, list[Look]]]:
    """Ask, for each zone, all of the servers given with it; yield zones in their order.

    Each look ends in seconds. A server that answered none of `GIVEN_UP` questions in a row, or drew out its
    answers for `TOO_SLOW`, is not asked for more zones: it would hold up all of them. Once `patience` is
    over, no question begins, and a zone that was not asked about at all of its servers is not yielded.
    """
    silences: dict[Endpoint, int] = {}
    drawn_out: dict[Endpoint, float] = {}

    def once(server: Server, zone: Name) -> Look | None:
        if patience is not None and patience.is_over:
            return None
        if silences.get(server.endpoint, 0) >= GIVEN_UP:
            return _unknown(server, now, f"{_GAVE_UP}{GIVEN_UP} questions", is_silent=True)
        if drawn_out.get(server.endpoint, 0.0) >= TOO_SLOW:
            return _unknown(server, now, f"{_NOT_AGAIN}: it answers too slowly", is_silent=True)
        began = time.monotonic()
        found = look(server, zone, now)
        took = time.monotonic() - began
        if took > SLOW and not found.is_silent:
            drawn_out[server.endpoint] = drawn_out.get(server.endpoint, 0.0) + took
        silences[server.endpoint] = silences.get(server.endpoint, 0) + 1 if found.is_silent else 0
        return found

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="parent") as pool:
        queued = ((zone, [pool.submit(once, server, zone) for server in servers]) for zone, servers in asked)
        under_way = deque(islice(queued, AHEAD))
        while under_way:
            zone, looks = under_way.popleft()  # what was yielded takes no more memory here
            under_way.extend(islice(queued, 1))
            told = [each.result() for each in looks]
            found = [each for each in told if each is not None]
            if len(found) == len(told):
                yield zone, _reachable(found)


def look(server: Server, zone: Name, now: datetime) -> Look:
    """Ask one server. Never raises for what it does: the looks at all others would end with it."""
    try:
        return _look(server, zone, now)
    except Exception as error:  # noqa: BLE001 - whatever a stranger's octets bring about
        return _unknown(
            server, now, f"cannot be understood: {type(error).__name__}: {error}", is_silent=False
        )


def _look(server: Server, zone: Name, now: datetime) -> Look:
    name = dns.name.from_wire(zone, 0)[0]
    is_silent = no_route = False
    try:
        rdatas, ttl = _ds_of(_asked(server, name, dns.rdatatype.DS), name)
        ds = ParentView(str(server), server.site, now, rdatas, ttl)
    except (ExchangeError, _UnusableError) as error:
        is_silent = isinstance(error, ExchangeError)
        no_route = isinstance(error, ExchangeError) and error.no_route
        ds = ParentView(str(server), server.site, now, None, 0, str(error))
    if ds.ds is not None:
        try:
            delegation = _delegation_of(_asked(server, name, dns.rdatatype.NS), name, str(server))
        except (ExchangeError, _UnusableError) as error:
            delegation = DelegationView(str(server), None, fault=str(error))
    else:
        delegation = DelegationView(str(server), None, fault=ds.fault)
    return Look(server, ds, delegation, is_silent, no_route)


def _unknown(server: Server, now: datetime, fault: str, *, is_silent: bool) -> Look:
    view = ParentView(str(server), server.site, now, None, 0, fault)
    return Look(server, view, DelegationView(str(server), None, fault=fault), is_silent)


def _reachable(looks: list[Look]) -> list[Look]:
    """Return `looks` without those at addresses that this host has no way to, of servers that answered."""
    answered = {each.server.name for each in looks if each.ds.ds is not None and each.server.name}
    return [each for each in looks if not (each.no_route and each.server.name in answered)]


def _asked(server: Server, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, use_edns=0, want_dnssec=True, payload=UDP_PAYLOAD)
    query.flags &= ~dns.flags.RD
    answer = exchange(query, server.endpoint)
    if answer.rcode() == dns.rcode.FORMERR:  # does not know EDNS (RFC 6891 §7)
        query = dns.message.make_query(name, rdtype)
        query.flags &= ~dns.flags.RD
        answer = exchange(query, server.endpoint)
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise _UnusableError(f"answers {dns.rcode.to_text(answer.rcode())}")
    for section in (answer.answer, answer.authority, answer.additional):
        section[:] = [each for each in section if each.rdclass == dns.rdataclass.IN]
    return answer


def _ds_of(answer: dns.message.Message, name: dns.name.Name) -> tuple[tuple[bytes, ...], int]:
    """Return the DS rdatas and their TTL; of a denial, how long that may be cached (RFC 2308 §5)."""
    if not answer.flags & dns.flags.AA:
        referred = next((each.name for each in answer.authority if each.rdtype == dns.rdatatype.NS), None)
        where = f" and refers to {referred}" if referred is not None else ""
        raise _UnusableError(f"answers without authority{where}: it does not serve the parent")
    found = _rrset(answer.answer, name, dns.rdatatype.DS)
    if found is not None:
        if answer.rcode() != dns.rcode.NOERROR:
            raise _UnusableError("answers NXDOMAIN, with a DS")
        if len(found) > MAX_DS:
            raise _UnusableError(f"answers with {len(found)} DS records")
        rdatas = tuple(sorted(each.to_digestable() for each in found))
        odd = next((each for each in rdatas if len(each) not in DS_LENGTHS), None)
        if odd is not None or sum(map(len, rdatas)) > MAX_DS_OCTETS:
            raise _UnusableError(f"answers with DS of {len(odd or b''.join(rdatas))} octets")
        return rdatas, found.ttl
    if any(each.rdtype not in (dns.rdatatype.RRSIG,) for each in answer.answer):
        raise _UnusableError("answers with something else than a DS")
    soa = next((each for each in answer.authority if each.rdtype == dns.rdatatype.SOA), None)
    if soa is None:
        raise _UnusableError("denies the DS without a SOA record")
    if not name.is_subdomain(soa.name) or soa.name == name:
        raise _UnusableError(f"denies the DS as {soa.name}, which is not the parent")
    return (), min(soa.ttl, soa[0].minimum)


def _delegation_of(answer: dns.message.Message, name: dns.name.Name, server: str) -> DelegationView:
    if answer.rcode() == dns.rcode.NXDOMAIN:
        raise _UnusableError("says that the zone does not exist: it is not delegated")
    if answer.flags & dns.flags.AA and _rrset(answer.answer, name, dns.rdatatype.NS) is not None:
        return DelegationView(server, None)  # it serves the zone as well
    ns = _rrset(answer.authority, name, dns.rdatatype.NS)
    if ns is None:
        raise _UnusableError("does not delegate the zone")
    if len(ns) > MAX_NAMES:
        raise _UnusableError(f"delegates the zone to {len(ns)} name servers")
    targets = {each.target for each in ns}
    if sum(len(_text(each)) for each in targets) > MAX_NAMES_TEXT:
        raise _UnusableError("delegates the zone to name servers with absurdly long names")
    glue: dict[str, set[str]] = {}
    ttl = 0
    for each in answer.additional:
        if each.name in targets and each.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            glue.setdefault(_text(each.name), set()).update(map(address_of, each))
            ttl = max(ttl, each.ttl)
    if sum(map(len, glue.values())) > MAX_GLUE:
        raise _UnusableError(f"gives more than {MAX_GLUE} addresses of the zone's name servers")
    return DelegationView(
        server,
        tuple(sorted(map(_text, targets))),
        ns.ttl,
        {owner: tuple(sorted(addresses)) for owner, addresses in sorted(glue.items())},
        ttl,
    )


def _rrset(
    section: Iterable[dns.rrset.RRset], name: dns.name.Name, rdtype: dns.rdatatype.RdataType
) -> dns.rrset.RRset | None:
    return next((each for each in section if each.name == name and each.rdtype == rdtype), None)


def _text(name: dns.name.Name) -> str:
    return name.canonicalize().to_text()
