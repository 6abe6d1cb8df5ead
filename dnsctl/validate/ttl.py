"""TTLs at the edges: what caches will not keep, or keep for too long."""

from __future__ import annotations

from collections.abc import Iterator

from dnsctl.model.duration import to_text as duration_text
from dnsctl.model.rrset import RRset
from dnsctl.validate.rule import Fault, Scope, named

LONG_TTL = 7 * 86400  # seconds; resolvers cap here (RFC 8767 §4)


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
    return Fault(scope.at(first), f"{named(first)}{more} with {what}", advice)
