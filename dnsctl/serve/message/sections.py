"""Put a response together from fragments: places of names, moved pointers, counts (RFC 1035 §4.1.4).

Records must be placed in the order of the message: answer, authority, additional. A fragment directly after
the question for its owner is copied as it is. For any other, the owner is written (compressed towards all
names so far), and the pointers in its rdata are moved to where its owner's labels and its own names now are.
If pointers cannot reach that far, its names are compressed again.
"""

from __future__ import annotations

from typing import NamedTuple

from dnsctl.image.fragment import (
    MAX_HOPS,
    OWNER_POINTER,
    QUESTION_AT,
    RECORD_HEAD,
    Fragment,
    fragment_at,
    rdatas_of,
    record_places,
)
from dnsctl.model.message_size import MAX_OFFSET
from dnsctl.model.name import Name, name_end
from dnsctl.model.rrset import COMPRESSIBLE
from dnsctl.serve.message.kind import Kind
from dnsctl.serve.message.query import HEADER_LENGTH, Rcode

ANSWER, AUTHORITY, ADDITIONAL = 0, 1, 2

Ends = tuple[tuple[int, int], ...]  # where an answer may end: octets of its sections, additional records


def last_end(ends: Ends, room: int) -> tuple[int, int] | None:
    """Return the last of the places where an answer may end that leaves it within `room` octets."""
    return next((end for end in reversed(ends) if end[0] <= room), None)


class Response(NamedTuple):
    """A finished response. `cacheable`: it depends on nothing but the octets of the query behind its ID.

    `proved`: a cookie showed that the client's address is its own, so the rate limit does not concern it.
    `kind`: what it says, or said before it was cut (TC). `zone`: the one that was asked, if any was.
    `beside`: other zones have a part in it.
    """

    wire: bytes
    question_end: int
    cacheable: bool
    proved: bool = False
    kind: Kind = Kind.OTHER
    zone: Name | None = None
    beside: bool = False


def server_failure(message: bytes) -> Response | None:
    """Return SERVFAIL without a question for a query that could not be handled; None where it is not one."""
    if len(message) < HEADER_LENGTH or message[2] & 0x80:
        return None
    wire = message[:2] + bytes((0x80 | message[2] & 0x79, Rcode.SERVFAIL)) + bytes(8)
    return Response(wire, HEADER_LENGTH, cacheable=False)


class Draft:
    """The sections of one response, as they grow. `do`: RRSIGs go along (DO).

    What stands behind the first of `ends` is optional: where all does not fit, as much of it goes along as
    does, up to one of the ends. No names before an end point behind it.
    """

    __slots__ = ("_hops", "_offsets", "_start", "at", "counts", "do", "ends", "parts", "qname", "reached")

    def __init__(self, qname: Name, do: bool) -> None:
        self.qname = qname
        self.do = do
        self.parts: list[bytes] = []
        self.counts = [0, 0, 0]
        self.at = self._start = fragment_at(qname)  # offset in the message of what comes next
        self.ends: Ends = ()
        self.reached: set[int] = set()  # offsets that names written here point to
        self._offsets: dict[bytes, int] | None = None
        self._hops: dict[int, int] = {}  # place of a name -> how many pointers follow from there

    @property
    def offsets(self) -> dict[bytes, int]:
        """Where the names written so far, and their suffixes, stand in the message."""
        if self._offsets is None:
            self._offsets = {}
            self.learn(self.qname, QUESTION_AT)
        return self._offsets

    def learn(self, name: Name, position: int) -> None:
        """Note that `name` stands at `position`, up to the first suffix that is known already."""
        offsets = self.offsets
        at = 0
        while name[at] and name[at:] not in offsets:
            at += 1 + name[at]
        self._note(name, at, position, offsets.get(name[at:]))

    def put(self, section: int, data: bytes, count: int) -> None:
        """Add finished records."""
        self.parts.append(data)
        self.at += len(data)
        self.counts[section] += count

    def may_end(self) -> None:
        """Note that what comes next is optional."""
        self.ends = (*self.ends, (self.at - self._start, self.counts[ADDITIONAL]))

    def place_optional(self, found: Fragment, owner: Name, template: Name | None = None) -> None:
        """Add an RRset that may be left out to the additional section."""
        self.place(ADDITIONAL, found, owner, template)
        self.may_end()

    def place(self, section: int, found: Fragment, owner: Name, template: Name | None = None) -> int:
        """Add an RRset with `owner`; return the offset of its first rdata in the message.

        `template` is the owner it was compiled for, where that is another one: a wildcard.
        """
        octets = found.octets if self.do else found.octets[: found.plain]
        count = found.records + found.signatures if self.do else found.records
        is_here = owner == self.qname and len(owner) > 1  # the root is shorter than a pointer to it
        if is_here and (not found.pointers or (template is None and self.at == fragment_at(owner))):
            rdata_at = self.at + RECORD_HEAD
            self.put(section, octets, count)
            return rdata_at
        if found.pointers and not self._is_movable(found, owner, len(octets)):
            return self.place_anew(section, found, owner, template)
        reference = self.reference(owner, self.at)
        rdata_at = self.at + len(reference) + RECORD_HEAD - 2
        if found.pointers:
            octets = self._moved(octets, found.pointers, template or owner, rdata_at)
        self.put(section, self._rewritten(octets, reference, owner), count)
        return rdata_at

    def place_anew(self, section: int, found: Fragment, owner: Name, template: Name | None = None) -> int:
        """Do as `place` does for an RRset of a `COMPRESSIBLE` type, its names compressed towards all before.

        A fragment knows its owner and itself only: not the question's name, nor other records.
        """
        octets = found.octets
        before, names = COMPRESSIBLE[octets[2] << 8 | octets[3]]
        first = 0
        for place, rdata in rdatas_of(found, template or owner):
            is_signature = place >= found.plain
            if is_signature and not self.do:
                break
            head = self.reference(owner, self.at) + octets[place + 2 : place + RECORD_HEAD - 2]
            rdata_at = self.at + len(head) + 2
            first = first or rdata_at
            written = rdata
            if not is_signature:
                written, rest = rdata[:before], rdata[before:]
                for _ in range(names):
                    name = Name(rest[: name_end(rest, 0)])
                    written += self.reference(name, rdata_at + len(written))
                    rest = rest[len(name) :]
                written += rest
            self.put(section, head + len(written).to_bytes(2, "big") + written, 1)
        return first

    def reference(self, name: Name, position: int) -> bytes:
        """Return `name` as it is to be written at `position`, and note that it stands there."""
        offsets = self.offsets
        at = 0
        while name[at]:
            known = offsets.get(name[at:])
            if known is not None and self._hops.get(known, 0) < MAX_HOPS:
                break
            at += 1 + name[at]
        else:
            known = None
        self._note(name, at, position, known)
        if known is None:
            return bytes(name)
        self.reached.add(known)
        return name[:at] + (0xC000 | known).to_bytes(2, "big")

    def _note(self, name: Name, end: int, position: int, known: int | None) -> None:
        """Note the suffixes of `name` that stand at `position`, `end` octets until a pointer to `known`."""
        offsets = self.offsets
        hops = 0 if known is None else self._hops.get(known, 0) + 1
        at = 0
        while at < end and position + at <= MAX_OFFSET:
            offsets[name[at:]] = position + at
            if hops:
                self._hops[position + at] = hops
            at += 1 + name[at]

    def _is_movable(self, found: Fragment, owner: Name, end: int) -> bool:
        """True where pointers reach all of a fragment placed here, and its owners are pointers too."""
        if self.at + len(owner) + end > MAX_OFFSET:
            return False
        return len(owner) > 1 or found.records == 1  # the root is one octet, each time

    def _moved(self, fragment: bytes, places: tuple[int, ...], template: Name, rdata_at: int) -> bytes:
        """Return the fragment with the pointers in its rdata leading to where those names stand now.

        `rdata_at`: where the first rdata will stand. See `_is_movable`.
        """
        offsets = self.offsets
        own = fragment_at(template)
        shift = rdata_at - own - RECORD_HEAD
        moved = bytearray(fragment)
        for place in places:
            target = (moved[place] << 8 | moved[place + 1]) & MAX_OFFSET
            to = offsets[template[target - QUESTION_AT :]] if target < own else target + shift
            moved[place : place + 2] = (0xC000 | to).to_bytes(2, "big")
        return bytes(moved)

    def _rewritten(self, fragment: bytes, reference: bytes, owner: Name) -> bytes:
        """Return `fragment` with the first owner written as `reference`, the others as a pointer to it."""
        known = self.offsets.get(owner)
        pointer = (0xC000 | known).to_bytes(2, "big") if known is not None else bytes(reference)
        if reference == pointer == OWNER_POINTER:
            return fragment
        places = record_places(fragment)
        ends = [*places[1:], len(fragment)]
        records = [fragment[place + 2 : end] for place, end in zip(places, ends, strict=True)]
        return reference + pointer.join(records)
