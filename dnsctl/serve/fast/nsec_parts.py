"""The NSEC and NSEC3 of one zone in pieces: which one denies a name, and its octets except the owner.

`denial` places records one by one; `missing` and `existing` join these pieces, the same for many names. It is
worked out once where the records are in nodes with one index, and how the owners of NSEC3 are written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dnsctl.image.cursor import Cursor
from dnsctl.image.fragment import shape_of
from dnsctl.image.layout import ENTRY, HEADER, OCCLUDED, WIDE
from dnsctl.model.nsec3 import nsec3_hash
from dnsctl.model.rrset import Type
from dnsctl.model.zone import Nsec3Parameters
from dnsctl.serve.zone.denial import seek_covering
from dnsctl.serve.zone.names import ZoneView

# Where the index of a node ends, by the last octet of its number of RRsets: for fewer than 256 of them
INDEX_END: Final = tuple(HEADER.size + (2 + ENTRY.size) * count for count in range(256))
_FEW: Final = 16_384  # owners of a zone whose proofs are remembered; in larger ones few would come again
_NSEC: Final = int(Type.NSEC)
_NSEC3: Final = int(Type.NSEC3)
_DIGITS: Final = b"0123456789abcdefghijklmnopqrstuv"
OCTETS: Final = [bytes((octet,)) for octet in range(256)]
_TEN_BITS: Final = [bytes((first, second)) for first in _DIGITS for second in _DIGITS]

# An NSEC or NSEC3 and its RRSIG: label of the owner (none: the apex), and each record behind its owner. Bare
# tuples: they are unpacked for every query.
_Pieces = tuple[bytes, bytes, bytes]
# Where these two stand in a node, and what is the same in all nodes with its index: see `fragment.Shape`
_Spans = tuple[slice, slice, slice, bytes, bytes, bytes]


class Proofs:
    """The proofs of the zone `view`.

    `make_room` is called before more is remembered, with how much where that is not one thing.
    """

    __slots__ = (
        "_indexes",
        "_iterations",
        "_labels",
        "_make_room",
        "_salt",
        "is_closed",
        "is_hashed",
        "is_small",
        "origin",
        "prefix",
    )

    def __init__(self, view: ZoneView, make_room: Callable[..., None]) -> None:
        self.origin = view.origin
        self.prefix = view.prefix
        nsec3 = view.entry.nsec3 or Nsec3Parameters(0, b"", False)
        self.is_hashed = view.entry.nsec3 is not None
        self.is_closed = self.is_hashed and not nsec3.opt_out  # every name that is there has an NSEC3
        self.is_small = view.entry.owners <= _FEW
        self._iterations, self._salt = nsec3.iterations, nsec3.salt
        self._make_room = make_room
        self._labels: dict[bytes, bytes] = {}  # of NSEC3 owners, by hash
        self._indexes: dict[bytes, _Spans | None] = {}

    @property
    def known_spans(self) -> Callable[[bytes], _Spans | None]:
        """What tells, by the index of a node, where its proof stands; None where that is not known."""
        return self._indexes.get

    def hash(self, name: bytes) -> bytes:
        """Return the key of the NSEC3 hash of `name`."""
        return self.prefix + self.digest(name)

    def digest(self, name: bytes) -> bytes:
        """Return the NSEC3 hash of `name`."""
        return nsec3_hash(name, self._salt, self._iterations)

    def around(self, cursor: Cursor) -> list[tuple[bytes, bytes]]:
        """Return the hashes where `cursor`, a reader's of hashes, stands, and the next; it moves there.

        Around the end of the zone, two pairs: empty is what lies beyond all.
        """
        start = len(self.prefix)
        low = cursor.key()[start:]
        if cursor.next() and cursor.key().startswith(self.prefix):
            return [(low, cursor.key()[start:])]
        cursor.set_range(self.prefix)
        return [(low, b""), (b"", cursor.key()[start:])]

    def cover(self, cursor: Cursor, name: bytes) -> Cursor:
        """Return `cursor`, a reader's of hashes, at the NSEC3 that covers the hash of `name`."""
        seek_covering(cursor, self.prefix, self.hash(name))
        return cursor

    def pieces(self, key: bytes, value: bytes) -> _Pieces | None:
        """Take the NSEC or NSEC3 of a node apart; None: what it denies takes the full path."""
        index = value[: INDEX_END[value[3]]]
        try:
            spans = self._indexes[index]
        except KeyError:
            spans = self._new_spans(index, value)
        label = key[len(self.prefix) :]
        if self.is_hashed:
            label = self._labels.get(label) or self._new_label(label)
        elif label:
            if label.find(0) != len(label) - 1 or 1 in label:
                return None  # not one label as it stands in a name
            label = OCTETS[len(label) - 1] + label[:-1]
        if spans is None:
            return None
        rdata, times, signature, before, between, signer = spans
        return label, before + value[rdata], b"".join((between, value[times], signer, value[signature]))

    def _new_label(self, digest: bytes) -> bytes:
        """Return the label of an NSEC3 owner."""
        label = b"\x20" + _base32hex(digest)
        if self.is_small:
            self._make_room()
            self._labels[digest] = label
        return label

    def _new_spans(self, index: bytes, value: bytes) -> _Spans | None:
        """Find where NSEC or NSEC3 and its one RRSIG stand in nodes with one index, without their owner."""
        spans = None
        is_odd = value[0] & (OCCLUDED | WIDE) or value[2]
        shape = None if is_odd else shape_of(value, _NSEC3 if self.is_hashed else _NSEC, self.origin)
        if shape is not None and shape.records == shape.signatures == 1:
            rdata, times, signature, before, between, signer = shape[:6]
            if not between:
                times = slice(times.start + 2, times.stop)
            spans = rdata, times, signature, before[2:], between[2:], signer
        self._make_room()
        self._indexes[index] = spans
        return spans


def _base32hex(digest: bytes) -> bytes:
    """Return 20 octets in lower-case base32hex (RFC 4648 §7), ten bits at a time."""
    bits = int.from_bytes(digest, "big")
    return b"".join([_TEN_BITS[bits >> shift & 0x3FF] for shift in range(150, -1, -10)])
