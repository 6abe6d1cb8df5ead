"""Look at the parents of all zones that are released, and remember what they say.

The parent of a zone is, in this order: the servers that `parents` of dnsctl.yaml names; our own nodes, where
a zone above it is released too; what the resolvers find. One that cannot be found or asked stops nothing:
what was known is remembered as it was, with a look that failed. Servers that are not our own are looked at
from here and from every site (`sites`): what a zone is remembered by is of all of them.

A round is bounded in time. Of zones that it does not get to, nothing is remembered, as before a look; where
the next round begins is in `state/observations/.next`. So that each round gets further, the first zone is not
among them: a look that took all the time has failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from dnsctl.control.observations import Observed, amend, begin_next_at, next_zone
from dnsctl.control.own_image import released
from dnsctl.control.sites import SiteLook, Sites
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
class Means:
    """What a round of looks has. `sites`: what looks from every site.

    `is_full`: it does so, and the time of the round was compared with the nodes' clocks; else nothing counts
    as gone since then, and what sites do not see now stays as they saw it last. `times`: seconds to find who
    serves all parents, and to ask them.
    """

    sites: Sites | None = None
    is_full: bool = False
    times: tuple[float, float] = (FINDING, LOOKING)
    progress: Progress = no_progress


_ALONE = Means()


@dataclass(frozen=True)
class Round:
    """One look at the parents of all zones. `faults`: of zones whose parent could not be looked at.

    `left`: zones that there was no time for; `blind`: those whose parent there was nobody to ask for.
    `stand_ins`: by site, why the look from here counted for it.
    """

    seen: dict[Name, Observed]
    faults: dict[Name, str]
    left: tuple[Name, ...] = ()
    blind: tuple[Name, ...] = ()
    stand_ins: Mapping[str, str] = field(default_factory=dict)


def observe(
    root: Path, config: Config, now: datetime, sites: Sites, progress: Progress = no_progress
) -> Round:
    """Look at the parent of every released zone, and remember it. Holds no lock: a push need not wait.

    `now` was compared with the nodes' clocks. `sites`: what looks from every site.
    Raises SystemRefusalError where what was seen cannot be kept.
    """
    state = Repo(root).state
    with released(state) as reader:
        if reader is None:
            return Round({}, {})
        zones = turned([each.origin for each in reader.zones()], next_zone(state))
        means = Means(sites, is_full=True, progress=progress)
        found = look_at_parents(state, config, reader, zones, now, means)
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
    means: Means = _ALONE,
) -> Round:
    """Look at the parents of `zones`, and remember what they say. `reader`: what is released."""
    times, progress, is_full = means.times, means.progress, means.is_full
    watched = [each for each in zones if config.parent_policy(each).watch]
    found, faults, blind = _found(watched, config, reader, Patience(times[0]), progress)
    looks, from_sites = _looks(found, now, Patience(times[1]), means.sites, progress)
    stand_ins = {each.site: each.stand_in for each in from_sites if each.stand_in}
    seen: dict[Name, Observed] = {}
    for zone, told in looks.items():
        parent = found[zone]
        others = from_sites if not _is_ours(parent) else ()
        known = tuple(each for each in others if each.is_known(zone, parent.servers))
        if not is_full:
            others = tuple(each for each in known if each.sees(zone))
        elif known != others:
            continue
        others = tuple(each.beside(zone, told) for each in others)
        stand_ins = {each.site: each.stand_in for each in others if each.stand_in} | stand_ins
        if _is_below_unsigned(zone, config, reader):
            amend(state, zone, _without_requests)
        seen[zone] = amend(
            state, zone, partial(_with, zone=zone, looks=told, others=others, now=now, is_full=is_full)
        )
    if watched and watched[0] not in (*seen, *faults):
        faults[watched[0]] = f"its parent took more than {sum(times):g} s"
    for zone, fault in faults.items():
        seen[zone] = amend(state, zone, partial(_without, fault=fault, now=now, is_full=is_full))
    progress("ask parents", len(found), len(found))
    return Round(seen, faults, tuple(each for each in watched if each not in seen), blind, stand_ins)


def _found(
    zones: Sequence[Name], config: Config, reader: Reader, patience: Patience, progress: Progress
) -> tuple[dict[Name, Parent], dict[Name, str], tuple[Name, ...]]:
    """Return the parents of `zones` that were found in time, why others were not, and of which of these there
    was nobody to ask.
    """
    resolvers = Resolvers(config.resolvers, patience)
    found: dict[Name, Parent] = {}
    faults: dict[Name, str] = {}
    blind: list[Name] = []
    for done, zone in enumerate(zones):
        progress("find parents", done, len(zones))
        try:
            found[zone] = parent_of(zone, config, reader, resolvers)
        except OutOfTimeError:
            continue
        except ParentUnknownError as error:
            faults[zone] = str(error)
            blind += [zone] if isinstance(error, NoResolverError) else []
    return found, faults, tuple(blind)


def _looks(
    found: Mapping[Name, Parent], now: datetime, patience: Patience, sites: Sites | None, progress: Progress
) -> tuple[dict[Name, list[Look]], tuple[SiteLook, ...]]:
    """Return what was seen from here, by zone, and from each site, both at the same time."""
    asked = ((zone, parent.servers) for zone, parent in found.items())
    of_others = {zone: parent.servers for zone, parent in found.items() if not _is_ours(parent)}
    looks: dict[Name, list[Look]] = {}
    with sites(of_others, now, patience) if sites is not None else nullcontext() as waiting:
        for zone, told in look_at_all(asked, now, patience):
            progress("ask parents", len(looks), len(found))
            looks[zone] = told
        done = len(looks)
        from_sites = waiting(lambda: progress("ask parents", done, len(found))) if waiting else ()
    return looks, from_sites


def _is_ours(parent: Parent) -> bool:
    """True for a parent that our own nodes serve: all are asked, and which release each serves is known."""
    return any(each.site for each in parent.servers)


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


def _is_below_unsigned(zone: Name, config: Config, reader: Reader) -> bool:
    """True where the parent is a zone of ours that is unsigned: no release puts a DS there."""
    above = own_parent(zone, config, reader)
    entry = reader.zone(above) if above is not None else None
    return entry is not None and not entry.signed


def _own_servers(config: Config) -> Iterator[Server]:
    for node in config.nodes():
        for endpoint in node.listen:
            yield Server(node.name, endpoint, node.site)


def _without(before: Observed, fault: str, now: datetime, *, is_full: bool) -> Observed:
    """Return what is remembered after a round in which the parent could not be found."""
    if not before.ds.views:
        return replace(before, fault=fault)
    after = before.ds.after((), now)
    if is_full:
        return replace(before, ds=after, delegation=(), fault=fault)
    own = tuple(each for each in after.views if not each.site)
    ds = before.ds.after(own, now, timed=False) if own else before.ds
    return replace(
        before, ds=ds, delegation=tuple(each for each in before.delegation if each.site), fault=fault
    )


def _without_requests(before: Observed) -> Observed:
    return replace(before, ds=before.ds.without_requests())


def _with(
    before: Observed,
    zone: Name,
    looks: Sequence[Look],
    others: Sequence[SiteLook],
    now: datetime,
    *,
    is_full: bool,
) -> Observed:
    """Return what is remembered after a look from here, and from `others`."""
    views = [each.ds for each in looks] + [one for each in others for one in each.views(zone, now)]
    there = [each.delegation for each in looks]
    there += [one for each in others for one in each.delegations(zone)]
    stand_ins = {each.site: each.stand_in for each in others if each.stand_in}
    if not is_full:
        looked = {"", *(each.site for each in others)}
        there += [each for each in before.delegation if each.site not in looked]
        stand_ins |= {site: why for site, why in before.stand_ins.items() if site not in looked}
    return replace(
        before,
        ds=before.ds.after(views, now, timed=is_full),
        delegation=tuple(there),
        fault="",
        stand_ins=stand_ins,
    )
