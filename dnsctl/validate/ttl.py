"""TTLs that are too short or too long for caches, secondaries or signatures."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from dnsctl.model.duration import to_text as duration_text
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.soa import intervals_of
from dnsctl.model.validity import timing
from dnsctl.validate.rule import Fault, Scope, named

LONG_TTL = 7 * 86400  # seconds; resolvers cap here (RFC 8767 §4)


def ttl_zero(scope: Scope) -> Iterator[Fault]:
    found = [each for rrsets in scope.index.by_type.values() for each in rrsets if each.ttl == 0]
    if found:
        yield _summed(scope, found, "TTL 0, so every query comes to us", "write a TTL of 30s or more")


def ttl_long(scope: Scope) -> Iterator[Fault]:
    found = [each for rrsets in scope.index.by_type.values() for each in rrsets if each.ttl > LONG_TTL]
    if found:
        longest = max(each.ttl for each in found)
        yield _summed(
            scope,
            found,
            f"a TTL of up to {duration_text(longest)}: a mistake stays in caches that long",
            "write 7d or less",
        )


def ttl_signatures(scope: Scope) -> Iterator[Fault]:
    """Records may stay in caches and at secondaries longer than their signatures last (RFC 6781 §4.4.2)."""
    soa = scope.zone.get(scope.origin, Type.SOA)
    if scope.policy is None or soa is None:
        return
    longest = max(chain.from_iterable(scope.index.by_type.values()), key=lambda each: each.ttl)
    times = timing(scope.policy, longest.ttl)
    left = duration_text(times.promised)
    if not times.fits:
        ttl = max(longest.ttl, scope.policy.dnskey_ttl)
        yield Fault(
            scope.at(longest),
            f"a TTL of {duration_text(ttl)}, and signatures that may have {left} left: a secondary that lost "
            "its primary serves them longer",
            f"write a TTL of {duration_text(times.promised * 3 // 4)} or less, or sign for longer: "
            f"`policies: {scope.policy.name}: {{signatures: {{lifetime: 14d, refresh: 7d}}}}`",
        )
    refresh, retry, expire, _ = intervals_of(soa.rdatas[0])
    if times.expire <= refresh + retry < expire:
        yield Fault(
            scope.at(soa),
            f"SOA expire {duration_text(expire)} is served as {duration_text(times.expire)}, as signatures "
            f"may have {left} left; that is not above refresh {duration_text(refresh)} + retry "
            f"{duration_text(retry)}",
            "write a shorter refresh, shorter TTLs, or a longer lifetime of signatures in the policy",
        )


def _summed(scope: Scope, found: list[RRset], what: str, advice: str) -> Fault:
    """Make one fault of many: a zone with one default TTL has the same one everywhere."""
    first = min(found, key=lambda each: each.position or scope.at())
    more = f" and {len(found) - 1} more RRsets" if len(found) > 1 else ""
    return Fault(scope.at(first), f"{named(first)}{more} with {what}", advice)
