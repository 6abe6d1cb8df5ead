"""All zones of an operations repo: every `zones/*.yaml` and `zones/*.zone`, apex from the file's name.

A zone that has a finding of severity error is not among `Loaded.zones`: nothing partial goes further by
mistake. What could be read of it stands in `Loaded.partial`, for rules that want to tell more about it.
Findings are collected over all files. `checks` of dnsctl.yaml set the level of findings here as well, but
cannot lower an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

from dnsctl.errors import ConfigError, NameSyntaxError, RevisionError
from dnsctl.load import masterfile, zone_yaml
from dnsctl.load.config import DEFAULT_PATH, Config
from dnsctl.load.draft import LOCALHOST_DEFAULTS, ZoneDefaults
from dnsctl.load.nearest import did_you_mean, nearest
from dnsctl.load.revision import MAX_FILE, Source, WorkTree
from dnsctl.model.finding import Finding, Position, Severity
from dnsctl.model.name import Name, from_text, to_text
from dnsctl.model.rrset import Type
from dnsctl.model.zone import Zone

DIRECTORY = "zones"
SUFFIXES = (".yaml", ".zone")
_ODD = re.compile(r"[\s\x00-\x20\x7f]")  # no zone has these, and a stray copy of a file often does
_LEVELS = {"note": Severity.NOTE, "warning": Severity.WARNING, "error": Severity.ERROR}

Progress = Callable[[int, int], None]  # files read, of how many


@dataclass(frozen=True)
class Loaded:
    """`zones` are without errors here; `partial` is what could be read of others, of `unread` nothing."""

    zones: Mapping[Name, Zone]
    findings: tuple[Finding, ...] = ()
    partial: Mapping[Name, Zone] = field(default_factory=dict)
    unread: frozenset[Name] = frozenset()


def zone_files(source: Source, directory: str = DIRECTORY) -> tuple[dict[Name, str], tuple[Finding, ...]]:
    """Return the file of each zone in `directory`, by apex, and findings for files that name none."""
    found: dict[Name, str] = {}
    findings = []
    for path in source.files(directory):
        name = path.rpartition("/")[2]
        if name.startswith(".") or path == DEFAULT_PATH:
            continue
        if name.endswith(".yml"):
            message, advice = "is not read", "rename it to end in .yaml"
            findings.append(Finding("zone-file-ignored", Severity.WARNING, Position(path), message, advice))
        if not name.endswith(SUFFIXES):
            continue
        try:
            origin = from_text(name[: -len(".yaml")].removesuffix(".") + ".")
        except NameSyntaxError as error:
            findings.append(_misnamed(path, error.what, error.advice))
            continue
        if odd := sorted(set(_ODD.findall(name))):
            findings.append(_misnamed(path, f"it has the character {odd[0]!r}", "rename the file"))
            continue
        if origin in found:
            message = f"zone {to_text(origin)} has the file {found[origin]} already"
            fault = Finding("zone-twice", Severity.ERROR, Position(path), message, "keep one of them", origin)
            findings.append(fault)
            continue
        found[origin] = path
    return found, tuple(findings)


def _misnamed(path: str, why: str, advice: str) -> Finding:
    return Finding(
        "zone-file-name", Severity.ERROR, Position(path), f"the file's name is no zone: {why}", advice
    )


def load_zone(
    source: Source, path: str, origin: Name, defaults: ZoneDefaults, today: date | None = None
) -> tuple[Zone | None, tuple[Finding, ...]]:
    """Read the file of one zone; None where nothing can be read. It may include files beside it."""
    try:
        text = source.read(path, masterfile.MAX_BYTES if path.endswith(".zone") else MAX_FILE)
    except RevisionError as error:
        fault = Finding("file-unreadable", Severity.ERROR, Position(path), error.what, error.advice, origin)
        return None, (fault,)
    if path.endswith(".zone"):
        return masterfile.parse(text, path, origin, defaults, _includer(source, path))
    return zone_yaml.parse(text, path, origin, defaults, today=today)


def load_zones(
    source: Source,
    config: Config,
    only: frozenset[Name] | None = None,
    progress: Progress | None = None,
    *,
    today: date | None = None,
) -> Loaded:
    """Read every zone, or those in `only`. `today` (UTC's by default) is what `expires` is compared with.

    Raises RevisionError where zones/ itself cannot be listed; everything else is a finding.
    """
    files, findings = zone_files(source)
    found = [*findings, *_without_file(files, config, only)]
    wanted = {origin: path for origin, path in files.items() if only is None or origin in only}
    defaults = ZoneDefaults.of(config.defaults)
    loaded = _load_all(source, wanted, defaults, progress, today)
    return _sorted_out(loaded, found, config)


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
            "is no directory", where=str(directory), advice="name the directory with the zone files"
        )
    source = WorkTree(directory)
    files, findings = zone_files(source, "")
    defaults = LOCALHOST_DEFAULTS if config is None else ZoneDefaults.of(config.defaults)
    filled = replace(
        defaults, soa=defaults.soa or LOCALHOST_DEFAULTS.soa, ns=defaults.ns or LOCALHOST_DEFAULTS.ns
    )
    loaded = {
        origin: (zone, (*faults, *_localhost_findings(zone)))
        for origin, (zone, faults) in _load_all(source, files, filled, progress, today).items()
    }
    return _sorted_out(loaded, list(findings), config)


_Parsed = dict[Name, tuple[Zone | None, tuple[Finding, ...]]]


def _load_all(
    source: Source,
    files: Mapping[Name, str],
    defaults: ZoneDefaults,
    progress: Progress | None,
    today: date | None,
) -> _Parsed:
    day = today or datetime.now(UTC).date()
    parsed: _Parsed = {}
    for count, (origin, path) in enumerate(files.items(), 1):
        parsed[origin] = load_zone(source, path, origin, defaults, day)
        if progress is not None:
            progress(count, len(files))
    return parsed


def _sorted_out(parsed: _Parsed, findings: list[Finding], config: Config | None) -> Loaded:
    """Set levels, and part zones without errors from the others."""
    zones: dict[Name, Zone] = {}
    partial: dict[Name, Zone] = {}
    faulty = {each.zone for each in findings if each.severity is Severity.ERROR}
    for origin, (zone, faults) in parsed.items():
        kept = list(faults if config is None else _levelled(faults, config.checks(origin)))
        findings += kept
        if zone is None:
            continue
        bad = origin in faulty or any(each.severity is Severity.ERROR for each in kept)
        (partial if bad else zones)[origin] = zone
    unread = frozenset(parsed).difference(zones, partial)
    return Loaded(zones, tuple(findings), partial, unread)


def _levelled(findings: Iterable[Finding], levels: Mapping[str, str]) -> Iterable[Finding]:
    for each in findings:
        level = levels.get(each.rule)
        if level is None or each.severity is Severity.ERROR:
            yield each
        elif level != "off":
            yield each._replace(severity=_LEVELS[level])


def _without_file(
    files: Mapping[Name, str], config: Config, only: frozenset[Name] | None
) -> Iterable[Finding]:
    """Tell of zones that are asked for, or that dnsctl.yaml has settings for, and that have no file."""
    known = [to_text(origin) for origin in files]
    for origin in sorted(only or ()):
        if origin not in files:
            message = f"zone {to_text(origin)} has no file"
            advice = did_you_mean(to_text(origin), known) if known else "write one"
            yield Finding("zone-unknown", Severity.ERROR, Position(DIRECTORY), message, advice, origin)
    if only is None:
        for origin, position in config.named_zones().items():
            if origin not in files:
                message = f"settings for zone {to_text(origin)}, which has no file in {DIRECTORY}/"
                near = nearest(to_text(origin), known)
                advice = f"did you mean {near}?" if near else "remove them, or add the file"
                yield Finding("zone-settings-unused", Severity.WARNING, position, message, advice)


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
        yield Finding(
            "apex-from-localhost", Severity.WARNING, Position(zone.file), message, advice, zone.origin
        )


def _includer(source: Source, path: str) -> Callable[[str], bytes]:
    """Return a reader of files below the directory of `path`, that no symbolic link leads out of."""
    base = path.rpartition("/")[0]
    start = len(base) + 1 if base else 0

    def read(wanted: str) -> bytes:
        confined = source.below(base) if base else source
        return confined.read(wanted[start:], masterfile.MAX_BYTES)

    return read
