"""What is known of a target after resolvers were asked once more. Pure.

Addresses are never given up because something fails: those of a type that cannot be asked for stay, and all
stay where none would be left. A denial of one type takes that type away.

The TTL that a resolver tells is what is left in its cache, so the largest that was seen counts. One that is
less than half of it for twice its time is a lower TTL, and not a remainder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dnsctl.model.alias import Known, Unresolved

if TYPE_CHECKING:
    from dnsctl.control.aliases.asking import Reply

_LONGEST = 86400  # seconds to the next question, whatever the TTL, which may be wrong: as Unbound


def learned(before: Known | None, replies: Mapping[int, Reply], now: int, floor: int) -> Known | Unresolved:
    """Return what is known of a target by the replies of every type. `floor`: in seconds."""
    found = {rdtype: each for rdtype, each in replies.items() if each.kind == "found"}
    failed = {rdtype: each for rdtype, each in replies.items() if each.kind == "failed"}
    addresses = {rdtype: each.rdatas for rdtype, each in found.items()}
    for rdtype in failed:
        if before is not None and rdtype in before.addresses:
            addresses[rdtype] = before.addresses[rdtype]
    fault = _fault(replies) if failed or not addresses else ""
    if before is None:
        if not addresses:
            return Unresolved(fault)
    elif not addresses or not found:
        since = before.since if before.failing else now
        return before._replace(failing=fault or "nothing is found", since=since, until=now + floor)
    best = max(found.values(), key=lambda each: len(each.path))
    seen = max(floor, min(each.ttl for each in found.values()))
    ttl, high_at, lower = _ttl(before, addresses, seen, now)
    return Known(
        addresses,
        ttl,
        best.path,
        now,
        now + (floor if fault else max(floor, min(seen, _LONGEST))),
        all(each.validated for each in found.values()),
        fault,
        (before.since if before is not None and before.failing else now) if fault else 0,
        high_at,
        lower,
    )


def _ttl(
    before: Known | None, addresses: Mapping[int, tuple[bytes, ...]], seen: int, now: int
) -> tuple[int, int, int]:
    """Return the TTL, since when nothing near it was seen, and the largest that was seen since."""
    if before is None or before.addresses != addresses:
        return seen, now, 0
    if seen * 2 >= before.ttl:
        return max(seen, before.ttl), now, 0
    lower = max(before.lower, seen)
    if now - before.high_at > 2 * before.ttl:
        return lower, now, 0
    return before.ttl, before.high_at, lower


def _fault(replies: Mapping[int, Reply]) -> str:
    """Return why something is not found: failures first, each reason once."""
    told = sorted((each for each in replies.values() if each.fault), key=lambda each: each.kind != "failed")
    return "; ".join(dict.fromkeys(each.fault for each in told))
