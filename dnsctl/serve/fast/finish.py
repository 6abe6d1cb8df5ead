"""Finish an answer of the fast path: its header, its class for `tally`, and what of it fits the client."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from dnsctl.image.fragment import QUESTION_AT
from dnsctl.model.message_size import MAX_UDP_PAYLOAD
from dnsctl.model.name import Name
from dnsctl.serve.fast.cache import Entry
from dnsctl.serve.fast.known import Known
from dnsctl.serve.fast.template import TOO_MUCH, AskedZone, Form
from dnsctl.serve.message.kind import Kind
from dnsctl.serve.message.query import AA, TC
from dnsctl.serve.message.sections import Draft, last_end


def header_of(
    known: Known,
    zone: AskedZone,
    form: Form,
    kind: Kind,
    counts: Sequence[int],
    rcode: int = 0,
    authoritative: bool = True,
) -> tuple[bytes, int]:
    """Return octets 2 to 11 of a response (QR, AA, RD as it came, code, counts) and its class."""
    flags = 0x80 | (AA >> 8 if authoritative else 0) | form.frame[0] & 1
    made = struct.pack("!BBHHHH", flags, rcode, 1, counts[0], counts[1], counts[2] + (1 if form.opt else 0))
    return made, _class_of(known, form, made, zone.origin, kind)


def _class_of(known: Known, form: Form, header: bytes, origin: Name | None, kind: Kind) -> int:
    """Return the class of responses with `header` (see `tally`)."""
    # As if for the root, as the name does not matter here
    asked, end = b"\0\0" + form.frame, QUESTION_AT + 4
    return known.tally.class_of(asked, asked[:2] + header, end, origin, kind)


def finished(form: Form, header: bytes, at: int, draft: Draft, class_: int, origin: Name) -> Entry:
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
    return header, at + 6, tail, size, class_, origin


def fitting(known: Known, form: Form, entry: Entry | None) -> Entry | None:
    """Return an answer as it goes to clients that take `form.limit` octets."""
    if entry is None:
        return None
    header, end, tail, size, class_, origin = entry
    if size <= form.limit:
        return entry
    last = last_end(form.ends.get(tail, ()), form.limit - end - len(form.opt))
    if last is None:
        return truncated(known, form, end - 6, header, class_, origin)
    known.cuts += 1
    octets, additional = last
    header = header[:8] + (additional + (1 if form.opt else 0)).to_bytes(2, "big")
    tail = tail[:octets] + form.opt
    return header, end, tail, end + len(tail), class_, origin


def truncated(known: Known, form: Form, at: int, header: bytes, class_: int, origin: Name | None) -> Entry:
    """Return an answer of which only the header is left, and the OPT record (RFC 2181 §9)."""
    end = at + 6
    known.cuts += 1
    cut = form.cuts.get((header[:2], class_))
    if cut is None:
        made = bytes((header[0] | TC >> 8, header[1], 0, 1, 0, 0, 0, 0, 0, 1 if form.opt else 0))
        kind, _ = known.tally.kind_of(class_)
        known.make_room()
        cut = form.cuts[header[:2], class_] = made, _class_of(known, form, made, origin, kind)
    made, class_ = cut
    return made, end, form.opt, end + len(form.opt), class_, origin
