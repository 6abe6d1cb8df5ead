r"""Which files of a directory are zones: the apex is the file's stem, and no file is ignored silently.

`example.com.yaml` and the master file `example.com.zone` are example.com.; `..yaml`, `..zone` are the root.
A directory whose name ends in a dot, `example.com./`, holds a zone in several YAML files, as octoDNS splits
zones; `$example.com.yaml` belongs to it, in the directory or beside it. A `/` in an apex is written `\047`
(RFC 2317: `0\04725.2.0.192.in-addr.arpa.yaml`).

Hidden files, README files and pages in Markdown or reStructuredText are not mentioned. Whatever else is not
read is an `Unread`. Opens no file.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from dnsctl.errors import NameSyntaxError, RevisionError
from dnsctl.files.durable import TEMPORARY_PREFIX
from dnsctl.load.revision import Entry, Source
from dnsctl.model.finding import Finding, Position
from dnsctl.model.name import FULL_STOPS, Name, from_text, to_text
from dnsctl.model.reading import finding
from dnsctl.model.repo import CONFIG, HOOKS, KEYS, MASTER, STATE, YAML, ZONE_SUFFIXES, ZONES

if TYPE_CHECKING:
    from dnsctl.load.settings.config import Config

ROOT_STEM = "."
PART = "$"  # begins the name of the file that octoDNS puts the apex and the wildcard of a split zone into
PLAN = "plan.json"  # in a directory of files on their way among the zones: some of them may be there already
# Directories of an operations repo, which `serve --zones` may be pointed at.
_OPERATIONS = frozenset((HOOKS, KEYS, STATE))
_ODD = re.compile(r"[\s\x00-\x20\x7f]")  # no zone has these, and a stray copy of a file often does
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_SILENT = re.compile(r"README.*|.*\.(?:md|rst)", re.IGNORECASE | re.DOTALL)


class ZoneFiles(NamedTuple):
    """What a zone is read from. `path` stands for all of it; `parts` are its files, one for a master file."""

    path: str
    parts: tuple[str, ...]


class Unread(NamedTuple):
    """A path among the zones that is not read. `zone`: the one that it looks like."""

    path: str
    message: str
    advice: str
    zone: Name | None = None

    def finding(self) -> Finding:
        """Return what `check` says of it."""
        at = Position(self.path)
        return finding("zone-file-ignored", at, self.message, self.advice, self.zone)


@dataclass
class Listing:
    """The zones of a directory by apex, what is wrong with names of files, and what is not read."""

    zones: dict[Name, ZoneFiles] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    targets: set[str] = field(default_factory=set)  # where links among the files lead
    empty: list[str] = field(default_factory=list)  # directories with nothing in them, or that are not there

    def fault(self, path: str, message: str, advice: str, zone: Name | None = None) -> None:
        """Collect an error about the name of a file; `zone`: one that has a file already."""
        rule = "zone-file-name" if zone is None else "zone-twice"
        self.findings.append(finding(rule, Position(path), message, advice, zone))

    def left(self, read: Iterable[str], only: frozenset[Name] | None) -> Iterable[Finding]:
        """Yield a finding for each path not read, unless it holds one in `read` or is not of `only`."""
        included = (*read, *self.targets)
        for each in self.unread:
            within = any(path == each.path or path.startswith(f"{each.path}/") for path in included)
            if not within and (only is None or each.zone in only):
                yield each.finding()


def zone_files(source: Source, directories: tuple[str, ...] = (ZONES,)) -> Listing:
    """Return what stands in `directories`. Raises RevisionError where one cannot be listed."""
    made = Listing()
    for directory in directories:
        entries = source.entries(directory)
        if not entries:
            made.empty.append(directory)
        within = [each for each in entries if not _leads_to_one(each, directories)]
        _list(source, made, directory, within)
    return made


def _leads_to_one(entry: Entry, directories: tuple[str, ...]) -> bool:
    """True for a directory that is one of `directories`, or that one of them is in."""
    return any(f"{each}/".startswith(f"{entry.path}/") for each in directories)


def _list(source: Source, made: Listing, directory: str, entries: Iterable[Entry]) -> None:
    for entry in entries:
        name = entry.path.rpartition("/")[2]
        if name.startswith(TEMPORARY_PREFIX) and entry.directory and _has_plan(source, entry.path):
            message = "an import was killed, and some of its zones may be here already"
            advice = "run it again, or `dnsctl zone fmt`: it is taken back"
            made.unread.append(Unread(entry.path, message, advice))
        if _is_silent(name) or entry.path == CONFIG:
            continue
        if name == CONFIG:
            message = "is not read: it is named as the settings of dnsctl"
            made.unread.append(Unread(entry.path, message, f"put it beside {directory}/, or rename it"))
            continue
        if entry.target and name.endswith(ZONE_SUFFIXES):
            made.targets.add(entry.target)
        if entry.directory:
            _directory(source, made, entry, name)
        elif name in ZONE_SUFFIXES:
            advice = f"the file of the root zone is named {ROOT_STEM}{name}"
            made.unread.append(Unread(entry.path, "is not read: it names no zone", advice))
        elif name.endswith(ZONE_SUFFIXES):
            _file(made, entry.path, name)
        elif entry.target and name.endswith(".") and (zone := _named(name)) is not None:
            what, advice = "is a link that leads to no directory here", "correct the link, or remove it"
            at = Position(entry.path)
            made.findings.append(finding("file-unreadable", at, what, advice, zone))
        else:
            made.unread.append(_other(entry.path, name))


def _has_plan(source: Source, directory: str) -> bool:
    return any(each.path == f"{directory}/{PLAN}" for each in source.entries(directory))


def known_zones(source: Source, config: Config) -> tuple[Name, ...]:
    """Return the zones that have a file."""
    return tuple(zone_files(source, config.zone_files).zones)


def _is_silent(name: str) -> bool:
    if name in (ROOT_STEM + YAML, ROOT_STEM + MASTER, *ZONE_SUFFIXES):
        return False
    return name.startswith(".") or _SILENT.fullmatch(name) is not None


def _file(made: Listing, path: str, name: str) -> None:
    part = name.startswith(PART) and name.endswith(YAML)
    origin = _origin(made, path, name, name[: -len(YAML)].removeprefix(PART if part else ""))
    if origin is None:
        return
    if part:
        message = f"is a part of {to_text(origin)}, which octoDNS reads only inside {to_text(origin)}/"
        made.findings.append(finding("split-zone-part", Position(path), message, "move it there", origin))
    _take(made, origin, ZoneFiles(path, (path,)))


def _take(made: Listing, origin: Name, found: ZoneFiles) -> None:
    """Add what was found of a zone. It may be in a directory, a file and a part beside it, as in octoDNS."""
    known = made.zones.get(origin)
    if known is None:
        made.zones[origin] = found
        return
    kinds = {_kind(each) for each in (known.path, *known.parts)}
    apart = posixpath.dirname(known.path) != posixpath.dirname(found.path)
    if apart or _MASTER in (*kinds, _kind(found.path)) or _kind(found.path) in kinds:
        message = f"zone {to_text(origin)} has {known.path} already"
        made.fault(found.path, message, "keep one of them", origin)
        return
    path = max(known.path, found.path, key=_kind)
    made.zones[origin] = ZoneFiles(path, (*found.parts, *known.parts))


_PART, _DIRECTORY, _FILE, _MASTER = range(4)  # what a zone is read from; a later one stands for all of it


def _kind(path: str) -> int:
    directory, _, name = path.rpartition("/")
    if name.endswith(MASTER):
        return _MASTER
    if name.endswith(".") or directory.endswith("."):
        return _DIRECTORY
    return _PART if name.startswith(PART) else _FILE


def _origin(made: Listing, path: str, name: str, stem: str) -> Name | None:
    """Return the zone that a file or a split directory is of, or None, with a finding."""
    if _PERCENT.search(stem):
        fixed = re.sub(r"[^!-.0-~]", lambda odd: f"\\{ord(odd.group()):03d}", unquote(stem, "latin-1"))
        advice = f"write \\DDD for an octet, \\047 for a slash: {fixed}{name[len(stem) :]}"
        made.fault(path, "the file's name is not a zone: it has a percent sign and two digits", advice)
        return None
    try:
        origin = from_text((stem[:-1] if stem[-1:] in FULL_STOPS else stem) + ".")
    except NameSyntaxError as error:
        made.fault(path, f"the file's name is not a zone: {error.what}", error.advice or "rename the file")
        return None
    if odd := sorted(set(_ODD.findall(name))):
        made.fault(path, f"the file's name is not a zone: it has the character {odd[0]!r}", "rename the file")
        return None
    return origin


def _directory(source: Source, made: Listing, entry: Entry, name: str) -> None:
    """Take in a split zone; report any other directory."""
    if name.endswith(ZONE_SUFFIXES):
        stem, at = name[: -len(YAML)], Position(entry.path)
        advice = f"put a file there, or name a split zone's directory {stem}./"
        fault = finding("file-unreadable", at, "is a directory, not a file", advice, _named(stem))
        made.findings.append(fault)
        return
    if entry.path in _OPERATIONS:
        return
    try:
        inside = source.entries(entry.path)
    except RevisionError as error:
        at = Position(entry.path)
        zone = _named(name) if name.endswith(".") else None
        made.findings.append(finding("file-unreadable", at, error.what, error.advice, zone))
        return
    if not name.endswith("."):
        count = sum(each.path.endswith(ZONE_SUFFIXES) for each in inside)
        files = f"{count} zone file{'' if count == 1 else 's'} in it" if count else "nothing in it"
        message = (
            f"is a directory: {files} is not read" if count < 2 else f"is a directory: {files} are not read"
        )
        advice = f"put zone files into the directory above; a split zone's directory ends in a dot: {name}./"
        if name.isdigit():  # 0/25.2.0.192.in-addr.arpa.yaml
            advice = r"write a slash in a zone's name as \047: 0\04725.2.0.192.in-addr.arpa.yaml"
        made.unread.append(
            Unread(entry.path, message if count else "is a directory, and is not read", advice)
        )
        return
    origin = _origin(made, entry.path, name, name)
    if origin is None:
        return
    parts = []
    for each in inside:
        part = each.path.rpartition("/")[2]
        if part.endswith(YAML) and not each.directory:
            parts.append(each.path)
            made.targets.add(each.target)
        elif not _is_silent(part):
            advice = "a split zone's files end in .yaml, and stand in its directory itself"
            made.unread.append(Unread(each.path, "is not read", advice))
    _take(made, origin, ZoneFiles(entry.path, tuple(parts)))


def _other(path: str, name: str) -> Unread:
    stem, _, suffix = name.rpartition(".")
    zone = _named(stem)
    if suffix.lower() in ("yml", "yaml"):
        return Unread(path, "is not read", f"rename it to {stem}{YAML}", zone)
    if suffix.lower() == "zone":
        return Unread(path, "is not read", f"rename it to {stem}{MASTER}", zone)
    advice = "a zone's file ends in .yaml, a master file in .zone; move what is neither elsewhere"
    return Unread(path, "is not read", advice, zone)


def _named(stem: str) -> Name | None:
    """Return the zone that a file would be, or None where that is not a name."""
    try:
        return from_text(f"{stem.removesuffix('.')}.") if stem else None
    except NameSyntaxError:
        return None
