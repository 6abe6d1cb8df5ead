"""What a configuration of other software leads to: zones that can be taken, and what cannot, with the reason.

Files are read below one directory, `Place.tree`, which no path and no link leads out of.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dnsctl.errors import DnsctlError, NameSyntaxError, RefusalRule, RevisionError
from dnsctl.interchange.incoming import Incoming, parsed_master_file
from dnsctl.load import masterfile
from dnsctl.load.revision import WorkTree
from dnsctl.model.name import ROOT, Name, from_text, to_text


class Left(NamedTuple):
    """Something that is not taken: a zone, a source, a setting."""

    what: str
    why: str


@dataclass(frozen=True)
class Taken:
    """What a configuration leads to."""

    zones: Sequence[Incoming]
    left: Sequence[Left]


@dataclass(frozen=True)
class Place:
    """Where files may be read, how zones without a TTL get one, and which zones are wanted (empty: all)."""

    tree: WorkTree
    ttl: int
    only: frozenset[Name] = frozenset()

    def wants(self, origin: Name) -> bool:
        return not self.only or origin in self.only

    def path(self, name: str, base: str, where: str) -> str:
        """Return the path of file `name`, as a file in the directory `base` has it, from the tree's root.

        Raises DnsctlError where that is outside.
        """
        root = self.tree.root.absolute()
        path = os.path.normpath(root / base / name)
        if "\0" in name or not Path(path).is_relative_to(root):
            raise DnsctlError(
                f"{name[:200]!r} is outside {root}",
                where=where,
                advice="--within DIR allows files below another directory",
                rule=RefusalRule.IMPORT,
            )
        return os.path.relpath(path, root)

    def read(self, path: str, limit: int) -> bytes:
        """Return the octets of a file. Raises DnsctlError, also for a link that leads out of the tree."""
        try:
            return self.tree.read(path, limit)
        except RevisionError as error:
            if "leads outside" not in error.what:
                raise
            raise DnsctlError(
                f"leads outside {self.tree.root.absolute()}",
                where=path,
                advice="--within DIR allows files below another directory",
                rule=RefusalRule.IMPORT,
            ) from None

    def master_file(self, name: str, base: str, where: str, origin: Name) -> Incoming:
        """Read a zone's master file. Raises DnsctlError."""
        path = self.path(name, base, where)
        text = self.read(path, masterfile.MAX_BYTES)
        return parsed_master_file(self.tree, text, path, origin, self.ttl)


def place_of(config: Path, within: Path | None, ttl: int, only: frozenset[Name]) -> tuple[Place, str]:
    """Return where files may be read, and the path of the configuration from there.

    That is below `within`; else below this process's directory, if the configuration is there; else below
    the configuration's own.
    """
    file = _plain(config)
    root = _plain(within) if within is not None else Path.cwd()
    if within is None and not file.is_relative_to(root):
        root = file.parent
    place = Place(WorkTree(root), ttl, only)
    return place, place.path(str(file), "", str(config))


def _plain(path: Path) -> Path:
    """Return `path` from the root of the file system, without `..`."""
    return Path(os.path.normpath(path.absolute()))


def zone_named(text: str) -> Name | None:
    """Return the zone that a configuration names, or None where that is not a name."""
    try:
        return from_text(text, ROOT)
    except NameSyntaxError:
        return None


def without_missing(only: frozenset[Name], found: Taken) -> Taken:
    """Return what was found. Raises DnsctlError where a zone of `only` is not among it, or comes twice."""
    there: set[Name] = set()
    for each in found.zones:
        origin = each.zone.origin
        if origin in there:
            where, advice = to_text(origin), "name one file"
            raise DnsctlError("comes twice", where=where, advice=advice, rule=RefusalRule.IMPORT)
        there.add(origin)
    for origin in sorted(only - there):
        why = next((each.why for each in found.left if each.what == to_text(origin)), "is not named there")
        raise DnsctlError(
            f"cannot be taken: {why}",
            where=to_text(origin),
            advice="leave it out, or take it by --from or --axfr",
            rule=RefusalRule.ZONE_UNKNOWN,
        )
    return found
