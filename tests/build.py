"""Zones for tests from master-file text, by dnspython alone: no stage under test makes its input."""

import dns.edns
import dns.name
import dns.rdatatype
import dns.zone

from dnsctl.model.finding import Position
from dnsctl.model.name import Name, from_wire
from dnsctl.model.rrset import RRset, Type, rrset
from dnsctl.model.zone import ValidatedZone, Zone, nodes_of

APEX = """\
@ 3600 SOA ns1 hostmaster 1 7200 1800 1209600 300
@ 3600 NS ns1
@ 3600 NS ns2
ns1 3600 A 192.0.2.53
ns2 3600 A 198.51.100.53
"""


def zone(origin: str, text: str, *, apex: bool = True) -> Zone:
    """Parse `text` relative to `origin`, with SOA, NS and their addresses in front unless `apex` is false."""
    parsed = dns.zone.from_text(
        "$TTL 3600\n" + (APEX if apex else "") + text, origin=origin, relativize=False, check_origin=False
    )
    assert parsed.origin is not None
    found: list[RRset] = []
    signatures: dict[tuple[Name, int], list[bytes]] = {}
    for name, rdataset in parsed.iterate_rdatasets():
        owner = from_wire(name.to_wire())
        wires = [rdata.to_digestable(parsed.origin) for rdata in rdataset]
        if rdataset.rdtype == Type.RRSIG:
            signatures.setdefault((owner, int(rdataset.covers)), []).extend(wires)
        else:
            found.append(
                rrset(owner, int(rdataset.rdtype), rdataset.ttl, wires, Position(f"zones/{origin}zone", 1, 1))
            )
    signed = [
        each._replace(signatures=tuple(sorted(signatures.get((each.owner, each.rdtype), ()))))
        for each in found
    ]
    return Zone(from_wire(parsed.origin.to_wire()), nodes_of(signed), f"zones/{origin}zone")


def validated(origin: str, text: str, *, apex: bool = True) -> ValidatedZone:
    """Return `zone` as if validation had passed it: for tests of what comes after."""
    made = zone(origin, text, apex=apex)
    return ValidatedZone(made.origin, made.nodes, made.file)


def edns_option(code: int, data: bytes) -> dns.edns.GenericOption:
    """Return an EDNS option of any code; dnspython's own type is for those it knows."""
    return dns.edns.GenericOption(dns.edns.OptionType.make(code), data)
