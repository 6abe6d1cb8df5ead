"""Ask resolvers for the addresses of names, side by side and in bounded time.

Each name is asked for by type, over UDP, and over TCP where an answer is truncated. Aliases that the answer
does not follow itself are followed here. A resolver that fails, refuses or is silent leaves the question to
the next. What is denied must be denied with an SOA: nothing else takes addresses away.
"""

from __future__ import annotations

import ipaddress
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype

from dnsctl.load.settings.config import Config
from dnsctl.model.alias import ADDRESSES
from dnsctl.model.fleet import Endpoint
from dnsctl.model.name import Name, from_wire, to_text
from dnsctl.model.rrset import MAX_TTL
from dnsctl.validate.landscape import MAX_FOLLOWED
from dnsctl.validate.size import MAX_RECORDS

AT_ONCE: Final = 16  # names that are asked for side by side
QUESTION: Final = 2.0  # seconds for one question to one resolver
GIVEN_UP: Final = 8  # questions without any answer, after which a resolver is not asked
PATIENCE: Final = 20.0  # seconds for all names
_ALIVE = 1_000_000  # questions: one that has answered is not given up
_UDP_PAYLOAD: Final = 1232  # DNS Flag Day 2020

Kind = Literal["found", "denied", "failed"]


class Reply(NamedTuple):
    """What resolvers say of one name and type. `ttl`: the least of all that led there, in seconds.

    `denied`: the name or the type does not exist; `fault`: why no addresses came.
    """

    kind: Kind
    path: tuple[Name, ...]
    ttl: int = 0
    rdatas: tuple[bytes, ...] = ()
    validated: bool = False
    fault: str = ""


@dataclass(frozen=True)
class Asked:
    """Who is asked. `trust_ad`: whether a resolver on loopback is believed that it validated.

    Called with names, it returns the replies for each, by type of address; those that time is too short for
    have failed.
    """

    resolvers: Sequence[Endpoint]
    trust_ad: bool = False
    patience: float = PATIENCE

    def __call__(self, names: Iterable[Name]) -> Mapping[Name, Mapping[int, Reply]]:
        end = time.monotonic() + self.patience
        silence = Counter[Endpoint]()
        wanted = [(name, rdtype) for name in sorted(names) for rdtype in ADDRESSES]
        with ThreadPoolExecutor(AT_ONCE, "alias") as pool:
            replies = list(pool.map(lambda each: self._follow(each[0], each[1], end, silence), wanted))
        found: dict[Name, dict[int, Reply]] = {}
        for (name, rdtype), reply in zip(wanted, replies, strict=True):
            found.setdefault(name, {})[rdtype] = reply
        return found

    def _follow(self, name: Name, rdtype: int, end: float, silence: Counter[Endpoint]) -> Reply:
        path: tuple[Name, ...] = (name,)
        ttl, validated = MAX_TTL, True
        while len(path) <= MAX_FOLLOWED:
            step = self._one(path[-1], rdtype, end, silence)
            ttl, validated = min(ttl, step.ttl), validated and step.validated
            path = (*path, *step.path[1:])
            if step.kind != "found" or step.rdatas:
                return step._replace(path=path, ttl=ttl, validated=validated)
            if len(set(path)) < len(path):
                break
        return Reply("failed", path, fault="a loop, or too many aliases")

    def _one(self, name: Name, rdtype: int, end: float, silence: Counter[Endpoint]) -> Reply:
        """Ask for one name, one resolver after the other, until one knows.

        `silence`: how often each resolver was silent so far, without any answer; one is given up then.
        """
        faults: list[str] = []
        for resolver in self.resolvers:
            if silence[resolver] >= GIVEN_UP:
                faults.append(f"{resolver}: no answer in time, {GIVEN_UP} times")
                continue
            timeout = min(QUESTION, end - time.monotonic())
            if timeout <= 0:
                faults.append(f"not asked within {self.patience:g} s")
                break
            try:
                message = _answer(name, rdtype, resolver, timeout)
                silence[resolver] = -_ALIVE
                return _reply(message, name, trusted=self.trust_ad and _is_loopback(resolver))
            except _NoAnswerError as error:
                faults.append(f"{resolver}: {error}")
            except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
                silence[resolver] += 1
                faults.append(f"{resolver}: {_told(error)}")
        return Reply("failed", (name,), fault="; ".join(faults))


def asked_by(config: Config) -> Asked:
    """Return who is asked by the settings of a commit."""
    return Asked(config.alias_resolvers, config.alias.trust_ad)


class _NoAnswerError(Exception):
    """A resolver answered, and neither with addresses nor with a denial."""


def _answer(name: Name, rdtype: int, resolver: Endpoint, timeout: float) -> dns.message.Message:
    query = dns.message.make_query(
        dns.name.from_wire(name, 0)[0],
        dns.rdatatype.RdataType.make(rdtype),
        want_dnssec=True,
        payload=_UDP_PAYLOAD,
    )
    query.flags |= dns.flags.AD
    message, _ = dns.query.udp_with_fallback(
        query, resolver.address, timeout, resolver.port, ignore_unexpected=True, ignore_errors=True
    )
    return message


def _reply(message: dns.message.Message, name: Name, *, trusted: bool) -> Reply:
    """Return what `message` says of `name`; without rdatas, where its last name is to be asked for."""
    rcode = message.rcode()
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise _NoAnswerError(dns.rcode.to_text(rcode))
    if not isinstance(message, dns.message.QueryMessage):
        raise _NoAnswerError("not an answer to a query")
    chain = message.resolve_chaining()
    path = (name, *(from_wire(each[0].target.to_digestable()) for each in chain.cnames))
    validated = trusted and bool(message.flags & dns.flags.AD)
    ttls = [each.ttl for each in chain.cnames]
    if chain.answer is not None:
        rdatas = tuple(sorted({each.to_digestable() for each in chain.answer}))
        if len(rdatas) > MAX_RECORDS:  # others could make our zone one that is refused, here or by BIND
            raise _NoAnswerError(f"{len(rdatas)} addresses, at most {MAX_RECORDS} are taken")
        return Reply("found", path, min(*ttls, chain.answer.ttl, MAX_TTL), rdatas, validated)
    if any(each.rdtype == dns.rdatatype.SOA for each in message.authority):
        last = to_text(path[-1])
        what = f"{last} does not exist" if rcode == dns.rcode.NXDOMAIN else f"{last} has no such record"
        return Reply("denied", path, min(*ttls, chain.minimum_ttl, MAX_TTL), (), validated, what)
    if chain.cnames and rcode == dns.rcode.NOERROR:
        return Reply("found", path, min(ttls), (), validated)
    raise _NoAnswerError("neither an answer nor a denial")


def _is_loopback(resolver: Endpoint) -> bool:
    return ipaddress.ip_address(resolver.address).is_loopback


def _told(error: Exception) -> str:
    if isinstance(error, dns.exception.Timeout):
        return "no answer in time"
    return str(error) or type(error).__name__
