"""What the NSEC and NSEC3 records of an answer prove, in words (RFC 4035 §5.4, RFC 5155 §8).

`Subjects` are the names that the answer must prove something about, each with what it means when a record
matches it; a record that spans a name proves that it does not exist.
"""

from __future__ import annotations

from base64 import b32hexdecode
from collections.abc import Iterator, Mapping

import dns.rdtypes.ANY.NSEC
import dns.rdtypes.ANY.NSEC3
import dns.rrset

from dnsctl.image.layout import ZoneEntry
from dnsctl.model.name import MAX_NAME, Name, canonical_key, from_wire, labels, parent, to_text, wildcard
from dnsctl.model.nsec3 import OPT_OUT, nsec3_hash
from dnsctl.model.rrset import type_text
from dnsctl.serve.zone.answer import Step

Subjects = Mapping[Name, str]


def subjects(steps: list[tuple[Step, Name, Name, Name]], rdtype: int) -> Subjects:
    """Return what must be proved for `steps`: (step, its name, the name looked for, its closest encloser)."""
    told: dict[Name, str] = {}
    lacks = f"has no {type_text(rdtype)}"
    for step, name, wanted, encloser in steps:
        if step in (Step.NO_DATA, Step.EMPTY_NON_TERMINAL):
            told[name] = f"exists and {lacks}"
        elif step is Step.REFERRAL:
            told[name] = "is delegated, and has no DS"
        if step in (Step.NAME_ERROR, Step.WILDCARD):
            told.setdefault(wanted, lacks)
            told.setdefault(_next_closer(wanted, encloser), lacks)
            told.setdefault(encloser, "exists: it is the closest encloser")
        if step is Step.NAME_ERROR and len(encloser) + 2 <= MAX_NAME:
            told.setdefault(wildcard(encloser), lacks)
    return told


def _next_closer(name: Name, encloser: Name) -> Name:
    """Return the name one label longer than `encloser` on the way to `name` (RFC 5155 §1.3)."""
    while len(name) > 1 and parent(name) != encloser:
        name = parent(name)
    return name


def proofs(authority: list[dns.rrset.RRset], about: Subjects, entry: ZoneEntry) -> Iterator[str]:
    """Yield a sentence for each NSEC and NSEC3 in the authority section."""
    for rrset in authority:
        for rdata in rrset:
            owner = from_wire(rrset.name.to_digestable())
            if isinstance(rdata, dns.rdtypes.ANY.NSEC.NSEC):
                following = from_wire(rdata.next.to_digestable())
                told = list(_by_order(owner, following, about, entry.origin))
                yield _sentence(f"NSEC {to_text(owner)} → {to_text(following)}", told)
            elif isinstance(rdata, dns.rdtypes.ANY.NSEC3.NSEC3):
                hashed = labels(owner)[0].decode("ascii")
                told = list(_by_hash(b32hexdecode(hashed.upper()), rdata, about, entry))
                yield _sentence(f"NSEC3 {hashed[:8]}…", told)


def _sentence(record: str, told: list[str]) -> str:
    return f"{record} proves: {'; '.join(told)}" if told else f"{record} is part of the proof"


def _by_order(owner: Name, following: Name, about: Subjects, origin: Name) -> Iterator[str]:
    low, high = canonical_key(owner), canonical_key(following)
    for name, meaning in about.items():
        key = canonical_key(name)
        if key == low or (key > low and high.startswith(key)):  # the latter: an empty non-terminal
            yield f"{to_text(name)} {meaning}"
        elif low < key and (key < high or following == origin):
            yield f"{to_text(name)} does not exist"


def _by_hash(
    start: bytes, rdata: dns.rdtypes.ANY.NSEC3.NSEC3, about: Subjects, entry: ZoneEntry
) -> Iterator[str]:
    salt, iterations = (entry.nsec3.salt, entry.nsec3.iterations) if entry.nsec3 else (b"", 0)
    for name, meaning in about.items():
        digest = nsec3_hash(name, salt, iterations)
        if digest == start:
            yield f"{to_text(name)} {meaning}"
        elif _covers(start, rdata.next, digest):
            opt_out = ", or is an unsigned delegation (opt-out)" if rdata.flags & OPT_OUT else ""
            yield f"{to_text(name)} does not exist{opt_out}"


def _covers(start: bytes, following: bytes, digest: bytes) -> bool:
    if start < following:
        return start < digest < following
    return digest > start or digest < following  # the last of the chain wraps around
