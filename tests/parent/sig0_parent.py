"""A parent that takes an update if Net::DNS::SEC finds its SIG(0) valid. It says what BIND says otherwise."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import dns.message
import dns.opcode
import dns.rdatatype
import dns.update

from dnsctl.model.fleet import Endpoint
from dnsctl.model.name import to_text
from dnsctl.sign.sig0 import Sig0Key
from dnsctl.sign.sig0_keys import key_record
from tests.parent.scripted import answer, serving
from tests.sign.sig0_verifier import need_verifier, verdict

SERVFAIL = 2


@dataclass
class Sig0Parent:
    """`known`: the key whose KEY record it has. `updates`: whole messages; `ds`: what it has now, as text."""

    origin: str
    child: str
    known: Sig0Key
    endpoint: Endpoint = field(init=False)
    updates: list[bytes] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    ds: list[str] = field(default_factory=list)

    def reply(self, query: bytes, _tcp: bool) -> list[bytes]:
        message = dns.message.from_wire(bare(query), ignore_trailing=True)
        if message.opcode() == dns.opcode.UPDATE:
            assert isinstance(message, dns.update.UpdateMessage)
            return [self._updated(query, message)]
        question = message.question[0]
        name, rdtype = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        soa = f"{self.origin} 60 SOA ns.{self.origin} hostmaster.{self.origin} 1 7200 1800 1209600 300"
        found = {
            (self.origin, "SOA"): [soa],
            (self.origin, "NS"): [f"{self.origin} 60 NS ns.{self.origin}"],
            (self.child, "DS"): self.ds,
            (to_text(self.known.public.zone), "KEY"): [key_record(self.known.public).replace(" IN ", " 60 ")],
        }.get((name, rdtype), [])
        if name == self.child and rdtype == "NS":
            return [answer(query, aa=False, sections=([], [f"{self.child} 60 NS ns1.{self.child}"]))]
        return [answer(query, sections=(found, [] if found else [soa]))]

    def _updated(self, query: bytes, message: dns.update.UpdateMessage) -> bytes:
        self.updates.append(query)
        self.verdicts.append(verdict(query, self.known))
        if self.verdicts[-1] != "valid":
            return answer(bare(query), aa=False, rcode=SERVFAIL)
        added = [each for each in message.update if each.rdtype == dns.rdatatype.DS and len(each)]
        self.ds[:] = [line for each in added for line in each.to_text().replace(" IN ", " ").splitlines()]
        return answer(bare(query), aa=False)


def bare(query: bytes) -> bytes:
    """Return a query that says that it has no additional records: what is behind it is not read."""
    return query[:10] + b"\0\0" + query[12:]


@contextlib.contextmanager
def sig0_parent(origin: str, child: str, known: Sig0Key) -> Iterator[Sig0Parent]:
    """Serve the zone `origin` until the block ends."""
    need_verifier()
    made = Sig0Parent(origin, child, known)
    with serving(made.reply) as server:
        made.endpoint = server.endpoint
        yield made
