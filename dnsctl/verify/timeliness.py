"""Compare the signatures of every zone with the clocks of the nodes that serve it, by the zone's entry.

What answers look like is for `consistency`; it uses one clock, ours, and after a push it samples.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from dnsctl.image.reader import Reader
from dnsctl.model.name import Name
from dnsctl.model.rrset import Type
from dnsctl.model.validity import moment
from dnsctl.verify.report import Fault

RULE = "signature-time"


def untimely(
    reader: Reader, zones: Collection[Name], now: datetime, clocks: Mapping[str, float]
) -> Iterator[Fault]:
    """Yield a fault for each zone of the release, and each clock by which not all its signatures hold.

    `clocks`: by node, how many seconds its clock is ahead of `now`. Our own is reported as the release's.
    """
    for origin in sorted(zones):
        entry = reader.zone(origin)
        for node, ahead in {"release": 0.0, **clocks}.items():
            theirs = now.timestamp() + ahead
            if entry is not None and (why := entry.period.fault(theirs)):
                expected, got = f"signatures that hold at {moment(theirs)}", f"signatures that {why}"
                yield Fault(node, "", origin, RULE, origin, Type.RRSIG, expected, got)
