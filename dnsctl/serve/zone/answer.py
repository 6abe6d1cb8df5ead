"""The answer to one question from one zone (RFC 1034 §4.3.2, 2308, 4592, 6604, 6672, 4035 §3.1, 5155 §7.2).

`answer` walks one name at a time: the question's, then the targets of CNAMEs and DNAMEs inside the zone. For
each it finds the node, or the cut, DNAME or wildcard that stands for it, and fills the sections of a `Draft`.
Below a cut that is a referral, with glue.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from dnsctl.image.fragment import Fragment, find, node_types, rdatas_of
from dnsctl.image.layout import CUT, NEGATIVE_SOA, OCCLUDED
from dnsctl.image.reader import Reader
from dnsctl.model.name import MAX_NAME, Name, is_subdomain
from dnsctl.model.rrset import Type
from dnsctl.serve.message.kind import Kind
from dnsctl.serve.message.query import Rcode
from dnsctl.serve.message.sections import ADDITIONAL, ANSWER, AUTHORITY, Draft
from dnsctl.serve.zone.denial import proof_for
from dnsctl.serve.zone.names import (
    Neighbours,
    Zones,
    ZoneView,
    closest_encloser,
    neighbours,
    occluder,
    occluder_of,
)
from dnsctl.serve.zone.service import SERVICES, Answered, Targets

MAX_ALIASES = 16  # followed in one answer; a resolver asks for the rest
_MAX_SOAS = 32  # kept in a view: there may be many zones, and names of 250 lengths are asked for
_ADDRESS_TYPES = (int(Type.A), int(Type.AAAA))


class Step(Enum):
    """What was found for one name on the way."""

    ANSWER = "answer"
    NO_DATA = "no data"
    EMPTY_NON_TERMINAL = "empty non-terminal"
    NAME_ERROR = "name error"
    WILDCARD = "wildcard"
    ALIAS = "alias"
    DNAME = "dname"
    REFERRAL = "referral"
    LOOP = "alias loop or too long a chain"
    OUTSIDE = "alias leaves the zone"


class Trace(NamedTuple):
    """One step of an answer: what, and the name it was found at (owner, wildcard, cut or target)."""

    step: Step
    name: Name


class Answer:
    """The way to one answer, and its result: `draft`, `rcode`, `authoritative`, `trace`, `proof`.

    `beside`: other zones of ours were looked at, so that the answer is not of this zone alone.
    """

    def __init__(
        self,
        reader: Reader,
        zones: Zones,
        view: ZoneView,
        qname: Name,
        rdtype: int,
        do: bool,
        leave_open: bool,
    ) -> None:
        self._reader = reader
        self._zones = zones
        self._view = view
        self._rdtype = rdtype
        self.draft = Draft(qname, do)
        self.proof = proof_for(reader, view, self.draft, leave_open)
        self._expanded: list[tuple[Name, Neighbours, bytes]] = []  # wildcards to be proved behind the answers
        self._dnames: set[Name] = set()  # placed: an RRset stands in an answer once
        self._cut: Name | None = None  # where a referral leads
        self._name_servers: list[Name] = []  # of that: their addresses come last
        self._service: Answered | None = None  # whose targets come last
        self.beside = False
        self.rcode = Rcode.NOERROR
        self.authoritative = True
        self.trace: list[Trace] = []

    @property
    def kind(self) -> Kind:
        """What the answer says."""
        if self.draft.counts[ANSWER]:
            is_own = self.trace[0].step not in (Step.WILDCARD, Step.DNAME)
            return Kind.DATA if is_own else Kind.SYNTHESIZED
        if self.rcode == Rcode.NXDOMAIN:
            return Kind.NXDOMAIN
        return Kind.NODATA if self.authoritative else Kind.REFERRAL

    def follow(self) -> None:
        """Fill the sections, over as many aliases as the zone holds."""
        seen: set[Name] = set()
        name: Name | None = self.draft.qname
        while name is not None:
            if name in seen or len(seen) > MAX_ALIASES:
                self._note(Step.LOOP, name)
                break
            if not is_subdomain(name, self._view.origin):
                self._note(Step.OUTSIDE, name)
                break
            seen.add(name)
            name = self._at(name)
        if self.draft.do:
            for each in self._expanded:
                self.proof.wildcard_expanded(*each)
        if self._cut is not None:
            self._glue(self._cut)
        if self._service is not None:
            targets = Targets(self._reader, self._zones, self.draft, self.proof, self._service)
            targets.place()
            self.beside = targets.beside

    def _note(self, step: Step, name: Name) -> None:
        self.trace.append(Trace(step, name))

    def _at(self, name: Name) -> Name | None:
        """Answer for one name. Return where an alias leads, or None at the end of the way."""
        key = self._view.key(name)
        value = self._reader.owner(key)
        if value is None:
            return self._missing(name, key)
        flags = value[0]
        if flags & OCCLUDED:
            return self._hidden(name, *occluder(self._reader, self._view, key, value))
        if flags & CUT and self._rdtype != Type.DS:
            return self._hidden(name, key, value)
        return self._node(name, key, value)

    def _node(self, name: Name, key: bytes, value: bytes) -> Name | None:
        """Answer from a node that exists and is authoritative, or holds a DS that is."""
        if self._place_type(name, value, None):
            self._note(Step.ANSWER, name)
            return None
        target = self._place_alias(name, value, None)
        if target is None:
            self._note(Step.NO_DATA, name)
            self._soa()
            self.proof.nodata(name, key, value)
        return target

    def _place_type(self, name: Name, value: bytes, template: Name | None) -> bool:
        """Place the RRset asked for, if the node has it. ANY gets one RRset (RFC 8482 §4.1)."""
        rdtype = self._rdtype
        if rdtype in (Type.ANY, Type.RRSIG):
            return self._place_any(name, value, template)
        found = find(value, rdtype, self._view.origin) if rdtype else None
        if found is None:
            return False
        if name not in self._dnames or rdtype != Type.DNAME:
            self.draft.place(ANSWER, found, name, template)
        if rdtype in SERVICES:
            self._service = Answered(self._view, name, value, found, template)
        return True

    def _place_any(self, name: Name, value: bytes, template: Name | None) -> bool:
        for code in node_types(value):
            found = find(value, code, self._view.origin)
            if found is None or code == NEGATIVE_SOA:
                continue
            if self._rdtype == Type.RRSIG:
                if not found.signatures:
                    continue
                signatures = found.octets[found.plain :]
                found = Fragment(signatures, len(signatures), found.signatures, 0, ())
            self.draft.place(ANSWER, found, name, template)
            return True
        return False

    def _place_alias(self, name: Name, value: bytes, template: Name | None) -> Name | None:
        """Place a CNAME, if the node has one; return its target. The node has no RRset of the type asked for.

        That goes for NSEC too: to deny it with a bitmap that holds CNAME proves nothing (RFC 6840 §4.3).
        """
        found = find(value, Type.CNAME, self._view.origin)
        if found is None:
            return None
        rdata_at = self.draft.place(ANSWER, found, name, template)
        target = Name(next(rdatas_of(found, template or name))[1])
        self.draft.learn(target, rdata_at)
        self._note(Step.ALIAS, name)
        return target

    def _hidden(self, name: Name, key: bytes, value: bytes) -> Name | None:
        """Answer for a name at or below a cut, or below a DNAME."""
        owner = self._view.name(key)
        if value[0] & CUT:
            self._referral(owner, key, value)
            return None
        return self._redirect(name, owner, value)

    def _referral(self, cut: Name, key: bytes, value: bytes) -> None:
        """Place the delegation: NS, DS or the proof that there is none (RFC 4035 §3.1.4)."""
        self._note(Step.REFERRAL, cut)
        self.authoritative = bool(self.draft.counts[ANSWER])
        name_servers = find(value, Type.NS, self._view.origin)
        if name_servers is None:
            return
        self._cut = cut
        self.draft.place_anew(AUTHORITY, name_servers, cut)  # glue points at the names in it
        self._name_servers = [
            Name(target) for place, target in rdatas_of(name_servers, cut) if place < name_servers.plain
        ]
        if self.draft.do and self._view.entry.signed:
            ds = find(value, Type.DS, self._view.origin)
            if ds is not None:
                self.draft.place(AUTHORITY, ds, cut)
            else:
                self.proof.no_ds(cut, key, value)

    def _glue(self, cut: Name) -> None:
        """Place the addresses of name servers: all that are below `cut`, others as far as they fit.

        RFC 9471 §3.1, §3.2: without the first the delegation cannot be followed, and TC says so.
        """
        others = []
        for name in self._name_servers:
            if not is_subdomain(name, cut):
                others.append(name)
                continue
            for found in self._addresses(name):
                self.draft.place(ADDITIONAL, found, name)
        optional = [(name, found) for name in others for found in self._addresses(name)]
        if optional:
            self.draft.may_end()
        for name, found in optional:
            self.draft.place_optional(found, name)

    def _addresses(self, name: Name) -> list[Fragment]:
        """Return the addresses of a name server that this zone knows."""
        if not is_subdomain(name, self._view.origin):
            return []
        value = self._reader.owner(self._view.key(name))
        if value is None:
            return []
        found = (find(value, rdtype, self._view.origin) for rdtype in _ADDRESS_TYPES)
        return [one for one in found if one is not None]

    def _redirect(self, name: Name, owner: Name, value: bytes) -> Name | None:
        """Place a DNAME and the CNAME made from it (RFC 6672 §3.1); return where that leads."""
        found = find(value, Type.DNAME, self._view.origin)
        if found is None:
            return None
        self._note(Step.DNAME, owner)
        if owner not in self._dnames:
            self._dnames.add(owner)
            self.draft.place(ANSWER, found, owner)
        rdata = next(rdatas_of(found, owner))[1]
        if len(name) - len(owner) + len(rdata) > MAX_NAME:
            self.rcode = Rcode.YXDOMAIN
            return None
        target = Name(name[: len(name) - len(owner)] + rdata)
        ttl = found.octets[6:10]
        head = self.draft.reference(name, self.draft.at) + Type.CNAME.to_bytes(2, "big") + b"\0\1" + ttl
        written = self.draft.reference(target, self.draft.at + len(head) + 2)
        self.draft.put(ANSWER, head + len(written).to_bytes(2, "big") + written, 1)
        return None if self._rdtype in (Type.CNAME, Type.ANY) else target

    def _missing(self, name: Name, key: bytes) -> Name | None:
        """Answer for a name without a node: empty, hidden, matched by a wildcard, or not there."""
        around = neighbours(self._reader, key)
        is_empty = around.successor.startswith(key)
        encloser = key if is_empty else closest_encloser(key, around)
        above = occluder_of(self._reader, self._view, encloser, around)
        if above is not None:
            return self._hidden(name, *above)
        if is_empty:
            self._note(Step.EMPTY_NON_TERMINAL, name)
            self._soa()
            self.proof.empty_non_terminal(name, around)
            return None
        return self._wildcard_or_error(name, around, encloser)

    def _wildcard_or_error(self, name: Name, around: Neighbours, encloser: bytes) -> Name | None:
        source = encloser + b"*\0"
        value = self._reader.owner(source)
        if value is not None:
            return self._synthesize(name, around, encloser, value)
        if self._reader.owner_cursor.set_range(source) and self._reader.owner_cursor.key().startswith(source):
            self._note(Step.EMPTY_NON_TERMINAL, self._view.name(source))
            self._soa()
            self.proof.wildcard_nodata(name, around, encloser, None)
            return None
        self._note(Step.NAME_ERROR, name)
        self.rcode = Rcode.NXDOMAIN
        self._soa()
        self.proof.nxdomain(name, around, encloser)
        return None

    def _synthesize(self, name: Name, around: Neighbours, encloser: bytes, value: bytes) -> Name | None:
        """Answer from a wildcard as if it were the name (RFC 4592 §3.3.1)."""
        template = self._view.name(encloser + b"*\0")
        self._note(Step.WILDCARD, template)
        if self._place_type(name, value, template):
            self._expanded.append((name, around, encloser))
            self._note(Step.ANSWER, name)
            return None
        target = self._place_alias(name, value, template)
        if target is None:
            self._note(Step.NO_DATA, template)
            self._soa()
            self.proof.wildcard_nodata(name, around, encloser, value)
            return None
        self._expanded.append((name, around, encloser))
        return target

    def _soa(self) -> None:
        """Place the SOA with the TTL of negative answers (RFC 2308 §3)."""
        view, draft = self._view, self.draft
        soa = view.negative_soa
        if any(is_subdomain(draft.qname, name) for name in view.soa_names):
            draft.place_anew(AUTHORITY, soa, view.origin)
            return
        if draft.counts[ANSWER] and view.soa_is_placed:
            draft.place(AUTHORITY, soa, view.origin)
            return
        slot = (len(draft.qname), draft.do)
        rendered = view.soa_cache.get(slot)
        if rendered is None:
            first = Draft(draft.qname, draft.do)
            first.place(AUTHORITY, soa, view.origin)
            if len(view.soa_cache) >= _MAX_SOAS:
                view.soa_cache.clear()
            rendered = view.soa_cache[slot] = first.parts[0]
        draft.put(AUTHORITY, rendered, soa.records + soa.signatures if draft.do else soa.records)


def answer(
    reader: Reader,
    zones: Zones,
    view: ZoneView,
    qname: Name,
    rdtype: int,
    do: bool,
    *,
    leave_open: bool = False,
) -> Answer:
    """Return the answer of a zone to a question at or below its apex.

    `zones`: where targets of services are looked for; `do`: with DNSSEC records; `leave_open`: without
    the proof that goes by a name's hash (see `Proof`).
    """
    result = Answer(reader, zones, view, qname, rdtype, do, leave_open)
    result.follow()
    return result
