"""The numbers in SOA rdata (RFC 1035 §3.3.13), and the TTL of negative answers (RFC 2308 §5).

The numbers stand at the end of the rdata, behind MNAME and RNAME, so they are counted from there. The names
themselves are rdata like that of other types.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from dnsctl.model.rrset import RRset

_NUMBERS = struct.Struct("!5I")
_INTERVALS = struct.Struct("!4I")
_SERIAL = slice(-_NUMBERS.size, -_INTERVALS.size)
_EXPIRE = slice(-8, -4)


class Intervals(NamedTuple):
    """What follows the serial, in seconds; `minimum` bounds the TTL of negative answers."""

    refresh: int
    retry: int
    expire: int
    minimum: int


# Of a SOA that is made, where nothing else is written
STANDARD_INTERVALS = Intervals(refresh=7200, retry=1800, expire=1209600, minimum=300)


def soa_rdata(mname: bytes, rname: bytes, serial: int, intervals: Intervals) -> bytes:
    """Return SOA rdata of two uncompressed names, the serial, and the intervals in seconds."""
    return mname + rname + _NUMBERS.pack(serial, *intervals)


def serial_of(rdata: bytes) -> int:
    """Return the serial in SOA rdata."""
    return int.from_bytes(rdata[_SERIAL], "big")


def intervals_of(rdata: bytes) -> Intervals:
    """Return REFRESH, RETRY, EXPIRE and MINIMUM of SOA rdata."""
    return Intervals(*_INTERVALS.unpack(rdata[-_INTERVALS.size :]))


def with_serial(rdata: bytes, serial: int) -> bytes:
    """Return SOA rdata with another serial."""
    return rdata[: _SERIAL.start] + serial.to_bytes(4, "big") + rdata[_SERIAL.stop :]


def with_expire_at_most(rdata: bytes, longest: int) -> bytes:
    """Return SOA rdata with EXPIRE lowered to `longest` seconds, where it is more."""
    expire = min(intervals_of(rdata).expire, longest)
    return rdata[: _EXPIRE.start] + expire.to_bytes(4, "big") + rdata[_EXPIRE.stop :]


def negative_ttl(soa: RRset) -> int:
    """Return the TTL of negative answers: the lesser of the SOA's TTL and its MINIMUM (RFC 2308 §5).

    NSEC and NSEC3 have it as well (RFC 9077 §3).
    """
    return min(soa.ttl, intervals_of(soa.rdatas[0]).minimum)
