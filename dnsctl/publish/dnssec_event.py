"""What happens to a zone's DNSSEC in a release, told in words beside its records."""

from __future__ import annotations

from typing import NamedTuple


class DnssecEvent(NamedTuple):
    """Something that happens to a zone's DNSSEC. `ds_relevant`: the parent's DS may no longer fit."""

    name: str
    message: str
    ds_relevant: bool = False
