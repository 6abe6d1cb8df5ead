"""Which of a zone's data is authoritative (RFC 4035 §2.2, §2.3): what is signed and what is denied.

One walk in canonical order that keeps the current cut or DNAME, instead of looking up every owner's
ancestors: the names below a cut follow it directly.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from dnsctl.model.name import Name, is_subdomain
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.zone import Nodes


class Standing(IntEnum):
    """What the zone may say about an owner name."""

    DATA = 1  # all of its RRsets are authoritative
    CUT = 2  # a delegation: only DS and the denial record are
    OCCLUDED = 3  # below a cut (glue, or hidden) or below a DNAME: nothing is


_DENIAL = frozenset((Type.RRSIG, Type.NSEC, Type.NSEC3))


def walk(origin: Name, nodes: Nodes) -> Iterator[tuple[Name, tuple[RRset, ...], Standing]]:
    """Yield every owner of `nodes`, which stand in canonical order, with its RRsets and standing."""
    above: Name | None = None  # the cut or DNAME that hides what follows
    for owner, node in nodes.items():
        if above is not None:
            if owner.endswith(above) and is_subdomain(owner, above):
                yield owner, node, Standing.OCCLUDED
                continue
            above = None
        standing = Standing.DATA
        for one in node:
            if one.rdtype == Type.NS and owner != origin:
                standing, above = Standing.CUT, owner
                break
            if one.rdtype == Type.DNAME:
                above = owner
        yield owner, node, standing


def is_signed(rdtype: int, standing: Standing) -> bool:
    """True where an RRset of `rdtype` has a signature in a signed zone."""
    return standing is Standing.DATA or (standing is Standing.CUT and rdtype in {Type.DS, Type.NSEC})


def denied_types(node: tuple[RRset, ...], standing: Standing) -> tuple[int, ...]:
    """Return the types a denial record lists, ascending, without RRSIG and the denial record itself.

    At a cut only NS and DS count: the rest there belongs to the child (RFC 4035 §2.3).
    """
    if standing is Standing.CUT:
        return tuple(one.rdtype for one in node if one.rdtype in {Type.NS, Type.DS})
    return tuple(one.rdtype for one in node if one.rdtype not in _DENIAL)
