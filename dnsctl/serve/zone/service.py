"""What else an answer of SVCB or HTTPS records carries: what we know about their targets (RFC 9460 §4.1).

For each target in one of our zones: its addresses, and its own records of the type asked for. In AliasMode
those come first and are followed, because a client asks for them next (§2.4.2); in ServiceMode they are not
followed. With DO, also RRSIGs, and the NSEC or NSEC3 of a target that lacks one of these types.

All of it is optional: it never makes an answer TC. Left out are names below a zone cut, and targets that are
aliases or come from a wildcard, except the owner itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from dnsctl.image.fragment import Fragment, find, rdatas_of
from dnsctl.image.layout import CUT, OCCLUDED
from dnsctl.image.reader import Reader
from dnsctl.model.name import ROOT, Name, name_end
from dnsctl.model.rrset import Type
from dnsctl.serve.message.sections import ADDITIONAL, Draft
from dnsctl.serve.zone.denial import Proof, proof_for
from dnsctl.serve.zone.names import LeftOut, Zones, ZoneView

SERVICES: Final = (int(Type.SVCB), int(Type.HTTPS))
_ADDRESSES: Final = (int(Type.A), int(Type.AAAA))
_MAX_TARGETS: Final = 16  # names looked at for one answer
_NAME_AT: Final = 2  # behind the priority, RFC 9460 §2.2


class Answered(NamedTuple):
    """The RRset in the answer section: its owner's node, and the wildcard that it is from, if any."""

    view: ZoneView
    owner: Name
    value: bytes
    found: Fragment
    template: Name | None


class Targets:
    """Places what belongs to one answer. `beside`: another zone of ours was looked at."""

    def __init__(self, reader: Reader, zones: Zones, draft: Draft, proof: Proof, answered: Answered) -> None:
        self._reader = reader
        self._zones = zones
        self._draft = draft
        self._proofs: dict[Name, Proof] = {answered.view.origin: proof.beside(ADDITIONAL)}
        self._answered = answered
        self._rdtype = answered.found.octets[2] << 8 | answered.found.octets[3]
        self._seen: set[Name] = set()
        self.beside = False

    def place(self) -> None:
        """Place all there is of all targets; the draft may end before and after each RRset."""
        self._draft.may_end()
        self._follow(self._answered.found, self._answered.template or self._answered.owner)

    def _follow(self, found: Fragment, owner: Name) -> None:
        for priority, name in _targets(found, owner):
            if name == ROOT and not priority:
                continue  # there is no such service, RFC 9460 §2.5.1
            target = name
            if name == ROOT:
                target = self._answered.owner if found is self._answered.found else owner
            if target not in self._seen and len(self._seen) < _MAX_TARGETS:
                self._seen.add(target)
                self._target(target, is_alias=not priority)

    def _target(self, name: Name, *, is_alias: bool) -> None:
        answered = self._answered
        if name == answered.owner:
            self._addresses(answered.view, name, answered.value, answered.template, has_own=True)
            return
        node = self._node(name)
        if node is None:
            return
        view, value = node
        own = find(value, self._rdtype, view.origin)
        if is_alias and own is not None:
            self._draft.place_optional(own, name)
            self._follow(own, name)
        self._addresses(view, name, value, None, has_own=own is not None)
        if own is not None and not is_alias:
            self._draft.place_optional(own, name)

    def _node(self, name: Name) -> tuple[ZoneView, bytes] | None:
        """Return the zone and node of a name that we answer for with data of its own."""
        try:
            view = self._zones.find(name, 0)
        except LeftOut:
            return None
        if view is None:
            return None
        self.beside |= view is not self._answered.view
        value = self._reader.owner(view.key(name))
        if value is None or value[0] & (CUT | OCCLUDED) or find(value, Type.CNAME, view.origin) is not None:
            return None
        return view, value

    def _addresses(
        self, view: ZoneView, name: Name, value: bytes, template: Name | None, *, has_own: bool
    ) -> None:
        found = [find(value, rdtype, view.origin) for rdtype in _ADDRESSES]
        for one in found:
            if one is not None:
                self._draft.place_optional(one, name, template)
        if template is None and not (all(found) and has_own):
            self._lacks(view, name, value)

    def _lacks(self, view: ZoneView, name: Name, value: bytes) -> None:
        """Prove which types a target lacks."""
        proof = self._proofs.get(view.origin)
        if proof is None:
            proof = self._proofs[view.origin] = proof_for(self._reader, view, self._draft).beside(ADDITIONAL)
        if proof.matches(name, view.key(name), value):
            self._draft.may_end()


def _targets(found: Fragment, owner: Name) -> Iterator[tuple[int, Name]]:
    """Yield (priority, target) of SVCB or HTTPS records, the lowest priority first."""
    for place, rdata in rdatas_of(found, owner):
        if place >= found.plain:
            return
        end = name_end(rdata, _NAME_AT)
        yield rdata[0] << 8 | rdata[1], Name(rdata[_NAME_AT:end].lower())
