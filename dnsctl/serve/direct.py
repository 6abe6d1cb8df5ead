"""The short way to the commonest answers: one name, one step, straight from the image's octets.

What it answers, it answers octet for octet as `answer` would: a plain query (one question, class IN, no
options) for data at an authoritative owner, for a type such an owner lacks, or for a name one label below the
apex that does not exist. Everything else (aliases, wildcards, delegations, odd messages) is None: go the long
way. Works from what one generation of a reader sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from dnsctl.image.fragment import QUESTION_AT, Entry, find, slice_of
from dnsctl.image.layout import OCCLUDED, nsec3_owner
from dnsctl.image.reader import Reader
from dnsctl.model.name import Name, wildcard
from dnsctl.model.rrset import Type
from dnsctl.serve.denial import covering_hash, nsec3_hash
from dnsctl.serve.edns import MAX_UDP_PAYLOAD, MIN_UDP_PAYLOAD, opt_record
from dnsctl.serve.lookup import Neighbours, Zones, ZoneView, neighbours
from dnsctl.serve.question import Edns
from dnsctl.serve.tally import Tally
from dnsctl.serve.wire import AUTHORITY, Draft, Response

_PLAIN: Final = {b"\0\1\0\0\0\0\0\0": False, b"\0\1\0\0\0\0\0\1": True}  # counts -> has an OPT record
_OPT_HEAD: Final = b"\0\0\x29"
_OPT_LENGTH: Final = 11  # octets, without options
# Types whose answer is not just the owner's RRset
_LONG_WAY: Final = frozenset((0, int(Type.OPT), int(Type.DS), int(Type.RRSIG), *range(249, 256)))
_NAME_ERROR: Final = 3 << 32  # NXDOMAIN above the counts
_NSEC: Final = int(Type.NSEC)
_NSEC3: Final = int(Type.NSEC3)
_NSEC_CODE: Final = Type.NSEC.to_bytes(2, "big")
_CNAME: Final = Type.CNAME.to_bytes(2, "big")
_DIGITS: Final = b"0123456789abcdefghijklmnopqrstuv"
_TEN_BITS: Final = [bytes((first, second)) for first in _DIGITS for second in _DIGITS]
_PROOF_AT: Final = QUESTION_AT + 4  # and the name, and what stands before the proof
_OPTS: Final = tuple(opt_record(Edns(0, 0, dnssec, b""), 0, b"") for dnssec in (False, True))
_HASH_OWNER: Final = 33  # octets of an NSEC3 owner below the apex
_ENOUGH: Final = 4096  # of what is remembered, by zone and length of name, or by form
_SPANS: Final = 16_384  # rendered name errors, by NSEC and length of name
_LONGEST_FORM: Final = 25  # octets: header without id, type, class, bare OPT; nothing plain is longer


class _Form(NamedTuple):
    """What a query says besides the name: worked out once for all queries that say the same."""

    code: bytes  # of the type, two octets
    signed: bool
    opt: bytes  # the OPT record of the response
    limit: int  # octets
    headers: dict[int, tuple[bytes, int]]  # by response code and counts: octets 2 to 11, class for `tally`


class Direct:
    """Answers from what `zones` and `reader` see now; make a new one for a new generation."""

    def __init__(self, reader: Reader, zones: Zones, tally: Tally | None = None) -> None:
        self._owner = reader.owner
        self._cursor = reader.owner_cursor
        self._reader = reader
        self._epoch = reader.epoch
        self._zones = zones
        self._tally = tally or Tally()
        self._counts = self._tally.counts
        self._forms: dict[bytes, _Form | None] = {}
        self._denials: dict[tuple[Name, int, bool], tuple[tuple[bytes, ...], int, bytes] | None] = {}
        self._spans: dict[tuple[bytes, int], tuple[int, bytes]] = {}  # NSEC owner, length of name -> sections
        self._missed = False  # the last name was not there: look for neighbours first

    def is_of(self, reader: Reader) -> bool:
        """True where this answers from what `reader` sees now."""
        return self._reader is reader and self._epoch == reader.epoch

    def respond(self, message: bytes) -> Response | None:
        """Return the response to a UDP query, or None for the long way."""
        at = message.find(0, 12) + 1
        told = message[2:12] + message[at:]
        try:
            form = self._forms[told]
        except KeyError:
            form = self._new_form(told)
        if form is None:
            return None
        qname = Name(message[12:at].lower())
        view = self._zones.nearby(qname)
        if view is None:
            return None
        found = self._sections(view, qname, form)
        if found is None:
            return None
        slot, sections = found
        end = at + 4
        header, kind = form.headers.get(slot) or self._header(form, message, end, slot)
        response = b"".join((message[:2], header, message[12:end], sections, form.opt))
        if len(response) > form.limit:
            return None
        zone_kind = view.kind or self._zone_kind(view)
        counts = self._counts
        counts[kind] += 1
        counts[zone_kind] += 1
        return Response(response, end, True, False, kind, zone_kind)

    def _new_form(self, told: bytes) -> _Form | None:
        """Read header (without id), type, class and OPT of a query; None where it is not plain."""
        if len(told) > _LONGEST_FORM:
            return None
        form = None
        has_opt = _PLAIN.get(told[2:10])
        rest = told[10:]
        if has_opt is not None and not told[0] & 0xFE and rest[2:4] == b"\0\1":
            opt = rest[4:]
            rdtype = rest[0] << 8 | rest[1]
            if rdtype in _LONG_WAY:
                pass
            elif not has_opt and not opt:
                form = _Form(rest[:2], False, b"", MIN_UDP_PAYLOAD, {})
            elif (
                has_opt
                and len(opt) == _OPT_LENGTH
                and opt[:3] == _OPT_HEAD
                and not (opt[6] or opt[9] or opt[10])
            ):
                signed = opt[7] > 0x7F
                limit = min(max(opt[3] << 8 | opt[4], MIN_UDP_PAYLOAD), MAX_UDP_PAYLOAD)
                form = _Form(rest[:2], signed, _OPTS[signed], limit, {})
        if len(self._forms) >= _ENOUGH:
            self._forms.clear()
        self._forms[told] = form
        return form

    def _header(self, form: _Form, message: bytes, end: int, slot: int) -> tuple[bytes, int]:
        """Return octets 2 to 11 of a response (QR, AA, RD as it came, code, counts) and its class."""
        counts = (slot & 0xFFFFFFFF).to_bytes(4, "big") + (1 if form.opt else 0).to_bytes(2, "big")
        made = bytes((0x84 | message[2] & 1, slot >> 32, 0, 1)) + counts
        kind = self._tally.class_of(message, message[:2] + made, end, None)
        form.headers[slot] = made, kind
        return made, kind

    def _zone_kind(self, view: ZoneView) -> int:
        view.kind = self._tally.zone_class(view.origin)
        return view.kind

    def _sections(self, view: ZoneView, qname: Name, form: _Form) -> tuple[int, bytes] | None:
        """Return (response code << 32 | answers << 16 | authorities, octets of both), or None."""
        key = view.key(qname)
        if self._missed:
            present = self._cursor.set_range(key)
            value = self._cursor.value() if present and self._cursor.key() == key else None
            self._missed = value is None
        else:
            value = self._owner(key)
            present = False
            if value is None:
                self._missed = True
                present = self._cursor.set_range(key)
        if value is None:
            return self._name_error(view, qname, key, form, present)
        if value[0]:
            return None
        found = slice_of(value, form.code, form.signed)
        if found is not None:
            return found[0] << 16, found[1]
        if slice_of(value, _CNAME, False) is not None:
            return None
        return self._no_data(view, qname, value, form.signed)

    def _no_data(self, view: ZoneView, qname: Name, value: bytes, signed: bool) -> tuple[int, bytes] | None:
        """Deny a type at an owner that is there."""
        if qname in view.soa_names:
            return None  # to which the SOA would point
        soa = self._soa(view, qname, signed)
        count = view.negative_soa.records
        if not signed:
            return count, soa
        count += view.negative_soa.signatures
        if not view.entry.signed:
            return count, soa
        if view.entry.nsec3 is not None:
            digest = self._hash(view, qname)
            matching = self._reader.hashed(digest)
            if matching is None:
                return None
            proof = self._hashed(view, qname, (digest, matching), _PROOF_AT + len(qname) + len(soa))
            return None if proof is None else (count + 2, soa + proof)
        nsec = slice_of(value, _NSEC_CODE, True)
        return None if nsec is None else (count + nsec[0], soa + nsec[1])

    def _soa(self, view: ZoneView, qname: Name, signed: bool) -> bytes:
        """Return the SOA of a denial, which is the same for all names of one length."""
        rendered = view.soa_cache.get((len(qname), signed))
        if rendered is None:
            draft = Draft(qname, signed)
            draft.place(AUTHORITY, view.apex, view.negative_soa, view.origin)
            rendered = view.soa_cache[(len(qname), signed)] = draft.parts[0]
        return rendered

    def _name_error(
        self, view: ZoneView, qname: Name, key: bytes, form: _Form, present: bool
    ) -> tuple[int, bytes] | None:
        """Deny a name one label below the apex, where no wildcard stands for it.

        The cursor stands at the key behind the name's, or there is none (`present` tells).
        """
        if view.apex[0] or view.depth(key) != 1 or _may_be_pointed_at(view, qname):
            return None
        cursor = self._cursor
        if present:
            if cursor.key().startswith(key):
                return None
            cursor.prev()
        else:
            cursor.last()
        if not (form.signed and view.entry.signed):
            denied = self._denied(view, qname, form.signed)
            return None if denied is None else (_NAME_ERROR | denied[1], denied[2])
        if view.entry.nsec3 is not None:
            return self._cover_hash(view, qname)
        before = cursor.key()
        return self._spans.get((before, len(qname))) or self._cover(view, qname, before, cursor.value())

    def _denied(
        self, view: ZoneView, qname: Name, signed: bool
    ) -> tuple[tuple[bytes, ...], int, bytes] | None:
        """Return what `_no_wildcard` does, remembered: it is the same for all names of one length."""
        slot = (view.origin, len(qname), signed)
        if slot not in self._denials:
            if len(self._denials) >= _ENOUGH:
                self._denials.clear()
            self._denials[slot] = self._no_wildcard(view, qname, signed)
        return self._denials[slot]

    def _cover(self, view: ZoneView, qname: Name, before: bytes, value: bytes) -> tuple[int, bytes] | None:
        """Add the NSEC of `before`, which covers the name, to what denies its wildcard; remember both."""
        denied = self._denied(view, qname, True)
        if denied is None:
            return None
        beside, count, sections = denied
        if before not in beside:
            covering = self._covering(view, qname, before, value, _PROOF_AT + len(qname) + len(sections))
            if covering is None:
                return None
            count, sections = count + 2, sections + covering
        if len(self._spans) >= _SPANS:
            self._spans.clear()
        self._spans[before, len(qname)] = found = (_NAME_ERROR | count, sections)
        return found

    def _cover_hash(self, view: ZoneView, qname: Name) -> tuple[int, bytes] | None:
        """Add the NSEC3 that covers the name to what denies its wildcard."""
        denied = self._denied(view, qname, True)
        before = covering_hash(self._reader, view, self._hash(view, qname))
        if before is None or denied is None:
            return None
        beside, count, sections = denied
        if before[0] in beside:
            return _NAME_ERROR | count, sections
        covering = self._hashed(view, qname, before, _PROOF_AT + len(qname) + len(sections))
        return None if covering is None else (_NAME_ERROR | count + 2, sections + covering)

    def _no_wildcard(
        self, view: ZoneView, qname: Name, signed: bool
    ) -> tuple[tuple[bytes, ...], int, bytes] | None:
        """Return (keys of the proofs, number of records, octets) of the SOA and what denies `*.apex`."""
        source = view.prefix + b"*\0"
        beside = neighbours(self._reader, source)
        if beside.successor.startswith(source) or beside.predecessor_value[0] & OCCLUDED:
            return None
        draft = Draft(qname, signed)
        draft.put(AUTHORITY, self._soa(view, qname, signed), view.negative_soa.records)
        if signed:
            draft.counts[AUTHORITY] += view.negative_soa.signatures
        placed: list[bytes] = []
        for key, node, code, owner in self._against_wildcard(view, beside) if signed else ():
            entry = find(node, code)
            if entry is None:
                return None
            if key not in placed:
                draft.place(AUTHORITY, node, entry, owner)
                placed.append(key)
        return tuple(placed), draft.counts[AUTHORITY], b"".join(draft.parts)

    def _against_wildcard(
        self, view: ZoneView, beside: Neighbours
    ) -> Iterator[tuple[bytes, bytes, int, Name]]:
        """Yield (key, node, type, owner) of what proves that `*.apex` is not there."""
        if not view.entry.signed:
            return
        if view.entry.nsec3 is None:
            yield beside.predecessor, beside.predecessor_value, _NSEC, view.name(beside.predecessor)
            return
        apex = self._hash(view, view.origin)
        found = (apex, self._reader.hashed(apex) or b"\0\0\0\0")
        covering = covering_hash(self._reader, view, self._hash(view, wildcard(view.origin)))
        for key, node in (found, covering or found):
            yield key, node, _NSEC3, nsec3_owner(key[len(view.prefix) :], view.origin)

    def _hash(self, view: ZoneView, name: Name) -> bytes:
        """Return the key of the NSEC3 hash of `name`."""
        nsec3 = view.entry.nsec3
        assert nsec3 is not None  # noqa: S101 - asked of zones with NSEC3 only
        return view.prefix + nsec3_hash(name, nsec3.salt, nsec3.iterations)

    def _hashed(self, view: ZoneView, qname: Name, node: tuple[bytes, bytes], at: int) -> bytes | None:
        """Return an NSEC3 and its one RRSIG as they stand at offset `at` of the message."""
        key, value = node
        entry = find(value, _NSEC3)
        return (
            None if entry is None else _pair(value, entry, b"\x20" + _base32hex(key[-20:]), view, qname, at)
        )

    def _covering(self, view: ZoneView, qname: Name, before: bytes, value: bytes, at: int) -> bytes | None:
        """Return the NSEC of `before`, and its one RRSIG, as they stand at offset `at` of the message."""
        label = before[len(view.prefix) : -1]
        if value[0] & OCCLUDED or not label or b"\0" in label or b"\1" in label:
            return None
        entry = find(value, _NSEC)
        return None if entry is None else _pair(value, entry, b"%c%b" % (len(label), label), view, qname, at)


def _may_be_pointed_at(view: ZoneView, qname: Name) -> bool:
    """True where a record of the denial may hold or be owned by `qname`, and then point to the question."""
    is_hash = len(qname) - len(view.origin) == _HASH_OWNER and view.entry.nsec3 is not None
    return is_hash or qname in view.soa_names


def _pair(value: bytes, entry: Entry, label: bytes, view: ZoneView, qname: Name, at: int) -> bytes | None:
    """Return one record and its one RRSIG, owned by `label` below the apex, as they stand at offset `at`."""
    start, plain, full, records, signatures, _ = entry
    if records != 1 or signatures != 1 or len(view.origin) == 1:  # a pointer to the root is longer than it
        return None
    return b"%b%b%b%b%b" % (
        label,
        (0xC000 | QUESTION_AT + len(qname) - len(view.origin)).to_bytes(2, "big"),
        value[start + 2 : start + plain],
        (0xC000 | at).to_bytes(2, "big"),
        value[start + plain + 2 : start + full],
    )


def _base32hex(digest: bytes) -> bytes:
    """Return 20 octets in lower-case base32hex (RFC 4648 §7), ten bits at a time."""
    bits = int.from_bytes(digest, "big")
    return b"".join([_TEN_BITS[bits >> shift & 0x3FF] for shift in range(150, -1, -10)])
