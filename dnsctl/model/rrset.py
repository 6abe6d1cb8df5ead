"""RRsets (RFC 2181 §5, RFC 9499) in wire form, with owner and type, and type codes the project must know.

`rdatas` are in canonical form (RFC 4034 §6.2 as amended by RFC 6840 §5.1: uncompressed, names lower-cased in
the types it lists), sorted as octet strings and without duplicates, so that two equal RRsets are equal tuples
and signing needs no further work. `signatures` are RRSIG rdatas that cover it.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import NamedTuple

import dns.rdata
import dns.rdataclass
import dns.rdatatype

from dnsctl.errors import NameSyntaxError
from dnsctl.model.canonical import names_alone
from dnsctl.model.finding import Position
from dnsctl.model.name import Name, to_text

MAX_TTL = 2**31 - 1  # seconds, RFC 2181 §8
CLASS_IN = 1  # RFC 1035 §3.2.4: the class of all data


class Type(IntEnum):
    """Types whose meaning shapes a zone or an answer; all others are data. Compare with plain ints."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    MX = 15
    TXT = 16
    AAAA = 28
    SRV = 33
    NAPTR = 35
    DNAME = 39
    OPT = 41
    DS = 43
    RRSIG = 46
    NSEC = 47
    DNSKEY = 48
    NSEC3 = 50
    NSEC3PARAM = 51
    CDS = 59
    CDNSKEY = 60
    ZONEMD = 63
    SVCB = 64
    HTTPS = 65
    IXFR = 251
    AXFR = 252
    ANY = 255


MADE_BY_SIGNING = frozenset((Type.RRSIG, Type.NSEC, Type.NSEC3, Type.NSEC3PARAM))
KEY_TYPES = frozenset((Type.DNSKEY, Type.CDS, Type.CDNSKEY))  # at the apex: of the keys, and signed by KSKs
MADE_AT_APEX = MADE_BY_SIGNING | KEY_TYPES | {Type.ZONEMD}  # all that signing may make there

# Octets before the names, and how many names follow, in rdata that may be compressed (RFC 3597 §4)
COMPRESSIBLE = {
    int(Type.NS): (0, 1),
    int(Type.CNAME): (0, 1),
    int(Type.SOA): (0, 2),
    int(Type.PTR): (0, 1),
    int(Type.MX): (2, 1),
}


class RRset(NamedTuple):
    """One RRset: `owner`, `rdtype` (a type code), `ttl` in seconds, canonical `rdatas`, RRSIG rdatas."""

    owner: Name
    rdtype: int
    ttl: int
    rdatas: tuple[bytes, ...]
    position: Position | None = None
    signatures: tuple[bytes, ...] = ()


def rrset(
    owner: Name,
    rdtype: int,
    ttl: int,
    rdatas: tuple[bytes, ...] | list[bytes] | set[bytes],
    position: Position | None = None,
    signatures: tuple[bytes, ...] = (),
) -> RRset:
    """Return an RRset with `rdatas` sorted and without duplicates (RFC 4034 §6.3, RFC 2181 §5)."""
    return RRset(owner, rdtype, ttl, tuple(sorted(set(rdatas))), position, signatures)


def before_signing(node: tuple[RRset, ...]) -> tuple[RRset, ...]:
    """Return the RRsets of a node that signing did not make, without signatures."""
    return tuple(one._replace(signatures=()) for one in node if one.rdtype not in MADE_BY_SIGNING)


@cache
def type_text(rdtype: int) -> str:
    """Return the mnemonic, or TYPE65400 for an unknown type (RFC 3597 §5)."""
    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))


def rdata_text(rdtype: int, rdata: bytes) -> str:
    """Return presentation form with absolute names (for people, exports and comparison)."""
    try:
        if names := names_alone(rdtype, rdata):
            return " ".join(map(to_text, names))
    except NameSyntaxError:
        pass  # as octets, below
    decoded = dns.rdata.from_wire(
        dns.rdataclass.IN, dns.rdatatype.RdataType.make(rdtype), rdata, 0, len(rdata)
    )
    return decoded.to_text()
