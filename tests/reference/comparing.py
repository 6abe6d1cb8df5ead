"""Our answer beside the reference's, section by section, and UDP beside streams."""

import dns.flags
import dns.message
import dns.rcode
from dns.rdatatype import CNAME, DS, NS, NSEC, NSEC3

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.model.message_size import MAX_UDP_PAYLOAD, MIN_UDP_PAYLOAD
from dnsctl.model.name import from_wire
from dnsctl.serve.respond import Responder
from dnsctl.verify.decoders import Record
from dnsctl.verify.denial import Claim, proof_of
from tests.reference import resolver, zones
from tests.serve.paths import Paths


class Served:
    """The zones that an image holds now, and the reference's view of them."""

    def __init__(self, image):
        self._image = image
        self.reader = image.reader()
        self.responder = Responder()
        self.paths = Paths(self.reader, self.responder)
        self.zones = []

    def close(self):
        self.reader.close()

    def serve(self, signed):
        """Let the image hold `signed`, and nothing else."""
        with self._image.writer() as writer:
            kept = {one.origin for one in signed}
            gone = [origin for origin in writer.apexes() if origin not in kept]
            writer.apply(list(difference(writer, [compile_zone(one) for one in signed], gone)))
        self.reader.renew()
        self.zones = [zones.zone_of(one) for one in signed]

    def ask(self, query, *, stream=True):
        if stream:
            return self.responder.respond(self.reader, query.to_wire(), stream=True).wire
        return self.paths.same(query.to_wire())

    def reference(self, query):
        asked = query.question[0]
        return resolver.reply(self.zones, asked.name, asked.rdtype, bool(query.ednsflags & dns.flags.DO))


def records(section):
    """Return the records of a section as the reference writes them."""
    return [
        (rrset.name, rrset.ttl, int(rrset.rdtype), rdata.to_digestable())
        for rrset in section
        for rdata in rrset
    ]


def parsed(wire):
    """Return the message, each record as often as it is in there."""
    return dns.message.from_wire(wire, one_rr_per_rrset=True)


def faults(message, reply):
    """Yield what the message has that the reference does not demand, or lacks."""
    if message.rcode() != reply.rcode:
        yield f"rcode {dns.rcode.to_text(message.rcode())}, not {dns.rcode.to_text(reply.rcode)}"
    if bool(message.flags & dns.flags.AA) != reply.aa:
        yield f"AA is {not reply.aa}"
    wanted = [sorted(reply.answer + choice) for choice in reply.choices or [[]]]
    if (answer := sorted(records(message.answer))) not in wanted:
        yield f"answer {shown(answer)}, not {shown(wanted[0])}"
    for section in ("authority", "additional"):
        found, demanded = sorted(records(getattr(message, section))), sorted(getattr(reply, section))
        if found != demanded:
            extra = [one for one in found if one not in demanded] or "nothing"
            missing = [one for one in demanded if one not in found] or "nothing"
            yield f"{section}: too much {shown(extra)}, too little {shown(missing)}"


def shown(found):
    if isinstance(found, str):
        return found
    return [
        f"{name} {ttl} {dns.rdatatype.to_text(kind)} {rdata.hex()[:60]}" for name, ttl, kind, rdata in found
    ]


CLAIMS = {"name error": Claim.NAME, "no data": Claim.TYPE, "referral": Claim.DS}


def unproven(message, reply, origin, qname, qtype):
    """Return what a validator misses in the proofs of an answer of a signed zone, or nothing."""
    claim = CLAIMS.get(reply.kinds[-1].removeprefix("wildcard "))
    if claim is None or any(one.rdtype == DS for one in message.authority):
        return ""
    for rrset in message.answer:  # the last of the aliases, which lead from one to the next
        if rrset.rdtype == CNAME:
            qname = rrset[0].target
    if claim is Claim.DS:
        qname, qtype = next(one.name for one in message.authority if one.rdtype == NS), DS
    if qname == origin and qtype == DS:
        return ""  # asked of the wrong side, and no proof from here would count (RFC 4035 §5.2)
    proofs = [
        Record(from_wire(rrset.name.to_wire()), int(rrset.rdtype), 1, rrset.ttl, rrset[0].to_digestable())
        for rrset in message.authority
        if rrset.rdtype in (NSEC, NSEC3)
    ]
    return proof_of(from_wire(origin.to_wire()), proofs).check(claim, from_wire(qname.to_wire()), qtype) or ""


def record_ends(wire, count):
    """Return where the question and each of the first `count` records of a response end."""
    ends = []
    at = _name_end(wire, 12) + 4
    for _ in range(count):
        ends.append(at)
        at = _name_end(wire, at)
        at += 10 + int.from_bytes(wire[at + 8 : at + 10])
    return [*ends, at]


def _name_end(wire, at):
    while 0 < wire[at] < 0xC0:
        at += 1 + wire[at]
    return at + (2 if wire[at] else 1)


def needed(whole):
    """Return the octets of a response up to the first record of a referral that is not glue below the cut."""
    message = parsed(whole)
    cuts = [one.name for one in message.authority if one.rdtype == NS]
    ends = record_ends(whole, len(message.answer) + len(message.authority) + len(message.additional))
    first = len(message.answer) + len(message.authority)
    while first < len(ends) - 1:
        name = message.additional[first - len(message.answer) - len(message.authority)].name
        if not any(name.is_subdomain(cut) for cut in cuts):
            break
        first += 1
    return ends[first]


def udp_faults(served, query, whole):
    """Yield where the response over UDP is not `whole`, the part of it that fits and must, or TC alone."""
    wire = served.ask(query, stream=False)
    payload = query.payload if query.edns >= 0 else MIN_UDP_PAYLOAD
    limit = min(max(payload, MIN_UDP_PAYLOAD), MAX_UDP_PAYLOAD)
    if len(wire) > limit:
        yield f"{len(wire)} octets over UDP, where {limit} fit"
    if len(whole) <= limit:
        if wire != whole:
            yield f"over UDP {wire.hex()}, over a stream {whole.hex()}"
        return
    message, least = parsed(wire), needed(whole)
    opt = 11 if query.edns >= 0 else 0
    if least + opt > limit:
        if not message.flags & dns.flags.TC or message.answer or message.authority or message.additional:
            yield "what does not fit over UDP is neither truncated nor empty"
    elif message.flags & dns.flags.TC:
        yield "TC, though all fits that must go along"
    elif len(wire) < least + opt or wire[12 : len(wire) - opt] != whole[12 : len(wire) - opt]:
        yield "over UDP, other records than the first of those over a stream"
    if (message.rcode(), message.edns) != (parsed(whole).rcode(), query.edns):
        yield "truncation changed more than the sections"


def shown_all(found):
    """Return the parts of an answer as text: records, or what is none."""
    return shown(found) if found and isinstance(found[0], tuple) else found
