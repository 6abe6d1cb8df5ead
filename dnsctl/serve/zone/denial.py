"""Denial of existence (RFC 4035 §3.1.3, RFC 5155 §7.2): proofs, placed into the authority section.

Each RRset is placed once, however many things it proves. In an unsigned zone, or without DO, nothing is
placed. `answer` decides what must be proved.
"""

from __future__ import annotations

from copy import copy
from typing import Self

from dnsctl.image.cursor import Cursor
from dnsctl.image.fragment import find
from dnsctl.image.layout import OCCLUDED
from dnsctl.image.reader import Reader
from dnsctl.model.name import Name, parent, wildcard
from dnsctl.model.nsec3 import nsec3_hash, nsec3_owner
from dnsctl.model.rrset import Type
from dnsctl.serve.message.sections import AUTHORITY, Draft
from dnsctl.serve.zone.names import Neighbours, ZoneView, neighbours, occluder


def seek_covering(cursor: Cursor, prefix: bytes, key: bytes) -> bool:
    """Move a reader's cursor of hashes to the NSEC3 before `key`; False where the zone has none.

    The last one of the zone wraps around (RFC 5155 §3.1.7).
    """
    for start in (key, prefix[:-1] + b"\1"):
        if (cursor.prev() if cursor.set_range(start) else cursor.last()) and cursor.key().startswith(prefix):
            return True
    return False


class Proof:
    """The proofs of one response. Choose `NsecProof` or `Nsec3Proof` by `proof_for`.

    `placed`: keys of the NSEC or NSEC3 in it. With `leave_open`, what covers the name (NSEC) or the next
    closer name (NSEC3) is not placed, which would come last: `next_closer` is that name.
    """

    def __init__(self, reader: Reader, view: ZoneView, draft: Draft, leave_open: bool = False) -> None:
        self._reader = reader
        self._view = view
        self._draft = draft
        self._leave_open = leave_open
        self._section = AUTHORITY
        self.placed: set[bytes] = set()
        self.next_closer: Name | None = None

    def beside(self, section: int) -> Self:
        """Return a proof for another section of the same response."""
        other = copy(self)
        other._section = section
        return other

    def matches(self, name: Name, key: bytes, value: bytes) -> bool:
        """Place what tells the types of an existing owner; True where there is something new to place."""
        return False

    def nodata(self, name: Name, key: bytes, value: bytes) -> None:
        """Prove that an existing owner lacks the type asked for."""

    def empty_non_terminal(self, name: Name, around: Neighbours) -> None:
        """Prove that a name has no records, though names below it have."""

    def nxdomain(self, name: Name, around: Neighbours, encloser: bytes) -> None:
        """Prove that neither the name nor a wildcard that could stand for it exists."""

    def wildcard_expanded(self, name: Name, around: Neighbours, encloser: bytes) -> None:
        """Prove that nothing closer than the wildcard matches the name."""

    def wildcard_nodata(
        self, name: Name, around: Neighbours, encloser: bytes, wildcard_value: bytes | None
    ) -> None:
        """Prove that the wildcard that stands for the name lacks the type. No value: it is itself empty."""

    def no_ds(self, cut: Name, key: bytes, value: bytes) -> None:
        """Prove that a delegation is not signed."""


class NsecProof(Proof):
    """NSEC: the owner's own RRset, or the one of the predecessor in canonical order."""

    def _place(self, key: bytes, value: bytes) -> None:
        if value[0] & OCCLUDED:
            key, value = occluder(self._reader, self._view, key, value)
        found = find(value, Type.NSEC, self._view.origin)
        if found is not None and key not in self.placed:
            self.placed.add(key)
            self._draft.place(self._section, found, self._view.name(key))

    def matches(self, name: Name, key: bytes, value: bytes) -> bool:
        before = len(self.placed)
        self._place(key, value)
        return len(self.placed) > before

    def nodata(self, name: Name, key: bytes, value: bytes) -> None:
        self._place(key, value)

    def empty_non_terminal(self, name: Name, around: Neighbours) -> None:
        self._place(around.predecessor, around.predecessor_value)

    def nxdomain(self, name: Name, around: Neighbours, encloser: bytes) -> None:
        source = encloser + b"*\0"
        is_beside = around.predecessor < source and not (around.successor and source > around.successor)
        if self._leave_open or not is_beside:  # else the wildcard would stand in the same gap
            self._cover_wildcard(source)
        self._cover(name, around)

    def _cover_wildcard(self, source: bytes) -> None:
        beside = neighbours(self._reader, source)
        self._place(beside.predecessor, beside.predecessor_value)

    def _cover(self, name: Name, around: Neighbours) -> None:
        if self._leave_open:
            self.next_closer = name
        else:
            self._place(around.predecessor, around.predecessor_value)

    def wildcard_expanded(self, name: Name, around: Neighbours, encloser: bytes) -> None:
        self._cover(name, around)

    def wildcard_nodata(
        self, name: Name, around: Neighbours, encloser: bytes, wildcard_value: bytes | None
    ) -> None:
        if wildcard_value is not None:
            self._place(encloser + b"*\0", wildcard_value)
        else:
            self._cover_wildcard(encloser + b"*\0")
        self._cover(name, around)

    def no_ds(self, cut: Name, key: bytes, value: bytes) -> None:
        self._place(key, value)


class Nsec3Proof(Proof):
    """NSEC3: hashes that match or cover (RFC 5155 §7.2); with opt-out, the closest provable encloser."""

    def _key(self, name: Name) -> bytes:
        nsec3 = self._view.entry.nsec3
        assert nsec3 is not None  # noqa: S101 - proof_for has seen it
        return self._view.prefix + nsec3_hash(name, nsec3.salt, nsec3.iterations)

    def _place(self, key: bytes, value: bytes) -> None:
        if key in self.placed:
            return
        self.placed.add(key)
        found = find(value, Type.NSEC3, self._view.origin)
        if found is not None:
            owner = nsec3_owner(key[len(self._view.prefix) :], self._view.origin)
            self._draft.place(self._section, found, owner)

    def matches(self, name: Name, key: bytes, value: bytes) -> bool:
        before = len(self.placed)
        self._match(name)
        return len(self.placed) > before

    def _match(self, name: Name) -> bool:
        key = self._key(name)
        value = self._reader.hashed(key)
        if value is None:
            return False
        self._place(key, value)
        return True

    def _cover(self, name: Name) -> None:
        """Place the NSEC3 whose span holds the hash of `name`; the last one of the zone wraps around."""
        cursor = self._reader.hash_cursor
        if seek_covering(cursor, self._view.prefix, self._key(name)):
            self._place(*cursor.item())

    def _closest_encloser(self, next_closer: Name) -> tuple[Name, Name]:
        """Prove the closest encloser of a name; return it and the next closer name (§7.2.1).

        `next_closer`: that of the name, or the name itself. Where opt-out leaves an encloser without NSEC3,
        the closest provable one is further up.
        """
        encloser = parent(next_closer)
        while not self._match(encloser) and encloser != self._view.origin:
            next_closer, encloser = encloser, parent(encloser)
        return encloser, next_closer

    def _next_closer(self, name: Name, encloser: bytes) -> Name:
        """Return the name one label longer than the closest encloser, towards `name` (§1.3).

        No name between the two is there, so that none has an NSEC3: there may be a hundred.
        """
        size = len(self._view.name(encloser))
        at = 0
        while len(name) - (below := at + 1 + name[at]) > size:
            at = below
        return Name(name[at:])

    def nodata(self, name: Name, key: bytes, value: bytes) -> None:
        if not self._match(name) and name != self._view.origin:  # opt-out: §7.2.4
            self._cover(self._closest_encloser(name)[1])

    def empty_non_terminal(self, name: Name, around: Neighbours) -> None:
        self.nodata(name, b"", b"")

    def nxdomain(self, name: Name, around: Neighbours, encloser: bytes) -> None:
        proved, next_closer = self._closest_encloser(self._next_closer(name, encloser))
        self._cover_wildcard(proved)
        self._cover_next(next_closer)

    def _cover_next(self, next_closer: Name) -> None:
        if self._leave_open:
            self.next_closer = next_closer
        else:
            self._cover(next_closer)

    def _cover_wildcard(self, encloser: Name) -> None:
        if len(encloser) + 2 <= 255:  # else no wildcard fits below it
            self._cover(wildcard(encloser))

    def wildcard_expanded(self, name: Name, around: Neighbours, encloser: bytes) -> None:
        self._cover_next(self._next_closer(name, encloser))

    def wildcard_nodata(
        self, name: Name, around: Neighbours, encloser: bytes, wildcard_value: bytes | None
    ) -> None:
        proved, next_closer = self._closest_encloser(self._next_closer(name, encloser))
        if not self._match(wildcard(proved)):
            self._cover_wildcard(proved)
        self._cover_next(next_closer)

    def no_ds(self, cut: Name, key: bytes, value: bytes) -> None:
        self.nodata(cut, key, value)


def proof_for(reader: Reader, view: ZoneView, draft: Draft, leave_open: bool = False) -> Proof:
    """Return the proofs that fit the zone and the question."""
    kind: type[Proof]
    if not draft.do or not view.entry.signed:
        kind = Proof
    else:
        kind = NsecProof if view.entry.nsec3 is None else Nsec3Proof
    return kind(reader, view, draft, leave_open)
