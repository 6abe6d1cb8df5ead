"""Choose what to ask of a zone: every RRset or a sample, names that do not exist, cuts, wildcards, sizes.

Pure over the release: the same zone, depth and random seed give the same questions.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

from dnsctl.model.name import (
    MAX_LABEL,
    MAX_NAME,
    Name,
    ancestors,
    is_subdomain,
    is_wildcard,
    labels,
    parent,
    wildcard,
)
from dnsctl.model.rrset import RRset, Type
from dnsctl.verify.denial import Claim
from dnsctl.verify.expectation import Absent, Data, Expanded, Expectation, Redirected, Referral
from dnsctl.verify.probe import MIN_UDP_PAYLOAD, Question
from dnsctl.verify.released import Node, ReleasedZone

_ABSENT_TYPES = (13, 29, 44, 61)  # HINFO, LOC, SSHFP, OPENPGPKEY: asked where an owner lacks them
_ADDRESSES = (Type.A, Type.AAAA)
_MISSING_NAMES = 4  # NXDOMAIN asked in this many places of a zone


@dataclass(frozen=True, slots=True)
class Depth:
    """How much of a zone is asked. `owners` None: all; `transports`: TCP, small EDNS, plain DNS as well."""

    owners: int | None
    transports: bool = True
    touched: frozenset[Name] = field(default_factory=frozenset)  # owners that are asked in any case


def expectations(zone: ReleasedZone, depth: Depth, chance: random.Random) -> Iterator[Expectation]:
    """Yield the questions of `zone`, its SOA first."""
    soa = zone.soa
    yield _data(soa)
    label = b"verify-%08x" % chance.getrandbits(32)
    nodes: Iterable[Node] = zone.nodes() if depth.owners is None else _chosen(zone, depth, chance)
    seen: list[Node] = []
    gaps: set[Name] = set()
    yield from _gone(zone, depth.touched)
    for node in nodes:
        if len(seen) < _MISSING_NAMES * 4 and not (node.occluded or node.cut or node.dname):
            seen.append(node)
        yield from _of_node(zone, node, label, all_proofs=depth.owners is None)
        for name in _gaps_above(zone, node):
            if name in gaps:
                break
            gaps.add(name)
            yield Absent(Question(name, Type.TXT), Claim.TYPE)
    yield from islice(_missing_names(zone, seen, label), _MISSING_NAMES)
    if depth.transports:
        yield from _transports(zone, soa)


def _chosen(zone: ReleasedZone, depth: Depth, chance: random.Random) -> Iterator[Node]:
    """Yield the apex, what was touched, and a sample of the rest, each once."""
    first = [zone.origin, *sorted(depth.touched)]
    named = (zone.node(owner) for owner in first if is_subdomain(owner, zone.origin))
    done: set[Name] = set()
    for node in chain(named, zone.sample(depth.owners or 0, chance) if depth.owners else ()):
        if node is not None and node.owner not in done:
            done.add(node.owner)
            yield node


def _gone(zone: ReleasedZone, touched: Iterable[Name]) -> Iterator[Absent]:
    """Yield the touched owners that the release no longer holds: they must not be answered any more."""
    for name in sorted(touched):
        if not is_subdomain(name, zone.origin) or zone.node(name) is not None:
            continue
        if zone.exists(name):
            yield Absent(Question(name, Type.TXT), Claim.TYPE)
            continue
        encloser = next(above for above in ancestors(name, zone.origin) if zone.exists(above))
        hidden = any(
            node is not None and (node.cut or node.dname)
            for node in map(zone.node, [encloser, *ancestors(encloser, zone.origin)])
        )
        if not hidden and not zone.exists(wildcard(encloser)):
            yield Absent(Question(name, Type.A), Claim.NAME)


def _data(rrset: RRset) -> Data:
    return Data(Question(rrset.owner, rrset.rdtype), rrset)


def _of_node(zone: ReleasedZone, node: Node, label: bytes, *, all_proofs: bool) -> Iterator[Expectation]:
    """Yield what is asked of one owner: nothing of an occluded one, since it is never served."""
    if node.occluded:
        return
    if node.cut:
        yield from _of_cut(zone, node, label)
        if all_proofs and node.get(Type.DS) is not None:
            yield from _past_cut(zone, node)
        return
    for rrset in node.rrsets:
        if not (rrset.rdtype == Type.SOA and node.owner == zone.origin):
            yield _data(rrset)
    if all_proofs and zone.entry.nsec3 is not None:
        yield from _shows_nsec3(zone, node, label)
    if is_wildcard(node.owner):
        yield from _of_wildcard(zone, node, label)
    if node.dname and (below := _below(node.owner, label)):
        target = node.get(Type.DNAME)
        if target is not None and len(label) + 1 + len(target.rdatas[0]) <= MAX_NAME:
            yield Redirected(Question(below, Type.A), target)


def _of_cut(zone: ReleasedZone, node: Node, label: bytes) -> Iterator[Expectation]:
    ns, ds = node.get(Type.NS), node.get(Type.DS) if zone.entry.signed else None
    if ns is None:
        return
    glue = []
    for target in ns.rdatas:
        if is_subdomain(Name(target), node.owner) and (found := zone.node(Name(target))):
            glue += [one for one in found.rrsets if one.rdtype in _ADDRESSES]
    plain = tuple(one._replace(signatures=()) for one in glue)
    below = _below(node.owner, label) or node.owner
    yield Referral(Question(below, Type.A), ns._replace(signatures=()), ds, plain)
    stored = node.get(Type.DS)
    yield _data(stored) if stored else Absent(Question(node.owner, Type.DS), Claim.TYPE)


def _shows_nsec3(zone: ReleasedZone, node: Node, label: bytes) -> Iterator[Absent]:
    """Yield a question whose proof needs the NSEC3 of `node`: it cannot be asked for by name.

    An alias has no absent types; it comes as the closest encloser of a name below. Of a signed cut neither
    is ever sent.
    """
    name = _below(node.owner, label)
    if Type.CNAME not in node.types:
        yield from _absent_type(node)
    elif name is not None and not zone.exists(name) and not zone.exists(wildcard(node.owner)):
        yield Absent(Question(name, Type.A), Claim.NAME)


def _gaps_above(zone: ReleasedZone, node: Node) -> Iterator[Name]:
    """Yield the empty non-terminals from `node` up to the next owner.

    With opt-out, one that only leads to an unsigned cut need not have an NSEC3 (RFC 5155 §7.1).
    """
    if node.occluded or (node.cut and zone.entry.nsec3 is not None and zone.entry.nsec3.opt_out):
        return
    for name in ancestors(node.owner, zone.origin):
        if zone.node(name) is not None:
            return
        yield name


def _past_cut(zone: ReleasedZone, node: Node) -> Iterator[Absent]:
    """Yield the first name behind a signed cut and all below it: only its denial shows the cut's NSEC."""
    first, rest = labels(node.owner)[0], parent(node.owner)
    if zone.entry.nsec3 is None and len(first) < MAX_LABEL and len(node.owner) < MAX_NAME:
        name = Name(bytes([len(first) + 1]) + first + b"\0" + rest)
        if not zone.exists(name) and not zone.exists(wildcard(rest)):
            yield Absent(Question(name, Type.A), Claim.NAME)


def _of_wildcard(zone: ReleasedZone, node: Node, label: bytes) -> Iterator[Expectation]:
    name = _below(parent(node.owner), label)
    if name is None or node.dname or zone.exists(name):
        return
    for rrset in node.rrsets:
        if rrset.rdtype not in (Type.NSEC, Type.NS, Type.SOA):
            yield Expanded(Question(name, rrset.rdtype), rrset)
            break
    for absent in _absent_type(node):
        yield Absent(absent.question._replace(qname=name), Claim.TYPE)


def _absent_type(node: Node) -> Iterator[Absent]:
    if Type.CNAME not in node.types:
        for rdtype in _ABSENT_TYPES:
            if rdtype not in node.types:
                yield Absent(Question(node.owner, rdtype), Claim.TYPE)
                return


def _missing_names(zone: ReleasedZone, seen: Iterable[Node], label: bytes) -> Iterator[Absent]:
    """Yield names below owners that have no wildcard: their closest encloser is that owner."""
    for node in seen:
        name = _below(node.owner, label)
        if name is None or is_wildcard(node.owner) or zone.exists(name):
            continue
        if not zone.exists(wildcard(node.owner)):  # an empty non-terminal is a wildcard, too
            yield Absent(Question(name, Type.A), Claim.NAME)
            yield from _absent_type(node)


def _transports(zone: ReleasedZone, soa: RRset) -> Iterator[Expectation]:
    """Yield the same data over TCP, with the smallest EDNS size, and without EDNS."""
    yield Data(Question(soa.owner, soa.rdtype, stream=True), soa)
    large = zone.rrset(zone.origin, Type.DNSKEY) or zone.rrset(zone.origin, Type.NS) or soa
    yield Data(Question(large.owner, large.rdtype, payload=MIN_UDP_PAYLOAD), large)
    yield Data(Question(soa.owner, soa.rdtype, payload=0), soa)


def _below(name: Name, label: bytes) -> Name | None:
    """Return the name one label below `name`, or None where it would be too long."""
    if len(name) + len(label) + 1 > MAX_NAME:
        return None
    return Name(bytes([len(label)]) + label + name)
