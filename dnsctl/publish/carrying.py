"""Judge a commit by what was found of its files before: only what differs is read, and what that can touch.

A zone is read and judged again if one of its files is another object in git, a zone came or went below it, or
it has an ALIAS.
The rules run again, too, on each zone that had asked for something which is answered otherwise now (see
`validate.landscape`). All others are read when somebody needs their data. Findings are those of a full load.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from dnsctl.load.draft import ZoneDefaults
from dnsctl.load.revision import Revision
from dnsctl.load.settings.config import Config
from dnsctl.load.zone_files import Listing, ZoneFiles, zone_files
from dnsctl.load.zones import Loaded, about_files, included_zones, load_listed, load_zone
from dnsctl.model.alias import Resolve, ask_nobody
from dnsctl.model.finding import Finding, by_position
from dnsctl.model.name import ROOT, Name, ancestors
from dnsctl.model.repo import CONFIG
from dnsctl.model.zone import ValidatedZone, Zone
from dnsctl.publish.aliases import addressed, incomplete
from dnsctl.publish.faults import ZonesWithErrorsError
from dnsctl.publish.intent import Progress, ZoneIntent
from dnsctl.publish.judgement import Judged, judge, with_parents, zone_intent
from dnsctl.publish.memory import NEVER, NOTHING_KEPT, Known, Memory, Remembered
from dnsctl.validate.run import landscape_of, settings_findings

_FILE = "100"  # begins the mode of a file in git


@dataclass(frozen=True)
class Carried:
    """A commit that was judged so. `same`: zones that were not read; `known`: what is remembered of all."""

    judged: Judged
    same: frozenset[Name]
    known: Remembered = field(repr=False)


class OnDemand(Mapping[Name, Zone]):
    """Zones that are read when they are first asked for. Their files are known to have no error."""

    def __init__(self, files: Mapping[Name, ZoneFiles], read: Callable[[Name], Zone]) -> None:
        self._files = files
        self._read = read
        self._zones: dict[Name, Zone] = {}

    def __getitem__(self, origin: Name) -> Zone:
        found = self._zones.get(origin)
        if found is None:
            if origin not in self._files:
                raise KeyError(origin)
            found = self._zones[origin] = self._read(origin)
        return found

    def __contains__(self, origin: object) -> bool:
        return origin in self._files

    def __iter__(self) -> Iterator[Name]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


class Intents(Mapping[Name, ZoneIntent]):
    """What is asked for of each zone in `order`: of those in `made`, and of others as `make` returns it."""

    def __init__(
        self,
        order: Iterable[Name],
        made: Mapping[Name, ZoneIntent],
        make: Callable[[Name], ZoneIntent],
    ) -> None:
        self._order = dict.fromkeys(order)
        self._made = dict(made)
        self._make = make

    def __getitem__(self, origin: Name) -> ZoneIntent:
        found = self._made.get(origin)
        if found is None:
            if origin not in self._order:
                raise KeyError(origin)
            found = self._made[origin] = self._make(origin)
        return found

    def __contains__(self, origin: object) -> bool:
        return origin in self._order

    def __iter__(self) -> Iterator[Name]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)


def judge_carrying(
    source: Revision,
    config: Config,
    memory: Memory,
    progress: Progress,
    today: date | None = None,
    *,
    resolve: Resolve = ask_nobody,
) -> Carried:
    """Judge the zones of a commit (see `judge`); remember the findings unless one is an error."""
    day = today or datetime.now(UTC).date()
    before = memory.recall(source.read(CONFIG))
    made = _Commit(source, config, memory, before, day).judged(progress, resolve)
    if made is None:  # another process has written to the memory meanwhile, or it is damaged
        made = _Commit(source, config, memory, NOTHING_KEPT, day).judged(progress, resolve)
    assert made is not None  # noqa: S101 - where nothing is remembered, nobody has asked
    return made


class _Commit:
    """One commit, and which of its zones are known."""

    def __init__(
        self, source: Revision, config: Config, memory: Memory, before: Remembered, day: date
    ) -> None:
        self._source, self._config, self._memory, self._before, self._day = (
            source,
            config,
            memory,
            before,
            day,
        )
        self._objects = source.files()
        self._names = _names(self._objects, config.zone_files)
        is_listed = bool(before.names) and before.names == self._names
        self._listing = _listing(before) if is_listed else zone_files(source, config.zone_files)
        files, known = self._listing.zones, before.zones
        self._gone = known.keys() - files.keys()
        self._moved = {*self._gone, *(files.keys() - known.keys())}
        above = {each for moved in self._moved for each in ancestors(moved, ROOT)}
        self._changed = {origin for origin in files if origin in above or not self._is_same(origin)}
        others = {origin: each for origin, each in files.items() if origin not in self._changed}
        self._others = OnDemand(others, self._read)

    def judged(self, progress: Progress, resolve: Resolve) -> Carried | None:
        """Read what differs and judge it with what it touches; None where the memory cannot be trusted."""
        found = load_listed(
            self._source,
            self._config,
            self._listing,
            self._changed,
            lambda done, total: progress("load", done, total),
            today=self._day,
        )
        loaded = replace(found, around=self._others)
        if self._takes_out(loaded):
            return None
        touched = self._touched(loaded, resolve)
        if touched is None:
            return None
        whole = replace(loaded, zones={**loaded.zones, **{each: self._others[each] for each in touched}})
        config = self._config
        judged = judge(whole, config.policy, config.checks, progress, resolve, config.certificates)
        known = self._known(loaded, touched, judged)
        findings = self._findings(known, touched, judged)
        judged = replace(judged, zones=with_parents(judged.zones, self._config), findings=findings)
        if not judged.has_errors and not self._taken:
            known = self._memory.keep(self._before, known, judged.asked)
        zones = Intents(self._listing.zones, judged.zones, self._intent)
        return Carried(replace(judged, zones=zones), frozenset(self._others), known)

    def _takes_out(self, loaded: Loaded) -> bool:
        """True where a zone is a fragment of others, some of which were not read; else take out what was."""
        self._taken = tuple(each for each in loaded.findings if each.zone is None)
        read = {*loaded.zones, *loaded.partial, *loaded.unread}
        for origin in self._changed - read:
            del self._listing.zones[origin]
        included = {path for paths in loaded.included.values() for path in paths}
        included |= _included(self._before.zones[each] for each in self._others)
        return bool(self._others) and bool(self._taken or included_zones(self._listing.zones, included))

    def _is_same(self, origin: Name) -> bool:
        known, files = self._before.zones.get(origin), self._listing.zones[origin]
        return (
            known is not None
            and known.files == files
            and known.day in ("", self._day.isoformat())
            and all(self._objects.get(path) == each for path, each in known.read.items())
        )

    def _touched(self, loaded: Loaded, resolve: Resolve) -> frozenset[Name] | None:
        """Return the zones that asked for what is answered otherwise now; None where that is not known."""
        if not self._before.zones or not (self._changed or self._gone):
            return frozenset()
        asked = self._memory.asked(self._before, {*self._changed, *self._gone}, self._moved)
        if asked is None:
            return None
        shown, aliases = addressed(loaded, self._config.checks, resolve)
        landscape = landscape_of(shown.zones, shown.partial, shown.unread, shown.around, incomplete(aliases))
        return frozenset(
            asker
            for asker, told in asked.items()
            if asker in self._others
            and any(landscape.answer(question) != answer for question, answer in told.items())
        )

    def _known(self, loaded: Loaded, touched: frozenset[Name], judged: Judged) -> Remembered:
        """Return what is known now."""
        faults, found = _by_zone(loaded.findings), _by_zone(judged.found)
        zones: dict[Name, Known] = {}
        for origin in self._listing.zones:
            own = tuple(found.get(origin, ()))
            if origin in self._changed:
                zones[origin] = replace(
                    self._read_now(origin, loaded), faults=tuple(faults.get(origin, ())), findings=own
                )
            else:
                known = self._before.zones[origin]
                zones[origin] = replace(known, findings=own) if origin in touched else known
        included = _included(zones.values())
        is_alike = bool(self._names) and self._names == self._before.names
        if is_alike and included == _included(self._before.zones.values()):
            about = self._before.about
        else:
            listing = zone_files(self._source, self._config.zone_files) if is_alike else self._listing
            about = about_files(listing, self._config, included)
        return Remembered(self._before.number, zones, self._names, about)

    def _read_now(self, origin: Name, loaded: Loaded) -> Known:
        """Return what a zone was read from, and for how long that holds."""
        files = self._listing.zones[origin]
        read = {
            path: self._objects.get(path, "") for path in (*files.parts, *loaded.included.get(origin, ()))
        }
        zone = loaded.zones.get(origin)
        if zone is None or zone.aliases or not all(each.startswith(_FILE) for each in read.values()):
            return Known(files, read, NEVER)  # its data are in other zones, too, or behind a link
        return Known(files, read, self._day.isoformat() if origin in loaded.dated else "")

    def _findings(self, known: Remembered, touched: frozenset[Name], judged: Judged) -> tuple[Finding, ...]:
        """Return the findings of a full load, by position."""
        own = (each for each in judged.findings if each.zone is not None)
        kept = (
            each
            for origin in self._others
            for one in (known.zones[origin],)
            for each in (one.faults if origin in touched else (*one.faults, *one.findings))
        )
        return tuple(by_position((*known.about, *self._taken, *self._about_settings(), *own, *kept)))

    def _about_settings(self) -> Iterator[Finding]:
        """Yield what is wrong with `checks` of dnsctl.yaml, once."""
        if any(each.checks for each in self._config.zones.values()):
            origins = self._listing.zones
            yield from dict.fromkeys(
                each for origin in origins for each in settings_findings(self._config.checks(origin))
            )

    def _read(self, origin: Name) -> Zone:
        defaults = ZoneDefaults.of(self._config.defaults)
        zone, findings = load_zone(self._source, self._listing.zones[origin], origin, defaults, self._day)
        if zone is None:  # the same files had no error: the repository lost one since
            raise ZonesWithErrorsError(findings)
        return zone

    def _intent(self, origin: Name) -> ZoneIntent:
        zone = self._others[origin]
        validated = ValidatedZone(origin, zone.nodes, zone.file, zone.emptied)
        made = {origin: zone_intent(validated, zone, self._config.policy, self._config.checks)}
        return with_parents(made, self._config)[origin]


def _names(objects: Mapping[str, str], directories: tuple[str, ...]) -> str:
    """Return a digest of the paths of all files in `directories`: with an equal one, they are listed alike.

    Empty where a link is among them, or on the way to them: what is behind it is not known here.
    """
    starts = tuple(f"{each}/" if each else "" for each in directories)
    paths = []
    for path, each in objects.items():
        is_within = path.startswith(starts)
        if is_within:
            paths.append(path)
        if not each.startswith(_FILE) and (is_within or any(one.startswith(f"{path}/") for one in starts)):
            return ""
    return hashlib.sha256(json.dumps([directories, sorted(paths)]).encode()).hexdigest()


def _listing(before: Remembered) -> Listing:
    """Return the listing that zones were read by, in its order."""
    known = sorted(before.zones.items(), key=lambda each: _first(each[1].files))
    return Listing({origin: each.files for origin, each in known})


def _first(files: ZoneFiles) -> str:
    """Return the path that stands first in its directory, of what a zone is read from."""
    return min(
        files.path, *(posixpath.dirname(each) for each in files.parts if each != files.path), files.path
    )


def _included(zones: Iterable[Known]) -> set[str]:
    """Return the files that the files of `zones` include."""
    return {path for each in zones for path in each.read if path not in each.files.parts}


def _by_zone(findings: Iterable[Finding]) -> dict[Name, list[Finding]]:
    found: dict[Name, list[Finding]] = {}
    for each in findings:
        if each.zone is not None:
            found.setdefault(each.zone, []).append(each)
    return found
