"""NSEC3, denial of existence with hashed names (RFC 5155), with 0 iterations and no salt (RFC 9276 §3.1).

Invariant: the chain holds the hash of each authoritative owner and of each empty non-terminal once,
ascending, and the last one names the first. With opt-out, delegations without DS, and empty non-terminals
that lead only to such, are left out. Does not sign: see `rrsig`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from dnsctl.errors import NameSyntaxError, SigningError
from dnsctl.model.name import Name, ancestors, from_labels, labels, to_text
from dnsctl.model.nsec3 import HASH_LABEL, HASH_OCTETS, OPT_OUT, fixed_fields, nsec3_hash, nsec3_owner
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.type_bitmap import type_bitmap
from dnsctl.model.zone import Nsec3Parameters


class Denied(NamedTuple):
    """An owner in the chain. `insecure`: a delegation without DS."""

    owner: Name
    types: tuple[int, ...]
    insecure: bool = False


def parameter_record(origin: Name, parameters: Nsec3Parameters, ttl: int) -> RRset:
    """Return the NSEC3PARAM of the apex. Its flags are 0, also with opt-out (RFC 5155 §4.1.2)."""
    return RRset(origin, Type.NSEC3PARAM, ttl, (fixed_fields(parameters, 0),))


def bitmaps(denied: Iterable[Denied], origin: Name, parameters: Nsec3Parameters) -> dict[bytes, bytes]:
    """Return hash to type bitmap. `denied` come in canonical order, without empty non-terminals.

    Raises SigningError where two names share a hash, or the apex is too long to hold hashes below it.
    """
    _refuse_long_apex(origin)
    found: dict[bytes, bytes] = {}
    names: set[Name] = set()  # of the chain; whatever has an ancestor here had its non-terminals added before
    for one in denied:
        if one.insecure and parameters.opt_out:
            continue
        _add(found, one.owner, parameters, type_bitmap(_listed(one)))
        names.add(one.owner)
        for above in ancestors(one.owner, origin)[:-1]:
            if above in names:
                break
            names.add(above)
            _add(found, above, parameters, b"")
    return found


def linked(
    bitmaps: Mapping[bytes, bytes], origin: Name, parameters: Nsec3Parameters, ttl: int
) -> Iterator[tuple[bytes, RRset]]:
    """Yield each hash of `bitmaps` and its NSEC3 RRset, ascending."""
    prefix = fixed_fields(parameters, OPT_OUT if parameters.opt_out else 0)
    order = sorted(bitmaps)
    for place, digest in enumerate(order):
        following = order[place + 1] if place + 1 < len(order) else order[0]
        rdata = prefix + bytes((HASH_OCTETS,)) + following + bitmaps[digest]
        yield digest, RRset(nsec3_owner(digest, origin), Type.NSEC3, ttl, (rdata,))


def _listed(one: Denied) -> tuple[int, ...]:
    """Add RRSIG where something at the owner is signed: at a delegation only DS can be (RFC 5155 §7.1)."""
    if not one.types or one.insecure:
        return one.types
    return (*one.types, Type.RRSIG)


def _add(bitmaps: dict[bytes, bytes], name: Name, parameters: Nsec3Parameters, bitmap: bytes) -> None:
    digest = nsec3_hash(name, parameters.salt, parameters.iterations)
    if digest in bitmaps:
        raise SigningError(
            f"another name has the NSEC3 hash of {to_text(name)}", advice="use `denial: nsec` for this zone"
        )
    bitmaps[digest] = bitmap


def _refuse_long_apex(origin: Name) -> None:
    try:
        from_labels((b"0" * HASH_LABEL, *labels(origin)))
    except NameSyntaxError:
        raise SigningError(
            "the zone's name leaves no room for hashed names below it",
            where=to_text(origin),
            advice="use `denial: nsec` for this zone",
        ) from None
