"""What was seen of a zone, kept in `state/observations/ZONE.json`: one file a zone, written whole.

Losing a file loses time only: what it knew is looked at again, and what waits for it waits longer. Several
processes add to one file, such as a push and the daemon that looks at parents: each with `amend`, so that
none undoes what another wrote.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from dnsctl.errors import SystemRefusalError
from dnsctl.files import durable
from dnsctl.files.lock import lock_file, take
from dnsctl.model.json_value import Json
from dnsctl.model.name import Name, to_text
from dnsctl.model.observation import DsMemory, ServedMemory, time_of
from dnsctl.model.repo import HostFiles
from dnsctl.parent.hook import Outcome
from dnsctl.parent.view import DelegationView
from dnsctl.sign.keyfile import directory_name

_PATIENCE = 10.0  # seconds; the lock is held for milliseconds


@dataclass(frozen=True, slots=True)
class Asked:
    """The last time that a parent was asked for other DS. `outcome` and `message`: what came of it."""

    at: datetime
    ds: tuple[bytes, ...]
    way: str
    outcome: Outcome
    message: str

    def to_json(self) -> dict[str, Json]:
        return {
            "at": self.at.isoformat(),
            "ds": [each.hex() for each in self.ds],
            "way": self.way,
            "outcome": self.outcome,
            "message": self.message,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Asked:
        """Read `to_json`. Raises KeyError, TypeError, ValueError for anything else."""
        outcome = next(each for each in get_args(Outcome) if each == told["outcome"])
        ds = tuple(bytes.fromhex(each) for each in told["ds"])
        return cls(time_of(told["at"]), ds, str(told["way"]), outcome, str(told["message"]))


@dataclass(frozen=True)
class Observed:
    """What is remembered of one zone. `fault`: why its parent could not be looked at the last time.

    `stand_ins`: by site, why the control host's look counted for it.
    `asked`: what the parent was asked for and does not yet have.
    """

    ds: DsMemory = field(default_factory=DsMemory)
    served: ServedMemory = field(default_factory=ServedMemory)
    delegation: tuple[DelegationView, ...] = ()
    fault: str = ""
    asked: Asked | None = None
    stand_ins: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        return {
            "asked": None if self.asked is None else self.asked.to_json(),
            "ds": self.ds.to_json(),
            "served": self.served.to_json(),
            "delegation": [each.to_json() for each in self.delegation],
            "fault": self.fault,
            "stand_ins": dict(self.stand_ins),
        }


def recall(state: HostFiles, zone: Name) -> Observed:
    """Return what is remembered of `zone`; nothing where no file can be read."""
    found = Observed()
    with contextlib.suppress(
        OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError
    ):
        told = json.loads(state.observation(directory_name(zone)).read_bytes())
        with contextlib.suppress(ValueError):
            found = replace(found, ds=DsMemory.from_json(told["ds"]))
        with contextlib.suppress(ValueError):
            found = replace(found, served=ServedMemory.from_json(told["served"]))
        views = tuple(DelegationView.from_json(each) for each in told["delegation"])
        stand_ins = {str(site): str(why) for site, why in told.get("stand_ins", {}).items()}
        found = replace(found, delegation=views, fault=str(told["fault"]), stand_ins=stand_ins)
        if told["asked"] is not None:
            found = replace(found, asked=Asked.from_json(told["asked"]))
    return found


def amend(state: HostFiles, zone: Name, change: Callable[[Observed], Observed]) -> Observed:
    """Keep what `change` makes of what is remembered of `zone`, and return it.

    Raises SystemRefusalError where it cannot be written.
    """
    path = state.observation("").with_name(".lock")
    try:
        durable.make_directory(path.parent)
        descriptor = lock_file(path)
    except OSError as error:
        raise SystemRefusalError.of(error, path) from None
    try:
        take(
            descriptor, _PATIENCE
        )  # without it, what two wrote in one instant may be lost, and is seen again
        before = recall(state, zone)
        after = change(before)
        if after != before:
            remember(state, zone, after)
    finally:
        os.close(descriptor)
    return after


def next_zone(state: HostFiles) -> str:
    """Return the name of the zone that the next round of looks begins with; empty: the first."""
    with contextlib.suppress(OSError, ValueError):
        return _next(state).read_text("ascii").strip()
    return ""


def begin_next_at(state: HostFiles, zone: Name | None) -> None:
    """Have the next round of looks begin with `zone`. Raises SystemRefusalError where that cannot be kept."""
    path = _next(state)
    try:
        if zone is not None:
            durable.make_directory(path.parent)
            durable.write(path, to_text(zone).encode() + b"\n")
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise SystemRefusalError.of(error, path) from None


def _next(state: HostFiles) -> Path:
    return state.observation("").with_name(".next")


def remember(state: HostFiles, zone: Name, observed: Observed) -> None:
    """Keep `observed`. Raises SystemRefusalError where it cannot be written."""
    path = state.observation(directory_name(zone))
    try:
        durable.make_directory(path.parent)
        durable.write(path, json.dumps(observed.to_json()).encode() + b"\n")
    except OSError as error:
        raise SystemRefusalError.of(error, path) from None
