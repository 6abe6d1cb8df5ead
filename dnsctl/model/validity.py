"""When signatures are valid and when they are renewed, and how long a secondary may serve them.

All of it follows from the policy's times and from the zone; the clock is an argument. As long as there is a
push at least every `interval` of the policy, a zone that is signed here keeps two promises: no served
signature has less than `promised` left, and SOA EXPIRE plus the largest TTL of the zone is less than that
(RFC 6781 §4.4.2). So neither a secondary that lost its primary nor a cache behind it outlives the signatures.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from dnsctl.model.policy import Policy

TOLERANCE = 60  # seconds: clocks of two hosts that differ by more are not right together
PRESIGNED_WARNING = 7 * 86400  # seconds: what somebody else signs is asked for so long before it runs out


@dataclass(frozen=True, slots=True)
class Period:
    """When all signatures of a zone hold: from the latest inception to the nearest expiry, in unix seconds.

    None where it is not known, or there are no signatures.
    """

    inception: int | None = None
    expiry: int | None = None

    def fault(self, now: float) -> str:
        """Return why not all of them hold at `now`; empty where they do."""
        if self.inception is not None and self.inception > now:
            return f"are not valid before {moment(self.inception)}"
        if self.expiry is not None and self.expiry < now:
            return f"ran out at {moment(self.expiry)}"
        return ""


def moment(seconds: float) -> str:
    """Return a time as messages show it, whatever number it is."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"second {seconds:g}"


@dataclass(frozen=True, slots=True)
class Timing:
    """Of one zone, in seconds. `refresh`: signatures with less left are renewed; `promised`: none ever has
    less left; `expire`: the highest SOA EXPIRE. `fits`: `expire` and the largest TTL stay below `promised`.
    """

    refresh: int
    promised: int
    expire: int
    fits: bool


def timing(policy: Policy, largest_ttl: int) -> Timing:
    """Return the timing under `policy` of a zone whose largest TTL is so many seconds.

    A zone with large TTLs is renewed earlier than the policy says, up to three quarters of what a signature
    lives, so that half of the promised time is left for EXPIRE. Beyond that EXPIRE is not lowered further
    than to a quarter of it: secondaries need some time.
    """
    signatures = policy.signatures
    largest_ttl = max(largest_ttl, policy.dnskey_ttl)
    refresh, every = signatures.refresh.total_seconds(), signatures.renewed_every.total_seconds()
    longest = (signatures.lifetime - signatures.jitter).total_seconds() * 3 / 4
    refresh = max(refresh, min(every + largest_ttl + (refresh - every) / 2, longest))
    promised = refresh - every
    expire = max(promised - largest_ttl, promised / 4)
    return Timing(int(refresh), int(promised), int(expire), expire + largest_ttl <= promised)


def why_due(policy: Policy, period: Period, refresh: int, now: float) -> str:
    """Return why signatures of `period` are renewed at `now`; empty where they last longer."""
    return due(policy.signatures.lifetime.total_seconds(), period, refresh, now)


def due(lifetime: float, period: Period, refresh: int, now: float) -> str:
    """Return the same for signatures that live for `lifetime` seconds."""
    if fault := period.fault(now):
        return f"signatures {fault}"
    if period.expiry is None:
        return ""
    if period.expiry - now <= refresh:
        return f"the first would expire {moment(period.expiry)}"
    if period.expiry - now > lifetime + TOLERANCE:
        return f"the first expires {moment(period.expiry)}, later than the policy allows"
    return ""
