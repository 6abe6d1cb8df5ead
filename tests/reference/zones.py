"""A zone as the reference sees it: dnspython's names and rdata in plain dictionaries, nothing prepared."""

import base64
from dataclasses import dataclass, field

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from dnsctl.model.zone import SignedZone

Record = tuple[dns.name.Name, int, int, bytes]  # owner, TTL, type, rdata in canonical form
_BASE32HEX = bytes.maketrans(b"0123456789ABCDEFGHIJKLMNOPQRSTUV", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


@dataclass(frozen=True)
class RRset:
    """Records of one owner and type, with the RRSIGs that cover them."""

    owner: dns.name.Name
    rdtype: int
    ttl: int
    rdatas: tuple[dns.rdata.Rdata, ...]
    signatures: tuple[dns.rdata.Rdata, ...]

    def records(self, owner=None, ttl=None, *, plain=True, signed=False):
        """Return its records, with another owner (a wildcard's) or TTL (a denial's SOA) where given."""
        owner = self.owner if owner is None else owner
        ttl = self.ttl if ttl is None else ttl
        found = [(owner, ttl, self.rdtype, rdata.to_digestable()) for rdata in self.rdatas] if plain else []
        if signed:
            found += [(owner, ttl, 46, rdata.to_digestable()) for rdata in self.signatures]
        return found


@dataclass(frozen=True)
class Zone:
    """`nodes`: owner -> type -> RRset. `hashes`: NSEC3 hash -> its RRset."""

    origin: dns.name.Name
    nodes: dict[dns.name.Name, dict[int, RRset]]
    signed: bool
    hashes: dict[bytes, RRset] = field(default_factory=dict)
    salt: bytes = b""
    iterations: int = 0

    def exists(self, name):
        """True for an owner and for an empty non-terminal (RFC 4592 §2.2.2)."""
        return any(owner.is_subdomain(name) for owner in self.nodes)

    def node(self, name):
        return self.nodes.get(name, {})

    def closest_encloser(self, name):
        """Return the longest existing ancestor of a name that does not exist (RFC 4592 §3.3.1)."""
        while not self.exists(name):
            name = name.parent()
        return name

    def path(self, name):
        """Return the names from the apex down to `name`, both included."""
        found = [name]
        while found[0] != self.origin:
            found.insert(0, found[0].parent())
        return found

    def hash_of(self, name):
        """Return the NSEC3 hash of `name` (RFC 5155 §5)."""
        text = dns.dnssec.nsec3_hash(name, self.salt, self.iterations, 1)
        return base64.b32decode(text.encode().translate(_BASE32HEX))


def name_of(wire):
    return dns.name.from_wire(wire, 0)[0]


def rdata_of(rdtype, wire):
    kind = dns.rdatatype.RdataType.make(rdtype)
    return dns.rdata.from_wire(dns.rdataclass.IN, kind, wire, 0, len(wire))


def _rrset(one):
    return RRset(
        name_of(one.owner),
        int(one.rdtype),
        one.ttl,
        tuple(rdata_of(one.rdtype, rdata) for rdata in one.rdatas),
        tuple(rdata_of(46, rdata) for rdata in one.signatures),
    )


def zone_of(zone: SignedZone) -> Zone:
    """Return a signed zone, or one that is served unsigned, for the reference."""
    nodes: dict[dns.name.Name, dict[int, RRset]] = {}
    for one in zone.rrsets():
        nodes.setdefault(name_of(one.owner), {})[int(one.rdtype)] = _rrset(one)
    return Zone(
        name_of(zone.origin),
        nodes,
        zone.signed,
        {digest: _rrset(one) for digest, one in zone.nsec3_nodes.items()},
        zone.nsec3.salt if zone.nsec3 else b"",
        zone.nsec3.iterations if zone.nsec3 else 0,
    )
