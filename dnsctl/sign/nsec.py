"""Denial of existence with NSEC (RFC 4034 §4).

Invariant: the chain holds each authoritative owner once, in canonical order, and the last one names the
first. Does not sign: see `rrsig`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dnsctl.model.name import Name, name_end
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.type_bitmap import type_bitmap


def chain(owned: Iterable[tuple[Name, tuple[int, ...]]], ttl: int) -> Iterator[RRset]:
    """Yield an NSEC RRset for each of `owned`: authoritative owners in canonical order with their types.

    `types` come without RRSIG and NSEC, which every owner of an NSEC has (RFC 4035 §2.3).
    """
    first: Name | None = None
    owner: Name | None = None
    types: tuple[int, ...] = ()
    for following, its_types in owned:
        if owner is None:
            first = following
        else:
            yield record(owner, following, types, ttl)
        owner, types = following, its_types
    if owner is not None and first is not None:
        yield record(owner, first, types, ttl)


def record(owner: Name, following: Name, types: tuple[int, ...], ttl: int) -> RRset:
    """Return the NSEC RRset of `owner`; `types` and `ttl` (seconds) as for `chain`."""
    rdata = following + type_bitmap((*types, Type.RRSIG, Type.NSEC))
    return RRset(owner, Type.NSEC, ttl, (rdata,))


def next_owner(rdata: bytes) -> tuple[Name, bytes]:
    """Split NSEC rdata into the next owner name and the type bitmap."""
    end = name_end(rdata, 0)
    return Name(rdata[:end].lower()), rdata[end:]
