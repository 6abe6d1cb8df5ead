"""Zones with every kind of answer, signed in each way, and what asks for them."""

from datetime import UTC, datetime
from pathlib import Path

import dns.flags
import dns.message
import dns.rdatatype

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.model.policy import Policy
from dnsctl.serve.respond import Responder
from dnsctl.sign.signer import sign_zone, unsigned_zone
from tests.build import validated
from tests.serve.paths import Paths
from tests.sign.scenery import keys_for

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TEXT = f"""
@ MX 10 mail
www A 192.0.2.1
www A 192.0.2.2
www AAAA 2001:db8::1
mail A 192.0.2.25
alias CNAME www
chain CNAME alias
dangling CNAME nowhere
outside CNAME www.elsewhere.test.
loop1 CNAME loop2
loop2 CNAME loop1
a.b.empty TXT "below an empty non-terminal"
*.wild TXT "wildcard"
*.walias CNAME www
sub NS ns.sub
sub NS ns.sibling
ns.sub A 192.0.2.2
ns.sub AAAA 2001:db8::2
sub TXT "hidden at the cut"
sibling NS ns.sibling
ns.sibling A 192.0.2.3
secure NS ns.elsewhere.test.
secure DS 4711 13 2 {"ab" * 32}
old DNAME new
www.new A 192.0.2.4
toolong DNAME {".".join(["x" * 60] * 3)}
unknown TYPE65400 \\# 2 abcd
foreign MX 10 mail.foreign.test.
large TXT "{"x" * 250}" "{"y" * 250}" "{"z" * 250}" "{"a" * 250}" "{"b" * 250}"
do\\.t A 192.0.2.5
nul\\000l A 192.0.2.6
"""
# The zone of RFC 4592 §2.2.1
WILD = """
@ 3600 SOA ns.example.com. hostmaster.example.com. 1 7200 1800 1209600 300
@ NS ns.example.com.
@ NS ns.example.net.
* TXT "this is a wildcard"
* MX 10 host1
sub.* TXT "this is not a wildcard"
host1 A 192.0.2.1
_ssh._tcp.host1 SRV 0 0 22 host1
_ssh._tcp.host2 SRV 0 0 22 host1
subdel NS ns.example.com.
subdel NS ns.example.net.
"""
POLICIES = {
    "nsec.test.": Policy(),
    "nsec3.test.": Policy(denial="nsec3"),
    "optout.test.": Policy(denial="nsec3", opt_out=True),
    "plain.test.": None,
}


def fill(directory: Path) -> Image:
    """Return an image with the zones in it."""
    zones = []
    for origin, policy in POLICIES.items():
        unsigned = "child NS ns.elsewhere.test.\nhere.only.unsigned NS ns.elsewhere.test.\n"
        zone = validated(origin, TEXT + unsigned + wide())
        if policy is None:
            zones.append(unsigned_zone(zone, 7))
        else:
            zones.append(sign_zone(zone, keys_for(zone.origin, policy), policy, NOW, 7))
    zones.append(unsigned_zone(validated("child.plain.test.", "www A 192.0.2.9\n"), 8))
    zones.append(unsigned_zone(validated("wildcard.test.", WILD, apex=False), 1))
    image = Image.open(directory, readonly=False)
    with image.writer() as writer:
        writer.apply(difference(writer, [compile_zone(zone) for zone in zones]))
    return image


def wide() -> str:
    """Return a delegation with more glue than fits over UDP."""
    names = [f"name-server-number-{index:02}.wide" for index in range(40)]
    return "".join(f"wide NS {name}\n{name} AAAA 2001:db8::{index:x}\n" for index, name in enumerate(names))


class Server:
    """What answers for the zones; each answer is parsed by dnspython."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.responder = Responder()

    def octets(self, wire: bytes, *, stream: bool = True) -> bytes:
        response = self.responder.respond(self.reader, wire, stream=stream)
        assert response is not None
        assert stream or Paths(self.reader, self.responder).fast(wire) in (None, response.wire)
        return response.wire

    def ask(self, name: str, rdtype: str = "A", *, stream: bool = True, do: bool = False, **options):
        """Ask over a stream, without EDNS unless told; return the message."""
        if do:
            options |= {"want_dnssec": True, "payload": 1232}
        query = dns.message.make_query(name, rdtype, **options)
        message = dns.message.from_wire(self.octets(query.to_wire(), stream=stream))
        assert query.is_response(message)
        return message


def lines(section) -> list[str]:
    """Return a section as `owner TTL type rdata`, in order of text."""
    return sorted(
        f"{rrset.name} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {rdata}"
        for rrset in section
        for rdata in rrset
    )


def types(section) -> list[str]:
    """Return the types in a section, RRSIGs by what they cover, each as often as there are RRsets."""
    return sorted(
        dns.rdatatype.to_text(rrset.rdtype)
        + (f" {dns.rdatatype.to_text(rrset.covers)}" if rrset.rdtype == dns.rdatatype.RRSIG else "")
        for rrset in section
    )


def is_authoritative(message) -> bool:
    return bool(message.flags & dns.flags.AA)
