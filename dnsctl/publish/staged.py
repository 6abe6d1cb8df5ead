"""Check what a commit is about to change: the zones whose files are staged, and no other.

Zones above and below them are loaded beside, for the rules that look across a zone cut. Where a file is
staged that any zone may depend on (dnsctl.yaml, a file that zones include), all zones are checked.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath

from dnsctl.load.revision import Source
from dnsctl.load.settings.config import Config
from dnsctl.load.zone_files import ZoneFiles, zone_files
from dnsctl.model.name import ROOT, Name, ancestors, labels
from dnsctl.model.repo import CONFIG, HOOKS, ZONE_SUFFIXES
from dnsctl.publish.intent import Progress, no_progress
from dnsctl.publish.work_tree import Checked, check

_FRAGMENT = re.compile(r"[\w-]+")  # one label, as names of files that zones beside them include have
_NEVER_INCLUDED = (".md", ".rst")


def check_staged(
    staged: Source,
    config: Config,
    changed: Collection[str],
    deleted: Collection[str],
    now: datetime,
    workers: int = 1,
    progress: Progress = no_progress,
    keys: Path | None = None,
) -> Checked:
    """Return what `check` finds in zones of `staged` whose files are in `changed`; in all, where it must."""
    listed = zone_files(staged, config.zone_files).zones
    wanted = _zones_of(listed, changed, deleted)
    others = (*changed, *deleted)
    if any(_may_be_anyones(each, config) for each in others if each not in wanted):
        return check(staged, config, None, now, workers, progress, keys)
    zones = frozenset(wanted.values())
    only = zones | _related(zones, listed)
    found = check(staged, config, only, now, workers, progress, keys).findings if others else ()
    told = (each for each in found if each.zone in zones or each.position.file in changed)
    return Checked(tuple(told), len(zones))


def _zones_of(
    listed: Mapping[Name, ZoneFiles], changed: Collection[str], deleted: Collection[str]
) -> dict[str, Name]:
    """Return the zone of each file that is one of a zone; of a deleted file, one that has others left."""
    found: dict[str, Name] = {}
    directories: dict[str, Name] = {}
    for origin, files in listed.items():
        if len(labels(origin)) == 1:
            continue  # it may be what others include (`mail.yaml`), and no zone
        directories[files.path] = origin
        found.update((path, origin) for path in files.parts if path in changed)
    for path in deleted:
        directory = _directory(path)
        if directory in directories:
            found[path] = directories[directory]
    return found


def _may_be_anyones(path: str, config: Config) -> bool:
    """True where zones other than that of the file may depend on it."""
    pure = PurePosixPath(path)
    if path == CONFIG:
        return True
    if pure.suffix in ZONE_SUFFIXES and _directory(path) in config.zone_files:
        return (
            _FRAGMENT.fullmatch(pure.stem) is not None
        )  # or of a zone that is deleted, or a fault of its own
    hidden = any(each.startswith(".") for each in pure.parts)
    return not (hidden or pure.parts[0] == HOOKS or pure.suffix in _NEVER_INCLUDED)


def _directory(path: str) -> str:
    return path.rpartition("/")[0]


def _related(zones: frozenset[Name], known: Collection[Name]) -> frozenset[Name]:
    """Return those of `known` that are above or below one of `zones`."""
    above = {each for zone in zones for each in ancestors(zone, ROOT)}
    return frozenset(each for each in known if each in above or not zones.isdisjoint(ancestors(each, ROOT)))
