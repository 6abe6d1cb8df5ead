"""What an answer says: found once, where the answer is made, and kept with it for counters and rate limit."""

from __future__ import annotations

from enum import IntEnum


class Kind(IntEnum):
    """The kind of an answer, also where the answer was cut to fit."""

    DATA = 0  # records of the name asked for, also an alias that leads to no name
    NXDOMAIN = 1
    NODATA = 2
    REFERRAL = 3
    OTHER = 4  # from no zone: errors, what a server tells of itself
    SYNTHESIZED = 5  # data that a wildcard or a DNAME has for names without end
