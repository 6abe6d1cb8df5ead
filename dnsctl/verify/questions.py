"""Choose what to ask of a zone: every RRset or a sample, names that do not exist, cuts, wildcards, sizes.

Pure over the release: the same zone, depth and random seed give the same questions.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

from dnsctl.model.name import (
    MAX_LABEL,
    MAX_NAME,
    Name,
    ancestors,
    is_wildcard,
    labels,
    parent,
    wildcard,
)
from dnsctl.model.rrset import RRset, Type
from dnsctl.verify.client import MIN_UDP_PAYLOAD, Question
from dnsctl.verify.expectation import Data, Expectation
from dnsctl.verify.lookup import expected
from dnsctl.verify.released import Node, ReleasedZone

_ABSENT_TYPES = (13, 29, 44, 61)  # HINFO, LOC, SSHFP, OPENPGPKEY: asked where an owner lacks them
_MISSING_NAMES = 4  # NXDOMAIN asked in this many places of a zone
_ALIASES = 4  # followed in a zone to where they lead


@dataclass(frozen=True, slots=True)
class Depth:
    """How much of a zone is asked. `owners` None: all; `transports`: TCP, small EDNS, plain DNS as well."""

    owners: int | None
    transports: bool = True
    touched: frozenset[Name] = field(default_factory=frozenset)  # owners that are asked in any case


def expectations(zone: ReleasedZone, depth: Depth, chance: random.Random) -> Iterator[Expectation]:
    """Yield the questions of `zone`, its SOA first. What another zone of the release answers is not asked."""
    soa = zone.soa
    yield _data(soa)
    label = b"verify-%08x" % chance.getrandbits(32)
    nodes: Iterable[Node] = zone.nodes() if depth.owners is None else _chosen(zone, depth, chance)
    seen: list[Node] = []
    aliases: list[Node] = []
    gaps: set[Name] = set()
    yield from _without_node(zone, depth.touched)
    for node in nodes:
        if len(seen) < _MISSING_NAMES * 4 and not (node.occluded or node.cut or node.dname):
            seen.append(node)
        if len(aliases) < _ALIASES and not node.occluded and Type.CNAME in node.types:
            aliases.append(node)
        yield from _of_node(zone, node, label, all_proofs=depth.owners is None)
        for name in _gaps_above(zone, node):
            if name in gaps:
                break
            gaps.add(name)
            yield from _ask(zone, name, Type.TXT)
    for node in aliases:
        yield from _ask(zone, node.owner, Type.A)
    yield from islice(_missing_names(zone, seen, label), _MISSING_NAMES)
    if depth.transports:
        yield from _transports(zone, soa)


def of_names(zone: ReleasedZone, names: Collection[Name], chance: random.Random) -> Iterator[Expectation]:
    """Yield questions for `names` only: of a zone that did not change itself, where others around it did."""
    label = b"verify-%08x" % chance.getrandbits(32)
    yield from _without_node(zone, names)
    for node in map(zone.node, sorted(names)):
        if node is not None:
            yield from _of_node(zone, node, label, all_proofs=False)


def _ask(zone: ReleasedZone, name: Name, rdtype: int) -> Iterator[Expectation]:
    """Yield the question, where this zone answers it and the answer can be known."""
    if zone.answers(name, rdtype):
        found = expected(zone, Question(name, rdtype))
        if found is not None:
            yield found


def _chosen(zone: ReleasedZone, depth: Depth, chance: random.Random) -> Iterator[Node]:
    """Yield the apex, what was touched, and a sample of the rest, each once."""
    named = map(zone.node, (zone.origin, *sorted(depth.touched)))
    done: set[Name] = set()
    for node in chain(named, zone.sample(depth.owners or 0, chance) if depth.owners else ()):
        if node is not None and node.owner not in done:
            done.add(node.owner)
            yield node


def _without_node(zone: ReleasedZone, touched: Iterable[Name]) -> Iterator[Expectation]:
    """Yield the touched names of which the zone holds nothing, or nothing that is answered as it stands."""
    for name in sorted(touched):
        node = zone.node(name)
        if node is None or node.occluded:
            yield from _ask(zone, name, Type.A if zone.answers(name, Type.A) else Type.DS)


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
    own = zone.answers(node.owner, Type.A)
    for rrset in node.rrsets:
        if rrset.rdtype == Type.DS:
            yield from _ask(zone, node.owner, Type.DS)
        elif own and not (rrset.rdtype == Type.SOA and node.owner == zone.origin):
            yield _data(rrset)
    if not own:
        return
    if all_proofs and zone.entry.nsec3 is not None:
        yield from _shows_nsec3(zone, node, label)
    if is_wildcard(node.owner):
        yield from _of_wildcard(zone, node, label)
    if node.dname and (below := _below(node.owner, label)):
        yield from _ask(zone, below, Type.A)


def _of_cut(zone: ReleasedZone, node: Node, label: bytes) -> Iterator[Expectation]:
    yield from _ask(zone, _below(node.owner, label) or node.owner, Type.A)
    yield from _ask(zone, node.owner, Type.DS)


def _shows_nsec3(zone: ReleasedZone, node: Node, label: bytes) -> Iterator[Expectation]:
    """Yield a question whose proof needs the NSEC3 of `node`: it cannot be asked for by name.

    An alias has no absent types; it comes as the closest encloser of a name below. Of a signed cut neither
    is ever sent.
    """
    name = _below(node.owner, label)
    if Type.CNAME not in node.types:
        yield from _absent_type(zone, node, node.owner)
    elif name is not None and not zone.exists(name) and not zone.exists(wildcard(node.owner)):
        yield from _ask(zone, name, Type.A)


def _gaps_above(zone: ReleasedZone, node: Node) -> Iterator[Name]:
    """Yield the empty non-terminals from `node` up to the next owner.

    With opt-out, one that only leads to an unsigned cut need not have an NSEC3 (RFC 5155 §7.1).
    """
    if node.occluded or (node.cut and zone.entry.nsec3 is not None and zone.entry.nsec3.opt_out):
        return
    for name in ancestors(node.owner, zone.origin):
        if zone.holds(name):
            return
        yield name


def _past_cut(zone: ReleasedZone, node: Node) -> Iterator[Expectation]:
    """Yield the first name behind a signed cut and all below it: only its denial shows the cut's NSEC."""
    first, rest = labels(node.owner)[0], parent(node.owner)
    if zone.entry.nsec3 is None and len(first) < MAX_LABEL and len(node.owner) < MAX_NAME:
        name = Name(bytes([len(first) + 1]) + first + b"\0" + rest)
        if not zone.exists(name) and not zone.exists(wildcard(rest)):
            yield from _ask(zone, name, Type.A)


def _of_wildcard(zone: ReleasedZone, node: Node, label: bytes) -> Iterator[Expectation]:
    name = _below(parent(node.owner), label)
    if name is None or zone.exists(name):
        return
    for rrset in node.rrsets:
        if rrset.rdtype not in (Type.NSEC, Type.NS, Type.SOA):
            yield from _ask(zone, name, rrset.rdtype)
            break
    yield from _absent_type(zone, node, name)


def _absent_type(zone: ReleasedZone, node: Node, name: Name) -> Iterator[Expectation]:
    """Yield a question at `name` for a type that `node`, which stands for it, does not have."""
    if Type.CNAME not in node.types:
        rdtype = next((each for each in _ABSENT_TYPES if each not in node.types), None)
        if rdtype is not None:
            yield from _ask(zone, name, rdtype)


def _missing_names(zone: ReleasedZone, seen: Iterable[Node], label: bytes) -> Iterator[Expectation]:
    """Yield names below owners that have no wildcard: their closest encloser is that owner."""
    for node in seen:
        name = _below(node.owner, label)
        if name is None or is_wildcard(node.owner) or zone.exists(name):
            continue
        if not zone.exists(wildcard(node.owner)):  # an empty non-terminal is a wildcard, too
            yield from _ask(zone, name, Type.A)
            yield from _absent_type(zone, node, node.owner)


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
