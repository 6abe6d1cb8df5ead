"""One change to the zones of the work tree: read, changed, compared, validated, written, and committed.

One process at a time does so: see `placing.writing`. The file is replaced whole, and only if what is read
of it afterwards is what was wanted, everything else is as before, and the zone has no error.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from dnsctl.edit.blocks import refused
from dnsctl.edit.change import Wanted, changed
from dnsctl.edit.commit import commit_file, refuse_uncommitted
from dnsctl.edit.master_lines import changed_lines
from dnsctl.errors import DnsctlError, RefusalRule, ZoneFaultsError
from dnsctl.files import durable
from dnsctl.interchange.incoming import aliases, content
from dnsctl.interchange.octodns_yaml import from_defaults
from dnsctl.interchange.placing import writing
from dnsctl.load.revision import MAX_FILE, Entry, Source, WorkTree
from dnsctl.load.settings.config import Config
from dnsctl.load.zone_files import ZoneFiles, zone_files
from dnsctl.model.finding import Finding, Severity
from dnsctl.model.name import ROOT, Name, ancestors, to_text
from dnsctl.model.repo import MASTER
from dnsctl.model.rrset import RRset, type_text
from dnsctl.model.zone import Zone, is_presigned
from dnsctl.publish.judgement import judge
from dnsctl.publish.work_tree import load_work_tree

Wanting = Callable[[Name, RRset | None], Wanted]  # of a zone, and what it has now
Tell = Callable[[Iterable[Finding]], None]


class Overlay:
    """A work tree in which one file holds other octets."""

    commit: str | None = None

    def __init__(self, tree: Source, path: str, data: bytes) -> None:
        self.root = tree.root
        self._tree = tree
        self._path = path
        self._data = data

    def read(self, path: str, limit: int = MAX_FILE) -> bytes:
        return self._data if posixpath.normpath(path) == self._path else self._tree.read(path, limit)

    def below(self, directory: str) -> Source:
        inside = self._path.removeprefix(f"{directory}/") if directory else self._path
        return Overlay(self._tree.below(directory), inside, self._data)

    def entries(self, directory: str) -> tuple[Entry, ...]:
        return self._tree.entries(directory)


@dataclass(frozen=True)
class Change:
    """How it ended: the RRset that the file has now, None where it has none; `commit`: where one was made."""

    origin: Name
    file: str
    after: RRset | None
    changed: bool
    commit: str | None = None


@dataclass(frozen=True)
class Commit:
    """What the message of a git commit says."""

    subject: str
    reason: str = ""


def zone_of(tree: WorkTree, config: Config, owner: Name) -> tuple[Name, ZoneFiles]:
    """Return the zone of the work tree that `owner` belongs to: the longest one. Raises DnsctlError."""
    known = zone_files(tree, config.zone_files).zones
    for name in (owner, *ancestors(owner, ROOT)):
        if name in known:
            return name, known[name]
    raise DnsctlError(
        f"no zone here holds {to_text(owner)}", advice="see `dnsctl zone list`", rule=RefusalRule.ZONE_UNKNOWN
    )


def change_zone(
    tree: WorkTree,
    config: Config,
    owner: Name,
    rdtype: int,
    commit: Commit | None,
    wanted: Wanting,
    tell: Tell,
    say: Callable[[str], None],
) -> Change:
    """Change what `owner` has of a type into what `wanted` makes of its zone and the RRset that it has.

    `tell` gets the errors that keep the zone from being changed, `say` what was undone of a killed import.
    Raises DnsctlError; all is as before then.
    """
    with writing(tree.root / config.zone_files[0], say):
        origin, files = zone_of(tree, config, owner)
        before = _read(tree, config, origin, tell)
        if is_presigned(before):
            raise refused(files.path, "is signed elsewhere")
        there = before.get(owner, rdtype)
        want = wanted(origin, None if there is None or from_defaults(there) else there)
        path = _file_of(files, before, owner)
        if commit is not None:
            refuse_uncommitted(tree.root, path)
        data = tree.read(path)
        if path.endswith(MASTER):
            new = changed_lines(data, path, want, config.defaults.ttl)
        else:
            new = changed(data, path, want)
        if new == data:
            return Change(origin, path, there, changed=False)
        after = _checked(Overlay(tree, path, new), config, before, want, tell)
        real = Path(os.path.realpath(tree.root / path))
        mode = real.stat().st_mode & 0o777
        durable.write(real, new, mode)
        made = _committed(tree.root, path, commit, lambda: durable.write(real, data, mode))
        return Change(origin, path, after.get(owner, rdtype), changed=True, commit=made)


def _committed(root: Path, path: str, commit: Commit | None, undo: Callable[[], None]) -> str | None:
    if commit is None:
        return None
    try:
        return commit_file(root, path, commit.subject, commit.reason)
    except BaseException:
        undo()
        raise


def _read(source: Source, config: Config, origin: Name, tell: Tell) -> Zone:
    """Return the zone where all of it can be read."""
    loaded = load_work_tree(source, config, frozenset((origin,)))
    if origin not in loaded.zones:
        raise _faulty(origin, loaded.findings, "the zone has errors: nothing was changed", tell)
    return loaded.zones[origin]


def _without_error(source: Source, config: Config, origin: Name, tell: Tell) -> Zone:
    """Return the zone where it has no error, by any rule."""
    loaded = load_work_tree(source, config, frozenset((origin,)))
    judged = judge(loaded, config.policy, config.checks)
    if origin not in judged.zones:
        raise _faulty(origin, judged.findings, "the zone would have errors: nothing was changed", tell)
    return loaded.zones[origin]


def _faulty(origin: Name, found: Iterable[Finding], what: str, tell: Tell) -> ZoneFaultsError:
    tell(each for each in found if each.severity is Severity.ERROR)
    return ZoneFaultsError(what, where=to_text(origin), advice="correct what is named above")


def _file_of(files: ZoneFiles, zone: Zone, owner: Name) -> str:
    """Return which file of the zone has the owner, or takes it."""
    there = {
        one.position.file for one in zone.nodes.get(owner, ()) if one.position and not from_defaults(one)
    }
    if len(there) > 1:
        raise refused(files.path, f"has {to_text(owner)} in several files")
    path = next(iter(there)) if there else files.parts[0]
    if path not in files.parts:
        raise refused(path, f"is included, and holds {to_text(owner)}")
    if not there and len(files.parts) != 1:
        raise refused(files.path, f"is split, and has no file with {to_text(owner)}")
    return path


def _checked(source: Source, config: Config, before: Zone, want: Wanted, tell: Tell) -> Zone:
    """Return the zone as it is read afterwards. Raises DnsctlError where it is not what was wanted."""
    after = _without_error(source, config, want.origin, tell)
    key = (want.owner, want.rdtype)
    old, new = content(before), content(after)
    made = after.get(*key)
    if made is not None and from_defaults(made):
        made = None
    wrong = (
        made is not None
        if not want.rdatas
        else (
            made is None
            or set(made.rdatas) != set(want.rdatas)
            or (want.ttl is not None and made.ttl != want.ttl)
        )
    )
    others = {each for each in old.keys() | new.keys() if old.get(each) != new.get(each)} - {key}
    if wrong or others or aliases(before) != aliases(after):
        shown = ", ".join(f"{to_text(name)} {type_text(kind)}" for name, kind in sorted(others or {key})[:3])
        why = ", or $GENERATE makes it" if before.file.endswith(MASTER) else ""
        raise refused(before.file, f"cannot be changed by a program: {shown} would not be as wanted{why}")
    return after
