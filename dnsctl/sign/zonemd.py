"""ZONEMD, the digest of a zone in itself (RFC 8976): made in zones signed here, checked in pre-signed ones.

The digest covers all that a transfer has, glue and signatures included, but the ZONEMD RRset and its RRSIG.
An unknown scheme or hash proves nothing (§4).
"""

from __future__ import annotations

import hashlib
import heapq
import struct
from collections import Counter
from collections.abc import Iterable, Iterator

from dnsctl.model.name import Name, canonical_key, to_text
from dnsctl.model.nsec3 import nsec3_owner
from dnsctl.model.rrset import CLASS_IN, RRset, Type
from dnsctl.model.soa import serial_of
from dnsctl.model.zone import SignedZone, ValidatedZone

_SIMPLE = 1  # RFC 8976 §5.2
_SHA384 = 1
_HASHES = {1: "sha384", 2: "sha512"}  # RFC 8976 §5.3
_FIXED = struct.Struct("!IBB")  # serial, scheme, hash algorithm
_RECORD = struct.Struct("!HHIH")  # type, class, TTL, length of rdata


def zonemd_fault(zone: ValidatedZone) -> str:
    """Return why no ZONEMD of the apex holds; empty where one does, or none says anything (RFC 8976 §4)."""
    found, soa = zone.get(zone.origin, Type.ZONEMD), zone.get(zone.origin, Type.SOA)
    if found is None or soa is None:
        return ""
    serial = serial_of(soa.rdatas[0])
    kinds = Counter(rdata[4:6] for rdata in found.rdatas)
    fault = ""
    for rdata in found.rdatas:
        told, scheme, algorithm = _FIXED.unpack_from(rdata)
        if scheme != _SIMPLE or algorithm not in _HASHES or kinds[rdata[4:6]] > 1:
            continue
        if told != serial:
            fault = f"is of serial {told}, where the zone has {serial}"
        elif rdata[_FIXED.size :] == _digest(zone.origin, zone.nodes.values(), _HASHES[algorithm]):
            return ""
        else:
            fault = "is not the digest of the zone"
    return f"{to_text(zone.origin)} ZONEMD {fault}" if fault else ""


def zonemd(signed: SignedZone, ttl: int) -> RRset:
    """Return the ZONEMD of a zone, which is signed but for that: scheme SIMPLE, SHA-384 (RFC 8976 §3)."""
    nsec3 = signed.nsec3_nodes
    hashed = ((nsec3_owner(digest, signed.origin), (nsec3[digest],)) for digest in sorted(nsec3))
    nodes = heapq.merge(signed.nodes.items(), hashed, key=lambda each: canonical_key(each[0]))
    digest = _digest(signed.origin, (node for _, node in nodes), _HASHES[_SHA384])
    rdata = _FIXED.pack(signed.serial, _SIMPLE, _SHA384) + digest
    return RRset(signed.origin, Type.ZONEMD, ttl, (rdata,))


def placeholder(origin: Name, serial: int, ttl: int) -> RRset:
    """Return what stands for the ZONEMD while the zone is signed (RFC 8976 §3.1)."""
    return RRset(origin, Type.ZONEMD, ttl, (_FIXED.pack(serial, _SIMPLE, _SHA384) + bytes(48),))


def _digest(origin: Name, nodes: Iterable[tuple[RRset, ...]], algorithm: str) -> bytes:
    """Return the digest by the SIMPLE scheme (RFC 8976 §3.3). `nodes` in canonical order."""
    state = hashlib.new(algorithm)
    for node in nodes:
        for one in _with_signatures(node, at_apex=node[0].owner == origin):
            for rdata in one.rdatas:
                head = _RECORD.pack(one.rdtype, CLASS_IN, one.ttl, len(rdata))
                state.update(one.owner + head + rdata)
    return state.digest()


def _with_signatures(node: tuple[RRset, ...], *, at_apex: bool) -> Iterator[RRset]:
    """Yield the RRsets of a name by type, RRSIGs as records of their own, without what is about the digest.

    RRSIGs of one name may differ in TTL: they go by rdata all the same (RFC 8976 §3.3.2).
    """
    kept = [one for one in node if not (at_apex and one.rdtype == Type.ZONEMD)]
    signatures = sorted((each, one.ttl) for one in kept for each in one.signatures)
    for one in kept:
        if one.rdtype > Type.RRSIG:
            break
        yield one
    for rdata, ttl in signatures:
        yield RRset(node[0].owner, Type.RRSIG, ttl, (rdata,))
    for one in kept:
        if one.rdtype > Type.RRSIG:
            yield one
