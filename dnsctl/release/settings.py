"""The settings of nodes inside a manifest: their canonical form, their digest, how long they may be.

What they say is for `load.settings.released` to judge; here they are an object of JSON like any other, so
that code which only carries a release need not know them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, cast

from dnsctl.errors import ReleaseError
from dnsctl.model.json_value import Json
from dnsctl.release import canonical

MAX_SETTINGS: Final = 2**18  # octets: each release holds all of them

FleetSettings = Mapping[str, Json]  # as they travel: see `load.settings.released`


def encode(settings: FleetSettings | None) -> bytes:
    """Return the canonical form; empty for None. Raises ReleaseError where it is too long."""
    if settings is None:
        return b""
    data = canonical.encode(dict(settings))
    if len(data) > MAX_SETTINGS:
        raise ReleaseError(
            f"the settings of nodes take {len(data)} octets, at most {MAX_SETTINGS} travel in a release",
            advice="shorten `transfers:` in dnsctl.yaml",
        )
    return data


def decode(data: bytes) -> FleetSettings | None:
    """Return what `encode` made `data` from. Raises ReleaseError."""
    if not data:
        return None
    return cast("FleetSettings", canonical.decode(data, MAX_SETTINGS, "settings of nodes"))


def digest_of(data: bytes) -> str:
    """Return what settings are called by, from their canonical form; empty for none."""
    return hashlib.sha256(data).hexdigest() if data else ""
