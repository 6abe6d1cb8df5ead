"""Who serves the parent of a zone: found through resolvers, every address of every name server.

What resolvers say is not validated: they tell whom to ask, and every server is asked.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import dns.exception
import dns.name
import dns.nameserver
import dns.rdata
import dns.rdatatype
import dns.resolver

from dnsctl.model.fleet import Endpoint
from dnsctl.model.name import ROOT, Name, ancestors, from_wire, to_text

DNS_PORT = 53
PATIENCE = 5.0  # seconds for one question to all resolvers
MAX_SERVERS = 128  # addresses; the root has 26


class Server(NamedTuple):
    """One address of a name server. `site`: of our own nodes only."""

    name: str
    endpoint: Endpoint
    site: str = ""

    def __str__(self) -> str:
        port = "" if self.endpoint.port == DNS_PORT else f" port {self.endpoint.port}"
        address = f"{self.endpoint.address}{port}"
        return f"{self.name} ({address})" if self.name else address


@dataclass(frozen=True)
class Parent:
    """The zone above a zone, and who serves it. `zone` is None where the servers were named by a person."""

    zone: Name | None
    servers: tuple[Server, ...]


class ParentUnknownError(Exception):
    """The parent's servers could not be found, and why."""


class Resolvers:
    """The resolvers that are asked who serves a zone: those given, or the system's."""

    def __init__(self, servers: Sequence[Endpoint] = ()) -> None:
        try:
            self._stub = dns.resolver.Resolver(configure=not servers)
        except dns.resolver.NoResolverConfiguration:
            self._stub = dns.resolver.Resolver(configure=False)
        if servers:
            self._stub.nameservers = [dns.nameserver.Do53Nameserver(*each) for each in servers]
        self._parents: dict[Name, Parent] = {}  # by the parent zone
        self._silent = ""

    def parent_of(self, zone: Name) -> Parent:
        """Return the parent of `zone`. Raises ParentUnknownError; at once, where none answered before."""
        if zone == ROOT:
            raise ParentUnknownError("the root has no parent")
        above = next((each for each in ancestors(zone, ROOT) if self._is_apex(each)), None)
        if above is None:
            raise ParentUnknownError("the resolvers know no zone above it")
        if above not in self._parents:
            self._parents[above] = Parent(above, self._servers(above))
        return self._parents[above]

    def addresses(self, name: Name) -> tuple[Endpoint, ...]:
        """Return the addresses of a host, without a port that means anything."""
        types = (dns.rdatatype.A, dns.rdatatype.AAAA)
        found = (rdata for rdtype in types for rdata in self._ask(_name(name), rdtype) or ())
        return tuple(Endpoint(str(each.address), DNS_PORT) for each in found)

    def records(self, name: Name, rdtype: int) -> tuple[dns.rdata.Rdata, ...]:
        """Return the records of a name; none where there are none, or it does not exist."""
        return tuple(self._ask(_name(name), dns.rdatatype.RdataType.make(rdtype)) or ())

    def _is_apex(self, name: Name) -> bool:
        if name in self._parents or name == ROOT:
            return True
        answer = self._ask(_name(name), dns.rdatatype.SOA)
        return answer is not None and answer.rrset is not None and answer.canonical_name == _name(name)

    def _servers(self, zone: Name) -> tuple[Server, ...]:
        answer = self._ask(_name(zone), dns.rdatatype.NS)
        targets = [each.target for each in answer or ()]
        found = [
            Server(to_text(from_wire(target.to_wire())), Endpoint(str(rdata.address), DNS_PORT))
            for target in sorted(targets)
            for rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA)
            for rdata in self._ask(target, rdtype) or ()
        ]
        usable = [each for each in found if not ipaddress.ip_address(each.endpoint.address).is_unspecified]
        if not usable:
            raise ParentUnknownError(f"no address of a name server of {to_text(zone)} is found")
        if len(usable) > MAX_SERVERS:
            raise ParentUnknownError(f"{to_text(zone)} has more than {MAX_SERVERS} addresses of name servers")
        return tuple(sorted(set(usable)))

    def _ask(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> dns.resolver.Answer | None:
        if self._silent:
            raise ParentUnknownError(self._silent)
        try:
            return self._stub.resolve(name, rdtype, raise_on_no_answer=False, lifetime=PATIENCE, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.YXDOMAIN):
            return None
        except dns.resolver.LifetimeTimeout:
            self._silent = f"no resolver answers ({self._names()})"
            raise ParentUnknownError(self._silent) from None
        except (dns.exception.DNSException, OSError, ValueError) as error:
            what = str(error) or type(error).__name__
            raise ParentUnknownError(f"the resolvers ({self._names()}) give no answer: {what}") from None

    def _names(self) -> str:
        return ", ".join(str(each) for each in self._stub.nameservers) or "none is configured"


def _name(wire: Name) -> dns.name.Name:
    return dns.name.from_wire(wire, 0)[0]
