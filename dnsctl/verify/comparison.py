"""Compare an answer with the release: header, RRsets with their signatures, proofs, additional data.

Everything is compared octet for octet, TTLs and signatures included; where that holds, signatures and proofs
are validated as well. Does not know what a question should be answered with: see `expectation`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import dns.exception
import dns.rcode

from dnsctl.model.name import Name, is_subdomain, labels, to_text
from dnsctl.model.rrset import RRset, Type, rdata_text, type_text
from dnsctl.verify.client import Question
from dnsctl.verify.decoders import Answer, Record
from dnsctl.verify.denial import Claim, proof_of
from dnsctl.verify.released import ReleasedZone

_SHOWN = 3  # records of an RRset that a message names


class Mismatch(NamedTuple):
    """One difference between the release and what is served."""

    rule: str
    owner: Name
    rdtype: int
    expected: str
    got: str


def header(
    question: Question, answer: Answer, rcodes: Sequence[int], *, authoritative: bool
) -> Mismatch | None:
    """Return what is wrong with the header, after which its records need no look; None where nothing is."""
    if answer.rcode not in rcodes:
        return mismatch("rcode", question, " or ".join(map(_rcode, rcodes)), _rcode(answer.rcode))
    if answer.truncated:
        return mismatch("truncated", question, "a whole answer over TCP", "TC set")
    if answer.authoritative != authoritative:
        shown = ("AA clear", "AA set")
        return mismatch("authoritative", question, shown[authoritative], shown[answer.authoritative])
    if answer.edns != bool(question.payload) or answer.do != bool(question.payload):
        expected = "OPT with DO" if question.payload else "no OPT"
        got = f"OPT {'with' if answer.do else 'without'} DO" if answer.edns else "no OPT"
        return mismatch("edns", question, expected, got)
    return None


def nothing_but(question: Question, section: Sequence[Record], types: set[int]) -> Iterator[Mismatch]:
    """Yield the records in the answer section that are of another owner or of none of `types`."""
    extra = [one for one in section if one.rdtype not in types or one.owner != question.qname]
    if extra:
        names = ", ".join(f"{to_text(one.owner)} {type_text(one.rdtype)}" for one in extra[:_SHOWN])
        yield mismatch("unexpected-records", question, "none but the RRset asked for", names)


def same_rrset(
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


def proven(
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
        for fault in same_rrset(answer.authority, released, zone):
            yield fault
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
        yield mismatch("proof-missing", question, f"a proof that denies {claim.value}", missing)


def _released_denial(zone: ReleasedZone, owner: Name, rdtype: int) -> RRset | None:
    if rdtype == Type.NSEC:
        return zone.rrset(owner, rdtype)
    try:
        return zone.nsec3(base64.b32hexdecode(labels(owner)[0].upper()))
    except ValueError:
        return None


def additional(answer: Answer, zone: ReleasedZone) -> Iterator[Mismatch]:
    """Check what is in the additional section: it need not be there, but must be data of the release.

    Its RRsets are those that a question for them would find in the zone that answers such questions, or
    that `zone` keeps beside a cut (glue); with all their signatures, or none.
    """
    for owner, rdtype in dict.fromkeys((one.owner, one.rdtype) for one in answer.additional):
        if rdtype == Type.RRSIG:
            continue
        mine = [one for one in answer.additional if one.owner == owner]
        covering = sorted(
            one.rdata
            for one in mine
            if one.rdtype == Type.RRSIG and int.from_bytes(one.rdata[:2], "big") == rdtype
        )
        served = (
            tuple(sorted(one.rdata for one in mine if one.rdtype == rdtype)),
            {one.ttl for one in mine if one.rdtype == rdtype},
        )
        released = list(_kept(zone, owner, rdtype))
        if not any(
            served == (each.rdatas, {each.ttl}) and covering in ([], sorted(each.signatures))
            for each in released
        ):
            expected = shown_rdatas(rdtype, released[0].rdatas) if released else "no such data"
            yield Mismatch("additional-differs", owner, rdtype, expected, shown_rdatas(rdtype, served[0]))


def _kept(zone: ReleasedZone, owner: Name, rdtype: int) -> Iterator[RRset]:
    """Yield the RRsets that an answer of `zone` may carry for `owner`: its own, and those of who answers."""
    homes = [zone] if is_subdomain(owner, zone.origin) else []
    home = zone.beside(owner, rdtype)
    if home is not None and home.origin != zone.origin:
        homes.append(home)
    for each in homes:
        if rdtype in (Type.NSEC, Type.NSEC3):  # what the target of a service lacks, RFC 9460 §4.1
            denial = _released_denial(each, owner, rdtype)
            if denial is not None:
                yield denial
            continue
        source = each.source_of(owner)
        found = each.rrset(source, rdtype) if source is not None else None
        if found is not None:
            yield found


def mismatch(rule: str, question: Question, expected: str, got: str) -> Mismatch:
    """Return a mismatch about the name and type of `question`."""
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
        shown_rdatas(rrset.rdtype, missing) if missing else f"{len(expected)} records",
        shown_rdatas(rrset.rdtype, extra) if extra else f"{len(got)} of them" if got else "nothing",
    )


def shown_rdatas(rdtype: int, rdatas: Iterable[bytes]) -> str:
    """Return the first of some rdata in presentation form, and how many more there are."""
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
