"""SOA serials: arithmetic modulo 2^32 (RFC 1982) and the policies that choose the next one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

SerialPolicy = Literal["unixtime", "dateserial", "increment"]
_MODULUS = 2**32
_HALF = 2**31


def is_after(left: int, right: int) -> bool:
    """True where `left` is greater than `right` in serial arithmetic (RFC 1982 §3.2)."""
    return left != right and (left - right) % _MODULUS < _HALF


def next_serial(policy: SerialPolicy, previous: int | None, now: datetime) -> int:
    """Return the serial to publish at `now`: what `policy` says, and always after `previous`.

    `unixtime` counts seconds, `dateserial` is YYYYMMDDnn, `increment` adds one. Where the policy's value is
    not after `previous`, the result is `previous` + 1 (RFC 1982 §3.1).
    """
    if policy == "unixtime":
        wanted = int(now.timestamp()) % _MODULUS
    elif policy == "dateserial":
        wanted = int(now.astimezone(UTC).strftime("%Y%m%d")) * 100
    else:
        wanted = 1 if previous is None else (previous + 1) % _MODULUS
    if previous is None or is_after(wanted, previous):
        return wanted
    return (previous + 1) % _MODULUS
