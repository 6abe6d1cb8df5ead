"""Zones that come signed by somebody else, and are served as they are.

Invariant of what comes out: each authoritative RRset has a signature that names a published DNSKEY, and the
denial chain is whole, so that a validator can be answered. Signatures are not verified here: `check` and
`verify` do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from dnsctl.errors import SigningError
from dnsctl.model.key import key_tag
from dnsctl.model.name import Name, to_text
from dnsctl.model.rrset import RRset, Type, type_text
from dnsctl.model.zone import Nodes, Nsec3Parameters, SignedZone, ValidatedZone, Zone
from dnsctl.sign import nsec, nsec3
from dnsctl.sign.authority import Standing, denied_types, is_signed, walk
from dnsctl.sign.rrsig import parse

_SHOWN = 3  # faults in the message: enough to see the pattern
_ADVICE = "sign the zone again where it was signed, or remove its signatures and have it signed here"


def is_presigned(zone: Zone | ValidatedZone) -> bool:
    """True where the apex holds signatures."""
    return any(one.signatures for one in zone.nodes.get(zone.origin, ()))


def presigned_zone(zone: ValidatedZone, now: datetime | None = None) -> SignedZone:
    """Return `zone` as the signed zone it is. With `now`, an expired signature is a fault too.

    Raises SigningError with the first faults where it is not complete.
    """
    parameters = _parameters(zone)
    nodes, hashes = zone.nodes, dict[bytes, RRset]()
    if parameters is not None:
        nodes, hashes = _apart(zone, parameters)
    faults = list(_faults(zone.origin, nodes, hashes, parameters, now))
    if faults:
        more = f", and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise SigningError(
            f"the zone came signed, but not as it can be served: {'; '.join(faults[:_SHOWN])}{more}",
            where=zone.file or to_text(zone.origin),
            advice=_ADVICE,
        )
    soa = zone.get(zone.origin, Type.SOA)
    assert soa is not None  # noqa: S101  a ValidatedZone has one
    serial = int.from_bytes(soa.rdatas[0][-20:-16], "big")
    return SignedZone(zone.origin, nodes, serial, True, parameters, hashes)


def _parameters(zone: ValidatedZone) -> Nsec3Parameters | None:
    """Return what the zone's NSEC3PARAM says; one with flags set is not to be used (RFC 5155 §4.1.2)."""
    found = zone.get(zone.origin, Type.NSEC3PARAM)
    for rdata in found.rdatas if found else ():
        if rdata[:2] == bytes((nsec3.SHA1, 0)):
            opt_out = any(
                one.rdtype == Type.NSEC3 and one.rdatas[0][1] & nsec3.OPT_OUT for one in zone.rrsets()
            )
            return Nsec3Parameters(int.from_bytes(rdata[2:4], "big"), rdata[5:], opt_out)
    return None


def _apart(
    zone: ValidatedZone, parameters: Nsec3Parameters
) -> tuple[dict[Name, tuple[RRset, ...]], dict[bytes, RRset]]:
    """Take the NSEC3 RRsets of the chain in use out of the nodes; those of another chain are dropped."""
    nodes: dict[Name, tuple[RRset, ...]] = {}
    hashes: dict[bytes, RRset] = {}
    for owner, node in zone.nodes.items():
        digest = nsec3.owner_hash(owner, zone.origin)
        if digest is None or all(one.rdtype != Type.NSEC3 for one in node):
            nodes[owner] = node
            continue
        for one in node:
            if one.rdtype == Type.NSEC3 and nsec3.is_of(one.rdatas[0], parameters):
                hashes[digest] = one
        if rest := tuple(one for one in node if one.rdtype != Type.NSEC3):
            nodes[owner] = rest
    return nodes, dict(sorted(hashes.items()))


def _faults(
    origin: Name,
    nodes: Nodes,
    hashes: Mapping[bytes, RRset],
    parameters: Nsec3Parameters | None,
    now: datetime | None,
) -> Iterator[str]:
    if parameters is not None and parameters.iterations > nsec3.MAX_ITERATIONS:
        yield (
            f"NSEC3 with {parameters.iterations} iterations, where {nsec3.MAX_ITERATIONS} are the most and"
            " 0 is right (RFC 9276 §3.1)"
        )
        return
    dnskey = next((one for one in nodes[origin] if one.rdtype == Type.DNSKEY), None)
    if dnskey is None:
        yield "no DNSKEY at the apex"
        return
    published = frozenset((rdata[3], key_tag(rdata)) for rdata in dnskey.rdatas)
    moment = int(now.timestamp()) if now else None
    for owner, node, standing in walk(origin, nodes):
        for one in node if standing is not Standing.OCCLUDED else ():
            if is_signed(one.rdtype, standing) and (fault := _unsigned(one, published, moment)):
                yield f"{to_text(owner)} {type_text(one.rdtype)} {fault}"
    if parameters is None:
        yield from _nsec_faults(origin, nodes)
        return
    for one in hashes.values():
        if fault := _unsigned(one, published, moment):
            yield f"{to_text(one.owner)} NSEC3 {fault}"
    yield from _nsec3_faults(origin, nodes, hashes, parameters)


def _unsigned(one: RRset, published: frozenset[tuple[int, int]], moment: int | None) -> str:
    """Return what is wrong with the signatures of `one`, or the empty string."""
    told = [parse(signature) for signature in one.signatures]
    if not told:
        return "has no signature"
    by_key = [each for each in told if (each.algorithm, each.tag) in published]
    if not by_key:
        return "has no signature of a published DNSKEY"
    if moment is not None and all(each.expiration < moment for each in by_key):
        return "has only expired signatures"
    return ""


def _nsec_faults(origin: Name, nodes: Nodes) -> Iterator[str]:
    first: Name | None = None
    expected: Name | None = None
    for owner, node, standing in walk(origin, nodes):
        if standing is Standing.OCCLUDED:
            continue
        link = next((one for one in node if one.rdtype == Type.NSEC), None)
        if link is None:
            yield f"{to_text(owner)} has no NSEC"
            return
        if expected not in (None, owner):
            yield f"the NSEC before {to_text(owner)} does not lead to it"
        first = first or owner
        expected, bitmap = nsec.next_owner(link.rdatas[0])
        if fault := _bitmap_fault(bitmap, {*denied_types(node, standing), Type.RRSIG, Type.NSEC}):
            yield f"the NSEC of {to_text(owner)} {fault}"
    if expected != first:
        yield "the last NSEC does not lead to the first"


def _nsec3_faults(
    origin: Name, nodes: Nodes, hashes: Mapping[bytes, RRset], parameters: Nsec3Parameters
) -> Iterator[str]:
    order = list(hashes)
    for place, digest in enumerate(order):
        following, _ = nsec3.next_hash(hashes[digest].rdatas[0])
        if following != order[(place + 1) % len(order)]:
            yield f"{to_text(hashes[digest].owner)} NSEC3 does not lead to the next"
    for owner, node, standing in walk(origin, nodes):
        if standing is Standing.OCCLUDED:
            continue
        types = denied_types(node, standing)
        insecure = standing is Standing.CUT and Type.DS not in types
        found = hashes.get(nsec3.hashed(owner, parameters))
        if found is None:
            if not (insecure and parameters.opt_out):
                yield f"{to_text(owner)} has no NSEC3"
            continue
        _, bitmap = nsec3.next_hash(found.rdatas[0])
        if fault := _bitmap_fault(bitmap, {*types} if insecure else {*types, Type.RRSIG}):
            yield f"the NSEC3 of {to_text(owner)} {fault}"


def _bitmap_fault(bitmap: bytes, wanted: set[int]) -> str:
    try:
        listed = nsec.bitmap_types(bitmap)
    except ValueError as error:
        return str(error)
    wrong = listed ^ wanted
    return f"is wrong about {', '.join(type_text(one) for one in sorted(wrong))}" if wrong else ""
