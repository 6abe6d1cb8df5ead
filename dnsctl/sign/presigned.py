"""Pre-signed zones: signed by somebody else, checked here, and served as they are.

Invariant of what comes out: every signature by a published DNSKEY was verified by key, here or in the release
before; each authoritative RRset has one; the denial chain is whole. So validators can be answered. All faults
are findings: see `told` for the rules, `examine` for signatures, `chain` for denial.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from dnsctl.model import nsec3
from dnsctl.model import presigned as rules
from dnsctl.model.finding import Finding
from dnsctl.model.name import Name, to_text
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.soa import intervals_of, serial_of
from dnsctl.model.validity import PRESIGNED_WARNING, moment
from dnsctl.model.zone import Nsec3Parameters, SignedZone, ValidatedZone
from dnsctl.sign.chain import Break, breaks
from dnsctl.sign.examine import Progress, examine
from dnsctl.sign.published import PublishedKeys, algorithm_text, key_text
from dnsctl.sign.signer import earliest_expiry
from dnsctl.sign.zone_findings import ZoneFindings
from dnsctl.sign.zonemd import zonemd_fault


class Taken(NamedTuple):
    """The result for a zone; `zone` is None where there are errors."""

    zone: SignedZone | None
    findings: tuple[Finding, ...]
    errors: int  # of which a few of each rule are among the findings


def take(
    zone: ValidatedZone,
    now: datetime | None,
    before: SignedZone | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Taken:
    """Return `zone` as the signed zone it is, with all findings about it.

    `now`: when its signatures must be valid; None: at any time. Signatures that `before` holds were verified
    when that was released, and are not verified again.
    """
    told = ZoneFindings(zone.origin, zone.file)
    denial = _denial(zone, told)
    soa = zone.get(zone.origin, Type.SOA)
    assert soa is not None  # noqa: S101  a ValidatedZone has one
    serial = serial_of(soa.rdatas[0])
    signed = SignedZone(zone.origin, denial.nodes, serial, True, denial.parameters, denial.hashes)
    dnskey = zone.get(zone.origin, Type.DNSKEY)
    if dnskey is None:
        told.add(rules.INCOMPLETE, "no DNSKEY at the apex", soa)
    else:
        keys = PublishedKeys.of(dnskey)
        _tell_keys(keys, dnskey, told)
        examine(signed, keys, told, now, before, workers, progress)
    if fault := zonemd_fault(zone):
        told.add(rules.ZONEMD, fault, zone.get(zone.origin, Type.ZONEMD))
    if now is not None and not told.errors:
        _tell_end(signed, soa, now, told)
    for one in denial.breaks:
        told.add(rules.ALONE if one.harmless else rules.CHAIN, one.message, one.at)
    return Taken(None if told.errors else signed, told.findings(), told.errors)


def _tell_end(signed: SignedZone, soa: RRset, now: datetime, told: ZoneFindings) -> None:
    """Report signatures that expire within a week, or before secondaries would stop."""
    expiry = earliest_expiry(signed)
    if expiry is None:
        return
    left = expiry - now.timestamp()
    if left < PRESIGNED_WARNING:
        told.add(rules.SOON, f"the first signature ends {moment(expiry)}", soa)
    expire = intervals_of(soa.rdatas[0]).expire
    if expire >= left:
        told.add(rules.EXPIRE, f"EXPIRE is {expire} s, and signatures last {int(left)} s", soa)


def _tell_keys(keys: PublishedKeys, dnskey: RRset, told: ZoneFindings) -> None:
    for key, why in keys.unusable.items():
        told.add(rules.KEY, f"DNSKEY of {key_text(key)} is one {why}", dnskey)
    for key in keys.shared():
        told.add(rules.KEY, f"several DNSKEYs are {key_text(key)}: validators may give up on them", dnskey)
    if not keys.places:
        told.add(rules.INCOMPLETE, "no DNSKEY that may sign the zone", dnskey)
    for algorithm in sorted(keys.unverifiable):
        told.add(
            rules.UNKNOWN,
            f"signatures of {algorithm_text(algorithm)} cannot be verified here, and are served as they are",
            dnskey,
        )


# -- Denial: which chain answers are made from ---


@dataclass(frozen=True)
class _Denial:
    """The nodes without NSEC3, the NSEC3 by hash, and what is wrong with the chain that is used."""

    parameters: Nsec3Parameters | None
    nodes: dict[Name, tuple[RRset, ...]]
    hashes: dict[bytes, RRset]
    breaks: tuple[Break, ...]


def _denial(zone: ValidatedZone, told: ZoneFindings) -> _Denial:
    """Choose as other servers do: NSEC3 where an NSEC3PARAM says that a chain is complete, else NSEC.

    Each that is named must be whole; of several, the first is used. What is not used of NSEC3 goes out in
    transfers, unless another chain of NSEC3 is used: two cannot stand beside each other in an image.
    """
    nodes, hashes, stray = _apart(zone)
    for one in stray:
        told.add(rules.CHAIN, f"NSEC3 at {to_text(one.owner)}, which is not a hash below the apex", one)
    found = zone.get(zone.origin, Type.NSEC3PARAM)
    usable = _usable(zone, told)
    has_nsec = any(one.rdtype == Type.NSEC for node in nodes.values() for one in node)
    if not usable:
        if hashes and has_nsec:
            why = "no NSEC3PARAM says that they are a whole chain"
            told.add(rules.UNUSED, f"{len(hashes)} NSEC3 are not used: {why}", next(iter(hashes.values())))
        if not has_nsec and told.errors:
            return _Denial(None, nodes, hashes, ())
        if not has_nsec:
            return _Denial(None, nodes, hashes, (Break(found or nodes[zone.origin][0], _no_chain(zone)),))
        return _Denial(None, nodes, hashes, tuple(breaks(zone.origin, nodes, {}, None)))
    chosen: _Denial | None = None
    faults: list[Break] = []
    for named in usable:
        own = {digest: one for digest, one in hashes.items() if _is_of(one, named)}
        opt_out = any(rdata[1] & nsec3.OPT_OUT for one in own.values() for rdata in one.rdatas)
        parameters = Nsec3Parameters(named.iterations, named.salt, opt_out)
        faults += breaks(zone.origin, nodes, own, parameters) if own else (_empty(found, nodes, zone),)
        chosen = chosen or _Denial(parameters, nodes, own, ())
    assert chosen is not None  # noqa: S101  there is one of them at least
    if unused := len(hashes) - len(chosen.hashes):
        other = next(one for digest, one in hashes.items() if digest not in chosen.hashes)
        told.add(rules.UNUSED, f"{unused} NSEC3 of another chain are left out", other)
    if has_nsec:
        told.add(rules.UNUSED, "NSEC are not used: an NSEC3PARAM says that NSEC3 are", found)
    return replace(chosen, breaks=tuple(faults))


def _no_chain(zone: ValidatedZone) -> str:
    return f"{to_text(zone.origin)} has no NSEC, and no NSEC3PARAM that names a chain of NSEC3"


def _empty(found: RRset | None, nodes: dict[Name, tuple[RRset, ...]], zone: ValidatedZone) -> Break:
    message = f"{to_text(zone.origin)} NSEC3PARAM names a chain of which there is no NSEC3"
    return Break(found or nodes[zone.origin][0], message)


def _usable(zone: ValidatedZone, told: ZoneFindings) -> list[Nsec3Parameters]:
    """Return what the NSEC3PARAMs say; one with flags set is not to be used (RFC 5155 §4.1.2)."""
    usable = []
    found = zone.get(zone.origin, Type.NSEC3PARAM)
    for rdata in found.rdatas if found else ():
        iterations = int.from_bytes(rdata[2:4], "big")
        if rdata[:2] != bytes((nsec3.SHA1, 0)):
            told.add(rules.UNUSED, "an NSEC3PARAM with flags, or of an unknown hash, is not used", found)
        elif iterations > nsec3.MAX_ITERATIONS:
            message = (
                f"NSEC3 with {iterations} iterations, where {nsec3.MAX_ITERATIONS} are the most and"
                " 0 is right (RFC 9276 §3.1)"
            )
            told.add(rules.INCOMPLETE, message, found)
        else:
            usable.append(Nsec3Parameters(iterations, rdata[5:]))
    return usable


def _apart(
    zone: ValidatedZone,
) -> tuple[dict[Name, tuple[RRset, ...]], dict[bytes, RRset], list[RRset]]:
    """Take the NSEC3 out of the nodes: by hash, and those whose owner is not a hash."""
    nodes: dict[Name, tuple[RRset, ...]] = {}
    hashes: dict[bytes, RRset] = {}
    stray: list[RRset] = []
    for owner, node in zone.nodes.items():
        if all(one.rdtype != Type.NSEC3 for one in node):
            nodes[owner] = node
            continue
        digest = nsec3.owner_hash(owner, zone.origin)
        for one in node:
            if one.rdtype == Type.NSEC3 and digest is None:
                stray.append(one)
            elif one.rdtype == Type.NSEC3 and digest is not None:
                hashes[digest] = one
        if rest := tuple(one for one in node if one.rdtype != Type.NSEC3):
            nodes[owner] = rest
    return nodes, dict(sorted(hashes.items())), stray


def _is_of(one: RRset, parameters: Nsec3Parameters) -> bool:
    return any(nsec3.is_of(rdata, parameters) for rdata in one.rdatas)
