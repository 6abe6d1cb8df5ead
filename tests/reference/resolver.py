"""The reference: what the RFCs say the answer to a question is, as slow and as obvious as it can be.

`reply` goes by RFC 1034 §4.3.2, and says at each step which later RFC changed it. Sections are lists of
records in no order. ANY and RRSIG may be answered with any one RRset (RFC 8482 §4.1): `choices` lists them.
"""

from dataclasses import dataclass, field
from typing import Any

import dns.name
import dns.rcode
from dns.rdatatype import AAAA, ANY, CNAME, DNAME, DS, NS, RRSIG, SOA, A

from tests.reference.denial import NoProof, Nsec3Proof, NsecProof
from tests.reference.zones import Record, Zone

STAR = dns.name.Name([b"*"])
MAX_FOLLOWED = 16  # aliases: ours to choose, as no RFC says how many


@dataclass
class Reply:
    """RCODE, AA and sections; `kinds`: what was found on the way, in order."""

    rcode: int = dns.rcode.NOERROR
    aa: bool = True
    answer: list[Record] = field(default_factory=list)
    choices: list[list[Record]] = field(default_factory=list)
    authority: list[Record] = field(default_factory=list)
    additional: list[Record] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    places: list[dns.name.Name] = field(default_factory=list)  # of aliases


def zone_for(zones, qname, qtype):
    """Return the zone that answers: the nearest ancestor (RFC 1034 §4.3.2 step 2), for DS of an apex the
    parent where it is served too (RFC 4035 §3.1.4.1)."""
    holding = sorted(
        (zone for zone in zones if qname.is_subdomain(zone.origin)), key=lambda zone: len(zone.origin.labels)
    )
    if qtype == DS and len(holding) > 1 and holding[-1].origin == qname:
        return holding[-2]
    return holding[-1] if holding else None


def reply(zones, qname, qtype, do):
    """Return the reply of a server that is authoritative for `zones`."""
    zone = zone_for(zones, qname, qtype)
    if zone is None:
        return Reply(rcode=dns.rcode.REFUSED, aa=False, kinds=["refused"])
    return _Way(zone, qtype, do).go(qname)


class _Way:
    """From the question's name over aliases to the end."""

    def __init__(self, zone: Zone, qtype, do):
        self.zone = zone
        self.qtype = qtype
        self.do = do
        self.reply = Reply()
        if not (do and zone.signed):
            self.proof = NoProof()
        else:
            self.proof = Nsec3Proof(zone) if zone.hashes else NsecProof(zone)

    def go(self, qname):
        seen: list[Any] = []
        name = qname
        while name is not None:
            if name in seen or len(seen) > MAX_FOLLOWED:
                self.reply.kinds.append("loop")
                break
            if not name.is_subdomain(self.zone.origin):
                self.reply.kinds.append("outside")
                break
            seen.append(name)
            name = self.step(name)
        self.reply.authority += self.proof.records()
        self.reply.authority = list(dict.fromkeys(self.reply.authority))
        self.reply.answer = list(dict.fromkeys(self.reply.answer))
        return self.reply

    def step(self, name):
        """Match down from the apex, label by label (RFC 1034 §4.3.2 step 3); return where an alias leads."""
        for above in self.zone.path(name):
            node = self.zone.node(above)
            is_cut = NS in node and above != self.zone.origin
            if is_cut and not (above == name and self.qtype == DS):
                return self.referral(above)  # step 3b
            if DNAME in node and above != name:
                return self.redirect(name, above)  # RFC 6672 §3.2
        if self.zone.exists(name):
            return self.found(name, name)  # step 3a
        source = STAR + self.zone.closest_encloser(name) if self.fits_wildcard(name) else None
        if source is not None and self.zone.exists(source):
            return self.found(name, source)  # step 3c as RFC 4592 §3.3.1 has it
        self.reply.kinds.append("name error")
        self.reply.rcode = dns.rcode.NXDOMAIN  # of the last name of the chain (RFC 6604 §3)
        self.soa()
        self.proof.name_error(name)
        return None

    def fits_wildcard(self, name):
        return sum(len(label) + 1 for label in self.zone.closest_encloser(name).labels) + 2 <= 255

    def found(self, name, source):
        """Answer for a name that exists or that the wildcard `source` stands for."""
        node = self.zone.node(source)
        expanded = name != source
        if self.qtype in (ANY, RRSIG):
            signatures_only = self.qtype == RRSIG
            self.reply.choices = [
                one.records(name, plain=not signatures_only, signed=self.do or signatures_only)
                for one in node.values()
                if one.signatures or not signatures_only
            ]
            if self.reply.choices:
                return self.answered(name, source, expanded)
        elif self.qtype in node:
            self.reply.answer += node[self.qtype].records(name, signed=self.do)
            return self.answered(name, source, expanded)
        if CNAME in node:
            self.reply.answer += node[CNAME].records(name, signed=self.do)
            self.reply.kinds.append("alias")
            self.reply.places.append(source)
            if expanded:
                self.proof.wildcard_answer(name, source)
            return node[CNAME].rdatas[0].target
        self.reply.kinds.append("wildcard no data" if expanded else "no data")
        self.soa()
        if expanded:
            self.proof.wildcard_no_data(name, source)
        else:
            self.proof.no_data(name)
        return None

    def answered(self, name, source, expanded):
        self.reply.kinds.append("wildcard" if expanded else "answer")
        if expanded:
            self.proof.wildcard_answer(name, source)

    def referral(self, cut):
        """NS, DS or the proof that there is none (RFC 4035 §3.1.4), all glue that we know (RFC 9471 §3)."""
        self.reply.kinds.append("referral")
        self.reply.aa = bool(self.reply.answer)
        node = self.zone.node(cut)
        self.reply.authority += node[NS].records()
        if DS in node:
            if self.do and self.zone.signed:
                self.reply.authority += node[DS].records(signed=True)
        else:
            self.proof.no_ds(cut)
        for rdata in node[NS].rdatas:
            for rdtype in (A, AAAA):
                if rdtype in self.zone.node(rdata.target):
                    one = self.zone.node(rdata.target)[rdtype]
                    self.reply.additional += one.records(signed=self.do)

    def redirect(self, name, above):
        """Place the DNAME and the CNAME made from it, or YXDOMAIN (RFC 6672 §2.2, §3.1)."""
        one = self.zone.node(above)[DNAME]
        self.reply.kinds.append("dname")
        self.reply.places.append(above)
        self.reply.answer += one.records(signed=self.do)
        try:
            target = name.relativize(above).concatenate(one.rdatas[0].target)
        except dns.name.NameTooLong:
            self.reply.rcode = dns.rcode.YXDOMAIN
            return None
        self.reply.answer.append((name, one.ttl, CNAME, target.to_digestable()))
        return None if self.qtype in (CNAME, ANY) else target

    def soa(self):
        """Place the SOA with the TTL of negative answers: the lesser of its own and MINIMUM (RFC 2308 §3)."""
        one = self.zone.node(self.zone.origin)[SOA]
        ttl = min(one.ttl, one.rdatas[0].minimum)
        self.reply.authority += one.records(ttl=ttl, signed=self.do)
