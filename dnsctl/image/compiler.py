"""Compile a signed zone to the nodes of an image. Pure: the same zone gives the same bytes.

Names below a cut or a DNAME are kept, for glue and for transfers, and marked with the depth of what occludes
them, so that an answer finds the cut without a search.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain

from dnsctl.errors import ImageError
from dnsctl.image import digest, fragment
from dnsctl.image.layout import (
    CUT,
    DNAME_HERE,
    NEGATIVE_SOA,
    OCCLUDED,
    Table,
    ZoneEntry,
    owner_key,
    zone_prefix,
)
from dnsctl.model.key import key_tag
from dnsctl.model.name import Name, canonical_key, labels, to_text
from dnsctl.model.occlusion import Standing, walk
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.rrsig import EXPIRATION, TAG
from dnsctl.model.soa import negative_ttl
from dnsctl.model.zone import SignedZone

_TIMES = struct.Struct("!II")  # expiration and inception of RRSIG rdata


@dataclass(frozen=True)
class CompiledZone:
    """The nodes of one zone: `owners` and `hashes` map keys to values, in key order."""

    entry: ZoneEntry
    owners: dict[bytes, bytes]
    hashes: dict[bytes, bytes]


def compile_zone(zone: SignedZone, source: str = "") -> CompiledZone:
    """Return nodes and entry of `zone`; `source` is kept in the entry. Raises ImageError without SOA."""
    if zone.get(zone.origin, Type.SOA) is None:
        raise ImageError("a zone without SOA cannot be compiled", where=to_text(zone.origin))
    owners = _owners(zone)
    prefix = zone_prefix(zone.origin)
    hashes = {}
    for digest_ in sorted(zone.nsec3_nodes):
        one = zone.nsec3_nodes[digest_]
        hashes[prefix + digest_] = fragment.encode_node(
            0, 0, [(int(Type.NSEC3), one)], one.owner, zone.origin
        )
    return CompiledZone(_entry(zone, source, owners, hashes), owners, hashes)


def compile_owners(
    zone: SignedZone, owners: Iterable[Name], previous: SignedZone, before: ZoneEntry, source: str
) -> tuple[dict[bytes, bytes | None], ZoneEntry] | None:
    """Return the nodes of `owners` by key (None: the owner goes) and the entry, its digest that of `before`.

    `zone` is `previous`, which has the entry `before`, but for `owners`: none of them is below a cut or
    DNAME, or makes one. None where other signatures have to be looked at for the entry.
    """
    made: dict[bytes, bytes | None] = {}
    gone, came = _Counted(before.tags), _Counted(before.tags)
    for owner in owners:
        key = owner_key(owner, zone.origin)
        node = zone.nodes.get(owner, ())
        gone.add(previous.nodes.get(owner, ()))
        came.add(node)
        is_cut = owner != zone.origin and any(one.rdtype == Type.NS for one in node)
        flags = _flags(node, Standing.CUT if is_cut else Standing.DATA)
        made[key] = _node(zone, owner, node, flags) if node else None
    expiry, inception = before.expiry, came.inception
    if expiry is None or inception is None or before.inception is None or inception < before.inception:
        return None
    if came.expiry is not None and came.expiry <= expiry:
        expiry = came.expiry
    elif gone.expiry is not None and gone.expiry <= expiry:
        return None  # the next one to expire is elsewhere
    entry = replace(
        before,
        serial=zone.serial,
        owners=before.owners + came.owners - gone.owners,
        rrsets=before.rrsets + came.rrsets - gone.rrsets,
        records=before.records + came.records - gone.records,
        expiry=expiry,
        inception=inception,
        source=source,
    )
    return dict(sorted(made.items())), entry


def _owners(zone: SignedZone) -> dict[bytes, bytes]:
    apex_key = canonical_key(zone.origin)
    apex_length, apex_labels = len(apex_key), len(labels(zone.origin))
    owners: dict[bytes, bytes] = {}
    occluder: Name | None = None
    depth = 0  # of the occluder
    for owner, node, standing, above in walk(zone.origin, zone.nodes):
        key = canonical_key(owner)
        if above is None:
            flags, level = _flags(node, standing), 0
        else:
            if above is not occluder:
                occluder, depth = above, len(labels(above)) - apex_labels
            flags, level = OCCLUDED, depth
        node_key = apex_key + b"\0" + key[apex_length:]
        owners[node_key] = _node(zone, owner, node, flags, level)
    return owners


def _node(zone: SignedZone, owner: Name, node: tuple[RRset, ...], flags: int, level: int = 0) -> bytes:
    """Return what stands for an owner; at the apex also the SOA that goes with negative answers."""
    rrsets = [(one.rdtype, one) for one in node]
    if owner == zone.origin:
        rrsets[:0] = (
            (NEGATIVE_SOA, one._replace(ttl=negative_ttl(one))) for one in node if one.rdtype == Type.SOA
        )
    return fragment.encode_node(flags, level, rrsets, owner, zone.origin)


def _flags(node: tuple[RRset, ...], standing: Standing) -> int:
    flags = CUT if standing is Standing.CUT else 0
    for one in node:
        if one.rdtype == Type.DNAME:
            flags |= DNAME_HERE
    return flags


def _entry(
    zone: SignedZone, source: str, owners: dict[bytes, bytes], hashes: dict[bytes, bytes]
) -> ZoneEntry:
    prefix = zone_prefix(zone.origin)
    dnskey = zone.get(zone.origin, Type.DNSKEY)
    tags = tuple(sorted(key_tag(rdata) for rdata in dnskey.rdatas)) if dnskey else ()
    counted = _Counted(tags)
    counted.add(chain(zone.rrsets(), zone.nsec3_nodes.values()))
    return ZoneEntry(
        origin=zone.origin,
        serial=zone.serial,
        signed=zone.signed,
        nsec3=zone.nsec3,
        digest=digest.zone_digest(
            (table, key, value)
            for table, nodes in ((Table.OWNERS, owners), (Table.HASHES, hashes))
            for key, value in digest.buckets_of(prefix, nodes).items()
        ),
        owners=len(owners),
        rrsets=counted.rrsets,
        records=counted.records,
        expiry=counted.expiry,
        tags=tags,
        source=source,
        inception=counted.inception,
    )


class _Counted:
    """What an entry says of RRsets. Of signatures by other keys than those with `tags` it says nothing."""

    def __init__(self, tags: Iterable[int]) -> None:
        self.owners = self.rrsets = self.records = 0
        self.expiry: int | None = None
        self.inception: int | None = None
        self._tags = frozenset(tag.to_bytes(2, "big") for tag in tags)  # others' signatures hold for nobody

    def add(self, rrsets: Iterable[RRset]) -> None:
        """Count the RRsets of one owner, or of all: `owners` is wrong then."""
        count = records = 0
        expiry, inception, tags = self.expiry, self.inception, self._tags
        for one in rrsets:
            count += 1
            records += len(one.rdatas)
            for signature in one.signatures:
                if signature[TAG] not in tags:
                    continue
                ends, begins = _TIMES.unpack_from(signature, EXPIRATION.start)
                expiry = ends if expiry is None or ends < expiry else expiry
                inception = begins if inception is None or begins > inception else inception
        self.owners += bool(count)
        self.rrsets += count
        self.records += records
        self.expiry, self.inception = expiry, inception
