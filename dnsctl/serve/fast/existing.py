"""Fast answers from owners that are there: straight from the image's octets.

Data, a type that the owner lacks, an alias asked for a rare type, a service whose targets are in its zone.
Other aliases, and nodes at or below a cut, are left to the full path (None). The answer of nodes with one
index is worked out once (`template.Plan`); then a query needs only a few slices.
"""

from __future__ import annotations

from typing import Final

from dnsctl.image.fragment import node_types, shape_of
from dnsctl.model.name import Name
from dnsctl.model.rrset import Type
from dnsctl.serve.fast.cache import Entry
from dnsctl.serve.fast.finish import finished, fitting, header_of, truncated
from dnsctl.serve.fast.known import Known
from dnsctl.serve.fast.nsec_parts import INDEX_END
from dnsctl.serve.fast.template import (
    FULL_PATH,
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
from dnsctl.serve.message.kind import Kind
from dnsctl.serve.message.sections import AUTHORITY, Draft
from dnsctl.serve.zone.answer import Step, answer
from dnsctl.serve.zone.service import SERVICES

_CNAME: Final = int(Type.CNAME)
_NSEC: Final = int(Type.NSEC)


def existing(known: Known, zone: AskedZone, form: Form, key: bytes, at: int, value: bytes) -> Entry | None:
    """Answer from the node of an owner that is there."""
    plan = form.plans.get(value[: INDEX_END[value[3]]]) or _new_plan(known, zone, form, value)
    rdata, times, signature, before, between, signer, header, class_, size, denies = plan
    size += at
    if denies:
        return _nodata(known, zone, form, key, at, value, plan)
    if size >= TOO_MUCH:
        return _several(known, zone, form, key, at) if form.code == RARE or class_ < 0 else None
    if size > form.limit:
        return truncated(known, form, at, header, class_, zone.origin)
    if between:
        tail = b"".join((before, value[rdata], between, value[times], signer, value[signature], form.opt))
    else:
        tail = before + value[rdata] + form.opt
    return header, at + 6, tail, size, class_, zone.origin


def _several(known: Known, zone: AskedZone, form: Form, key: bytes, at: int) -> Entry | None:
    """Answer from several nodes: for a service with its targets, or for an alias, whatever the rare type.

    For one may be asked for each of 65,000.
    """
    name = Name(key[10:at])
    if name in form.several:
        return fitting(known, form, form.several[name])
    entry: Entry | None = None
    found = answer(known.reader, known.zones, zone.view, name, form.code, form.dnssec)
    is_same = form.code < RARE or all(_is_for_any_type(known, zone, *trace) for trace in found.trace)
    if is_same and not found.beside:
        draft = found.draft
        header, class_ = header_of(
            known, zone, form, found.kind, draft.counts, found.rcode, found.authoritative
        )
        entry = finished(form, header, at, draft, class_, zone.origin)
    known.make_room()
    form.several[name] = entry
    return fitting(known, form, entry)


def _is_for_any_type(known: Known, zone: AskedZone, step: Step, name: Name) -> bool:
    """True where a step on the way to an answer is the same for all rare types."""
    if step in (Step.NO_DATA, Step.WILDCARD):
        value = known.reader.owner(zone.view.key(name))
        return value is not None and node_types(value)[-1] < RARE
    return step is not Step.ANSWER


def _new_plan(known: Known, zone: AskedZone, form: Form, value: bytes) -> Plan:
    """Work out what nodes with the same index as `value` answer."""
    plan = FULL_PATH
    # Of 256 types or more, that is not all of its index
    if not (value[0] or value[2] or form.code in ODD_TYPES):
        shape = shape_of(value, form.code, zone.origin)
        if form.code == RARE:
            if node_types(value)[-1] < RARE and shape_of(value, _CNAME, zone.origin) is None:
                plan = _plan_of_denial(known, zone, form, value)
        elif shape is not None and form.code in SERVICES:
            plan = SEVERAL
        elif shape is not None:
            answers = shape.records + (shape.signatures if form.dnssec else 0)
            size = 6 + (shape.full() if form.dnssec else shape.plain()) + len(form.opt)
            header = header_of(known, zone, form, Kind.DATA, (answers, 0, 0))
            plan = (*places(shape, form.dnssec), *header, size, False)
        elif shape_of(value, _CNAME, zone.origin) is None:
            plan = _plan_of_denial(known, zone, form, value)
    known.make_room()
    form.plans[value[: INDEX_END[value[3]]]] = plan
    return plan


def _plan_of_denial(known: Known, zone: AskedZone, form: Form, value: bytes) -> Plan:
    """Work out where the proof stands that an owner lacks the type: its NSEC, if the zone has those."""
    soa = zone.view.negative_soa
    where = NOWHERE
    records = soa.records
    if form.dnssec:
        records += soa.signatures
        if zone.is_hashed:
            records += 2
        else:
            nsec = shape_of(value, _NSEC, zone.origin)
            if nsec is None:
                return FULL_PATH
            where = places(nsec, dnssec=True)
            records += nsec.records + nsec.signatures
    return *where, *header_of(known, zone, form, Kind.NODATA, (0, records, 0)), TOO_MUCH, True


def _nodata(
    known: Known, zone: AskedZone, form: Form, key: bytes, at: int, value: bytes, plan: Plan
) -> Entry | None:
    """Deny a type at an owner that is there."""
    if key.endswith(zone.soa_names, 10, at):
        return None  # to which the SOA would point
    rdata, times, signature, before, between, signer, header, class_, _, _ = plan
    soa = form.soas.get(at) or _soa(known, zone, form, Name(key[10:at]))
    if form.dnssec and zone.is_hashed:
        digest = zone.hash(key[10:at])
        matching = known.reader.hashed(digest)
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
    return fitting(known, form, (header, at + 6, tail, at + 6 + len(tail), class_, zone.origin))


def _soa(known: Known, zone: AskedZone, form: Form, qname: Name) -> bytes:
    """Return the SOA of a denial, which is the same for all names of one length."""
    draft = Draft(qname, form.dnssec)
    draft.place(AUTHORITY, zone.view.negative_soa, zone.origin)
    known.make_room()
    form.soas[len(qname) + 10] = draft.parts[0]
    return draft.parts[0]
