"""Which serial a zone is published with: in a release, and where there is none."""

from __future__ import annotations

from datetime import datetime

from dnsctl.load.draft import PLACEHOLDER_SERIAL
from dnsctl.model.rrset import Type
from dnsctl.model.serial import next_serial
from dnsctl.model.soa import serial_of
from dnsctl.publish.intent import ZoneIntent


def serial_for(wanted: ZoneIntent, last: int | None, now: datetime) -> int:
    """Return the serial of a release: the zone's own if pre-signed, else by policy, after the `last` one.

    A serial written in the zone file counts as a floor, so that a zone moved here from elsewhere does not go
    back for its secondaries; 0 is what files without one have.
    """
    written = _written(wanted)
    if wanted.presigned:
        return written
    return next_serial(wanted.serial_policy, last, now, floor=written or None)


def serial_alone(wanted: ZoneIntent, last: int | None, now: datetime) -> int:
    """Return the serial where nothing but the file says what was published: its own, unless signed here.

    Signing changes the zone while the file stays, so that it takes the policy's, after `last` or the file's.
    """
    written = _written(wanted)
    if wanted.presigned or (wanted.policy is None and written not in (0, PLACEHOLDER_SERIAL)):
        return written
    return next_serial(wanted.serial_policy, last or written or None, now)


def _written(wanted: ZoneIntent) -> int:
    soa = wanted.zone.get(wanted.zone.origin, Type.SOA)
    if soa is None:  # validation promises it
        raise AssertionError("a validated zone without SOA")
    return serial_of(soa.rdatas[0])
