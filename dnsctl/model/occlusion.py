"""Which data of a zone is authoritative, and which is occluded by cuts and DNAMEs (RFC 4035 §2.2, §2.3).

NS below the apex make a zone cut: the owner belongs to the child but for its DS, and what stands below it is
glue or occluded (RFC 2136 §7.18). A DNAME, one at the apex too, occludes all that stands below it (RFC 6672
§2.4). Where several stand above a name, the topmost counts: the others are themselves occluded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from enum import IntEnum

from dnsctl.model.name import Name, ancestors, is_subdomain
from dnsctl.model.rrset import RRset, Type


class Standing(IntEnum):
    """What the zone may say about an owner name."""

    DATA = 1  # all of its RRsets are authoritative
    CUT = 2  # a delegation: only DS and the denial record are
    OCCLUDED = 3  # below a cut (glue, or hidden) or below a DNAME: nothing is


_DENIAL = frozenset((Type.RRSIG, Type.NSEC, Type.NSEC3))


def walk(
    origin: Name, nodes: Mapping[Name, tuple[RRset, ...]]
) -> Iterator[tuple[Name, tuple[RRset, ...], Standing, Name | None]]:
    """Yield every owner of `nodes`: its RRsets, its standing, and the topmost cut or DNAME strictly above it.

    `nodes` stand in canonical order, so that what is below a cut follows it directly: none is looked up.
    """
    above: Name | None = None
    depth = len(origin)  # nothing above the apex hides anything, if a zone holds such owners at all
    for owner, node in nodes.items():
        if above is not None:
            if owner.endswith(above) and is_subdomain(owner, above):
                yield owner, node, Standing.OCCLUDED, above
                continue
            above = None
        standing = Standing.DATA
        hides = None
        for one in node:
            if one.rdtype == Type.NS and len(owner) > depth:
                standing, hides = Standing.CUT, owner
                break
            if one.rdtype == Type.DNAME and len(owner) >= depth:
                hides = owner
        yield owner, node, standing, None
        above = hides


def cut_owners(origin: Name, rrsets: Iterable[RRset]) -> frozenset[Name]:
    """Return the owners of NS below the apex, whether or not something else occludes them."""
    return frozenset(one.owner for one in rrsets if one.rdtype == Type.NS and one.owner != origin)


def dname_owners(rrsets: Iterable[RRset]) -> frozenset[Name]:
    return frozenset(one.owner for one in rrsets if one.rdtype == Type.DNAME)


def topmost(name: Name, origin: Name, cuts: Set[Name], dnames: Set[Name]) -> Name | None:
    """Return the topmost zone cut or DNAME strictly above `name`, which need not exist; None without one."""
    found = None
    if cuts or dnames:
        for above in ancestors(name, origin):
            if above in cuts or above in dnames:
                found = above
    return found


def is_authoritative(rdtype: int, standing: Standing) -> bool:
    """True where the zone answers for an RRset of `rdtype` itself, and signs it (RFC 4035 §2.2)."""
    return standing is Standing.DATA or (standing is Standing.CUT and rdtype in {Type.DS, Type.NSEC})


def denied_types(node: tuple[RRset, ...], standing: Standing) -> tuple[int, ...]:
    """Return the types a denial record lists, ascending, without RRSIG and the denial record itself.

    At a cut only NS and DS count: the rest there belongs to the child (RFC 4035 §2.3).
    """
    if standing is Standing.CUT:
        return tuple(one.rdtype for one in node if one.rdtype in {Type.NS, Type.DS})
    return tuple(one.rdtype for one in node if one.rdtype not in _DENIAL)
