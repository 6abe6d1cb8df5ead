"""Probes: questions that a node must answer right before it says that it is prepared, and the answers.

Expected answers come from the signed zone's RRsets by the plainest rules there are, and never from code that
answers: where the plain rules do not reach (aliases, wildcards over deleted names, what is below a cut) no
probe is made. A changed zone is asked for its SOA, which carries the new serial; a signed one for its DNSKEY;
then some of its changed RRsets, a name that does not exist, and a name under each of some wildcards.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice

from dnsctl.errors import NameSyntaxError
from dnsctl.model.authority import answering_zone
from dnsctl.model.name import (
    MAX_NAME,
    Name,
    canonical_key,
    from_labels,
    is_wildcard,
    labels,
    parent,
)
from dnsctl.model.overlay import Overlay
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.zone import SignedZone
from dnsctl.publish.changes import RecordChange
from dnsctl.publish.existence import Existence
from dnsctl.release.manifest import MAX_PROBES, Probe

NOERROR, NXDOMAIN = 0, 3  # RFC 1035 §4.1.1
ABSENT_LABEL = b"dnsctl-probe"
_PER_ZONE = 16  # changed RRsets, and wildcards, asked for in one zone
_NEVER_ASKED = frozenset({Type.RRSIG, Type.NSEC, Type.NSEC3})
_LARGEST_ANSWER = 2048  # octets of rdata: as many probes as there may be take half of a manifest at most


def budget(zones: int) -> int:
    """Return how many probes each of `zones` changed zones may have, so that a manifest holds them all."""
    return min(2 * _PER_ZONE + 3, max(1, MAX_PROBES // max(1, zones)))


def zone_probes(
    zone: SignedZone, changes: tuple[RecordChange, ...], served: Collection[Name], count: int
) -> tuple[Probe, ...]:
    """Return at most `count` probes for a changed zone, the most useful first.

    `served`: the apexes of all zones of the release, which may lie below this one and answer in its place.
    """
    return tuple(islice(_Asked(zone, served).probes(changes), count))


class _Asked:
    """One zone, and what can plainly be said about answers from it."""

    def __init__(self, zone: SignedZone, served: Collection[Name]) -> None:
        self._zone = zone
        self._served = served
        self._names = Existence(zone)

    def probes(self, changes: tuple[RecordChange, ...]) -> Iterator[Probe]:
        yield from self._present(self._zone.origin, Type.SOA)
        if self._zone.signed:
            yield from self._present(self._zone.origin, Type.DNSKEY)
        yield from self._absent_name()
        told = [change for change in changes if change.rdtype not in (Type.SOA, *_NEVER_ASKED)]
        yield from islice((probe for each in told for probe in self._changed(each)), _PER_ZONE)
        nodes = self._zone.nodes
        kept = sorted(nodes.facts.wildcards, key=canonical_key) if isinstance(nodes, Overlay) else nodes
        wildcards = (owner for owner in kept if is_wildcard(owner))
        yield from islice((probe for each in wildcards for probe in self._below(each)), _PER_ZONE)

    def _changed(self, change: RecordChange) -> Iterator[Probe]:
        if change.after is not None:
            yield from self._present(change.owner, change.rdtype)
        elif not self._is_elsewhere(change.owner, change.rdtype):
            yield from self._deleted(change.owner, change.rdtype)

    def _present(self, owner: Name, rdtype: int) -> Iterator[Probe]:
        found = self._zone.get(owner, rdtype)
        if found is None or self._zone.occluder(owner) is not None or self._is_elsewhere(owner, rdtype):
            return
        if owner in self._zone.cuts and rdtype != Type.DS:
            return  # a referral, no answer
        yield from self._answer(owner, found)

    def _deleted(self, owner: Name, rdtype: int) -> Iterator[Probe]:
        node = self._zone.nodes.get(owner, ())
        if any(one.rdtype in (Type.CNAME, Type.NS) and owner != self._zone.origin for one in node):
            return
        if self._zone.occluder(owner) is not None:
            return
        if self._names.exists(owner):
            yield self._probe(owner, rdtype, NOERROR)
        elif not self._covered(owner):
            yield self._probe(owner, rdtype, NXDOMAIN)

    def _absent_name(self) -> Iterator[Probe]:
        absent = _child(self._zone.origin)
        apex_has_dname = self._zone.origin in self._zone.dnames
        if (
            absent is not None
            and not apex_has_dname
            and not self._names.exists(absent)
            and not self._covered(absent)
            and not self._is_elsewhere(absent, Type.A)
        ):
            yield self._probe(absent, Type.A, NXDOMAIN)

    def _below(self, owner: Name) -> Iterator[Probe]:
        """Ask for a name that the wildcard `owner` answers."""
        above = parent(owner)
        name = _child(above)
        if name is None or self._names.exists(name) or self._zone.occluder(name) is not None:
            return
        if self._is_elsewhere(name, Type.A):
            return
        for one in self._zone.nodes[owner]:
            if one.rdtype in (Type.NS, Type.DNAME):  # RFC 4592 §4.2, §4.4: nothing plain to expect
                return
        for one in self._zone.nodes[owner]:
            if one.rdtype not in _NEVER_ASKED:
                yield from self._answer(name, one)
                return

    def _answer(self, name: Name, found: RRset) -> Iterator[Probe]:
        if sum(map(len, found.rdatas)) <= _LARGEST_ANSWER:
            yield self._probe(name, found.rdtype, NOERROR, found.rdatas)

    def _probe(self, name: Name, rdtype: int, rcode: int, rdatas: tuple[bytes, ...] = ()) -> Probe:
        return Probe(name, rdtype, self._zone.signed, rcode, tuple(sorted(each.hex() for each in rdatas)))

    def _is_elsewhere(self, name: Name, rdtype: int) -> bool:
        """True where another zone of the release answers."""
        return answering_zone(name, rdtype, self._served.__contains__) != self._zone.origin

    def _covered(self, name: Name) -> bool:
        """True where a wildcard answers for `name`, or `name` is too long to look for one."""
        return len(name) + 2 > MAX_NAME or self._names.covering_wildcard(name) is not None


def _child(name: Name) -> Name | None:
    try:
        return from_labels([ABSENT_LABEL, *labels(name)])
    except NameSyntaxError:
        return None
