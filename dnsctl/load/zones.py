"""Read all zones of an operations repo that `zone_files` finds in its directories.

A zone that has a finding of severity error is not among `Loaded.zones`: nothing partial goes further by
mistake. What could be read of it is in `Loaded.partial`, for rules that can say more about it.
Findings are collected over all files. `checks` of dnsctl.yaml set the level of findings here as well, but
cannot lower an error.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from dnsctl.errors import ConfigError, RevisionError
from dnsctl.load import masterfile, yaml_nodes, zone_yaml
from dnsctl.load.draft import LOCALHOST_DEFAULTS, ZoneDefaults
from dnsctl.load.inclusion import included_path
from dnsctl.load.nearest import did_you_mean, nearest
from dnsctl.load.revision import MAX_FILE, Source, WorkTree
from dnsctl.load.settings.config import Config
from dnsctl.load.zone_files import Listing, ZoneFiles, zone_files
from dnsctl.model.finding import Finding, Position, Severity, levelled
from dnsctl.model.name import Name, labels, to_text
from dnsctl.model.reading import finding
from dnsctl.model.repo import MASTER, ZONE_FILES, ZONES, shown_directories
from dnsctl.model.rrset import Type
from dnsctl.model.sharing import shared
from dnsctl.model.zone import Zone

Progress = Callable[[int, int], None]  # files read, of how many
WORTH_A_PROCESS = 40  # zones: they take as long as to fork, and to hear of them
_DATED = re.compile(rb"expires|\\[xuU\r\n]")  # the key of a date, which escapes may spell or break, too


@dataclass(frozen=True)
class Loaded:
    """Zones without errors; `partial`: what could be read of others; `unread`: nothing could.

    `beside`: zones that were not asked for, and that aliases of these lead to. `around`: zones that were
    judged before, without aliases of their own; perhaps read on demand.
    `included`: the files that the files of each zone include; `dated`: zones in whose files dates may stand:
    what is found depends on the day.
    """

    zones: Mapping[Name, Zone]
    findings: tuple[Finding, ...] = ()
    partial: Mapping[Name, Zone] = field(default_factory=dict)
    unread: frozenset[Name] = frozenset()
    beside: Mapping[Name, Zone] = field(default_factory=dict)
    around: Mapping[Name, Zone] = field(default_factory=dict)
    included: Mapping[Name, frozenset[str]] = field(default_factory=dict)
    dated: frozenset[Name] = frozenset()


@dataclass
class Reading:
    """What was read of one zone: the files that its own files include, and whether a date may be in any."""

    included: set[str] = field(default_factory=set)
    dated: bool = False

    def saw(self, text: bytes) -> bytes:
        self.dated = self.dated or _DATED.search(text) is not None
        return text


def load_zone(
    source: Source,
    files: ZoneFiles,
    origin: Name,
    defaults: ZoneDefaults,
    today: date | None = None,
    reading: Reading | None = None,
) -> tuple[Zone | None, tuple[Finding, ...]]:
    """Read the files of one zone; None where one cannot be read. They may include others.

    A master file includes what is in its directory, a YAML file what is anywhere in the repo. `reading` is
    told what was read.
    """
    seen = reading or Reading()
    master = files.path.endswith(MASTER)
    texts: dict[str, bytes] = {}
    for path in files.parts:
        try:
            texts[path] = seen.saw(source.read(path, masterfile.MAX_BYTES if master else MAX_FILE))
        except RevisionError as error:
            fault = finding("file-unreadable", Position(path), error.what, error.advice, origin)
            return None, (fault,)
    if master:
        read = _includer(source, posixpath.dirname(files.path), seen, masterfile.MAX_BYTES)
        return masterfile.parse(texts[files.path], files.path, origin, defaults, read)
    include = _yaml_includer(_includer(source, "", seen, MAX_FILE))
    return zone_yaml.parse_split(texts, files.path, origin, defaults, today=today, include=include)


def load_zones(
    source: Source,
    config: Config,
    only: frozenset[Name] | None = None,
    progress: Progress | None = None,
    *,
    today: date | None = None,
    processes: int = 1,
) -> Loaded:
    """Read every zone, or those in `only`. `today` (UTC's by default) is what `expires` is compared with.

    `processes`: how many may be forked for it; `source` is a work tree then, since these share no git.
    Raises RevisionError where a directory of zone files cannot be listed; everything else is a finding.
    """
    listing = zone_files(source, config.zone_files)
    loaded = load_listed(source, config, listing, only, progress, today=today, processes=processes)
    included = {path for paths in loaded.included.values() for path in paths}
    others = about_files(listing, config, included, only)
    return replace(loaded, findings=(*others, *loaded.findings))


def load_listed(
    source: Source,
    config: Config,
    listing: Listing,
    only: Container[Name] | None = None,
    progress: Progress | None = None,
    *,
    today: date | None = None,
    processes: int = 1,
) -> Loaded:
    """Read the zones of `listing`, or those in `only`, with the findings that are of these zones alone."""
    wanted = {origin: files for origin, files in listing.zones.items() if only is None or origin in only}
    reading = _Loading(source, ZoneDefaults.of(config.defaults), today, progress)
    parsed = reading.all_of(wanted, processes)
    taken = _taken_out(parsed, listing)
    loaded = _sorted_out(parsed, listing.findings, config)
    return replace(loaded, findings=(*taken, *loaded.findings))


def about_files(
    listing: Listing, config: Config, included: Iterable[str], only: frozenset[Name] | None = None
) -> tuple[Finding, ...]:
    """Return what is to be told of files and of their names. `included`: files that zones include."""
    return (*listing.findings, *_without_file(listing, config, only), *listing.left(included, only))


def load_directory(
    directory: Path,
    config: Config | None = None,
    progress: Progress | None = None,
    *,
    today: date | None = None,
) -> Loaded:
    """Read every zone file in `directory`, for `serve --zones`. SOA and NS default to localhost's.

    Raises ConfigError where there is no such directory.
    """
    if not directory.is_dir():
        raise ConfigError(
            "is not a directory", where=str(directory), advice="name the directory with the zone files"
        )
    source = WorkTree(directory)
    listing = zone_files(source, ("",))
    defaults = LOCALHOST_DEFAULTS if config is None else ZoneDefaults.of(config.defaults)
    filled = replace(
        defaults, soa=defaults.soa or LOCALHOST_DEFAULTS.soa, ns=defaults.ns or LOCALHOST_DEFAULTS.ns
    )
    read = _Loading(source, filled, today, progress).all_of(listing.zones)
    taken = _taken_out(read, listing)
    parsed = {
        origin: each._replace(faults=(*each.faults, *_localhost_findings(each.zone)))
        for origin, each in read.items()
    }
    loaded = _sorted_out(parsed, listing.findings, config)
    included = {path for paths in loaded.included.values() for path in paths}
    others = (*listing.findings, *taken, *listing.left(included, None))
    return replace(loaded, findings=(*others, *loaded.findings))


class _Read(NamedTuple):
    """What could be read of a zone, and what was found."""

    zone: Zone | None
    faults: tuple[Finding, ...]
    reading: Reading


class _Loading:
    """How zones are read: from where, with which defaults, on which day, and who is told of it."""

    def __init__(
        self, source: Source, defaults: ZoneDefaults, today: date | None, progress: Progress | None
    ) -> None:
        self._source = source
        self._defaults = defaults
        self._day = today or datetime.now(UTC).date()
        self._progress = progress

    def all_of(self, wanted: Mapping[Name, ZoneFiles], processes: int = 1) -> dict[Name, _Read]:
        processes = max(1, min(processes, len(wanted) // WORTH_A_PROCESS))
        here = os.getpid()

        def read(share: Sequence[Name]) -> list[_Read]:
            made = []
            for count, origin in enumerate(share, 1):
                made.append(self._one(origin, wanted[origin]))
                if self._progress is not None and os.getpid() == here:  # others have read about as many
                    self._progress(min(count * processes, len(wanted)), len(wanted))
            return made

        return dict(zip(wanted, shared(read, list(wanted), processes), strict=True))

    def _one(self, origin: Name, files: ZoneFiles) -> _Read:
        reading = Reading()
        zone, faults = load_zone(self._source, files, origin, self._defaults, self._day, reading)
        return _Read(zone, faults, reading)


def _taken_out(parsed: dict[Name, _Read], listing: Listing) -> list[Finding]:
    """Take out of `parsed` what others include, such as `mail.yaml`, and report it: hardly a zone."""
    found = []
    included = {path for each in parsed.values() for path in each.reading.included}
    for origin in included_zones({each: listing.zones[each] for each in parsed}, included):
        del parsed[origin]
        message = f"is included by other files, and is not taken for the zone {to_text(origin)}"
        advice = "move it out of the directory of zones, or give it another ending"
        found.append(finding("zone-file-included", Position(listing.zones[origin].path), message, advice))
    return found


def included_zones(zones: Mapping[Name, ZoneFiles], included: Container[str]) -> list[Name]:
    """Return those of `zones` that are fragments for others, which have `included` their files."""
    return [
        origin
        for origin, files in zones.items()
        if len(labels(origin)) == 1 and files.parts and all(each in included for each in files.parts)
    ]


def _sorted_out(parsed: Mapping[Name, _Read], about: Iterable[Finding], config: Config | None) -> Loaded:
    """Set levels, and part zones without errors from the others. `about`: findings on names of files."""
    zones: dict[Name, Zone] = {}
    partial: dict[Name, Zone] = {}
    findings: list[Finding] = []
    faulty = {each.zone for each in about if each.severity is Severity.ERROR}
    for origin, (zone, faults, _) in parsed.items():
        kept = list(faults if config is None else levelled(faults, config.checks(origin)))
        findings += kept
        if zone is None:
            continue
        bad = origin in faulty or any(each.severity is Severity.ERROR for each in kept)
        (partial if bad else zones)[origin] = zone
    unread = frozenset(parsed).difference(zones, partial)
    read = {origin: each.reading for origin, each in parsed.items()}
    included = {origin: frozenset(each.included) for origin, each in read.items() if each.included}
    dated = frozenset(origin for origin, each in read.items() if each.dated)
    return Loaded(zones, tuple(findings), partial, unread, included=included, dated=dated)


def _without_file(listing: Listing, config: Config, only: frozenset[Name] | None) -> Iterable[Finding]:
    """Report zones without a file that are asked for, or that dnsctl.yaml has settings for."""
    files, place = listing.zones, shown_directories(config.zone_files)
    for origin in sorted(only or ()):
        if origin not in files:
            message = f"zone {to_text(origin)} has no file"
            advice = did_you_mean(to_text(origin), [*map(to_text, files)]) if files else "write one"
            yield finding("zone-unknown", Position(place), message, advice, origin)
    if only is None:
        for directory in listing.empty if config.zone_files != (ZONES,) else ():
            message = f"`{ZONE_FILES}` names {shown_directories((directory,))}, and no file is there"
            advice = "correct it, or put a zone file there"
            yield finding("zone-files-empty", config.zone_files_at, message, advice)
        for origin, position in config.named_zones().items():
            if origin not in files:
                message = f"settings for zone {to_text(origin)}, which has no file in {place}"
                near = nearest(to_text(origin), [*map(to_text, files)])
                advice = f"did you mean {near}?" if near else "remove them, or add the file"
                yield finding("zone-settings-unused", position, message, advice)


def _localhost_findings(zone: Zone | None) -> Iterable[Finding]:
    if zone is None:
        return
    soa, servers = zone.get(zone.origin, Type.SOA), zone.get(zone.origin, Type.NS)
    filled = [
        text
        for text, one, rdata in (
            ("SOA", soa, LOCALHOST_DEFAULTS.soa),
            ("NS", servers, LOCALHOST_DEFAULTS.ns[0]),
        )
        if one is not None and one.rdatas == (rdata,) and one.position is not None and not one.position.line
    ]
    if filled:
        message = f"no {' and no '.join(filled)}: served with names under localhost."
        advice = "add them to the file, or set defaults.soa and defaults.ns in dnsctl.yaml"
        yield finding("apex-from-localhost", Position(zone.file), message, advice, zone.origin)


def _includer(source: Source, base: str, seen: Reading, limit: int) -> Callable[[str], bytes]:
    """Return a reader of files below the directory `base`, that no symbolic link leads out of."""
    start = len(base) + 1 if base else 0

    def read(wanted: str) -> bytes:
        seen.included.add(wanted)
        confined = source.below(base) if base else source
        return seen.saw(confined.read(wanted[start:], limit))

    return read


def _yaml_includer(read: Callable[[str], bytes]) -> yaml_nodes.Includer:
    """Return what reads `!include NAME`, a path from the directory of the file that has it."""

    def include(name: str, within: str) -> tuple[str, bytes]:
        path = included_path(name, within, "")
        if path is None:
            message = f"!include {name[:80]!r} is outside the operations repo"
            raise yaml_nodes.YamlFault("yaml-include", message, "keep included files inside it")
        try:
            return path, read(path)
        except RevisionError as error:
            message = f"!include {name[:80]}: {error.what}"
            raise yaml_nodes.YamlFault("yaml-include", message, error.advice) from None

    return include
