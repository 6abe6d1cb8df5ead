"""Look at the parents of all zones that are released, and remember what they say.

The parent of a zone is, in this order: the servers that `parents` of dnsctl.yaml names; our own nodes, where
a zone above it is released too; what the resolvers find. One that cannot be found or asked stops nothing:
what was known is remembered as it was, with a look that failed.

A round is bounded in time. Of zones that it does not get to, nothing is remembered, as before a look; where
the next round begins is in `state/observations/.next`. So that each round gets further, the first zone is not
among them: a look that took all the time has failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from dnsctl.control.observations import Observed, amend, begin_next_at, next_zone
from dnsctl.control.own_image import released
from dnsctl.image.reader import Reader
from dnsctl.load.settings.config import Config
from dnsctl.model.authority import zone_above
from dnsctl.model.name import Name, to_text
from dnsctl.model.repo import HostFiles, Repo
from dnsctl.parent.looking import Look, look_at_all
from dnsctl.parent.patience import Patience
from dnsctl.parent.servers import (
    NoResolverError,
    OutOfTimeError,
    Parent,
    ParentUnknownError,
    Resolvers,
    Server,
)
from dnsctl.publish.intent import Progress, no_progress

FINDING = 120.0  # seconds to find who serves all parents
LOOKING = 180.0  # seconds to ask them; what began before is ended


@dataclass(frozen=True)
class Round:
    """One look at the parents of all zones. `faults`: of zones whose parent could not be looked at.

    `left`: zones that there was no time for; `blind`: those whose parent there was nobody to ask for.
    """

    seen: dict[Name, Observed]
    faults: dict[Name, str]
    left: tuple[Name, ...] = ()
    blind: tuple[Name, ...] = ()


def observe(root: Path, config: Config, now: datetime, progress: Progress = no_progress) -> Round:
    """Look at the parent of every released zone, and remember it. Holds no lock: a push need not wait.

    `now` was compared with the nodes' clocks.
    Raises SystemRefusalError where what was seen cannot be kept.
    """
    state = Repo(root).state
    with released(state) as reader:
        if reader is None:
            return Round({}, {})
        zones = turned([each.origin for each in reader.zones()], next_zone(state))
        found = look_at_parents(state, config, reader, zones, now, progress, by_a_right_clock=True)
    begin_next_at(state, found.left[0] if found.left else None)
    return found


def turned(zones: Sequence[Name], first: str) -> list[Name]:
    """Return `zones` from the one named `first` on, then those before it; as they are, if none is."""
    start = next((number for number, each in enumerate(zones) if to_text(each) == first), 0)
    return [*zones[start:], *zones[:start]]


def look_at_parents(
    state: HostFiles,
    config: Config,
    reader: Reader,
    zones: Sequence[Name],
    now: datetime,
    progress: Progress = no_progress,
    times: tuple[float, float] = (FINDING, LOOKING),
    *,
    by_a_right_clock: bool = False,
) -> Round:
    """Look at the parents of `zones`, and remember what they say. `reader`: what is released.

    `times`: seconds to find who serves all parents, and to ask them. `by_a_right_clock`: `now` was compared
    with the nodes' clocks; else nothing counts as gone since `now`.
    """
    resolvers = Resolvers(config.resolvers, Patience(times[0]))
    watched = [each for each in zones if config.parent_policy(each).watch]
    found: dict[Name, Parent] = {}
    faults: dict[Name, str] = {}
    blind: list[Name] = []
    for done, zone in enumerate(watched):
        progress("find parents", done, len(watched))
        try:
            found[zone] = parent_of(zone, config, reader, resolvers)
        except OutOfTimeError:
            continue
        except ParentUnknownError as error:
            faults[zone] = str(error)
            blind += [zone] if isinstance(error, NoResolverError) else []
    seen: dict[Name, Observed] = {}
    asked = ((zone, parent.servers) for zone, parent in found.items())
    looks = look_at_all(asked, now, Patience(times[1]))
    for done, (zone, told) in enumerate(looks):
        progress("ask parents", done, len(found))
        seen[zone] = amend(state, zone, partial(_with, looks=told, now=now, timed=by_a_right_clock))
    if watched and watched[0] not in (*seen, *faults):
        faults[watched[0]] = f"its parent took more than {sum(times):g} s"
    for zone, fault in faults.items():
        seen[zone] = amend(state, zone, partial(_without, fault=fault, now=now))
    progress("ask parents", len(found), len(found))
    return Round(seen, faults, tuple(each for each in watched if each not in seen), tuple(blind))


def parent_of(zone: Name, config: Config, reader: Reader, resolvers: Resolvers) -> Parent:
    """Return who serves the parent of `zone`. Raises ParentUnknownError."""
    named = config.parent_policy(zone).servers
    if named:
        return Parent(None, tuple(Server("", each) for each in named))
    above = own_parent(zone, config, reader)
    if above is not None:
        return Parent(above, tuple(_own_servers(config)))
    return resolvers.parent_of(zone)


def own_parent(zone: Name, config: Config, reader: Reader) -> Name | None:
    """Return the parent of `zone` where that is released here, too; None where it is somebody else's."""
    if config.parent_policy(zone).servers:
        return None
    return zone_above(zone, lambda name: reader.zone(name) is not None)


def _own_servers(config: Config) -> Iterator[Server]:
    for node in config.nodes():
        for endpoint in node.listen:
            yield Server(node.name, endpoint, node.site)


def _without(before: Observed, fault: str, now: datetime) -> Observed:
    """Return what is remembered after a round in which the parent could not be found."""
    if not before.ds.views:
        return replace(before, fault=fault)
    return replace(before, ds=before.ds.after((), now), delegation=(), fault=fault)


def _with(before: Observed, looks: Sequence[Look], now: datetime, *, timed: bool) -> Observed:
    return replace(
        before,
        ds=before.ds.after([each.ds for each in looks], now, timed=timed),
        delegation=tuple(each.delegation for each in looks),
        fault="",
    )
