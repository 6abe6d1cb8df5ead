"""SOA serials: arithmetic modulo 2^32 (RFC 1982) and the policies that choose the next one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

SerialPolicy = Literal["unixtime", "dateserial", "increment"]
MODULUS = 2**32
_HALF = 2**31


def distance(left: int, right: int) -> int:
    """Return how far `left` is after `right` in serial arithmetic; negative where it is before (RFC 1982).

    Two that are exactly half of all serials apart are in no order (§3.2): each counts as before the other.
    """
    return (left - right + _HALF) % MODULUS - _HALF


def is_after(left: int, right: int) -> bool:
    """True where `left` is greater than `right` in serial arithmetic (RFC 1982 §3.2)."""
    return distance(left, right) > 0


def next_serial(policy: SerialPolicy, previous: int | None, now: datetime, floor: int | None = None) -> int:
    """Return the serial to publish at `now`: what `policy` says, always after `previous`, not before `floor`.

    `unixtime` counts seconds, `dateserial` is YYYYMMDDnn, `increment` adds one. Where the policy's value is
    not after `previous`, the result is `previous` + 1 (RFC 1982 §3.1).
    """
    if floor is not None and (previous is None or is_after(floor, previous)):
        previous = (floor - 1) % MODULUS
    if policy == "unixtime":
        wanted = int(now.timestamp()) % MODULUS
    elif policy == "dateserial":
        wanted = int(now.astimezone(UTC).strftime("%Y%m%d")) * 100
    else:
        wanted = 1 if previous is None else (previous + 1) % MODULUS
    if previous is None or is_after(wanted, previous):
        return wanted
    return (previous + 1) % MODULUS
