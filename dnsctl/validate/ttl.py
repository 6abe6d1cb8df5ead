"""TTLs and sizes at the edges: what caches will not keep, and what no message can carry."""

from __future__ import annotations

from collections.abc import Iterator

from dnsctl.model.duration import to_text as duration_text
from dnsctl.model.name import to_text
from dnsctl.model.rrset import RRset, type_text
from dnsctl.validate.rule import Fault, Scope

LONG_TTL = 7 * 86400  # seconds; resolvers cap here (RFC 8767 §4)
MAX_MESSAGE = 65535  # octets, RFC 1035 §4.2.2
MAX_UDP_PAYLOAD = 1232  # octets, DNS Flag Day 2020
_RECORD = 12  # octets: owner as pointer, type, class, TTL, length
_AROUND = 12 + 4 + 11  # octets: header, question's type and class, OPT


def ttl_zero(scope: Scope) -> Iterator[Fault]:
    found = [each for rrsets in scope.survey.by_type.values() for each in rrsets if each.ttl == 0]
    if found:
        yield _summed(scope, found, "TTL 0, so every query comes to us", "write a TTL of 30s or more")


def ttl_long(scope: Scope) -> Iterator[Fault]:
    found = [each for rrsets in scope.survey.by_type.values() for each in rrsets if each.ttl > LONG_TTL]
    if found:
        longest = max(each.ttl for each in found)
        yield _summed(
            scope,
            found,
            f"a TTL of up to {duration_text(longest)}: a mistake would stay in caches that long",
            "write 7d or less",
        )


def _summed(scope: Scope, found: list[RRset], what: str, advice: str) -> Fault:
    """Make one fault of many: a zone with one default TTL has the same one everywhere."""
    first = min(found, key=lambda each: each.position or scope.at())
    more = f" and {len(found) - 1} more RRsets" if len(found) > 1 else ""
    return Fault(scope.at(first), f"{_named(first)}{more} with {what}", advice)


def rrset_too_large(scope: Scope) -> Iterator[Fault]:
    for one, size in _large(scope, MAX_MESSAGE):
        yield Fault(
            scope.at(one),
            f"{_named(one)} needs a message of {size} octets; {MAX_MESSAGE} is the most there can be",
            "remove records from it",
        )


def rrset_large(scope: Scope) -> Iterator[Fault]:
    for one, size in _large(scope, MAX_UDP_PAYLOAD):
        if size <= MAX_MESSAGE:
            yield Fault(
                scope.at(one),
                f"{_named(one)} needs a message of {size} octets, so it is answered over TCP only",
                "remove what is no longer needed",
            )


def _large(scope: Scope, limit: int) -> Iterator[tuple[RRset, int]]:
    floor = limit - 255 - _AROUND
    for rrsets in scope.survey.by_type.values():
        for one in rrsets:
            rdatas = one.rdatas
            size = (
                len(rdatas[0]) + _RECORD
                if len(rdatas) == 1
                else sum(map(len, rdatas)) + _RECORD * len(rdatas)
            )
            if size > floor and size + len(one.owner) + _AROUND > limit:
                yield one, size + len(one.owner) + _AROUND


def _named(one: RRset) -> str:
    return f"{to_text(one.owner)} {type_text(one.rdtype)}"
