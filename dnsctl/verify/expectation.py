"""The right answer to a question, from the release: one class for each kind of answer.

Pure: `mismatches` holds a decoded answer against an expectation and yields what differs. Which answer is the
right one is decided in `lookup`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from dnsctl.model.name import Name, label_count
from dnsctl.model.rrset import RRset, Type, rdata_text
from dnsctl.verify.client import Question
from dnsctl.verify.comparison import (
    Mismatch,
    additional,
    header,
    nothing_but,
    proven,
    same_rrset,
    shown_rdatas,
)
from dnsctl.verify.decoders import Answer, Record
from dnsctl.verify.denial import Claim
from dnsctl.verify.released import ReleasedZone

NOERROR, NXDOMAIN, REFUSED, YXDOMAIN = 0, 3, 5, 6  # RFC 1035 §4.1.1, RFC 2136 §2.2


class Expectation(Protocol):
    """A question and the answer that the release makes right; `body` judges its sections."""

    @property
    def question(self) -> Question: ...
    @property
    def rcodes(self) -> tuple[int, ...]: ...
    @property
    def authoritative(self) -> bool: ...
    def body(self, answer: Answer, zone: ReleasedZone) -> Iterator[Mismatch]: ...


def mismatches(expected: Expectation, answer: Answer, zone: ReleasedZone | None) -> Iterator[Mismatch]:
    """Yield what is wrong with the answer of `zone`; None: no zone of ours has to answer."""
    failed = header(expected.question, answer, expected.rcodes, authoritative=expected.authoritative)
    if failed:
        yield failed
        return
    if zone is None:
        yield from nothing_but(expected.question, answer.answer, set())
        return
    found = list(expected.body(answer, zone))
    yield from found
    told = {(each.owner, each.rdtype) for each in found}
    yield from (each for each in additional(answer, zone) if (each.owner, each.rdtype) not in told)


@dataclass(frozen=True, slots=True)
class Data:
    """An RRset of the release, asked by name and type."""

    question: Question
    rrset: RRset
    rcodes: tuple[int, ...] = (NOERROR,)
    authoritative: bool = True

    def body(self, answer: Answer, zone: ReleasedZone) -> Iterator[Mismatch]:
        yield from nothing_but(self.question, answer.answer, {self.rrset.rdtype, Type.RRSIG})
        yield from same_rrset(answer.answer, self.rrset, zone, signed=self.question.payload > 0)


@dataclass(frozen=True, slots=True)
class Expanded:
    """A name that does not exist under a wildcard that holds `rrset` (RFC 4592 §3.3)."""

    question: Question
    rrset: RRset
    rcodes: tuple[int, ...] = (NOERROR,)
    authoritative: bool = True

    def body(self, answer: Answer, zone: ReleasedZone) -> Iterator[Mismatch]:
        yield from nothing_but(self.question, answer.answer, {self.rrset.rdtype, Type.RRSIG})
        yield from same_rrset(answer.answer, self.rrset, zone, owner=self.question.qname)
        yield from _nothing_closer(self.question, self.rrset, answer, zone)


def _nothing_closer(
    question: Question, rrset: RRset, answer: Answer, zone: ReleasedZone
) -> Iterator[Mismatch]:
    """Check the proof that only the wildcard that owns `rrset` matches (RFC 4035 §3.1.3.3)."""
    if zone.chain:
        labels = label_count(rrset.owner)
        yield from proven(question, Claim.CLOSER, answer, zone, source_labels=labels)


@dataclass(frozen=True, slots=True)
class Absent:
    """A name that does not exist (`claim` NAME), or one without the type that is asked (TYPE)."""

    question: Question
    claim: Claim
    authoritative: bool = True

    @property
    def rcodes(self) -> tuple[int, ...]:
        return (NXDOMAIN if self.claim is Claim.NAME else NOERROR,)

    def body(self, answer: Answer, zone: ReleasedZone) -> Iterator[Mismatch]:
        yield from nothing_but(self.question, answer.answer, set())
        minimum = int.from_bytes(zone.soa.rdatas[0][-4:], "big")
        soa = zone.soa._replace(ttl=min(zone.soa.ttl, minimum))  # RFC 2308 §3
        yield from same_rrset(answer.authority, soa, zone)
        wrong_side = self.question.qtype == Type.DS and self.question.qname == zone.origin
        if zone.chain and not wrong_side:  # no proof from there would count (RFC 4035 §5.2)
            yield from proven(self.question, self.claim, answer, zone)


@dataclass(frozen=True, slots=True)
class Referral:
    """A name below a cut: NS, DS or the proof that there is none, and glue (RFC 4035 §3.1.4.1, RFC 9471)."""

    question: Question
    ns: RRset
    ds: RRset | None
    glue: tuple[RRset, ...]
    rcodes: tuple[int, ...] = (NOERROR,)
    authoritative: bool = False

    def body(self, answer: Answer, zone: ReleasedZone) -> Iterator[Mismatch]:
        yield from nothing_but(self.question, answer.answer, set())
        yield from same_rrset(answer.authority, self.ns, zone, signed=False)
        for each in self.glue:
            yield from same_rrset(answer.additional, each, zone, signed=False)
        if self.ds:
            yield from same_rrset(answer.authority, self.ds, zone)
        elif zone.chain:
            at_cut = self.question._replace(qname=self.ns.owner, qtype=Type.DS)
            yield from proven(at_cut, Claim.DS, answer, zone)


class Link(NamedTuple):
    """One alias on the way: the name that was looked for, what was found, and where that leads.

    `rrset` is a CNAME, of the name itself or of a wildcard, or the DNAME above it. `target` is None where it
    would be too long a name (RFC 6672 §2.2).
    """

    name: Name
    rrset: RRset
    target: Name | None

    def holds(self, record: Record) -> bool:
        """True for a record that the answer section has because of this link."""
        rdtype = self.rrset.rdtype
        owner = self.rrset.owner if rdtype == Type.DNAME else self.name
        if record.rdtype == Type.RRSIG:
            return record.owner == owner and int.from_bytes(record.rdata[:2], "big") == rdtype
        return (record.owner, record.rdtype) in ((owner, rdtype), (self.name, Type.CNAME))


@dataclass(frozen=True, slots=True)
class Aliased:
    """A name that CNAMEs and DNAMEs lead on from, all of one zone, and what the last of them meets.

    `end` is None where the way leaves the zone, or ends with a DNAME. `whole`: false where the way is a loop,
    or so long that servers may give up sooner: then any first part of it will do.
    """

    question: Question
    links: tuple[Link, ...]
    end: Expectation | None
    whole: bool = True
    authoritative: bool = True

    @property
    def rcodes(self) -> tuple[int, ...]:
        """The rcode is that of the end (RFC 6604 §3)."""
        if self.links[-1].target is None:
            at_end: tuple[int, ...] = (YXDOMAIN,)
        else:
            at_end = self.end.rcodes if self.end is not None else (NOERROR,)
        return at_end if self.whole else (NOERROR, *at_end)

    def body(self, answer: Answer, zone: ReleasedZone) -> Iterator[Mismatch]:
        followed = self.links if self.whole else self._first_part(answer)
        for link in followed:
            yield from _linked(self.question, link, answer, zone)
        rest = tuple(one for one in answer.answer if not any(link.holds(one) for link in followed))
        reached = self.whole or (len(followed) == len(self.links) and rest)
        if self.end is not None and reached:
            yield from self.end.body(replace(answer, answer=rest), zone)
        else:
            yield from nothing_but(self.question, rest, set())

    def _first_part(self, answer: Answer) -> tuple[Link, ...]:
        """Return the links up to the last that the answer has a CNAME of: the first at least."""
        aliases = {one.owner for one in answer.answer if one.rdtype == Type.CNAME}
        served = [at for at, link in enumerate(self.links) if link.name in aliases]
        return self.links[: max(served, default=0) + 1]


def _linked(question: Question, link: Link, answer: Answer, zone: ReleasedZone) -> Iterator[Mismatch]:
    if link.rrset.rdtype == Type.CNAME:
        yield from same_rrset(answer.answer, link.rrset, zone, owner=link.name)
        if link.rrset.owner != link.name:
            yield from _nothing_closer(question._replace(qname=link.name), link.rrset, answer, zone)
        return
    yield from same_rrset(answer.answer, link.rrset, zone)
    made = [one for one in answer.answer if one.rdtype == Type.CNAME and one.owner == link.name]
    wanted = [link.target] if link.target is not None else []
    if [one.rdata for one in made] != wanted:  # RFC 6672 §3.1
        yield Mismatch(
            "dname-cname",
            link.name,
            Type.CNAME,
            rdata_text(Type.CNAME, link.target) if link.target is not None else "none: it would be too long",
            shown_rdatas(Type.CNAME, [one.rdata for one in made]),
        )


@dataclass(frozen=True, slots=True)
class Refused:
    """A name that no zone of the release is above."""

    question: Question
    rcodes: tuple[int, ...] = (REFUSED,)
    authoritative: bool = False

    def body(self, answer: Answer, zone: ReleasedZone) -> Iterator[Mismatch]:
        yield from nothing_but(self.question, answer.answer, set())
