"""Fast answers for names without a node: denials, wildcards, referrals and aliases of them.

A zone gives many such names one answer: all of one length below the apex (`template.Denial`), or all
equivalent names (see `equivalent`). It is worked out once, and kept by form; then only the gap of a name must
be found. If the batch knows that gap as well, the name is answered there (`intervals`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dnsctl.image.cursor import Cursor
from dnsctl.model.message_size import MAX_UDP_PAYLOAD
from dnsctl.model.name import Name
from dnsctl.model.nsec3 import HASH_LABEL
from dnsctl.serve.fast.cache import Entry
from dnsctl.serve.fast.columns import Asked
from dnsctl.serve.fast.equivalent import Equivalent, answer_equivalent
from dnsctl.serve.fast.existing import existing
from dnsctl.serve.fast.finish import finished, fitting, header_of
from dnsctl.serve.fast.known import Known
from dnsctl.serve.fast.template import (
    RARE,
    AskedZone,
    Denial,
    EquivalentAnswer,
    EquivalentNames,
    Errors,
    Form,
    pointer,
)
from dnsctl.serve.message.query import Rcode
from dnsctl.serve.message.sections import ADDITIONAL, ANSWER, AUTHORITY
from dnsctl.serve.zone.answer import Step
from dnsctl.serve.zone.names import Neighbours, closest_encloser, neighbours, parent_key

_WHATEVER_TYPE: Final = frozenset((Step.REFERRAL, Step.NAME_ERROR))  # is answered so


def missing(known: Known, zone: AskedZone, form: Form, key: bytes, at: int, node: bytes) -> Entry | None:
    """Deny a name one label below the apex, where no wildcard stands for it; or find that it is there."""
    if zone.is_closed and form.dnssec and form.errors.get(at) is not None:
        return _unhashed(known, zone, form, key, at, node)
    cursor, after = known.cursor, b""
    if cursor.set_range(node):
        after = cursor.key()
        if after.startswith(node):
            known.missed = False
            return existing(known, zone, form, key, at, cursor.value()) if after == node else None
        cursor.prev()
    else:
        cursor.last()
    known.missed = True
    try:
        errors = form.errors[at]
    except KeyError:
        _learn_errors(known, zone, form, Name(key[10:at]))
        return missing(known, zone, form, key, at, node)  # the cursor stands elsewhere now
    if errors is None:
        return equivalent(known, zone, form, key, at, node)
    if form.dnssec and zone.is_hashed:
        return _covered(known, zone, form, key, at, zone.cover(known.hash_cursor, key[10:at]))
    odd, entries, _ = errors
    if odd and key[10:at] in odd:
        return None
    entry = entries.get(cursor.key() if form.dnssec else b"") if zone.is_small else None
    if entry is None:
        entry = _error(known, zone, form, at, cursor.item() if form.dnssec else (b"", b""), errors)
        if entry is None and form.dnssec:
            return equivalent(known, zone, form, key, at, node)
        return fitting(known, form, entry)
    entry = fitting(known, form, entry)
    if entry is not None and known.intervals.lessons:
        asked = Asked(zone.view, form.frame, key, at)
        _learn(known, asked, entry, [(cursor.key(), after)], zone.soa_names)
    return entry


def _unhashed(known: Known, zone: AskedZone, form: Form, key: bytes, at: int, node: bytes) -> Entry | None:
    """Do as `missing` does where every name of the zone has an NSEC3: look for that of the name."""
    cursor, digest = known.hash_cursor, zone.hash(key[10:at])
    has_next = cursor.set_range(digest)
    if has_next and cursor.key() == digest:
        known.missed = False
        value = known.owner(node)
        return None if value is None else existing(known, zone, form, key, at, value)
    known.missed = True
    if not (cursor.prev() if has_next else cursor.last()) or not cursor.key().startswith(zone.prefix):
        zone.cover(cursor, key[10:at])
    return _covered(known, zone, form, key, at, cursor)


def _covered(known: Known, zone: AskedZone, form: Form, key: bytes, at: int, cursor: Cursor) -> Entry | None:
    """Deny a name whose hash is covered by the NSEC3 where `cursor` stands."""
    errors = form.errors[at]
    if errors is None:
        return None
    odd, entries, _ = errors
    if odd and key[10:at] in odd:
        return None
    entry = entries.get(cursor.key()) if zone.is_small else None
    if entry is None:
        return fitting(known, form, _error(known, zone, form, at, cursor.item(), errors))
    entry = fitting(known, form, entry)
    if entry is not None and known.intervals.lessons:
        _learn_hashed(known, Asked(zone.view, form.frame, key, at), entry, zone, zone.soa_names)
    return entry


def _error(
    known: Known, zone: AskedZone, form: Form, at: int, covering: tuple[bytes, bytes], errors: Errors
) -> Entry | None:
    """Finish an answer with the proof in the node `covering`, where it needs one more."""
    _, entries, (sections, apex, own, beside, (header, class_), covered) = errors
    before, value = covering
    if not before or before in beside:
        tail = sections + form.opt
    else:
        pieces = zone.pieces(before, value)
        if pieces is None:
            return None
        label, proof, signature = pieces
        header, class_ = covered
        tail = b"".join((sections, label, apex, proof, own if label else apex, signature, form.opt))
    found = header, at + 6, tail, at + 6 + len(tail), class_, zone.origin
    return _remember(known, zone, entries, before, found)


def _remember(
    known: Known, zone: AskedZone, entries: dict[bytes, Entry], before: bytes, found: Entry
) -> Entry:
    """Keep a finished answer by what covers the name, where others are likely to be covered by it."""
    if zone.is_small:
        known.make_room()
        entries[before] = found
    return found


def _learn_errors(known: Known, zone: AskedZone, form: Form, qname: Name) -> None:
    """Work out what denies names as long as `qname`, one label below the apex; None: that is not shared."""
    at, errors = len(qname) + 10, None
    may_be_nsec3_owner = zone.is_hashed and qname[0] == HASH_LABEL
    if not zone.view.apex[0] and not may_be_nsec3_owner:
        found = _answer(known, zone, form, qname, zone.prefix, leave_open=True)
        if found is not None and found.answer.rcode == Rcode.NXDOMAIN:
            odd = tuple(name for name in found.odd if len(name) == len(qname))
            errors = odd, dict[bytes, Entry](), _denial(known, zone, form, at, found)
    known.make_room()
    form.errors[at] = errors


def equivalent(known: Known, zone: AskedZone, form: Form, key: bytes, at: int, node: bytes) -> Entry | None:
    """Answer for a name that has no node as for all equivalent names."""
    around = neighbours(known.reader, node)
    if around.successor.startswith(node):
        return None  # an empty non-terminal
    encloser = closest_encloser(node, around)
    shared = _shared(known, zone, form, key, at, (at, encloser, b""))
    if shared is None:
        return None
    odd, entry, proved, errors = shared
    if key.endswith(odd, 10, at):
        return None
    if errors is not None and zone.is_hashed:
        return _equivalent_hashed(known, zone, form, key, at, odd, proved, errors)
    if errors is not None:
        entry = _in_gap(known, zone, form, at, encloser, around, errors)
        if entry is None:
            shared = _shared(known, zone, form, key, at, (at, encloser, around.predecessor))
            if shared is None:
                return None
            odd, entry, _, _ = shared
            if key.endswith(odd, 10, at):
                return None
    entry = fitting(known, form, entry)
    if entry is not None and known.intervals.lessons and encloser == parent_key(node):
        asked = Asked(zone.view, form.frame, key, at)
        _learn(known, asked, entry, [(around.predecessor, around.successor)], odd)
    return entry


def _shared(
    known: Known, zone: AskedZone, form: Form, key: bytes, at: int, names: EquivalentNames
) -> EquivalentAnswer | None:
    """Return the answer to equivalent names; work it out if it is not known yet."""
    try:
        return form.equivalent[names]
    except KeyError:
        shared = _learn_shared(known, zone, form, Name(key[10:at]), names)
        known.make_room()
        form.equivalent[names] = shared
        return shared


def _in_gap(
    known: Known, zone: AskedZone, form: Form, at: int, encloser: bytes, around: Neighbours, errors: Errors
) -> Entry | None:
    """Finish an answer with the NSEC of the gap, if needed; None: its owner is not a plain label."""
    written, entries, (sections, apex, own, beside, (header, class_), covered) = errors
    before = around.predecessor
    entry = entries.get(before)
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
        header, class_ = covered
        if label and encloser.startswith(before):  # the name is below it
            label, apex = b"", pointer(at + 2 - len(owner))
        tail = b"".join((sections, label, apex, proof, own if label else apex, signature, form.opt))
    found = header, at + 6, tail, at + 6 + len(tail), class_, zone.origin
    return _remember(known, zone, entries, before, found)


def _equivalent_hashed(
    known: Known,
    zone: AskedZone,
    form: Form,
    key: bytes,
    at: int,
    odd: tuple[bytes, ...],
    proved: int,
    errors: Errors,
) -> Entry | None:
    """Finish an answer with the NSEC3 that covers the next closer name."""
    start = 10  # of the next closer name
    while at - start - 1 - key[start] > proved:
        start += 1 + key[start]
    if key[start] == HASH_LABEL and proved == len(zone.origin):
        return None  # it may own an NSEC3, which would point to it
    cursor = zone.cover(known.hash_cursor, key[start:at])
    _, entries, _ = errors
    entry = entries.get(cursor.key())
    if entry is None:
        return fitting(known, form, _error(known, zone, form, at, cursor.item(), errors))
    entry = fitting(known, form, entry)
    # Only where the name itself is hashed: else all names below the one that is have this gap
    if entry is not None and start == 10 and known.intervals.lessons:
        _learn_hashed(known, Asked(zone.view, form.frame, key, at), entry, zone, odd)
    return entry


def _learn_shared(
    known: Known, zone: AskedZone, form: Form, qname: Name, names: EquivalentNames
) -> EquivalentAnswer | None:
    """Work out the answer to `qname` for all equivalent names, if it is one: in a gap, or in any."""
    at, encloser, gap = names
    found = _answer(known, zone, form, qname, encloser, leave_open=not gap)
    if found is None:
        return None
    result, draft = found.answer, found.answer.draft
    if form.code == RARE and not {trace.step for trace in result.trace} <= _WHATEVER_TYPE:
        return None
    header, class_ = header_of(
        known, zone, form, result.kind, draft.counts, result.rcode, result.authoritative
    )
    if draft.counts[ADDITIONAL] and found.proved:
        return None  # what is left to be proved would stand before it
    if not found.proved or len(found.sections) > MAX_UDP_PAYLOAD:
        return found.odd, finished(form, header, at, draft, class_, zone.origin), 0, None
    return found.odd, None, found.proved, (tuple(found.written), {}, _denial(known, zone, form, at, found))


def _answer(
    known: Known, zone: AskedZone, form: Form, qname: Name, encloser: bytes, *, leave_open: bool
) -> Equivalent | None:
    return answer_equivalent(
        known.reader,
        known.zones,
        zone.view,
        qname,
        form.code,
        do=form.dnssec,
        encloser=encloser,
        leave_open=leave_open,
    )


def _denial(known: Known, zone: AskedZone, form: Form, at: int, found: Equivalent) -> Denial:
    """Return the answer to equivalent names without what is left open, with headers for both cases."""
    result, draft = found.answer, found.answer.draft
    counts = (draft.counts[ANSWER], draft.counts[AUTHORITY] + 2, 0)
    return (
        found.sections,
        zone.apex_pointer(at),
        pointer(draft.at),
        tuple(result.proof.placed),
        header_of(known, zone, form, result.kind, draft.counts, result.rcode, result.authoritative),
        header_of(known, zone, form, result.kind, counts, result.rcode),
    )


def _learn(
    known: Known, asked: Asked, entry: Entry, around: Iterable[tuple[bytes, bytes]], odd: Iterable[bytes]
) -> None:
    """Remember that names in the gaps whose keys or hashes are `around` have the same answer.

    `odd`: names that have another.
    """
    known.intervals.lessons -= 1
    zone = known.asked.get(asked.view.origin)  # which has many forms where clients make them up
    if zone and asked.frame in zone.forms and not known.zones.is_above(Name(asked.above)):
        known.intervals.learn(asked, around, entry, odd)


def _learn_hashed(known: Known, asked: Asked, entry: Entry, zone: AskedZone, odd: Iterable[bytes]) -> None:
    """Do as `_learn` does for the gap between NSEC3 hashes that the cursor of hashes stands before."""
    if zone.is_closed:
        _learn(known, asked._replace(hash=zone.digest), entry, zone.around(known.hash_cursor), odd)
    else:  # a name whose hash is in a gap may exist
        known.intervals.lessons -= 1
