"""The short way to the commonest answers: one name, one step, straight from the image's octets.

What it answers, it answers octet for octet as `answer` would: a plain query (one question, class IN, no
options) for data at an authoritative owner, for a type such an owner lacks, or for a name one label below the
apex that does not exist. Everything else (aliases, wildcards, delegations, odd messages) is None: go the long
way. Works from what one generation of a reader sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dnsctl.image.fragment import QUESTION_AT, Entry, find
from dnsctl.image.layout import OCCLUDED, nsec3_owner
from dnsctl.image.reader import Reader
from dnsctl.model.name import Name, wildcard
from dnsctl.model.rrset import Type
from dnsctl.serve.denial import covering_hash, nsec3_hash
from dnsctl.serve.edns import MAX_UDP_PAYLOAD, MIN_UDP_PAYLOAD, opt_record
from dnsctl.serve.lookup import Neighbours, Zones, ZoneView, neighbours
from dnsctl.serve.question import Edns
from dnsctl.serve.wire import AUTHORITY, Draft

_PLAIN: Final = {b"\0\1\0\0\0\0\0\0": False, b"\0\1\0\0\0\0\0\1": True}  # counts -> has an OPT record
_OPT_HEAD: Final = b"\0\0\x29"
_OPT_LENGTH: Final = 11  # octets, without options
# Types whose answer is not just the owner's RRset
_LONG_WAY: Final = frozenset((0, int(Type.OPT), int(Type.DS), int(Type.RRSIG), *range(249, 256)))
_NAME_ERROR: Final = 3
_NSEC: Final = int(Type.NSEC)
_NSEC3: Final = int(Type.NSEC3)
_CNAME: Final = int(Type.CNAME)
_DIGITS: Final = b"0123456789abcdefghijklmnopqrstuv"
_TEN_BITS: Final = [bytes((first, second)) for first in _DIGITS for second in _DIGITS]
_PROOF_AT: Final = QUESTION_AT + 4  # and the name, and what stands before the proof
_OPTS: Final = tuple(opt_record(Edns(0, 0, dnssec, b""), 0, b"") for dnssec in (False, True))
_ENOUGH: Final = 4096  # rendered denials kept, by zone, length of name and DO


class Direct:
    """Answers from what `zones` and `reader` see now; make a new one for a new generation."""

    def __init__(self, reader: Reader, zones: Zones) -> None:
        self._owner = reader.owner
        self._reader = reader
        self._epoch = reader.epoch
        self._zones = zones
        self._headers: dict[tuple[int, int, int, int, int], bytes] = {}
        self._denials: dict[tuple[Name, int, bool], tuple[tuple[bytes, ...], int, bytes] | None] = {}

    def is_of(self, reader: Reader) -> bool:
        """True where this answers from what `reader` sees now."""
        return self._reader is reader and self._epoch == reader.epoch

    def respond(self, message: bytes) -> tuple[bytes, int] | None:
        """Return (response, end of its question) to a UDP query, or None for the long way."""
        has_opt = _PLAIN.get(message[4:12])
        if has_opt is None or message[2] & 0xFE:
            return None
        at = message.find(0, 12) + 1
        end = at + 4
        question = message[at:end]
        if at < 14 or question[2:] != b"\0\1":
            return None
        signed, opt, limit = False, b"", MIN_UDP_PAYLOAD
        if has_opt:
            opt = message[end:]
            if len(opt) != _OPT_LENGTH or opt[:3] != _OPT_HEAD or opt[6] or opt[9] or opt[10]:
                return None
            signed = opt[7] > 0x7F
            limit = min(max(opt[3] << 8 | opt[4], MIN_UDP_PAYLOAD), MAX_UDP_PAYLOAD)
            opt = _OPTS[signed]
        elif len(message) != end:
            return None
        rdtype = question[0] << 8 | question[1]
        qname = Name(message[12:at].lower())
        view = None if rdtype in _LONG_WAY else self._zones.nearby(qname)
        if view is None:
            return None
        found = self._sections(view, qname, rdtype, signed)
        if found is None:
            return None
        rcode, answers, authorities, sections = found
        slot = (message[2], rcode, answers, authorities, has_opt)
        header = self._headers.get(slot) or self._header(slot)
        response = b"%b%b%b%b%b" % (message[:2], header, message[12:end], sections, opt)
        return (response, end) if len(response) <= limit else None

    def _header(self, slot: tuple[int, int, int, int, int]) -> bytes:
        flags, rcode, answers, authorities, additionals = slot
        counts = answers.to_bytes(2, "big") + authorities.to_bytes(2, "big") + additionals.to_bytes(2, "big")
        made = bytes((0x84 | flags & 1, rcode, 0, 1)) + counts  # QR, AA, and RD as it came
        self._headers[slot] = made
        return made

    def _sections(
        self, view: ZoneView, qname: Name, rdtype: int, signed: bool
    ) -> tuple[int, int, int, bytes] | None:
        """Return (response code, number of answers, of authorities, octets of both), or None."""
        key = view.key(qname)
        value = self._owner(key)
        if value is None:
            return self._name_error(view, qname, key, signed)
        if value[0]:
            return None
        entry = find(value, rdtype)
        if entry is not None:
            start, plain, full, records, signatures, _ = entry
            if signed:
                return 0, records + signatures, 0, value[start : start + full]
            return 0, records, 0, value[start : start + plain]
        if find(value, _CNAME) is not None:
            return None
        soa = self._soa(view, qname, signed)
        count = view.negative_soa.records
        if not signed:
            return 0, 0, count, soa
        count += view.negative_soa.signatures
        if not view.entry.signed:
            return 0, 0, count, soa
        if view.entry.nsec3 is not None:
            digest = self._hash(view, qname)
            matching = self._reader.hashed(digest)
            if matching is None:
                return None
            proof = self._hashed(view, qname, (digest, matching), _PROOF_AT + len(qname) + len(soa))
            return None if proof is None else (0, 0, count + 2, soa + proof)
        nsec = find(value, _NSEC)
        if nsec is None:
            return None
        soa += value[nsec.start : nsec.start + nsec.full]
        return 0, 0, count + nsec.records + nsec.signatures, soa

    def _soa(self, view: ZoneView, qname: Name, signed: bool) -> bytes:
        """Return the SOA of a denial, which is the same for all names of one length."""
        rendered = view.soa_cache.get((len(qname), signed))
        if rendered is None:
            draft = Draft(qname, signed)
            draft.place(AUTHORITY, view.apex, view.negative_soa, view.origin)
            rendered = view.soa_cache[(len(qname), signed)] = draft.parts[0]
        return rendered

    def _name_error(
        self, view: ZoneView, qname: Name, key: bytes, signed: bool
    ) -> tuple[int, int, int, bytes] | None:
        """Deny a name one label below the apex, where no wildcard stands for it."""
        if view.apex[0] or view.depth(key) != 1:
            return None
        around = neighbours(self._reader, key)
        if around.successor.startswith(key):
            return None
        slot = (view.origin, len(qname), signed)
        if slot not in self._denials:
            if len(self._denials) >= _ENOUGH:
                self._denials.clear()
            self._denials[slot] = self._no_wildcard(view, qname, signed)
        denied = self._denials[slot]
        if denied is None:
            return None
        beside, count, sections = denied
        if not (signed and view.entry.signed):
            return _NAME_ERROR, 0, count, sections
        at = _PROOF_AT + len(qname) + len(sections)
        if view.entry.nsec3 is not None:
            before = covering_hash(self._reader, view, self._hash(view, qname))
            if before is None or before[0] in beside:
                return None if before is None else (_NAME_ERROR, 0, count, sections)
            covering = self._hashed(view, qname, before, at)
        elif around.predecessor in beside:
            return _NAME_ERROR, 0, count, sections
        else:
            covering = self._covering(view, qname, around, at)
        return None if covering is None else (_NAME_ERROR, 0, count + 2, sections + covering)

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

    def _covering(self, view: ZoneView, qname: Name, around: Neighbours, at: int) -> bytes | None:
        """Return the NSEC before a name, and its one RRSIG, as they stand at offset `at` of the message."""
        value = around.predecessor_value
        label = around.predecessor[len(view.prefix) : -1]
        if value[0] & OCCLUDED or not label or b"\0" in label or b"\1" in label:
            return None
        entry = find(value, _NSEC)
        if entry is None:
            return None
        return _pair(value, entry, b"%c%b" % (len(label), label), view, qname, at)


def _pair(value: bytes, entry: Entry, label: bytes, view: ZoneView, qname: Name, at: int) -> bytes | None:
    """Return one record and its one RRSIG, owned by `label` below the apex, as they stand at offset `at`."""
    start, plain, full, records, signatures, _ = entry
    if records != 1 or signatures != 1:
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
