"""Limits of size: of an RRset in a message, under a signature and at a secondary; of names below the apex.

Sizes are those of messages as sent: names are compressed where they may be (RFC 3597 §4), and signatures of a
pre-signed zone count.
"""

from __future__ import annotations

from collections.abc import Iterator

from dnsctl.model.message_size import MAX_MESSAGE, MAX_UDP_PAYLOAD
from dnsctl.model.name import MAX_NAME, to_text
from dnsctl.model.nsec3 import HASH_LABEL
from dnsctl.model.rrset import RRset
from dnsctl.model.rrset_size import AROUND, BARE_HEADER, RECORD, saved_by_pointers
from dnsctl.validate.rule import Fault, Scope, named

MAX_SIGNED = 65535  # octets of an RRset in canonical form, RRSIG rdata included: validators hold no more
MAX_RECORDS = 100  # max-records-per-type and max-types-per-name of BIND from 9.18.28 on
MAX_TSIG = 255 + 10 + 13 + 16 + 64  # octets: key name, head, hmac-sha512., fixed fields, MAC: RFC 8945 §4.2
_FIXED = 10  # octets of a record beside owner and rdata
_RRSIG_FIXED = 18  # octets of RRSIG rdata before the signer's name, RFC 4034 §3.1


def rrset_too_large(scope: Scope) -> Iterator[Fault]:
    for one, size in _large(scope, MAX_MESSAGE):
        yield Fault(
            scope.at(one),
            f"{named(one)} needs a message of {size} octets; {MAX_MESSAGE} is the largest there can be",
            "remove records from it",
        )


def rrset_large(scope: Scope) -> Iterator[Fault]:
    for one, size in _large(scope, MAX_UDP_PAYLOAD):
        if size <= MAX_MESSAGE:
            yield Fault(
                scope.at(one),
                f"{named(one)} needs a message of {size} octets, so it is answered over TCP only",
                "remove what is no longer needed",
            )


def record_without_tsig_room(scope: Scope) -> Iterator[Fault]:
    """A record that fills a message leaves it without the TSIG of a signed transfer (RFC 8945 §5.3.1)."""
    for rrsets in scope.index.by_type.values():
        for one in rrsets:
            largest = max(map(len, one.rdatas)) + len(one.owner) + _FIXED
            if largest > MAX_MESSAGE - BARE_HEADER - MAX_TSIG:
                yield Fault(
                    scope.at(one),
                    f"{named(one)} has a record of {largest} octets: a transfer has no room for a TSIG "
                    "beside it, and BIND as a secondary with a key refuses the zone",
                    "make the record smaller",
                )


def rrset_unsignable(scope: Scope) -> Iterator[Fault]:
    """In canonical form no name is compressed and every record repeats the owner (RFC 4034 §6.2)."""
    for rrsets in scope.index.by_type.values():
        for one in rrsets:
            if not (one.signatures or (scope.signed and scope.index.is_authoritative(one))):
                continue
            size = (
                _RRSIG_FIXED
                + len(scope.origin)
                + sum(map(len, one.rdatas))
                + len(one.rdatas) * (len(one.owner) + _FIXED)
            )
            if size > MAX_SIGNED:
                yield Fault(
                    scope.at(one),
                    f"{named(one)} has {size} octets in canonical form: validators take at most "
                    f"{MAX_SIGNED} and find it bogus",
                    "remove records from it, or shorten its owner (RFC 4034 §6.2)",
                )


def rrset_many(scope: Scope) -> Iterator[Fault]:
    for rrsets in scope.index.by_type.values():
        for one in rrsets:
            if len(one.rdatas) > MAX_RECORDS:
                yield Fault(
                    scope.at(one),
                    f"{named(one)} has {len(one.rdatas)} records: BIND as a secondary refuses the zone",
                    f"keep {MAX_RECORDS} or fewer, or raise max-records-per-type there",
                )
    for owner, node in scope.zone.nodes.items():
        if len(node) > MAX_RECORDS:
            yield Fault(
                scope.at(node[0]),
                f"{to_text(owner)} has {len(node)} types: BIND as a secondary refuses the zone",
                f"keep {MAX_RECORDS} or fewer, or raise max-types-per-name there",
            )


def apex_too_long(scope: Scope) -> Iterator[Fault]:
    policy = scope.policy
    if policy is not None and policy.denial == "nsec3" and len(scope.origin) + 1 + HASH_LABEL > MAX_NAME:
        yield Fault(
            scope.at(),
            f"{to_text(scope.origin)} has {len(scope.origin)} octets: NSEC3 puts {1 + HASH_LABEL} before "
            f"them, and a name has at most {MAX_NAME}",
            f"give it a policy with `denial: nsec`; {policy.name} has nsec3 (RFC 5155 §3)",
        )


def _large(scope: Scope, limit: int) -> Iterator[tuple[RRset, int]]:
    floor = limit - MAX_NAME - AROUND
    for rrsets in scope.index.by_type.values():
        for one in rrsets:
            rdatas = one.rdatas
            size = (
                len(rdatas[0]) + RECORD if len(rdatas) == 1 else sum(map(len, rdatas)) + RECORD * len(rdatas)
            )
            size += sum(map(len, one.signatures)) + RECORD * len(one.signatures)
            if size > floor and (size := size + len(one.owner) + AROUND) > limit:
                size -= saved_by_pointers(one)
                if size > limit:
                    yield one, size
