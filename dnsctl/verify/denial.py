"""Check proofs of denial as a validator does: NSEC (RFC 4035 §5.4, RFC 6840 §4) and NSEC3 (RFC 5155 §8).

Written from the RFCs on dnspython's types, and shares nothing with what made the proofs. The records must
have been validated before: here is only asked whether they prove what the answer claims. Each check returns
None where it is proven, else what is missing.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, cast

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from dnsctl.model.name import Name
from dnsctl.model.rrset import Type
from dnsctl.verify.decoders import Record

if TYPE_CHECKING:
    from dns.rdtypes.ANY.NSEC import NSEC
    from dns.rdtypes.ANY.NSEC3 import NSEC3

_FROM_BASE32HEX = bytes.maketrans(b"0123456789ABCDEFGHIJKLMNOPQRSTUV", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
_OPT_OUT = 0x01  # RFC 5155 §3.1.2.1
_STAR = dns.name.Name([b"*"])


class Claim(Enum):
    """What an answer claims does not exist."""

    NAME = "the name"  # NXDOMAIN
    TYPE = "the type"  # NOERROR without data, wildcards included
    CLOSER = "a closer match than the wildcard"  # an answer made from a wildcard
    DS = "a DS at the cut"  # a referral to an unsigned zone


@dataclass(frozen=True)
class Proof:
    """The denial records of one answer. `origin` is the apex of the zone that they must belong to."""

    origin: dns.name.Name
    nsec: tuple[_Nsec, ...] = ()
    nsec3: tuple[_Nsec3, ...] = ()
    _hashes: dict[dns.name.Name, bytes] = field(default_factory=dict, compare=False, repr=False)

    def check(self, claim: Claim, qname: Name, qtype: int, *, source_labels: int = 0) -> str | None:
        """Return None where `claim` is proven, else what is missing.

        `source_labels` is the RRSIG label count of a wildcard answer (for Claim.CLOSER).
        """
        name = _name(qname)
        if not name.is_subdomain(self.origin):
            return f"{name} is not in {self.origin}"
        if not self.nsec and not self.nsec3:
            return "neither NSEC nor NSEC3 in the answer"
        if self.nsec and self.nsec3:
            return "NSEC and NSEC3 in one answer"
        if self.nsec:
            return _check_nsec(self, claim, name, qtype, source_labels)
        return _check_nsec3(self, claim, name, qtype, source_labels)

    def hash_of(self, name: dns.name.Name) -> bytes:
        """Return the NSEC3 hash of `name` with the parameters of these records (RFC 5155 §5)."""
        if name not in self._hashes:
            first = self.nsec3[0]
            text = dns.dnssec.nsec3_hash(name, first.salt, first.iterations, 1)
            self._hashes[name] = base64.b32decode(text.encode().translate(_FROM_BASE32HEX))
        return self._hashes[name]


@dataclass(frozen=True, slots=True)
class _Nsec:
    owner: dns.name.Name
    next: dns.name.Name
    types: frozenset[int]

    def covers(self, name: dns.name.Name, origin: dns.name.Name) -> bool:
        """True where `name` falls strictly between owner and next; the last one's next is the apex."""
        if self.next == origin:
            return bool(self.owner < name)
        return bool(self.owner < name < self.next)

    def is_above_cut(self, name: dns.name.Name) -> bool:
        """True where this NSEC belongs to a cut or DNAME above `name` and says nothing of what is below.

        RFC 6840 §4.1: such a record must not be used to deny names under it.
        """
        if self.owner == name or not name.is_subdomain(self.owner):
            return False
        return Type.DNAME in self.types or (Type.NS in self.types and Type.SOA not in self.types)


@dataclass(frozen=True, slots=True)
class _Nsec3:
    owner: bytes
    next: bytes
    types: frozenset[int]
    salt: bytes
    iterations: int
    opt_out: bool

    def covers(self, digest: bytes) -> bool:
        if self.owner < self.next:
            return self.owner < digest < self.next
        return digest > self.owner or digest < self.next  # the last one wraps (RFC 5155 §3.1.7)


def proof_of(origin: Name, records: Iterable[Record]) -> Proof:
    """Return the denial records among `records`. Raises ValueError for one that is malformed."""
    apex = _name(origin)
    nsec, nsec3 = [], []
    for one in records:
        if one.rdtype == Type.NSEC:
            nsec.append(_nsec(one))
        elif one.rdtype == Type.NSEC3:
            nsec3.append(_nsec3(one, apex))
    if len({(one.salt, one.iterations) for one in nsec3}) > 1:
        raise ValueError("NSEC3 records of different parameters in one answer (RFC 5155 §8.2)")
    return Proof(apex, tuple(nsec), tuple(nsec3))


def _name(wire: Name) -> dns.name.Name:
    return dns.name.from_wire(wire, 0)[0]


def _rdata(record: Record) -> dns.rdata.Rdata:
    rdtype = dns.rdatatype.RdataType.make(record.rdtype)
    return dns.rdata.from_wire(dns.rdataclass.IN, rdtype, record.rdata, 0, len(record.rdata))


def _types(windows: Iterable[tuple[int, bytes]]) -> frozenset[int]:
    """Return the types in a bitmap (RFC 4034 §4.1.2)."""
    return frozenset(
        window * 256 + at * 8 + bit
        for window, bitmap in windows
        for at, octet in enumerate(bitmap)
        for bit in range(8)
        if octet & (0x80 >> bit)
    )


def _nsec(record: Record) -> _Nsec:
    rdata = cast("NSEC", _rdata(record))
    return _Nsec(_name(record.owner), rdata.next, _types(rdata.windows))


def _nsec3(record: Record, origin: dns.name.Name) -> _Nsec3:
    rdata = cast("NSEC3", _rdata(record))
    owner = _name(record.owner)
    if owner.parent() != origin:
        raise ValueError(f"NSEC3 owner {owner} is not directly below {origin} (RFC 5155 §3)")
    if rdata.algorithm != 1 or rdata.flags & ~_OPT_OUT:
        raise ValueError("NSEC3 of unknown hash algorithm or flags (RFC 5155 §8.1, §8.2)")
    digest = base64.b32decode(owner.labels[0].upper().translate(_FROM_BASE32HEX))
    return _Nsec3(
        digest, rdata.next, _types(rdata.windows), rdata.salt, rdata.iterations, bool(rdata.flags & _OPT_OUT)
    )


def _lacks(types: frozenset[int], qtype: int, *, parent_side: bool) -> str | None:
    """Return None where a record that matches the name proves that `qtype` is not there."""
    if qtype in types:
        return f"the bitmap holds {dns.rdatatype.to_text(dns.rdatatype.RdataType.make(qtype))}"
    if Type.CNAME in types:
        return "the bitmap holds CNAME (RFC 6840 §4.3)"
    if parent_side:
        return "the record is from the child's apex (RFC 4035 §5.2)" if Type.SOA in types else None
    if Type.NS in types and Type.SOA not in types:
        return "the record is from the parent's side of a cut (RFC 6840 §4.1)"
    return None


# ── NSEC ──────────────────────────────────────────────────────────────────────────────────────────────────


def _check_nsec(proof: Proof, claim: Claim, name: dns.name.Name, qtype: int, labels: int) -> str | None:
    if claim is Claim.NAME:
        return _nsec_name_error(proof, name)
    if claim is Claim.CLOSER:
        closer = name.split(labels + 2)[1]  # one label more than the wildcard's parent, and the root
        covering = _nsec_covering(proof, closer)
        if covering is None or covering.next.is_subdomain(closer):
            return f"no NSEC shows that {closer} does not exist"
        return None
    matching = next((one for one in proof.nsec if one.owner == name), None)
    if claim is Claim.DS:
        if matching is None:
            return f"no NSEC at the cut {name}"
        if Type.NS not in matching.types:
            return f"the NSEC at {name} knows no cut there"
        return _lacks(matching.types, Type.DS, parent_side=True)
    if matching is not None:
        return _lacks(matching.types, qtype, parent_side=qtype == Type.DS)
    covering = _nsec_covering(proof, name)
    if covering is None:
        return f"no NSEC matches or covers {name}"
    if covering.next.is_subdomain(name):
        return None  # an empty non-terminal has no types at all
    star = _STAR + _nsec_closest_encloser(covering, name)
    wildcard = next((one for one in proof.nsec if one.owner == star), None)
    if wildcard is None:
        beside = _nsec_covering(proof, star)  # a wildcard can be an empty non-terminal (RFC 4592 §2.2.2)
        is_empty = beside is not None and beside.next.is_subdomain(star)
        return None if is_empty else f"no NSEC matches the wildcard {star}"
    return _lacks(wildcard.types, qtype, parent_side=False)


def _nsec_covering(proof: Proof, name: dns.name.Name) -> _Nsec | None:
    for one in proof.nsec:
        if one.covers(name, proof.origin) and not one.is_above_cut(name):
            return one
    return None


def _nsec_closest_encloser(covering: _Nsec, name: dns.name.Name) -> dns.name.Name:
    """Return the longest ancestor of `name` that an NSEC covering it shows to exist."""
    ancestor = name.parent()
    while not (covering.owner.is_subdomain(ancestor) or covering.next.is_subdomain(ancestor)):
        ancestor = ancestor.parent()
    return ancestor


def _nsec_name_error(proof: Proof, name: dns.name.Name) -> str | None:
    covering = _nsec_covering(proof, name)
    if covering is None:
        return f"no NSEC covers {name}"
    if covering.next.is_subdomain(name):
        return f"{name} is an empty non-terminal: it exists"
    star = _STAR + _nsec_closest_encloser(covering, name)
    beside = _nsec_covering(proof, star)
    if beside is None:
        return f"no NSEC covers the wildcard {star}"
    return f"the wildcard {star} exists" if beside.next.is_subdomain(star) else None


# ── NSEC3 ─────────────────────────────────────────────────────────────────────────────────────────────────


def _check_nsec3(proof: Proof, claim: Claim, name: dns.name.Name, qtype: int, labels: int) -> str | None:
    if claim is Claim.CLOSER:
        closer = name.split(labels + 2)[1]
        return None if _nsec3_covering(proof, closer) else f"no NSEC3 covers the next closer name {closer}"
    matching = _nsec3_matching(proof, name)
    if claim is not Claim.NAME and matching is not None:
        if claim is Claim.DS and Type.NS not in matching.types:
            return f"the NSEC3 of {name} knows no cut there"
        return _lacks(matching.types, qtype, parent_side=qtype == Type.DS)
    if matching is not None:
        return f"an NSEC3 matches {name}: it exists"
    encloser, covering = _nsec3_closest_encloser(proof, name)
    if encloser is None:
        return f"no NSEC3 matches an ancestor of {name}, or none covers the next closer name"
    star = _STAR + encloser
    if qtype == Type.DS and claim is not Claim.NAME:
        if covering is not None and covering.opt_out:
            return None  # RFC 5155 §8.6; it may be the wildcard's own record that covers
        if claim is Claim.DS or not _nsec3_matching(proof, star):
            return "the NSEC3 has no opt-out (RFC 5155 §8.6)"
    if claim is Claim.NAME:
        return None if _nsec3_covering(proof, star) else f"no NSEC3 covers the wildcard {star}"
    wildcard = _nsec3_matching(proof, star)
    if wildcard is None:
        if covering is not None and covering.opt_out:
            return None  # an empty non-terminal above unsigned cuts only need not have an NSEC3 (§7.1)
        return f"no NSEC3 matches the wildcard {star} (RFC 5155 §8.7)"
    return _lacks(wildcard.types, qtype, parent_side=False)


def _nsec3_matching(proof: Proof, name: dns.name.Name) -> _Nsec3 | None:
    digest = proof.hash_of(name)
    return next((one for one in proof.nsec3 if one.owner == digest), None)


def _nsec3_covering(proof: Proof, name: dns.name.Name) -> _Nsec3 | None:
    digest = proof.hash_of(name)
    return next((one for one in proof.nsec3 if one.covers(digest)), None)


def _nsec3_closest_encloser(
    proof: Proof, name: dns.name.Name
) -> tuple[dns.name.Name, _Nsec3] | tuple[None, None]:
    """Return the closest encloser and the record that covers the next closer name (RFC 5155 §8.3)."""
    closer = name
    while closer != proof.origin:
        encloser = closer.parent()
        matching = _nsec3_matching(proof, encloser)
        if matching is not None:
            covering = _nsec3_covering(proof, closer)
            cut = Type.NS in matching.types and Type.SOA not in matching.types
            if covering is None or cut or Type.DNAME in matching.types:
                return None, None
            return encloser, covering
        closer = encloser
    return None, None
