"""What one question must be answered with, from the release: one class a kind of answer, each with `check`.

Pure: an expectation meets a decoded answer and yields what differs. Everything is compared octet for octet,
TTLs and signatures included; where that holds, signatures and proofs are validated as well.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import dns.exception
import dns.rcode

from dnsctl.model.name import Name, label_count, labels, to_text
from dnsctl.model.rrset import RRset, Type, rdata_text, type_text
from dnsctl.verify.decoders import Answer, Record
from dnsctl.verify.denial import Claim, proof_of
from dnsctl.verify.probe import Question
from dnsctl.verify.released import ReleasedZone

NOERROR, NXDOMAIN = 0, 3  # RFC 1035 §4.1.1
_SHOWN = 3  # records of an RRset that a message names


class Mismatch(NamedTuple):
    """One difference between the release and what is served."""

    rule: str
    owner: Name
    rdtype: int
    expected: str
    got: str


class Expectation(Protocol):
    """A question and the answer that the release makes right."""

    @property
    def question(self) -> Question: ...

    def check(self, answer: Answer, zone: ReleasedZone) -> Iterator[Mismatch]: ...


@dataclass(frozen=True, slots=True)
class Data:
    """An RRset of the release, asked by name and type."""

    question: Question
    rrset: RRset

    def check(self, answer: Answer, zone: ReleasedZone) -> Iterator[Mismatch]:
        if failed := _header(self.question, answer, NOERROR):
            yield failed
            return
        yield from _only(self.question, answer.answer, {self.rrset.rdtype, Type.RRSIG})
        yield from _rrset(answer.answer, self.rrset, zone, signed=self.question.payload > 0)


@dataclass(frozen=True, slots=True)
class Expanded:
    """A name that does not exist under a wildcard that holds `rrset` (RFC 4592 §3.3)."""

    question: Question
    rrset: RRset

    def check(self, answer: Answer, zone: ReleasedZone) -> Iterator[Mismatch]:
        if failed := _header(self.question, answer, NOERROR):
            yield failed
            return
        yield from _rrset(answer.answer, self.rrset, zone, owner=self.question.qname)
        if zone.chain:
            yield from _proof(
                self.question, Claim.CLOSER, answer, zone, source_labels=label_count(self.rrset.owner)
            )


@dataclass(frozen=True, slots=True)
class Redirected:
    """A name below a DNAME: the DNAME itself and a CNAME made from it (RFC 6672 §3.1).

    The rcode is that of the end of the chain (RFC 6604 §3), which may be in the zone and not exist.
    """

    question: Question
    rrset: RRset

    def check(self, answer: Answer, zone: ReleasedZone) -> Iterator[Mismatch]:
        if failed := _header(self.question, answer, NXDOMAIN if answer.rcode == NXDOMAIN else NOERROR):
            yield failed
            return
        yield from _rrset(answer.answer, self.rrset, zone)
        prefix = self.question.qname[: len(self.question.qname) - len(self.rrset.owner)]
        target = prefix + self.rrset.rdatas[0]
        made = [one for one in answer.answer if one.rdtype == Type.CNAME and one.owner == self.question.qname]
        if [one.rdata for one in made] != [target]:
            yield Mismatch(
                "dname-cname",
                self.question.qname,
                Type.CNAME,
                rdata_text(Type.CNAME, target),
                _rdatas(Type.CNAME, [one.rdata for one in made]),
            )


@dataclass(frozen=True, slots=True)
class Absent:
    """A name that does not exist (`claim` NAME), or one without the type that is asked (TYPE)."""

    question: Question
    claim: Claim

    def check(self, answer: Answer, zone: ReleasedZone) -> Iterator[Mismatch]:
        rcode = NXDOMAIN if self.claim is Claim.NAME else NOERROR
        if failed := _header(self.question, answer, rcode):
            yield failed
            return
        yield from _only(self.question, answer.answer, set())
        minimum = int.from_bytes(zone.soa.rdatas[0][-4:], "big")
        soa = zone.soa._replace(ttl=min(zone.soa.ttl, minimum))  # RFC 2308 §3
        yield from _rrset(answer.authority, soa, zone)
        if zone.chain:
            yield from _proof(self.question, self.claim, answer, zone)


@dataclass(frozen=True, slots=True)
class Referral:
    """A name below a cut: NS, DS or the proof that there is none, and glue (RFC 4035 §3.1.4.1, RFC 9471)."""

    question: Question
    ns: RRset
    ds: RRset | None
    glue: tuple[RRset, ...]

    def check(self, answer: Answer, zone: ReleasedZone) -> Iterator[Mismatch]:
        if failed := _header(self.question, answer, NOERROR, authoritative=False):
            yield failed
            return
        yield from _only(self.question, answer.answer, set())
        yield from _rrset(answer.authority, self.ns, zone, signed=False)
        for each in self.glue:
            yield from _rrset(answer.additional, each, zone, signed=False)
        if self.ds:
            yield from _rrset(answer.authority, self.ds, zone)
        elif zone.chain:
            at_cut = self.question._replace(qname=self.ns.owner, qtype=Type.DS)
            yield from _proof(at_cut, Claim.DS, answer, zone)


def _header(question: Question, answer: Answer, rcode: int, *, authoritative: bool = True) -> Mismatch | None:
    """Return what is wrong with the header, after which looking at records makes no sense."""
    if answer.rcode != rcode:
        return _mismatch("rcode", question, _rcode(rcode), _rcode(answer.rcode))
    if answer.truncated:
        return _mismatch("truncated", question, "a whole answer over TCP", "TC set")
    if answer.authoritative != authoritative:
        shown = ("AA clear", "AA set")
        return _mismatch("authoritative", question, shown[authoritative], shown[answer.authoritative])
    if answer.edns != bool(question.payload) or answer.do != bool(question.payload):
        expected = "OPT with DO" if question.payload else "no OPT"
        got = f"OPT {'with' if answer.do else 'without'} DO" if answer.edns else "no OPT"
        return _mismatch("edns", question, expected, got)
    return None


def _only(question: Question, section: Sequence[Record], types: set[int]) -> Iterator[Mismatch]:
    """Yield what stands in the answer section and is of none of `types`, or of another owner."""
    extra = [one for one in section if one.rdtype not in types or one.owner != question.qname]
    if extra:
        names = ", ".join(f"{to_text(one.owner)} {type_text(one.rdtype)}" for one in extra[:_SHOWN])
        yield _mismatch("unexpected-records", question, "none but the RRset asked for", names)


def _rrset(
    section: Sequence[Record],
    rrset: RRset,
    zone: ReleasedZone,
    *,
    signed: bool = True,
    owner: Name | None = None,
) -> Iterator[Mismatch]:
    """Compare an RRset and its signatures with what is in `section`; then validate the signatures.

    `owner` is the name it is served under, where a wildcard's RRset answers for another.
    """
    zone.compared.add((rrset.owner, rrset.rdtype))
    rrset = rrset if owner is None else rrset._replace(owner=owner)
    mine = [one for one in section if one.owner == rrset.owner]
    served = sorted(one.rdata for one in mine if one.rdtype == rrset.rdtype)
    if tuple(served) != rrset.rdatas:
        rule = "rrset-differs" if served else "rrset-missing"
        yield _difference(rule, rrset, rrset.rdatas, served)
        return
    ttls = {one.ttl for one in mine if one.rdtype == rrset.rdtype}
    if ttls != {rrset.ttl}:
        shown = ", ".join(map(str, sorted(ttls)))
        yield Mismatch("ttl-differs", rrset.owner, rrset.rdtype, f"TTL {rrset.ttl}", f"TTL {shown}")
    covering = [
        one.rdata
        for one in mine
        if one.rdtype == Type.RRSIG and int.from_bytes(one.rdata[:2], "big") == rrset.rdtype
    ]
    expected = sorted(rrset.signatures) if signed else []
    if sorted(covering) != expected:
        yield Mismatch(
            "signatures-differ", rrset.owner, rrset.rdtype, _signatures(expected), _signatures(covering)
        )
    elif zone.chain and signed:
        reason = zone.chain.check(rrset.owner, rrset.rdtype, rrset.rdatas, covering)
        if reason:
            yield Mismatch("signature-invalid", rrset.owner, rrset.rdtype, "a valid signature", reason)


def _proof(
    question: Question, claim: Claim, answer: Answer, zone: ReleasedZone, *, source_labels: int = 0
) -> Iterator[Mismatch]:
    """Check that the denial records are those of the release, are signed, and prove `claim`."""
    denial = [one for one in answer.authority if one.rdtype in (Type.NSEC, Type.NSEC3)]
    differs = False
    for each in sorted({(one.owner, one.rdtype) for one in denial}):
        released = _released_denial(zone, *each)
        if released is None:
            yield Mismatch("proof-differs", *each, "no such record in the release", "one is served")
            differs = True
            continue
        for mismatch in _rrset(answer.authority, released, zone):
            yield mismatch
            differs = True
    if differs:
        return
    try:
        missing = proof_of(zone.origin, denial).check(
            claim, question.qname, question.qtype, source_labels=source_labels
        )
    except (ValueError, dns.exception.DNSException) as error:
        missing = f"malformed: {error}"
    if missing:
        yield _mismatch("proof-missing", question, f"a proof that denies {claim.value}", missing)


def _released_denial(zone: ReleasedZone, owner: Name, rdtype: int) -> RRset | None:
    if rdtype == Type.NSEC:
        return zone.rrset(owner, rdtype)
    try:
        return zone.nsec3(base64.b32hexdecode(labels(owner)[0].upper()))
    except ValueError:
        return None


def _mismatch(rule: str, question: Question, expected: str, got: str) -> Mismatch:
    return Mismatch(rule, question.qname, question.qtype, expected, got)


def _rcode(value: int) -> str:
    return dns.rcode.to_text(dns.rcode.Rcode.make(value))


def _difference(rule: str, rrset: RRset, expected: Sequence[bytes], got: Sequence[bytes]) -> Mismatch:
    """Return a mismatch that shows what only one side has, and serials where it is the SOA."""
    if rrset.rdtype == Type.SOA and got and expected:
        serials = [int.from_bytes(each[0][-20:-16], "big") for each in (expected, got)]
        if serials[0] != serials[1]:
            return Mismatch(
                "serial-differs", rrset.owner, rrset.rdtype, f"serial {serials[0]}", f"serial {serials[1]}"
            )
    missing = [each for each in expected if each not in got]
    extra = [each for each in got if each not in expected]
    return Mismatch(
        rule,
        rrset.owner,
        rrset.rdtype,
        _rdatas(rrset.rdtype, missing) if missing else f"{len(expected)} records",
        _rdatas(rrset.rdtype, extra) if extra else f"{len(got)} of them" if got else "nothing",
    )


def _rdatas(rdtype: int, rdatas: Iterable[bytes]) -> str:
    all_of_them = list(rdatas)
    shown = [_text(rdtype, each) for each in all_of_them[:_SHOWN]]
    more = len(all_of_them) - _SHOWN
    return " | ".join(shown) + (f" and {more} more" if more > 0 else "") if shown else "nothing"


def _text(rdtype: int, rdata: bytes) -> str:
    try:
        return rdata_text(rdtype, rdata)
    except (dns.exception.DNSException, ValueError):
        return rf"\# {len(rdata)} {rdata.hex()}"


def _signatures(signatures: Sequence[bytes]) -> str:
    if not signatures:
        return "no signature"
    tags = ", ".join(f"key {int.from_bytes(each[16:18], 'big')} {each[-4:].hex()}" for each in signatures)
    return f"{len(signatures)} signature{'s' if len(signatures) > 1 else ''} ({tags})"
