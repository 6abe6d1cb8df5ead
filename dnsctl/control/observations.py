"""What was seen of a zone, kept in `state/observations/ZONE.json`: one file a zone, written whole.

Losing a file loses time only: what it knew is looked at again, and what waits for it waits longer.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field, replace

from dnsctl.errors import SystemRefusalError
from dnsctl.files import durable
from dnsctl.model.json_value import Json
from dnsctl.model.name import Name
from dnsctl.model.observation import DsMemory, ServedMemory
from dnsctl.model.repo import HostFiles
from dnsctl.parent.view import DelegationView
from dnsctl.sign.keyfile import directory_name


@dataclass(frozen=True)
class Observed:
    """What is remembered of one zone. `fault`: why its parent could not be looked at the last time."""

    ds: DsMemory = field(default_factory=DsMemory)
    served: ServedMemory = field(default_factory=ServedMemory)
    delegation: tuple[DelegationView, ...] = ()
    fault: str = ""

    def to_json(self) -> dict[str, Json]:
        return {
            "ds": self.ds.to_json(),
            "served": self.served.to_json(),
            "delegation": [each.to_json() for each in self.delegation],
            "fault": self.fault,
        }


def recall(state: HostFiles, zone: Name) -> Observed:
    """Return what is remembered of `zone`; nothing where no file can be read."""
    found = Observed()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        told = json.loads(state.observation(directory_name(zone)).read_bytes())
        with contextlib.suppress(ValueError):
            found = replace(found, ds=DsMemory.from_json(told["ds"]))
        with contextlib.suppress(ValueError):
            found = replace(found, served=ServedMemory.from_json(told["served"]))
        views = tuple(DelegationView.from_json(each) for each in told["delegation"])
        found = replace(found, delegation=views, fault=str(told["fault"]))
    return found


def remember(state: HostFiles, zone: Name, observed: Observed) -> None:
    """Keep `observed`. Raises SystemRefusalError where it cannot be written."""
    path = state.observation(directory_name(zone))
    try:
        durable.make_directory(path.parent)
        durable.write(path, json.dumps(observed.to_json()).encode() + b"\n")
    except OSError as error:
        raise SystemRefusalError.of(error, path) from None
