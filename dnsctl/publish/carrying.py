"""Judge a commit by what was found of its files before: only what differs is read, and what that can touch.

git tells which files are not those of the commit that was judged last. A zone is read and judged again if one
of its files is among them, dnsctl.yaml says something else of it, a zone came or went below it, or it has an
ALIAS. The rules run again, too, on each zone that had asked for something which is answered otherwise now
(see `validate.landscape`). All others are read when somebody needs their data. Findings are those of a full
load.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections import ChainMap
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cache, cached_property, partial
from typing import overload

from dnsctl.load.draft import ZoneDefaults
from dnsctl.load.revision import Revision
from dnsctl.load.settings.config import Config
from dnsctl.load.zone_files import Listing, ZoneFiles, zone_files
from dnsctl.load.zones import Loaded, about_files, included_zones, load_listed, load_zone
from dnsctl.model.alias import Resolve, ask_nobody
from dnsctl.model.finding import Finding, Severity, by_position
from dnsctl.model.name import ROOT, Name, ancestors
from dnsctl.model.repo import CONFIG
from dnsctl.model.zone import ValidatedZone, Zone
from dnsctl.publish.aliases import addressed, incomplete
from dnsctl.publish.faults import ZonesWithErrorsError
from dnsctl.publish.intent import Progress, ZoneIntent
from dnsctl.publish.judgement import Judged, judge, with_parents, zone_intent
from dnsctl.publish.known import NEVER, NOTHING_KEPT, Known, Remembered, RowError
from dnsctl.publish.memory import Memory
from dnsctl.publish.parts import JudgedPart, Part, Parts
from dnsctl.publish.zone_settings import ZoneSettings
from dnsctl.validate.landscape import Landscape
from dnsctl.validate.run import Beside, landscape_of, settings_findings

_FILE = "100"  # begins the mode of a file in git


@dataclass(frozen=True)
class Carried:
    """A commit that was judged so. `same`: zones that were not read; `known`: what is remembered of all.

    `has_errors`: among what was found now; in what is remembered are none.
    """

    judged: Judged
    has_errors: bool
    same: frozenset[Name]
    known: Remembered = field(repr=False)


class OnDemand(Mapping[Name, Zone]):
    """Zones that are read when they are first asked for. Their files are known to have no error."""

    def __init__(self, names: frozenset[Name], read: Callable[[Name], Zone]) -> None:
        self.names = names
        self._read = read
        self._zones: dict[Name, Zone] = {}

    def __getitem__(self, origin: Name) -> Zone:
        found = self._zones.get(origin)
        if found is None:
            if origin not in self.names:
                raise KeyError(origin)
            found = self._zones[origin] = self._read(origin)
        return found

    def __contains__(self, origin: object) -> bool:
        return origin in self.names

    def __iter__(self) -> Iterator[Name]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class Findings(Sequence[Finding]):
    """Findings that are put together when somebody looks at them."""

    def __init__(self, make: Callable[[], Iterable[Finding]]) -> None:
        self._make = make

    @cached_property
    def _all(self) -> tuple[Finding, ...]:
        return tuple(self._make())

    @overload
    def __getitem__(self, at: int) -> Finding: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Finding]: ...
    def __getitem__(self, at: int | slice) -> Finding | Sequence[Finding]:
        return self._all[at]

    def __len__(self) -> int:
        return len(self._all)


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
    parts: Parts | None = None,
) -> Carried:
    """Judge the zones at `source` as `judge` does, and remember what was found, unless there are errors.

    `today`, `resolve` and `parts`: see `commit.intent_of`.
    """
    day = today or datetime.now(UTC).date()
    for in_part in (True, False) if parts is not None else (False,):
        try:
            commit = _Commit(source, config, memory, memory.recall(), day)
            made = commit.judged(progress, resolve, parts, in_part=in_part)
        except RowError:
            memory.forget()
        else:
            if made is not None:
                return made
    # another process has written to the memory meanwhile, or it is damaged
    made = _Commit(source, config, memory, NOTHING_KEPT, day).judged(progress, resolve, parts, in_part=False)
    assert made is not None  # noqa: S101 - where nothing is remembered, nobody has asked
    return made


class _Commit:
    """One commit, and which of its zones are known."""

    def __init__(
        self,
        source: Revision,
        config: Config,
        memory: Memory,
        before: Remembered,
        day: date,
    ) -> None:
        self._source, self._config, self._memory, self._day = source, config, memory, day
        self._tree = source.tree()
        self._written = hashlib.sha256(source.read(CONFIG)).hexdigest()
        self._settings = ZoneSettings(config)
        changes: dict[str, tuple[str, str]] | None = {}
        if before.tree != self._tree:
            changes = source.changes_since(before.tree) if before.tree else None
        if changes is None:
            before, changes = Remembered(before.number), {}
        self._before, self._changes = before, changes
        self._is_set_alike = before.config == self._written  # dnsctl.yaml is the file of before
        self._names = self._named()
        is_listed = bool(before.names) and before.names == self._names
        self._listing = None if is_listed else zone_files(source, config.zone_files)
        self._order: Iterable[Name] = before.zones if self._listing is None else self._listing.zones

    def judged(
        self, progress: Progress, resolve: Resolve, parts: Parts | None, *, in_part: bool
    ) -> Carried | None:
        """Read what differs and judge it with what it touches; None where the memory cannot be trusted.

        `in_part`: of large zones, only the owners that differ; None, too, where that is not enough.
        """
        self._parts = parts
        found = self._changed_zones()
        if found is None:
            return None
        self._changed = found
        self._others = OnDemand(frozenset(self._order) - found, self._read)
        part = self._in_part() if in_part else {}
        over = {origin: each.zone for origin, each in part.items()}
        loaded = self._loaded(over, progress)
        if self._takes_out(loaded, part):
            return None
        landscape = cache(partial(self._landscape, loaded, resolve))  # made once, if anybody asks
        judged_parts = self._judge_parts(part, landscape)
        touched = self._touched(landscape)
        if touched is None or judged_parts is None:
            return None
        whole = replace(loaded, zones={**loaded.zones, **{each: self._read_whole(each) for each in touched}})
        config = self._config
        judged = judge(whole, config.policy, config.checks, progress, resolve, config.certificates)
        judged = self._with_parts(judged, over, judged_parts)
        loaded = replace(loaded, zones={**loaded.zones, **over})
        known = self._known(loaded, touched, judged)
        own = (each for each in judged.findings if each.zone is not None)
        fresh = (*known.about, *self._taken, *known.checks, *own)
        has_errors = any(each.severity is Severity.ERROR for each in fresh)
        if not self._taken and not has_errors:
            known = self._memory.keep(self._before, known, judged.asked)
            self._keep_bases(known, loaded, judged, part, judged_parts)
        findings = Findings(lambda: by_position((*fresh, *self._kept(known, touched))))
        zones = Intents(self._order, with_parents(judged.zones, self._config), self._intent)
        judged = replace(judged, zones=zones, findings=findings)
        return Carried(judged, has_errors, self._others.names, known)

    def _loaded(self, over: Mapping[Name, Zone], progress: Progress) -> Loaded:
        """Read the zones that changed, but those of `over`, which are at hand."""
        changed = self._changed - over.keys()
        wanted = {each: self._files(each) for each in self._order if each in changed}
        listing = Listing(wanted, self._listing.findings if self._listing is not None else [])
        loaded = load_listed(
            self._source,
            self._config,
            listing,
            None,
            lambda done, total: progress("load", done, total),
            today=self._day,
        )
        around: Mapping[Name, Zone] = ChainMap(over, self._others) if over else self._others  # type: ignore[arg-type]
        return replace(loaded, around=around)

    # -- Large zones of which a few owners differ ---

    def _in_part(self) -> dict[Name, Part]:
        """Return the zones of those that changed which are not read whole."""
        if self._parts is None:
            return {}
        found = {}
        for origin in self._changed - self._moved - self._above:
            files = self._files(origin)
            read = {path: self._object(path) for path in files.parts}
            if all(each.startswith(_FILE) for each in read.values()) and self._before.zones[origin].day == "":
                part = self._parts.find(origin, files, read, self._settings.digest(origin))
                if part is not None and not self._before.zones[origin].faults:
                    found[origin] = part
        return found

    def _judge_parts(
        self, part: Mapping[Name, Part], landscape: Callable[[], Landscape]
    ) -> dict[Name, JudgedPart] | None:
        """Judge the owners that differ; None where more than these has to be looked at."""
        if not part or self._parts is None:
            return {}
        judged = {origin: self._parts.judge(each, landscape()) for origin, each in part.items()}
        found = {origin: each for origin, each in judged.items() if each is not None}
        return found if len(found) == len(part) else None

    def _with_parts(
        self, judged: Judged, over: Mapping[Name, Zone], parts: Mapping[Name, JudgedPart]
    ) -> Judged:
        """Return `judged` with the zones that were judged in part."""
        if not parts:
            return judged
        findings = tuple(each for one in parts.values() for each in one.findings)
        return replace(
            judged,
            zones={**judged.zones, **{origin: self._made(zone) for origin, zone in over.items()}},
            findings=(*judged.findings, *findings),
            found=(*judged.found, *findings),
            asked={**judged.asked, **{origin: one.asked for origin, one in parts.items()}},
        )

    def _keep_bases(
        self,
        known: Remembered,
        loaded: Loaded,
        judged: Judged,
        part: Mapping[Name, Part],
        parts: Mapping[Name, JudgedPart],
    ) -> None:
        """Keep what the next commit may be compared with, of each large zone that was read."""
        if self._parts is None:
            return
        for origin in self._changed & known.zones.keys():
            one = known.zones[origin]
            if origin in part:
                self._parts.keep_part(part[origin], parts[origin])
            elif origin in loaded.zones and not one.faults and not one.day and len(one.read) == 1:
                [read] = one.read.values()
                asked = judged.asked.get(origin, {})
                self._parts.keep_whole(loaded.zones[origin], read, one.settings, one.findings, asked)

    # -- What differs ---

    @cached_property
    def _objects(self) -> Mapping[str, str]:
        return self._source.files()

    def _object(self, path: str) -> str:
        """Return what a path is in git: `MODE OBJECT`, or empty."""
        changed = self._changes.get(path)
        return changed[1] if changed is not None else self._objects.get(path, "")

    def _named(self) -> str:
        """Return the digest of `_names`: that of before where no file came, or went, or became a link."""
        before = self._before
        is_alike = all(old.startswith(_FILE) and new.startswith(_FILE) for old, new in self._changes.values())
        if before.names and is_alike and self._is_set_alike:
            return before.names
        return _names(self._objects, self._config.zone_files)

    def _changed_zones(self) -> frozenset[Name] | None:
        """Return the zones that are read; None where the memory cannot be trusted."""
        known = self._before.zones
        changed = known.outdated(self._day.isoformat())
        if not self._is_set_alike:
            changed |= known.otherwise_set({each: self._settings.digest(each) for each in self._order})
        if self._changes:
            readers = self._memory.readers(self._before, self._changes)
            if readers is None:
                return None
            changed |= readers
        self._gone: frozenset[Name] = frozenset()
        self._moved: frozenset[Name] = frozenset()
        self._above: frozenset[Name] = frozenset()  # names above these
        if self._listing is not None:
            files = self._listing.zones
            self._gone = frozenset(known.keys() - files.keys())
            self._moved = self._gone | (files.keys() - known.keys())
            changed |= self._moved
            self._above = frozenset(each for moved in self._moved for each in ancestors(moved, ROOT))
            changed |= self._above
            changed |= {each for each in files if each not in changed and known[each].files != files[each]}
        return frozenset(each for each in self._order if each in changed)

    def _files(self, origin: Name) -> ZoneFiles:
        return self._before.zones[origin].files if self._listing is None else self._listing.zones[origin]

    def _takes_out(self, loaded: Loaded, part: Container[Name]) -> bool:
        """True where a zone is a fragment of others, some of which were not read; else take out what was."""
        self._taken = tuple(each for each in loaded.findings if each.zone is None)
        missing = self._changed.difference(loaded.zones, loaded.partial, loaded.unread)
        self._fragments = frozenset(each for each in missing if each not in part)
        if self._fragments:
            self._order = [each for each in self._order if each not in self._fragments]
        included = {path for paths in loaded.included.values() for path in paths} | self._before.included
        if not self._others or not (self._taken or included):
            return False
        short = {each: self._files(each) for each in self._order if len(each) == each[0] + 2}  # of one label
        return bool(self._taken or included_zones(short, included))

    def _touched(self, landscape: Callable[[], Landscape]) -> frozenset[Name] | None:
        """Return the zones that asked for what is answered otherwise now; None where that is not known."""
        if not self._others or not (self._changed or self._gone):
            return frozenset()
        asked = self._memory.asked(self._before, {*self._changed, *self._gone}, self._moved)
        if asked is None:
            return None
        return frozenset(
            asker
            for asker, told in asked.items()
            if asker in self._others
            and any(landscape().answer(question) != answer for question, answer in told.items())
        )

    def _landscape(self, loaded: Loaded, resolve: Resolve) -> Landscape:
        """Return all zones as rules see them."""
        shown, aliases = addressed(loaded, self._config.checks, resolve)
        beside = Beside(shown.unread, shown.around, incomplete(aliases))
        return landscape_of(shown.zones, shown.partial, beside)

    # -- What is known now ---

    def _known(self, loaded: Loaded, touched: frozenset[Name], judged: Judged) -> Remembered:
        """Return what is known now."""
        faults, found = _by_zone(loaded.findings), _by_zone(judged.found)
        before = self._before
        new: dict[Name, Known] = {}
        is_alike = self._listing is None and not self._fragments
        for origin in {*self._changed, *touched} - self._fragments if is_alike else self._order:
            own = tuple(found.get(origin, ()))
            if origin in self._changed:
                read = self._read_now(origin, loaded)
                new[origin] = replace(read, faults=tuple(faults.get(origin, ())), findings=own)
            elif origin in touched:
                new[origin] = replace(before.zones[origin], findings=own)
            elif not self._is_set_alike and (place := self._place(origin)) != before.zones[origin].place:
                new[origin] = replace(before.zones[origin], place=place)
        zones = before.zones.replaced(None if is_alike else self._order, new)
        included = before.included
        if self._gone or included or any(loaded.included.values()):
            included = _included(zones.values())
        made = replace(before, zones=zones, tree=self._tree, names=self._names, config=self._written)
        is_alike = is_alike and self._is_set_alike
        if not is_alike:
            told = (
                each
                for levels in self._settings.all_checks(self._order)
                for each in settings_findings(levels)
            )
            made = replace(made, checks=tuple(dict.fromkeys(told)))
        if not is_alike or included != before.included:
            listing = self._listing or zone_files(self._source, self._config.zone_files)
            made = replace(made, about=about_files(listing, self._config, included), included=included)
        return made

    def _read_now(self, origin: Name, loaded: Loaded) -> Known:
        """Return what a zone was read from, and for how long that holds."""
        files = self._files(origin)
        read = {path: self._object(path) for path in (*files.parts, *loaded.included.get(origin, ()))}
        made = Known(self._place(origin), files, read, self._settings.digest(origin), NEVER)
        zone = loaded.zones.get(origin)
        if zone is None or zone.aliases or not all(each.startswith(_FILE) for each in read.values()):
            return made  # its data are in other zones, too, or behind a link
        return replace(made, day=self._day.isoformat() if origin in loaded.dated else "")

    def _place(self, origin: Name) -> bytes:
        """Return what orders zones as they are loaded: directory by directory, by the path in it."""
        first = _first(self._files(origin))
        directories, directory = self._config.zone_files, posixpath.dirname(first)
        at = directories.index(directory) if directory in directories else len(directories)
        return b"%06d" % at + first.encode("utf-8", "surrogatepass")

    def _kept(self, known: Remembered, touched: Container[Name]) -> Iterator[Finding]:
        """Yield the findings of zones that were not read; those of rules on `touched` ones are new."""
        for origin in known.zones.with_findings():
            if origin in self._others:
                one = known.zones[origin]
                yield from one.faults if origin in touched else (*one.faults, *one.findings)

    # -- When somebody needs more ---

    def _read(self, origin: Name) -> Zone:
        if self._parts is not None and (known := self._before.zones.get(origin)) is not None:
            part = self._parts.find(origin, known.files, known.read, known.settings)
            if part is not None and not known.faults:
                return part.zone
        return self._read_whole(origin)

    def _read_whole(self, origin: Name) -> Zone:
        defaults = ZoneDefaults.of(self._config.defaults)
        zone, findings = load_zone(self._source, self._files(origin), origin, defaults, self._day)
        if zone is None:  # the same files had no error: the repository lost one since
            raise ZonesWithErrorsError(findings)
        return zone

    def _intent(self, origin: Name) -> ZoneIntent:
        return with_parents({origin: self._made(self._others[origin])}, self._config)[origin]

    def _made(self, zone: Zone) -> ZoneIntent:
        """Return what is asked for of a zone without errors."""
        validated = ValidatedZone(zone.origin, zone.nodes, zone.file, zone.emptied)
        return zone_intent(validated, zone, self._config.policy, self._config.checks)


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


def _first(files: ZoneFiles) -> str:
    """Return the path that stands first in its directory, of what a zone is read from."""
    return min(
        files.path, *(posixpath.dirname(each) for each in files.parts if each != files.path), files.path
    )


def _included(zones: Iterable[Known]) -> frozenset[str]:
    """Return the files that the files of `zones` include."""
    return frozenset(path for each in zones for path in each.read if path not in each.files.parts)


def _by_zone(findings: Iterable[Finding]) -> dict[Name, list[Finding]]:
    found: dict[Name, list[Finding]] = {}
    for each in findings:
        if each.zone is not None:
            found.setdefault(each.zone, []).append(each)
    return found
