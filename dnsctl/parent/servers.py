"""Who serves the parent of a zone: found through resolvers, every address of every name server.

What resolvers say is not validated: they tell whom to ask, and every server is asked. What a parent says of
itself, or leaves unanswered, is bounded in number and time, so that it does not hold up the looks at others.
"""

from __future__ import annotations

import ipaddress
import itertools
import math
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
from dnsctl.parent.patience import Patience

DNS_PORT = 53
PATIENCE = 5.0  # seconds for one question to all resolvers
MAX_SERVERS = 128  # addresses; the root has 26
MAX_NAMES = 64  # name servers; the root has 13
FINDING = 30.0  # seconds for the addresses of all name servers of one zone
ALIVE = 2.0  # seconds for the question whether the resolvers answer at all


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


class OutOfTimeError(ParentUnknownError):
    """The patience of this round was over before the parent's servers were found."""

    def __init__(self) -> None:
        super().__init__("no time was left in this round")


class NoResolverError(ParentUnknownError):
    """There is nobody to ask who serves a parent."""

    def __init__(self) -> None:
        super().__init__(
            "no resolver is configured, neither in `resolvers` of dnsctl.yaml nor on this system"
        )


class Resolvers:
    """The resolvers that are asked who serves a zone: those given, or the system's.

    `patience`: for all questions; when it is over, all raise OutOfTimeError.
    """

    def __init__(self, servers: Sequence[Endpoint] = (), patience: Patience | None = None) -> None:
        self._patience = patience or Patience(math.inf)
        try:
            self._stub = dns.resolver.Resolver(configure=not servers)
        except dns.resolver.NoResolverConfiguration:
            self._stub = dns.resolver.Resolver(configure=False)
        if servers:
            self._stub.nameservers = [dns.nameserver.Do53Nameserver(*each) for each in servers]
        self._parents: dict[Name, Parent] = {}  # by the parent zone
        self._faults: dict[Name, str] = {}  # of parent zones whose servers were not found
        self._unanswered: set[tuple[dns.name.Name, dns.rdatatype.RdataType]] = set()
        self._silent = ""

    def parent_of(self, zone: Name) -> Parent:
        """Return the parent of `zone`. Raises ParentUnknownError; at once, where none answered before."""
        if zone == ROOT:
            raise ParentUnknownError("the root has no parent")
        if not self._stub.nameservers:
            raise NoResolverError
        above = next((each for each in ancestors(zone, ROOT) if self._is_apex(each)), None)
        if above is None:
            raise ParentUnknownError("the resolvers know no zone above it")
        if above in self._faults:
            raise ParentUnknownError(self._faults[above])
        if above not in self._parents:
            try:
                self._parents[above] = Parent(above, self._servers(above))
            except OutOfTimeError:
                raise
            except ParentUnknownError as error:
                self._faults[above] = str(error)
                raise
        return self._parents[above]

    def addresses(self, name: Name) -> tuple[Endpoint, ...]:
        """Return the addresses of a host, without a port that means anything."""
        types = (dns.rdatatype.A, dns.rdatatype.AAAA)
        found = (rdata for rdtype in types for rdata in self._ask(_name(name), rdtype) or ())
        return tuple(Endpoint(address_of(each), DNS_PORT) for each in found)

    def records(self, name: Name, rdtype: int) -> tuple[dns.rdata.Rdata, ...]:
        """Return the records of a name; none where there are none, or it does not exist."""
        return tuple(self._ask(_name(name), dns.rdatatype.RdataType.make(rdtype)) or ())

    def _is_apex(self, name: Name) -> bool:
        if name in self._parents or name in self._faults or name == ROOT:
            return True
        answer = self._ask(_name(name), dns.rdatatype.SOA)
        return answer is not None and answer.rrset is not None and answer.canonical_name == _name(name)

    def _servers(self, zone: Name) -> tuple[Server, ...]:
        answer = self._ask(_name(zone), dns.rdatatype.NS)
        names = sorted(each.target for each in answer or ())
        if len(names) > MAX_NAMES:
            raise ParentUnknownError(f"{to_text(zone)} has more than {MAX_NAMES} name servers")
        patience = self._patience.within(FINDING)
        found: list[Server] = []
        for target, rdtype in itertools.product(names, (dns.rdatatype.A, dns.rdatatype.AAAA)):
            if patience.is_over and not self._patience.is_over:
                raise ParentUnknownError(
                    f"the addresses of name servers of {to_text(zone)} took more than {FINDING:g} s to find"
                )
            addresses = self._ask(target, rdtype) or ()
            name = to_text(from_wire(target.to_wire()))
            found += [Server(name, Endpoint(address_of(each), DNS_PORT)) for each in addresses]
        usable = [each for each in found if not ipaddress.ip_address(each.endpoint.address).is_unspecified]
        if not usable:
            raise ParentUnknownError(f"no address of a name server of {to_text(zone)} is found")
        if len(usable) > MAX_SERVERS:
            raise ParentUnknownError(f"{to_text(zone)} has more than {MAX_SERVERS} addresses of name servers")
        return tuple(sorted(set(usable)))

    def _ask(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> dns.resolver.Answer | None:
        if self._silent:
            raise ParentUnknownError(self._silent)
        if self._patience.is_over:
            raise OutOfTimeError
        what = f"{name} {dns.rdatatype.to_text(rdtype)}"
        late = ParentUnknownError(f"the resolvers find no answer to {what} in {PATIENCE:g} s")
        if (name, rdtype) in self._unanswered:
            raise late
        lifetime = min(PATIENCE, self._patience.left)
        try:
            return self._resolved(name, rdtype, lifetime)
        except (dns.resolver.NXDOMAIN, dns.resolver.YXDOMAIN):
            return None
        except dns.resolver.LifetimeTimeout:
            if lifetime < PATIENCE:
                raise OutOfTimeError from None
            if self._are_alive():  # whoever serves that name is silent, which says nothing of others
                self._unanswered.add((name, rdtype))
                raise late from None
            self._silent = f"no resolver answers ({self._names()})"
            raise ParentUnknownError(self._silent) from None
        except (dns.exception.DNSException, OSError, ValueError) as error:
            what = str(error) or type(error).__name__
            raise ParentUnknownError(f"the resolvers ({self._names()}) give no answer: {what}") from None

    def _resolved(
        self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType, lifetime: float
    ) -> dns.resolver.Answer:
        return self._stub.resolve(name, rdtype, raise_on_no_answer=False, lifetime=lifetime, search=False)

    def _are_alive(self) -> bool:
        """True where a resolver answers, whatever it is, a question that all can answer."""
        try:
            self._resolved(dns.name.root, dns.rdatatype.NS, ALIVE)
        except dns.resolver.LifetimeTimeout:
            return False
        except (dns.exception.DNSException, OSError, ValueError):
            return True
        return True

    def _names(self) -> str:
        return ", ".join(str(each) for each in self._stub.nameservers)


def address_of(rdata: dns.rdata.Rdata) -> str:
    """Return the address in an A or AAAA record, written as Python writes it, at every host alike."""
    return str(ipaddress.ip_address(rdata.to_digestable()))


def _name(wire: Name) -> dns.name.Name:
    return dns.name.from_wire(wire, 0)[0]
