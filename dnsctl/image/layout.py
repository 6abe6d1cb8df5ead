"""The layout of an image in LMDB: tables, keys, the entry of a zone, the value of an owner.

Tables (named LMDB databases), all read in byte order of their keys:

* `zones`: zone prefix -> `ZoneEntry` as canonical JSON.
* `owners`: zone prefix + canonical key of the owner below the apex -> a node (below).
* `hashes`: zone prefix + NSEC3 hash (20 octets) -> a node that holds the NSEC3 RRset.
* `buckets`: digests derived from `owners` and `hashes` (see `digest`).
* `meta`: format, generation, manifest digest.

The zone prefix is the apex's canonical key and one more 0x00: no label is empty, so keys of one zone stand
together and never among those of a zone below it. Byte order inside a zone is DNSSEC canonical order
(RFC 4034 §6.1). The longest possible key is 505 octets (LMDB allows 511).

A node is: flags (1), labels (1), number of RRsets n (2), n type codes (2 each, ascending), n `ENTRY` structs
(`WIDE_ENTRY` in large nodes), then what is kept of the fragments (see `fragment`). `labels` is what RRSIGs
of the owner say (RFC 4034 §3.1.3), or where it is occluded, how deep below the apex its occluder is. All
integers are big-endian.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from dnsctl.errors import ImageError
from dnsctl.model.json_value import Json
from dnsctl.model.name import Name, canonical_key, from_canonical_key, from_text, to_text
from dnsctl.model.validity import Period
from dnsctl.model.zone import Nsec3Parameters

FORMAT = 4  # of nodes and tables, in images and in the deltas that carry them: raised with any change here


class Table(IntEnum):
    """Tables that a release changes; the numbers are part of the delta format."""

    ZONES = 1
    OWNERS = 2
    HASHES = 3


HEADER = struct.Struct("!BBH")  # flags, labels, number of RRsets
# Of each RRset: offset, octets kept without and with RRSIGs, records, RRSIGs (or `SHORT` and the algorithm of
# the one there is), compressed names, TTL
ENTRY = struct.Struct("!HHHBBBI")
WIDE_ENTRY = struct.Struct("!IIIHIHI")
SHORT = 0x80  # the RRSIG is kept in short
WIDE_SHORT = 0x80000000  # the same in `WIDE_ENTRY`
TYPES_AT = HEADER.size

CUT = 0x01  # a delegation: NS below the apex, itself not occluded
OCCLUDED = 0x02  # below a cut or a DNAME; `depth` says which ancestor
DNAME_HERE = 0x04  # holds a DNAME and is not occluded
WIDE = 0x08  # its index is of `WIDE_ENTRY`: something in it is too large for `ENTRY`

NEGATIVE_SOA = 0  # type code under which the apex keeps its SOA with the TTL of RFC 2308 §3


def zone_prefix(origin: Name) -> bytes:
    """Return the key of the zone in `zones`, which all its keys in `owners` and `hashes` begin with."""
    return canonical_key(origin) + b"\0"


def apex_of(prefix: bytes) -> Name:
    """Return the apex of the zone with `prefix`."""
    return from_canonical_key(prefix[:-1])


def owner_key(owner: Name, origin: Name) -> bytes:
    """Return the key of `owner`, which is `origin` or below it."""
    apex = canonical_key(origin)
    return apex + b"\0" + canonical_key(owner)[len(apex) :]


def hash_key(digest: bytes, origin: Name) -> bytes:
    """Return the key of an NSEC3 hash (20 octets) of the zone."""
    return zone_prefix(origin) + digest


def prefix_of(key: bytes) -> bytes:
    """Return the zone prefix of a node's key: all up to the first empty label. Raises ImageError."""
    if key.startswith(b"\0"):
        return b"\0"  # the root zone
    end = key.find(b"\0\0")
    if end < 0:
        raise ImageError("a node's key without a zone")
    return key[: end + 2]


def owner_of(key: bytes, prefix: bytes) -> Name:
    """Return the owner name that stands behind `key` of the zone with `prefix`."""
    return from_canonical_key(prefix[:-1] + key[len(prefix) :])


@dataclass(frozen=True, slots=True)
class ZoneEntry:
    """What the table of zones says of one. `digest`: hex, over all its nodes; `expiry`: unix seconds of the
    first signature to expire, `inception`: of the last one to begin; `tags`: key tags of its DNSKEYs;
    `source`: digest of what it was made from. `inception` is None, and not written, in entries of images that
    were made before it was kept.
    """

    origin: Name
    serial: int
    signed: bool
    nsec3: Nsec3Parameters | None
    digest: str
    owners: int
    rrsets: int
    records: int
    expiry: int | None
    tags: tuple[int, ...]
    source: str
    inception: int | None = None

    @property
    def period(self) -> Period:
        return Period(self.inception, self.expiry)

    def to_json(self) -> dict[str, Json]:
        inception = {} if self.inception is None else {"inception": self.inception}
        nsec3: Json = None
        if self.nsec3 is not None:
            nsec3 = [self.nsec3.iterations, self.nsec3.salt.hex(), self.nsec3.opt_out]
        return {
            **inception,
            "digest": self.digest,
            "expiry": self.expiry,
            "nsec3": nsec3,
            "origin": to_text(self.origin),
            "owners": self.owners,
            "records": self.records,
            "rrsets": self.rrsets,
            "serial": self.serial,
            "signed": self.signed,
            "source": self.source,
            "tags": list(self.tags),
        }

    @classmethod
    def from_json(cls, data: object) -> ZoneEntry:
        """Parse what `to_json` made. Raises ImageError for anything else."""
        try:
            if not isinstance(data, dict) or not _well_typed(data):
                raise ValueError("unexpected fields")
            nsec3 = data["nsec3"]
            return cls(
                origin=from_text(data["origin"]),
                serial=data["serial"],
                signed=data["signed"],
                nsec3=nsec3 and Nsec3Parameters(int(nsec3[0]), bytes.fromhex(nsec3[1]), bool(nsec3[2])),
                digest=data["digest"],
                owners=data["owners"],
                rrsets=data["rrsets"],
                records=data["records"],
                expiry=data["expiry"],
                tags=tuple(data["tags"]),
                source=data["source"],
                inception=data.get("inception"),
            )
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise ImageError(f"malformed zone entry: {error}") from None

    def to_bytes(self) -> bytes:
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> ZoneEntry:
        try:
            return cls.from_json(json.loads(data))
        except (ValueError, RecursionError) as error:
            raise ImageError(f"malformed zone entry: {error}") from None


_FIELD_TYPES: dict[str, tuple[type, ...]] = {
    "digest": (str,),
    "expiry": (int, type(None)),
    "nsec3": (list, type(None)),
    "origin": (str,),
    "owners": (int,),
    "records": (int,),
    "rrsets": (int,),
    "serial": (int,),
    "signed": (bool,),
    "source": (str,),
    "tags": (list,),
}


def _well_typed(data: Mapping[str, object]) -> bool:
    return data.keys() - {"inception"} == _FIELD_TYPES.keys() and all(
        isinstance(data[field], kinds)
        for field, kinds in (_FIELD_TYPES | {"inception": (int,)}).items()
        if field in data
    )
