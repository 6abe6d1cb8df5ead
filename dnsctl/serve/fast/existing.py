"""The short way to the commonest answers: straight from the image's octets.

What it answers, it answers octet for octet as `answer` would: a plain query (one question, class IN, no
options) for data at an authoritative owner, for a type such an owner lacks, for an alias asked for a rare
type, for a service whose targets are in its zone, and for names without a node (see `missing`). Everything
else (other aliases, nodes at or below a cut, empty non-terminals, odd messages) is None: the long way.

What queries have in common is worked out once (see `template`). What is left for a query is one search in the
image and a few slices.
"""

from __future__ import annotations

from typing import Final

from dnsctl.image.fragment import node_types, shape_of
from dnsctl.model.name import Name
from dnsctl.model.rrset import Type
from dnsctl.serve.fast.cache import Entry
from dnsctl.serve.fast.missing import Absent
from dnsctl.serve.fast.nsec_parts import INDEX_END
from dnsctl.serve.fast.template import (
    LONG,
    NOWHERE,
    ODD_TYPES,
    RARE,
    SEVERAL,
    TOO_MUCH,
    AskedZone,
    Form,
    Plan,
    places,
    pointer,
)
from dnsctl.serve.message.sections import AUTHORITY, Draft
from dnsctl.serve.zone.answer import Step, answer
from dnsctl.serve.zone.service import SERVICES

_CNAME: Final = int(Type.CNAME)
_DS: Final = int(Type.DS)
_NSEC: Final = int(Type.NSEC)


class Direct(Absent):
    """Answers from what `zones` and `reader` see. Call `renew` where that may be something new."""

    def find(self, raw: bytes, key: bytes) -> Entry | None:
        """Return the answer to a UDP query, or None for the long way.

        `raw`: the query behind its id; `key`: the same in lower case.
        """
        at = key.find(0, 10) + 1  # behind the name
        if not at:
            return None
        below = 11 + key[10]
        if below > at:  # it ends inside its first label
            return None
        label = key[11:below]
        zone = self._known.get(key[below:at])
        if zone is None or below > zone.stop or 1 in label:
            return self._elsewhere(raw, key, at)
        form = zone.forms.get(raw[:10] + raw[at:]) or zone.new_form(raw[:10] + raw[at:])
        if form is None:
            return None
        node = zone.prefix + label + b"\0"
        if self._missed:
            return self._missing(zone, form, key, at, node)
        value = self._owner(node)
        if value is None:
            return self._missing(zone, form, key, at, node)
        return self._present(zone, form, key, at, value)

    def _elsewhere(self, raw: bytes, key: bytes, at: int) -> Entry | None:
        """Answer for a name that is not a plain label below the apex, or in a zone not asked for before."""
        name = Name(key[10:at])
        view = self.zones.nearby(name)
        if view is None:
            return None
        zone = self._known.get(view.origin)
        if zone is None or zone.view is not view:
            zone = self._known[view.origin] = AskedZone(view, self._make_room)
        form = zone.forms.get(raw[:10] + raw[at:]) or zone.new_form(raw[:10] + raw[at:])
        if form is None or (form.code == _DS and name == view.origin):  # the zone above answers that
            return None
        node = view.key(name)
        value = self._owner(node)
        if value is not None:
            return self._present(zone, form, key, at, value)
        if view.depth(node) == 1:
            return self._missing(zone, form, key, at, node)
        return self._alike(zone, form, key, at, node)

    def _present(self, zone: AskedZone, form: Form, key: bytes, at: int, value: bytes) -> Entry | None:
        """Answer from the node of an owner that is there."""
        plan = form.plans.get(value[: INDEX_END[value[3]]]) or self._new_plan(zone, form, value)
        rdata, times, signature, before, between, signer, header, kind, size, denies = plan
        size += at
        if denies:
            return self._no_data(zone, form, key, at, value, plan)
        if size >= TOO_MUCH:
            return self._several(zone, form, key, at) if form.code == RARE or kind < 0 else None
        if size > form.limit:
            return self._cut(form, at, header, zone.origin)
        if between:
            tail = b"".join((before, value[rdata], between, value[times], signer, value[signature], form.opt))
        else:
            tail = before + value[rdata] + form.opt
        return header, at + 6, tail, size, kind, zone.origin

    def _several(self, zone: AskedZone, form: Form, key: bytes, at: int) -> Entry | None:
        """Answer from several nodes: for a service with its targets, or for an alias, whatever the rare type.

        For one may be asked for each of 65,000.
        """
        name = Name(key[10:at])
        if name in form.several:
            return self._fitting(form, form.several[name])
        entry: Entry | None = None
        found = answer(self._reader, self.zones, zone.view, name, form.code, form.signed)
        is_same = form.code < RARE or all(self._is_for_any_type(zone, *trace) for trace in found.trace)
        if is_same and not found.beside:
            draft = found.draft
            header, kind = self._header(zone, form, found.rcode, draft.counts, found.authoritative)
            entry = self._kept(form, header, at, draft, kind, zone.origin)
        self._make_room()
        form.several[name] = entry
        return self._fitting(form, entry)

    def _is_for_any_type(self, zone: AskedZone, step: Step, name: Name) -> bool:
        """True where a step on the way to an answer is the same for all rare types."""
        if step in (Step.NO_DATA, Step.WILDCARD):
            value = self._reader.owner(zone.view.key(name))
            return value is not None and node_types(value)[-1] < RARE
        return step is not Step.ANSWER

    def _new_plan(self, zone: AskedZone, form: Form, value: bytes) -> Plan:
        """Work out what nodes with the same index as `value` answer."""
        plan = LONG
        # Of 256 types or more, that is not all of its index
        if not (value[0] or value[2] or form.code in ODD_TYPES):
            shape = shape_of(value, form.code, zone.origin)
            if form.code == RARE:
                if node_types(value)[-1] < RARE and shape_of(value, _CNAME, zone.origin) is None:
                    plan = self._plan_of_denial(zone, form, value)
            elif shape is not None and form.code in SERVICES:
                plan = SEVERAL
            elif shape is not None:
                answers = shape.records + (shape.signatures if form.signed else 0)
                size = 6 + (shape.full() if form.signed else shape.plain()) + len(form.opt)
                header = self._header(zone, form, 0, (answers, 0, 0))
                plan = (*places(shape, form.signed), *header, size, False)
            elif shape_of(value, _CNAME, zone.origin) is None:
                plan = self._plan_of_denial(zone, form, value)
        self._make_room()
        form.plans[value[: INDEX_END[value[3]]]] = plan
        return plan

    def _plan_of_denial(self, zone: AskedZone, form: Form, value: bytes) -> Plan:
        """Work out where the proof stands that an owner lacks the type: its NSEC, if the zone has those."""
        soa = zone.view.negative_soa
        where = NOWHERE
        records = soa.records
        if form.signed:
            records += soa.signatures
            if zone.is_hashed:
                records += 2
            else:
                nsec = shape_of(value, _NSEC, zone.origin)
                if nsec is None:
                    return LONG
                where = places(nsec, signed=True)
                records += nsec.records + nsec.signatures
        return *where, *self._header(zone, form, 0, (0, records, 0)), TOO_MUCH, True

    def _no_data(
        self, zone: AskedZone, form: Form, key: bytes, at: int, value: bytes, plan: Plan
    ) -> Entry | None:
        """Deny a type at an owner that is there."""
        if key.endswith(zone.soa_names, 10, at):
            return None  # to which the SOA would point
        rdata, times, signature, before, between, signer, header, kind, _, _ = plan
        soa = form.soas.get(at) or self._soa(zone, form, Name(key[10:at]))
        if form.signed and zone.is_hashed:
            digest = zone.hash(key[10:at])
            matching = self._reader.hashed(digest)
            pieces = matching and zone.pieces(digest, matching)
            if not pieces:
                return None
            label, proof, signed = pieces
            own = pointer(at + 6 + len(soa))
            tail = b"".join((soa, label, zone.apex_pointer(at), proof, own, signed, form.opt))
        else:
            tail = b"".join(
                (soa, before, value[rdata], between, value[times], signer, value[signature], form.opt)
            )
        return self._fitting(form, (header, at + 6, tail, at + 6 + len(tail), kind, zone.origin))

    def _soa(self, zone: AskedZone, form: Form, qname: Name) -> bytes:
        """Return the SOA of a denial, which is the same for all names of one length."""
        draft = Draft(qname, form.signed)
        draft.place(AUTHORITY, zone.view.negative_soa, zone.origin)
        self._make_room()
        form.soas[len(qname) + 10] = draft.parts[0]
        return draft.parts[0]
