"""The short way to what is said of names without a node: denials, wildcards, referrals and aliases of them.

What a zone says to one such name, it says to many: to all of one length below the apex (`template.Denial`),
or to all names alike (see `equivalent`). That is worked out once, and kept by form; what is left for a name
is to find its gap. Where that gap is known to the batch as well, the name is answered there (`intervals`).
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Final

from dnsctl.image.fragment import QUESTION_AT
from dnsctl.image.reader import Reader
from dnsctl.model.message_size import MAX_UDP_PAYLOAD
from dnsctl.model.name import Name
from dnsctl.model.nsec3 import HASH_LABEL
from dnsctl.serve.fast.cache import Entry
from dnsctl.serve.fast.columns import Asked
from dnsctl.serve.fast.equivalent import Alike, answer_alike
from dnsctl.serve.fast.intervals import Gaps
from dnsctl.serve.fast.template import (
    RARE,
    TOO_MUCH,
    AlikeAnswer,
    AskedZone,
    Denial,
    Errors,
    Form,
    Gap,
    pointer,
)
from dnsctl.serve.message.query import AA, TC, Rcode
from dnsctl.serve.message.sections import ADDITIONAL, ANSWER, AUTHORITY, Draft, last_end
from dnsctl.serve.metrics.tally import Tally
from dnsctl.serve.zone.answer import Step
from dnsctl.serve.zone.names import Neighbours, Zones, closest_encloser, neighbours, parent_key

# How much is remembered: plans, denials, name errors, and forms at `FORM` each. Some 30 MB at most, and a few
# kB more for each zone, so that with many zones each has room for what it is asked every day.
_ENOUGH: Final = 24_576
_EACH_ZONE: Final = 12
_WHATEVER_TYPE: Final = frozenset((Step.REFERRAL, Step.NAME_ERROR))  # is answered so


class Absent(ABC):
    """Answers for names without a node, from what `zones` and `reader` see."""

    def __init__(self, reader: Reader, zones: Zones, tally: Tally | None = None) -> None:
        self.zones: Final = zones
        self._reader = reader
        self._tally = tally or Tally()
        self._known: dict[bytes, AskedZone] = {}  # by apex: those that were asked for
        self._room = 0
        self._missed = False  # the last name was not there: look for neighbours first
        self.cuts = 0  # answers of which something was left out, as it did not fit
        self._epoch = -1
        self.gaps: Final = Gaps()
        self.renew()

    def renew(self) -> None:
        """See what the reader sees now; forget the zones that changed."""
        if self._epoch == self._reader.epoch:
            return
        self._epoch = self._reader.epoch
        self._owner = self._reader.owner
        self._cursor = self._reader.owner_cursor
        self._hash_cursor = self._reader.hash_cursor
        views = self.zones.views
        self._known = {apex: one for apex, one in self._known.items() if views.get(Name(apex)) is one.view}
        self.gaps.renew(lambda view: views.get(view.origin) is view)

    @abstractmethod
    def _present(self, zone: AskedZone, form: Form, key: bytes, at: int, value: bytes) -> Entry | None:
        """Answer from the node of an owner that is there."""

    def _missing(self, zone: AskedZone, form: Form, key: bytes, at: int, node: bytes) -> Entry | None:
        """Deny a name one label below the apex, where no wildcard stands for it; or find that it is there."""
        if zone.is_closed and form.signed and form.errors.get(at) is not None:
            return self._unhashed(zone, form, key, at, node)
        cursor, after = self._cursor, b""
        if cursor.set_range(node):
            after = cursor.key()
            if after.startswith(node):
                self._missed = False
                return self._present(zone, form, key, at, cursor.value()) if after == node else None
            cursor.prev()
        else:
            cursor.last()
        self._missed = True
        try:
            errors = form.errors[at]
        except KeyError:
            self._learn_errors(zone, form, Name(key[10:at]))
            return self._missing(zone, form, key, at, node)  # the cursor stands elsewhere now
        if errors is None:
            return self._alike(zone, form, key, at, node)
        if form.signed and zone.is_hashed:
            return self._covered(zone, form, key, at, zone.cover(self._hash_cursor, key[10:at]))
        odd, known, _ = errors
        if odd and key[10:at] in odd:
            return None
        entry = known.get(cursor.key() if form.signed else b"") if zone.is_small else None
        if entry is None:
            entry = self._error(zone, form, at, cursor.item() if form.signed else (b"", b""), errors)
            if entry is None and form.signed:
                return self._alike(zone, form, key, at, node)
            return self._fitting(form, entry)
        entry = self._fitting(form, entry)
        if entry is not None and self.gaps.lessons:
            asked = Asked(zone.view, form.told, key, at)
            self._learn(asked, entry, [(cursor.key(), after)], zone.soa_names)
        return entry

    def _unhashed(self, zone: AskedZone, form: Form, key: bytes, at: int, node: bytes) -> Entry | None:
        """Do as `_missing` does where every name of the zone has an NSEC3: look for that of the name."""
        cursor, digest = self._hash_cursor, zone.hash(key[10:at])
        has_next = cursor.set_range(digest)
        if has_next and cursor.key() == digest:
            self._missed = False
            value = self._owner(node)
            return None if value is None else self._present(zone, form, key, at, value)
        self._missed = True
        if not (cursor.prev() if has_next else cursor.last()) or not cursor.key().startswith(zone.prefix):
            zone.cover(cursor, key[10:at])
        return self._covered(zone, form, key, at, cursor)

    def _covered(self, zone: AskedZone, form: Form, key: bytes, at: int, cursor: Any) -> Entry | None:
        """Deny a name whose hash is covered by the NSEC3 where `cursor` stands."""
        errors = form.errors[at]
        if errors is None or (errors[0] and key[10:at] in errors[0]):
            return None
        entry = errors[1].get(cursor.key()) if zone.is_small else None
        if entry is None:
            return self._fitting(form, self._error(zone, form, at, cursor.item(), errors))
        entry = self._fitting(form, entry)
        if entry is not None and self.gaps.lessons:
            self._learn_hashed(Asked(zone.view, form.told, key, at), entry, zone, zone.soa_names)
        return entry

    def _error(
        self, zone: AskedZone, form: Form, at: int, covering: tuple[bytes, bytes], errors: Errors
    ) -> Entry | None:
        """Finish an answer with the proof in the node `covering`, where it needs one more."""
        _, known, (sections, apex, own, beside, (header, kind), covered) = errors
        before, value = covering
        if not before or before in beside:
            tail = sections + form.opt
        else:
            pieces = zone.pieces(before, value)
            if pieces is None:
                return None
            label, proof, signature = pieces
            header, kind = covered
            tail = b"".join((sections, label, apex, proof, own if label else apex, signature, form.opt))
        found = header, at + 6, tail, at + 6 + len(tail), kind, zone.origin
        return self._remember(zone, known, before, found)

    def _remember(self, zone: AskedZone, known: dict[bytes, Entry], before: bytes, found: Entry) -> Entry:
        """Keep a finished answer by what covers the name, where others are likely to be covered by it."""
        if zone.is_small:
            self._make_room()
            known[before] = found
        return found

    def _learn_errors(self, zone: AskedZone, form: Form, qname: Name) -> None:
        """Work out what denies names as long as `qname`, one label below the apex; None: go the long way."""
        at, errors = len(qname) + 10, None
        may_be_nsec3_owner = zone.is_hashed and qname[0] == HASH_LABEL
        if not zone.view.apex[0] and not may_be_nsec3_owner:
            found = self._answer_alike(zone, form, qname, zone.prefix, leave_open=True)
            if found is not None and found.answer.rcode == Rcode.NXDOMAIN:
                odd = tuple(name for name in found.odd if len(name) == len(qname))
                errors = odd, dict[bytes, Entry](), self._denial(zone, form, at, found)
        self._make_room()
        form.errors[at] = errors

    def _alike(self, zone: AskedZone, form: Form, key: bytes, at: int, node: bytes) -> Entry | None:
        """Answer for a name that has no node as for all names alike (see `equivalent`)."""
        around = neighbours(self._reader, node)
        if around.successor.startswith(node):
            return None  # an empty non-terminal
        encloser = closest_encloser(node, around)
        known = self._known_alike(zone, form, key, at, (at, encloser, b""))
        if known is None or key.endswith(known[0], 10, at):
            return None
        _, entry, _, errors = known
        if errors is not None and zone.is_hashed:
            return self._alike_hashed(zone, form, key, at, known)
        if errors is not None:
            entry = self._in_gap(zone, form, at, encloser, around, errors)
            if entry is None:
                known = self._known_alike(zone, form, key, at, (at, encloser, around.predecessor))
                entry = (known and not key.endswith(known[0], 10, at) and known[1]) or None
        entry = self._fitting(form, entry)
        if entry is not None and known is not None and self.gaps.lessons and encloser == parent_key(node):
            asked = Asked(zone.view, form.told, key, at)
            self._learn(asked, entry, [(around.predecessor, around.successor)], known[0])
        return entry

    def _known_alike(self, zone: AskedZone, form: Form, key: bytes, at: int, slot: Gap) -> AlikeAnswer | None:
        """Return what is said to names alike, found out if it has to be."""
        try:
            return form.alike[slot]
        except KeyError:
            known = self._learn_alike(zone, form, Name(key[10:at]), slot)
            self._make_room()
            form.alike[slot] = known
            return known

    def _in_gap(
        self, zone: AskedZone, form: Form, at: int, encloser: bytes, around: Neighbours, errors: Errors
    ) -> Entry | None:
        """Finish an answer with the NSEC of the gap, if needed; None: its owner is not a plain label."""
        written, known, (sections, apex, own, beside, (header, kind), covered) = errors
        before = around.predecessor
        entry = known.get(before)
        if entry is not None:
            return entry
        tail = sections + form.opt
        if before not in beside:
            pieces = zone.pieces(before, around.predecessor_value)
            if pieces is None:
                return None
            label, proof, signature = pieces
            owner = label + zone.origin
            if owner in written:
                return None
            header, kind = covered
            if label and encloser.startswith(before):  # the name is below it
                label, apex = b"", pointer(at + 2 - len(owner))
            tail = b"".join((sections, label, apex, proof, own if label else apex, signature, form.opt))
        found = header, at + 6, tail, at + 6 + len(tail), kind, zone.origin
        return self._remember(zone, known, before, found)

    def _alike_hashed(
        self, zone: AskedZone, form: Form, key: bytes, at: int, known: AlikeAnswer
    ) -> Entry | None:
        """Finish an answer with the NSEC3 that covers the next closer name."""
        odd, _, proved, errors = known
        start = 10  # of the next closer name
        while at - start - 1 - key[start] > proved:
            start += 1 + key[start]
        if errors is None or (key[start] == HASH_LABEL and proved == len(zone.origin)):
            return None  # it may own an NSEC3, which would point to it
        cursor = zone.cover(self._hash_cursor, key[start:at])
        entry = errors[1].get(cursor.key())
        if entry is None:
            return self._fitting(form, self._error(zone, form, at, cursor.item(), errors))
        entry = self._fitting(form, entry)
        if (
            entry is not None and start == 10 and self.gaps.lessons
        ):  # else siblings are all below the name that is hashed
            self._learn_hashed(Asked(zone.view, form.told, key, at), entry, zone, odd)
        return entry

    def _learn_alike(self, zone: AskedZone, form: Form, qname: Name, slot: Gap) -> AlikeAnswer | None:
        """Work out the answer to `qname` for all names alike, if it is one: in a gap, or in any."""
        at, encloser, gap = slot
        found = self._answer_alike(zone, form, qname, encloser, leave_open=not gap)
        if found is None:
            return None
        result, draft = found.answer, found.answer.draft
        if form.code == RARE and not {trace.step for trace in result.trace} <= _WHATEVER_TYPE:
            return None
        header, kind = self._header(zone, form, result.rcode, draft.counts, result.authoritative)
        if draft.counts[ADDITIONAL] and found.proved:
            return None  # what is left to be proved would stand before it
        if not found.proved or len(found.sections) > MAX_UDP_PAYLOAD:
            return found.odd, self._kept(form, header, at, draft, kind, zone.origin), 0, None
        return found.odd, None, found.proved, (tuple(found.written), {}, self._denial(zone, form, at, found))

    def _answer_alike(
        self, zone: AskedZone, form: Form, qname: Name, encloser: bytes, *, leave_open: bool
    ) -> Alike | None:
        return answer_alike(
            self._reader,
            self.zones,
            zone.view,
            qname,
            form.code,
            signed=form.signed,
            encloser=encloser,
            leave_open=leave_open,
        )

    def _denial(self, zone: AskedZone, form: Form, at: int, found: Alike) -> Denial:
        """Return what is said to names alike but for what is left open, with headers for both cases."""
        result, draft = found.answer, found.answer.draft
        counts = (draft.counts[ANSWER], draft.counts[AUTHORITY] + 2, 0)
        return (
            found.sections,
            zone.apex_pointer(at),
            pointer(draft.at),
            tuple(result.proof.placed),
            self._header(zone, form, result.rcode, draft.counts, result.authoritative),
            self._header(zone, form, result.rcode, counts),
        )

    def _learn(
        self, asked: Asked, entry: Entry, around: Iterable[tuple[bytes, bytes]], odd: Iterable[bytes]
    ) -> None:
        """Remember that siblings have the same answer, in gaps whose keys or hashes are `around`.

        `odd`: names that have another.
        """
        self.gaps.lessons -= 1
        zone = self._known.get(asked.view.origin)  # which has many forms where clients make them up
        if zone and asked.told in zone.forms and not self.zones.is_above(Name(asked.above)):
            self.gaps.learn(asked, around, entry, odd)

    def _learn_hashed(self, asked: Asked, entry: Entry, zone: AskedZone, odd: Iterable[bytes]) -> None:
        """Do as `_learn` does for the gap between NSEC3 hashes that the cursor of hashes stands before."""
        if zone.is_closed:
            self._learn(asked._replace(hash=zone.digest), entry, zone.around(self._hash_cursor), odd)
        else:  # a name whose hash is in a gap may exist
            self.gaps.lessons -= 1

    def _header(
        self, zone: AskedZone, form: Form, rcode: int, counts: Sequence[int], authoritative: bool = True
    ) -> tuple[bytes, int]:
        """Return octets 2 to 11 of a response (QR, AA, RD as it came, code, counts) and its class."""
        flags = 0x80 | (AA >> 8 if authoritative else 0) | form.told[0] & 1
        made = struct.pack(
            "!BBHHHH", flags, rcode, 1, counts[0], counts[1], counts[2] + (1 if form.opt else 0)
        )
        return made, self._class_of(form, made, zone.origin)

    def _class_of(self, form: Form, header: bytes, origin: Name | None, *, denied: bool = False) -> int:
        """Return the class of responses with `header` (see `tally`)."""
        # As if for the root, as the name does not matter here
        asked, end = b"\0\0" + form.told, QUESTION_AT + 4
        return self._tally.class_of(asked, asked[:2] + header, end, origin, denied=denied)

    def _kept(self, form: Form, header: bytes, at: int, draft: Draft, kind: int, origin: Name) -> Entry:
        """Return a finished answer; one too large for every client without what is cut in any case."""
        sections, ends = b"".join(draft.parts), draft.ends
        size = at + 6 + len(sections) + len(form.opt)
        if size <= MAX_UDP_PAYLOAD:
            tail = sections + form.opt
        else:
            ends = tuple(end for end in ends if size - len(sections) + end[0] <= MAX_UDP_PAYLOAD)
            tail = sections[: ends[-1][0]] if ends else b""
            size = TOO_MUCH
        if ends:
            form.ends[tail] = ends
        return header, at + 6, tail, size, kind, origin

    def _fitting(self, form: Form, entry: Entry | None) -> Entry | None:
        """Return an answer as it goes to clients that take `form.limit` octets."""
        if entry is None or entry[3] <= form.limit:
            return entry
        header, end, tail, _, kind, origin = entry
        last = last_end(form.ends.get(tail, ()), form.limit - end - len(form.opt))
        if last is None:
            return self._cut(form, end - 6, header, origin)
        self.cuts += 1
        octets, additional = last
        header = header[:8] + (additional + (1 if form.opt else 0)).to_bytes(2, "big")
        tail = tail[:octets] + form.opt
        return header, end, tail, end + len(tail), kind, origin

    def _cut(self, form: Form, at: int, header: bytes, origin: Name | None) -> Entry:
        """Return an answer of which only the header is left, and the OPT record (RFC 2181 §9)."""
        end = at + 6
        self.cuts += 1
        cut = form.cuts.get(header[:6])
        if cut is None:
            made = bytes((header[0] | TC >> 8, header[1], 0, 1, 0, 0, 0, 0, 0, 1 if form.opt else 0))
            denied = header[0] & AA >> 8 != 0 and header[4:6] == bytes(2)
            self._make_room()
            cut = form.cuts[header[:6]] = made, self._class_of(form, made, origin, denied=denied)
        return cut[0], end, form.opt, end + len(form.opt), cut[1], origin

    def _make_room(self, share: int = 1) -> None:
        """Forget all where too much is remembered: hostile clients ask in many ways."""
        self._room -= share
        if self._room < 0:
            self._known.clear()
            self._room = _ENOUGH + _EACH_ZONE * len(self.zones)
